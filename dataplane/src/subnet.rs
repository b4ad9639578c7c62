//! A network's subnet of one family: its addresses, and who may have which.
//!
//! Refuses what would not work later: host bits, too few addresses, a gateway or a range
//! elsewhere, an address that is the network's own or its broadcast.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::name::Name;

/// A subnet that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// All of it.
    pub cidr: IpNetwork,
    /// The host's address in it.
    pub gateway: IpAddr,
    /// The part that automatic addresses come from.
    pub range: IpNetwork,
    /// Addresses that are kept for somebody, by name.
    pub reserved: BTreeMap<Name, IpAddr>,
}

/// Why there is no such subnet, or why an address of it cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Bits beyond the prefix are set.
    #[error("{cidr}: has bits beyond its prefix; did you mean {meant}?")]
    HostBits {
        /// As asked for.
        cidr: IpNetwork,
        /// With those bits cleared.
        meant: IpNetwork,
    },
    /// Not enough addresses for a gateway and an endpoint.
    #[error("{cidr}: too small for a gateway and an endpoint; take {least} or a shorter prefix")]
    TooSmall {
        /// As asked for.
        cidr: IpNetwork,
        /// The longest prefix.
        least: &'static str,
    },
    /// Addresses that no network has.
    #[error(
        "{cidr}: not a subnet for networks ({why}); take a private one, as 10.0.0.0/8 or fd00::/8 has them"
    )]
    Special {
        /// As asked for.
        cidr: IpNetwork,
        /// What it is for.
        why: &'static str,
    },
    /// An address elsewhere.
    #[error("{what} {address}: outside {cidr}")]
    Outside {
        /// What was to have it.
        what: String,
        /// As asked for.
        address: IpAddr,
        /// The subnet or range.
        cidr: IpNetwork,
    },
    /// A range elsewhere.
    #[error("range {range}: outside {cidr}")]
    RangeOutside {
        /// As asked for.
        range: IpNetwork,
        /// The subnet.
        cidr: IpNetwork,
    },
    /// An address that no station may have.
    #[error("{what} {address}: the {role} address of {cidr}; take another")]
    NotAStations {
        /// What was to have it.
        what: String,
        /// As asked for.
        address: IpAddr,
        /// Whose it is.
        role: &'static str,
        /// The subnet.
        cidr: IpNetwork,
    },
    /// An address that somebody has.
    #[error("{what} {address}: already taken by {owner}")]
    Taken {
        /// What was to have it.
        what: String,
        /// As asked for.
        address: IpAddr,
        /// Who has it.
        owner: String,
    },
}

impl Subnet {
    /// Checks all parts. Without a gateway it is the first address, without a range all of it.
    pub fn new(
        cidr: IpNetwork,
        gateway: Option<IpAddr>,
        range: Option<IpNetwork>,
        reserved: BTreeMap<Name, IpAddr>,
    ) -> Result<Self, Unfit> {
        judge_cidr(cidr)?;
        let gateway = gateway.unwrap_or_else(|| nth(cidr, 1));
        let range = range.unwrap_or(cidr);
        if !(cidr.contains(range.network()) && cidr.contains(range.broadcast())) {
            return Err(Unfit::RangeOutside { range, cidr });
        }
        refuse_host_bits(range)?;
        let subnet = Self { cidr, gateway, range, reserved };
        subnet.judge("gateway", gateway)?;
        for (name, address) in &subnet.reserved {
            let what = format!("reserved address {name}");
            subnet.judge(&what, *address)?;
            let others = subnet.reserved.iter().take_while(|(other, _)| *other != name);
            if *address == gateway {
                return Err(Unfit::Taken { what, address: *address, owner: "the gateway".to_owned() });
            }
            if let Some((other, _)) = others.into_iter().find(|(_, taken)| *taken == address) {
                return Err(Unfit::Taken { what, address: *address, owner: other.to_string() });
            }
        }
        Ok(subnet)
    }

    /// Whether a station may have this address at all.
    pub fn judge(&self, what: &str, address: IpAddr) -> Result<(), Unfit> {
        let cidr = self.cidr;
        let what = what.to_owned();
        if !cidr.contains(address) {
            return Err(Unfit::Outside { what, address, cidr });
        }
        let role = match address {
            address if address == cidr.network() => "network",
            IpAddr::V4(_) if address == cidr.broadcast() => "broadcast",
            IpAddr::V4(_) | IpAddr::V6(_) => return Ok(()),
        };
        Err(Unfit::NotAStations { what, address, role, cidr })
    }

    /// Whether the address is the gateway's or kept for somebody, and for whom.
    pub fn owner(&self, address: IpAddr) -> Option<String> {
        if address == self.gateway {
            return Some("the gateway".to_owned());
        }
        let kept = self.reserved.iter().find(|(_, kept)| **kept == address);
        kept.map(|(name, _)| format!("{name} (reserved)"))
    }
}

/// Whether two subnets have an address in common.
pub fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    a.is_ipv4() == b.is_ipv4() && (a.contains(b.network()) || b.contains(a.network()))
}

