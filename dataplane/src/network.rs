//! A network as intent: what `dpctl network create` was asked for, checked as a whole.
//!
//! Refuses what contradicts itself, as dockerd does: a bridge that exists and addresses for a new
//! one, isolation on a bridge that we do not carry, a kind that has no addresses with some.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::name::Name;
use crate::subnet::Subnet;

/// What a network is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A Linux bridge, with our programs between its ports.
    Bridge,
    /// Point-to-point veths, with our programs between them.
    Routed,
    /// The host's own network stack.
    Host,
    /// Loopback alone.
    None,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Bridge, Self::Routed, Self::Host, Self::None];

    /// As typed, printed and stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Routed => "routed",
            Self::Host => "host",
            Self::None => "none",
        }
    }

    /// The reverse of [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether endpoints of it have addresses.
    pub const fn has_addresses(self) -> bool {
        matches!(self, Self::Bridge | Self::Routed)
    }
}

/// The MTU of a network's links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtu {
    /// That of the uplink when an endpoint connects.
    Auto,
    /// This one.
    Bytes(u32),
}

/// Least MTU of IPv4 (RFC 791: every host takes 576 bytes; Linux sends no less than 68).
const LEAST_V4: u32 = 68;
/// Least MTU of IPv6 (RFC 8200, 5).
const LEAST_V6: u32 = 1280;
/// The largest that a veth takes.
const LARGEST: u32 = 65_535;

/// A network that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its index in the maps, from 1.
    pub index: u32,
    /// Its name.
    pub name: Name,
    /// What it is made of.
    pub kind: Kind,
    /// One of each family at the most.
    pub subnets: Vec<Subnet>,
    /// Of its links.
    pub mtu: Mtu,
    /// Whether its endpoints may talk to each other.
    pub icc: bool,
    /// Whether it leads nowhere beyond itself.
    pub internal: bool,
    /// The bridge of somebody else's that it lies on.
    pub foreign_bridge: Option<String>,
    /// For its owner's use.
    pub labels: BTreeMap<String, String>,
}

/// What was asked for, before it is known to make sense.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Subnets, none for the next free one.
    pub subnets: Vec<IpNetwork>,
    /// Gateways, at most one of each family.
    pub gateways: Vec<IpAddr>,
    /// Where automatic addresses come from, at most one of each family.
    pub ranges: Vec<IpNetwork>,
    /// Addresses that are kept for somebody.
    pub reserved: Vec<(Name, IpAddr)>,
    /// None: as the uplink.
    pub mtu: Option<u32>,
    /// Whether endpoints may talk to each other; none: they may.
    pub icc: Option<bool>,
    /// Nothing beyond the network.
    pub internal: bool,
    /// A bridge that exists.
    pub bridge: Option<String>,
    /// For the owner's use.
    pub labels: BTreeMap<String, String>,
}

/// Why a request makes no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// An option that this kind has no use for.
    #[error("{option}: a {kind} network has none; leave it out, or take --kind bridge")]
    NotForKind {
        /// The option.
        option: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// Two of one family.
    #[error("{option} {second}: a network has one of each family, and {first} was given")]
    Twice {
        /// The option.
        option: &'static str,
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// An address of a family that the network has not.
    #[error("{option} {value}: the network has no subnet of that family; give one with --subnet")]
    NoSubnet {
        /// The option.
        option: &'static str,
        /// The value.
        value: String,
    },
    /// Isolation that somebody else's bridge would undo.
    #[error(
        "--icc off: {bridge} is another's bridge, which carries frames between its ports itself; leave --bridge out"
    )]
    IccOnForeignBridge {
        /// The bridge.
        bridge: String,
    },
    /// A bridge that is not ours has its own way out.
    #[error(
        "--internal: {bridge} is another's bridge, and what it leads to is not ours to close; leave --bridge out"
    )]
    InternalOnForeignBridge {
        /// The bridge.
        bridge: String,
    },
    /// Out of range.
    #[error("--mtu {mtu}: from {least} to {LARGEST} for a network with {family}")]
    Mtu {
        /// As asked for.
        mtu: u32,
        /// The least.
        least: u32,
        /// Which family wants it.
        family: &'static str,
    },
    /// A subnet that cannot be.
    #[error(transparent)]
    Subnet(#[from] crate::subnet::Unfit),
}

