//! What is given out next: a subnet of the pool, an address of a subnet.
//!
//! Pure: what is taken comes in as an argument. An address that was freed is given out last, so
//! that nobody who still believes in its former owner talks to a stranger.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::subnet::{Subnet, nth, overlap};

/// Where subnets come from when none is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// All of it.
    pub cidr: IpNetwork,
    /// The prefix length of each subnet.
    pub size: u8,
}

/// The first subnet of the pools that overlaps nothing that is taken.
pub fn next_subnet(pools: &[Pool], taken: &[IpNetwork]) -> Option<IpNetwork> {
    pools.iter().find_map(|pool| {
        let bits = u32::from(if pool.cidr.is_ipv4() { 32 } else { 128 } - pool.size);
        let count = 1u128 << (pool.size - pool.cidr.prefix()).min(127);
        let mut place = 0;
        while place < count {
            let subnet = IpNetwork::new(nth(pool.cidr, place << bits), pool.size).ok()?;
            match taken.iter().find(|taken| overlap(**taken, subnet)) {
                None => return Some(subnet),
                // Past all that a wide one covers at once: a route to 10.0.0.0/8 must not take
                // 65,536 steps.
                Some(taken) if taken.prefix() < pool.size => {
                    let covered = pool.size - taken.prefix().max(pool.cidr.prefix());
                    place = ((place >> covered) + 1) << covered;
                }
                Some(_) => place += 1,
            }
        }
        None
    })
}

/// The next address of a subnet: one that nobody ever had, else the one that is free for longest.
/// `freed` is in the order in which addresses were given back.
pub fn next_address<S: BuildHasher>(
    subnet: &Subnet,
    taken: &HashSet<IpAddr, S>,
    freed: &[IpAddr],
) -> Option<IpAddr> {
    let resting: HashSet<IpAddr> = freed.iter().copied().collect();
    let fresh = subnet.addresses().find(|address| !taken.contains(address) && !resting.contains(address));
    fresh.or_else(|| {
        let can_be_had = |address: &&IpAddr| {
            !taken.contains(*address) && subnet.range.contains(**address) && subnet.owner(**address).is_none()
        };
        freed.iter().find(can_be_had).copied()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn cidr(text: &str) -> IpNetwork {
        text.parse().expect("a CIDR")
    }

    fn next(pool: &str, size: u8, taken: &[&str]) -> Option<String> {
        let taken: Vec<IpNetwork> = taken.iter().map(|text| cidr(text)).collect();
        next_subnet(&[Pool { cidr: cidr(pool), size }], &taken).map(|subnet| subnet.to_string())
    }

    #[test]
    fn the_first_free_subnet_is_given_out() {
        assert_eq!(next("172.16.0.0/12", 16, &[]).as_deref(), Some("172.16.0.0/16"));
        assert_eq!(
            next("172.16.0.0/12", 16, &["172.16.5.0/24", "172.17.0.0/16"]).as_deref(),
            Some("172.18.0.0/16")
        );
        assert_eq!(next("10.0.0.0/8", 24, &["10.0.0.0/24", "10.0.0.0/9"]).as_deref(), Some("10.128.0.0/24"));
        assert_eq!(next("fd00::/8", 64, &["fd00::/64"]).as_deref(), Some("fd00:0:0:1::/64"));
    }

    #[test]
    fn a_pool_that_is_covered_has_none_and_says_so_at_once() {
        assert_eq!(next("10.0.0.0/8", 28, &["0.0.0.0/0"]), None);
        assert_eq!(next("fd00::/8", 124, &["fc00::/7"]), None);
        assert_eq!(next("192.168.0.0/24", 24, &["192.168.0.128/25"]), None);
    }

    #[test]
    fn the_second_pool_is_for_when_the_first_is_full() {
        let pools =
            [Pool { cidr: cidr("10.0.0.0/24"), size: 24 }, Pool { cidr: cidr("10.9.0.0/16"), size: 24 }];
        assert_eq!(next_subnet(&pools, &[cidr("10.0.0.0/24")]), Some(cidr("10.9.0.0/24")));
    }

    #[test]
    fn a_freed_address_is_given_out_last_and_the_longest_free_first() {
        let subnet = Subnet::new(cidr("10.1.0.0/29"), None, None, BTreeMap::new()).expect("fits");
        let ip = |last: u8| IpAddr::from([10, 1, 0, last]);
        let mut taken: HashSet<IpAddr> = HashSet::from([ip(2)]);
        assert_eq!(next_address(&subnet, &taken, &[ip(3)]), Some(ip(4)), "3 rests");
        taken.extend([ip(4), ip(5), ip(6)]);
        taken.remove(&ip(2));
        assert_eq!(next_address(&subnet, &taken, &[ip(3), ip(2)]), Some(ip(3)));
        assert_eq!(next_address(&subnet, &taken, &[ip(2), ip(3)]), Some(ip(2)));
        taken.extend([ip(2), ip(3)]);
        assert_eq!(next_address(&subnet, &taken, &[]), None);
    }

    proptest::proptest! {
        #[test]
        fn a_subnet_given_out_overlaps_nothing(
            takens in proptest::collection::vec((0u32.., 4u8..=32), 0..40),
            size in 12u8..=30,
        ) {
            let taken: Vec<IpNetwork> = takens
                .iter()
                .filter_map(|(bits, prefix)| IpNetwork::new(IpAddr::V4((*bits).into()), *prefix).ok())
                .collect();
            let pool = Pool { cidr: cidr("172.16.0.0/12"), size };
            if let Some(subnet) = next_subnet(&[pool], &taken) {
                proptest::prop_assert!(overlap(pool.cidr, subnet) && subnet.prefix() == size);
                proptest::prop_assert!(taken.iter().all(|taken| !overlap(*taken, subnet)));
                proptest::prop_assert_eq!(subnet.ip(), subnet.network());
            }
        }
    }
}