fn judge_cidr(cidr: IpNetwork) -> Result<(), Unfit> {
    refuse_host_bits(cidr)?;
    let (longest, least) = if cidr.is_ipv4() { (30, "a /30") } else { (126, "a /126") };
    if cidr.prefix() > longest {
        return Err(Unfit::TooSmall { cidr, least });
    }
    let special = |why| Err(Unfit::Special { cidr, why });
    match cidr.network() {
        IpAddr::V4(_) if cidr.prefix() < 8 => special("longer prefixes than /8 only"),
        IpAddr::V4(first) if first.is_loopback() => special("loopback"),
        IpAddr::V4(first) if first.is_multicast() => special("multicast"),
        IpAddr::V4(first) if first.is_link_local() => special("link-local"),
        IpAddr::V4(first) if first.octets()[0] == 0 || first.octets()[0] >= 240 => special("nobody's"),
        IpAddr::V6(_) if cidr.prefix() < 16 => special("longer prefixes than /16 only"),
        IpAddr::V6(first) if first.is_multicast() => special("multicast"),
        IpAddr::V6(first) if first.is_unicast_link_local() => special("link-local"),
        IpAddr::V6(first) if first.segments()[0] == 0 => special("loopback and mapped addresses"),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(()),
    }
}

fn refuse_host_bits(cidr: IpNetwork) -> Result<(), Unfit> {
    if cidr.ip() == cidr.network() {
        return Ok(());
    }
    let meant = IpNetwork::new(cidr.network(), cidr.prefix()).unwrap_or(cidr);
    Err(Unfit::HostBits { cidr, meant })
}

/// The address so many places after the first; only for places that lie within.
pub fn nth(cidr: IpNetwork, place: u128) -> IpAddr {
    match cidr.network() {
        IpAddr::V4(first) => {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            IpAddr::V4(u32::from(first).wrapping_add(place).into())
        }
        IpAddr::V6(first) => IpAddr::V6(u128::from(first).wrapping_add(place).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> IpNetwork {
        text.parse().expect("a CIDR")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn plain(text: &str) -> Result<Subnet, Unfit> {
        Subnet::new(cidr(text), None, None, BTreeMap::new())
    }

    #[test]
    fn the_gateway_is_the_first_address_unless_given() {
        assert_eq!(plain("10.1.0.0/16").map(|subnet| subnet.gateway), Ok(ip("10.1.0.1")));
        assert_eq!(plain("fd00:1::/64").map(|subnet| subnet.gateway), Ok(ip("fd00:1::1")));
        let given = Subnet::new(cidr("10.1.0.0/16"), Some(ip("10.1.255.254")), None, BTreeMap::new());
        assert_eq!(given.map(|subnet| subnet.gateway), Ok(ip("10.1.255.254")));
    }

    #[test]
    fn subnets_that_cannot_work_are_refused() {
        assert_eq!(
            plain("10.1.0.5/16").map_err(|unfit| unfit.to_string()),
            Err("10.1.0.5/16: has bits beyond its prefix; did you mean 10.1.0.0/16?".to_owned())
        );
        for text in ["10.1.0.0/31", "10.1.0.1/32", "fd00::/127", "fd00::1/128"] {
            assert!(matches!(plain(text), Err(Unfit::TooSmall { .. })), "{text}");
        }
        let special = [
            "127.0.0.0/8",
            "224.0.0.0/8",
            "169.254.0.0/16",
            "0.0.0.0/0",
            "240.0.0.0/8",
            "ff02::/64",
            "fe80::/64",
            "::/96",
        ];
        for text in special {
            assert!(matches!(plain(text), Err(Unfit::Special { .. })), "{text}: {:?}", plain(text));
        }
    }

    #[test]
    fn gateways_and_ranges_lie_within() {
        let with = |gateway: Option<&str>, range: Option<&str>| {
            Subnet::new(cidr("10.1.0.0/24"), gateway.map(ip), range.map(cidr), BTreeMap::new())
        };
        assert!(matches!(with(Some("10.1.1.1"), None), Err(Unfit::Outside { .. })));
        assert!(matches!(with(Some("fd00::1"), None), Err(Unfit::Outside { .. })), "of another family");
        assert!(matches!(with(Some("10.1.0.0"), None), Err(Unfit::NotAStations { role: "network", .. })));
        assert!(matches!(with(Some("10.1.0.255"), None), Err(Unfit::NotAStations { role: "broadcast", .. })));
        assert!(matches!(with(None, Some("10.2.0.0/28")), Err(Unfit::RangeOutside { .. })));
        assert!(matches!(with(None, Some("10.1.0.0/23")), Err(Unfit::RangeOutside { .. })));
        assert!(matches!(with(None, Some("10.1.0.5/28")), Err(Unfit::HostBits { .. })));
        assert!(with(None, Some("10.1.0.16/28")).is_ok());
    }

    #[test]
    fn reserved_addresses_are_each_for_one() {
        let with = |pairs: &[(&str, &str)]| {
            let reserved = pairs.iter().map(|(name, at)| (name.parse().expect("a name"), ip(at))).collect();
            Subnet::new(cidr("10.1.0.0/24"), None, None, reserved)
        };
        assert!(with(&[("a", "10.1.0.2"), ("b", "10.1.0.3")]).is_ok());
        assert!(
            matches!(with(&[("a", "10.1.0.2"), ("b", "10.1.0.2")]), Err(Unfit::Taken { owner, .. }) if owner == "a")
        );
        assert!(
            matches!(with(&[("a", "10.1.0.1")]), Err(Unfit::Taken { owner, .. }) if owner == "the gateway")
        );
        assert!(matches!(with(&[("a", "10.9.0.1")]), Err(Unfit::Outside { .. })));
    }

    #[test]
    fn overlap_is_having_an_address_in_common() {
        for (a, b, expected) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.1.0.0/16", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.2.0.0/16", false),
            ("0.0.0.0/0", "fd00::/8", false),
        ] {
            assert_eq!(overlap(cidr(a), cidr(b)), expected, "{a} {b}");
        }
    }
}