impl Network {
    /// Refuses what a change in place has made of it.
    pub fn judge_change(&self) -> Result<(), Contradiction> {
        let request = Request {
            icc: (!self.icc).then_some(false),
            internal: self.internal,
            bridge: self.foreign_bridge.clone(),
            ..Request::default()
        };
        request.refuse_what_the_kind_has_not(self.kind)?;
        request.refuse_on_foreign_bridges()
    }
}

impl Request {
    /// Refuses what no subnet could mend, before one is looked for.
    pub fn judge(&self, name: &Name, kind: Kind) -> Result<(), Contradiction> {
        self.refuse_what_the_kind_has_not(kind)?;
        self.refuse_on_foreign_bridges()?;
        if self.subnets.is_empty() { Ok(()) } else { self.clone().check(1, name.clone(), kind).map(drop) }
    }

    /// Checks all of it. The subnets are those that were asked for, or found free.
    pub fn check(self, index: u32, name: Name, kind: Kind) -> Result<Network, Contradiction> {
        self.refuse_what_the_kind_has_not(kind)?;
        self.refuse_on_foreign_bridges()?;
        let subnets = self.subnets()?;
        let mtu = match self.mtu {
            None => Mtu::Auto,
            Some(mtu) => Mtu::Bytes(judge_mtu(mtu, &subnets)?),
        };
        Ok(Network {
            index,
            name,
            kind,
            subnets,
            mtu,
            icc: self.icc.unwrap_or(true),
            internal: self.internal,
            foreign_bridge: self.bridge,
            labels: self.labels,
        })
    }

    fn refuse_what_the_kind_has_not(&self, kind: Kind) -> Result<(), Contradiction> {
        let given = [
            ("--subnet", !self.subnets.is_empty(), kind.has_addresses()),
            ("--gateway", !self.gateways.is_empty(), kind.has_addresses()),
            ("--ip-range", !self.ranges.is_empty(), kind.has_addresses()),
            ("--reserve", !self.reserved.is_empty(), kind.has_addresses()),
            ("--mtu", self.mtu.is_some(), kind.has_addresses()),
            ("--icc", self.icc.is_some(), kind.has_addresses()),
            ("--internal", self.internal, kind.has_addresses()),
            ("--bridge", self.bridge.is_some(), kind == Kind::Bridge),
        ];
        match given.iter().find(|(_, given, allowed)| *given && !allowed) {
            Some((option, ..)) => Err(Contradiction::NotForKind { option, kind: kind.name() }),
            None => Ok(()),
        }
    }

