//! What is given out next: a subnet of the pool, an address of a subnet.
//!
//! Pure: what is taken comes in as an argument. An address that was freed is given out last, so
//! that nobody who still believes in its former owner talks to a stranger.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

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

impl Pool {
    /// Those of a host where nobody has said otherwise: private addresses (RFC 1918), as Docker
    /// takes them.
    pub fn defaults() -> Vec<Self> {
        let private = [
            "172.17.0.0/16:16",
            "172.18.0.0/15:16",
            "172.20.0.0/14:16",
            "172.24.0.0/13:16",
            "192.168.0.0/16:20",
        ];
        private.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

/// Why a text is no pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPool {
    /// Not of the form.
    #[error(
        "{0}: not a pool; write one as 10.200.0.0/16:24, the addresses and the prefix length of each subnet"
    )]
    Form(String),
    /// Subnets that do not fit.
    #[error("{0}: subnets of a pool are longer prefixes than its own, and fit an endpoint")]
    Size(String),
}

impl FromStr for Pool {
    type Err = NotAPool;

    fn from_str(text: &str) -> Result<Self, NotAPool> {
        let form = || NotAPool::Form(text.to_owned());
        let (cidr, size) = text.rsplit_once(':').ok_or_else(form)?;
        let cidr: IpNetwork = cidr.parse().map_err(|_wrong| form())?;
        let size: u8 = size.parse().map_err(|_wrong| form())?;
        let longest = if cidr.is_ipv4() { 30 } else { 126 };
        if size < cidr.prefix() || size > longest {
            return Err(NotAPool::Size(text.to_owned()));
        }
        match Subnet::new(cidr, None, None, BTreeMap::new()) {
            Ok(_) => Ok(Self { cidr, size }),
            Err(_) => Err(form()),
        }
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.cidr, self.size)
    }
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

/// The next address of a subnet's range that nobody ever had, past the place of the last that was
/// given out so; and its own place. `is_known` says of an address whether anybody has or had it.
pub fn next_fresh<E>(
    subnet: &Subnet,
    after: u128,
    mut is_known: impl FnMut(IpAddr) -> Result<bool, E>,
) -> Result<Option<(IpAddr, u128)>, E> {
    let bits = u32::from(if subnet.cidr.is_ipv4() { 32 } else { 128 } - subnet.range.prefix());
    let last = 1u128.checked_shl(bits).map_or(u128::MAX, |count| count - 1);
    let mut place = after;
    while place <= last {
        let address = nth(subnet.range, place);
        place += 1;
        if can_be_had(subnet, address) && !is_known(address)? {
            return Ok(Some((address, place)));
        }
    }
    Ok(None)
}

/// Whether an address may be given out by itself.
pub fn can_be_had(subnet: &Subnet, address: IpAddr) -> bool {
    subnet.range.contains(address) && subnet.judge("", address).is_ok() && subnet.owner(address).is_none()
}

#[cfg(test)]
mod tests {
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

    fn fresh(subnet: &Subnet, after: u128, known: &[IpAddr]) -> Option<(IpAddr, u128)> {
        next_fresh(subnet, after, |address| Ok::<_, ()>(known.contains(&address))).expect("nothing fails")
    }

    #[test]
    fn addresses_are_given_out_in_order_and_none_twice() {
        let subnet = Subnet::new(cidr("10.1.0.0/29"), None, None, BTreeMap::new()).expect("fits");
        let ip = |last: u8| IpAddr::from([10, 1, 0, last]);
        assert_eq!(fresh(&subnet, 0, &[]), Some((ip(2), 3)), "neither the network's nor the gateway's");
        assert_eq!(fresh(&subnet, 3, &[ip(3)]), Some((ip(4), 5)), "3 was had by somebody");
        assert_eq!(fresh(&subnet, 7, &[]), None, "not the broadcast address");
        let v6 = Subnet::new(cidr("fd00::/64"), None, None, BTreeMap::new()).expect("fits");
        assert_eq!(fresh(&v6, 0, &[]).map(|(address, _)| address.to_string()).as_deref(), Some("fd00::2"));
    }

    #[test]
    fn what_is_not_in_the_range_or_kept_is_not_given_out() {
        let kept = BTreeMap::from([("a".parse().expect("a name"), IpAddr::from([10, 1, 0, 17]))]);
        let subnet = Subnet::new(cidr("10.1.0.0/24"), None, Some(cidr("10.1.0.16/30")), kept).expect("fits");
        let given: Vec<String> =
            std::iter::successors(fresh(&subnet, 0, &[]), |(_, place)| fresh(&subnet, *place, &[]))
                .map(|(address, _)| address.to_string())
                .collect();
        assert_eq!(given, ["10.1.0.16", "10.1.0.18", "10.1.0.19"]);
    }

    #[test]
    fn pools_are_written_as_they_are_read() {
        for text in ["10.200.0.0/16:24", "fd00:77::/48:64"] {
            assert_eq!(text.parse::<Pool>().map(|pool| pool.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "10.0.0.0/8", "10.0.0.0/8:x", "10.0.0.1/8:24", "10.0.0.0/33:34", "127.0.0.0/8:24"] {
            assert!(matches!(text.parse::<Pool>(), Err(NotAPool::Form(_))), "{text}");
        }
        for text in ["10.0.0.0/16:8", "10.0.0.0/16:31", "fd00::/48:127"] {
            assert!(matches!(text.parse::<Pool>(), Err(NotAPool::Size(_))), "{text}");
        }
        assert_eq!(Pool::defaults().len(), 5);
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