    fn refuse_on_foreign_bridges(&self) -> Result<(), Contradiction> {
        match &self.bridge {
            Some(bridge) if self.icc == Some(false) => {
                Err(Contradiction::IccOnForeignBridge { bridge: bridge.clone() })
            }
            Some(bridge) if self.internal => {
                Err(Contradiction::InternalOnForeignBridge { bridge: bridge.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn subnets(&self) -> Result<Vec<Subnet>, Contradiction> {
        one_of_each("--subnet", &self.subnets, IpNetwork::is_ipv4)?;
        one_of_each("--gateway", &self.gateways, IpAddr::is_ipv4)?;
        one_of_each("--ip-range", &self.ranges, IpNetwork::is_ipv4)?;
        let has = |is_v4: bool| self.subnets.iter().any(|subnet| subnet.is_ipv4() == is_v4);
        let lacks = |option, value: String| Contradiction::NoSubnet { option, value };
        if let Some(gateway) = self.gateways.iter().find(|gateway| !has(gateway.is_ipv4())) {
            return Err(lacks("--gateway", gateway.to_string()));
        }
        if let Some(range) = self.ranges.iter().find(|range| !has(range.is_ipv4())) {
            return Err(lacks("--ip-range", range.to_string()));
        }
        if let Some((name, address)) = self.reserved.iter().find(|(_, address)| !has(address.is_ipv4())) {
            return Err(lacks("--reserve", format!("{name}={address}")));
        }
        let subnet = |cidr: &IpNetwork| {
            let is_v4 = cidr.is_ipv4();
            let gateway = self.gateways.iter().find(|gateway| gateway.is_ipv4() == is_v4);
            let range = self.ranges.iter().find(|range| range.is_ipv4() == is_v4);
            let reserved = self.reserved.iter().filter(|(_, address)| address.is_ipv4() == is_v4);
            Ok(Subnet::new(*cidr, gateway.copied(), range.copied(), reserved.cloned().collect())?)
        };
        self.subnets.iter().map(subnet).collect()
    }
}

fn one_of_each<T: ToString>(
    option: &'static str,
    given: &[T],
    is_v4: impl Fn(&T) -> bool,
) -> Result<(), Contradiction> {
    for (place, second) in given.iter().enumerate() {
        if let Some(first) = given[..place].iter().find(|first| is_v4(first) == is_v4(second)) {
            return Err(Contradiction::Twice {
                option,
                first: first.to_string(),
                second: second.to_string(),
            });
        }
    }
    Ok(())
}

fn judge_mtu(mtu: u32, subnets: &[Subnet]) -> Result<u32, Contradiction> {
    let has_v6 = subnets.iter().any(|subnet| subnet.cidr.is_ipv6());
    let (least, family) = if has_v6 { (LEAST_V6, "IPv6") } else { (LEAST_V4, "IPv4 alone") };
    if (least..=LARGEST).contains(&mtu) { Ok(mtu) } else { Err(Contradiction::Mtu { mtu, least, family }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, request: Request) -> Result<Network, String> {
        request.check(1, "web".parse().expect("a name"), kind).map_err(|error| error.to_string())
    }

    fn with(subnets: &[&str]) -> Request {
        Request {
            subnets: subnets.iter().map(|text| text.parse().expect("a CIDR")).collect(),
            ..Request::default()
        }
    }

    #[test]
    fn a_network_has_a_subnet_of_each_family_at_the_most() {
        let both = check(Kind::Bridge, with(&["10.1.0.0/16", "fd00:1::/64"])).expect("makes sense");
        assert_eq!(both.subnets.len(), 2);
        assert!(both.icc && !both.internal, "as Docker's default network");
        assert_eq!(
            check(Kind::Bridge, with(&["10.1.0.0/16", "10.2.0.0/16"])),
            Err("--subnet 10.2.0.0/16: a network has one of each family, and 10.1.0.0/16 was given"
                .to_owned())
        );
    }

    #[test]
    fn addresses_want_a_subnet_of_their_family() {
        let gateway =
            Request { gateways: vec!["fd00::1".parse().expect("an address")], ..with(&["10.1.0.0/16"]) };
        assert_eq!(
            check(Kind::Bridge, gateway),
            Err("--gateway fd00::1: the network has no subnet of that family; give one with --subnet"
                .to_owned())
        );
    }

    #[test]
    fn host_and_none_take_no_options() {
        for kind in [Kind::Host, Kind::None] {
            assert!(check(kind, Request::default()).is_ok());
            let refused = check(kind, with(&["10.1.0.0/16"])).expect_err("no addresses there");
            assert!(refused.starts_with("--subnet: a "), "{refused}");
            assert!(check(kind, Request { internal: true, ..Request::default() }).is_err());
        }
    }

    #[test]
    fn a_bridge_of_others_cannot_be_closed() {
        let on = |request| Request { bridge: Some("br-lan".to_owned()), ..request };
        assert!(check(Kind::Bridge, on(with(&["10.1.0.0/16"]))).is_ok());
        assert!(check(Kind::Routed, on(with(&["10.1.0.0/16"]))).is_err());
        assert!(check(Kind::Bridge, on(Request { icc: Some(false), ..with(&["10.1.0.0/16"]) })).is_err());
        assert!(check(Kind::Bridge, on(Request { internal: true, ..with(&["10.1.0.0/16"]) })).is_err());
    }

    #[test]
    fn the_least_mtu_is_that_of_the_family() {
        let mtu = |mtu, subnets: &[&str]| check(Kind::Bridge, Request { mtu: Some(mtu), ..with(subnets) });
        assert!(mtu(68, &["10.1.0.0/16"]).is_ok() && mtu(67, &["10.1.0.0/16"]).is_err());
        assert!(mtu(1280, &["fd00::/64"]).is_ok());
        assert_eq!(
            mtu(1279, &["10.1.0.0/16", "fd00::/64"]),
            Err("--mtu 1279: from 1280 to 65535 for a network with IPv6".to_owned())
        );
        assert!(mtu(65_536, &["10.1.0.0/16"]).is_err());
    }
}
