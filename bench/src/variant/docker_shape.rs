//! What a container engine is asked to publish, for N ports or N containers: shared by the
//! variants that do it by rules, by maps and by processes.

use std::net::Ipv4Addr;

use crate::bed::{Bed, CLIENT_GATEWAY, PORT, SERVER};

/// What N counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Ports of one container.
    Ports,
    /// Containers with one port each.
    Containers,
}

impl Growth {
    pub(super) const fn counts(self) -> &'static str {
        match self {
            Self::Ports => "published ports",
            Self::Containers => "containers with one published port",
        }
    }
}

/// A port of the host's that leads to one of a container's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published {
    /// `tcp` or `udp`.
    pub(super) protocol: &'static str,
    /// The host's.
    pub(super) host_port: u16,
    /// The container.
    pub(super) address: Ipv4Addr,
    /// The container's.
    pub(super) port: u16,
}

/// All that is published, in the order in which it was asked for, and the containers.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) published: Vec<Published>,
    pub(super) containers: Vec<Ipv4Addr>,
}

/// Host ports begin here: not the measured one, nor below what an engine gives away.
const FIRST: u16 = 10_000;
/// There are no more host ports.
pub(super) const LARGEST: u32 = 50_000;

/// For the reader of the figures.
pub(super) const PLACE: &str = "For and against iptables and nft: N counts rules and map entries; two real \
    endpoints carry the traffic, and the measured one stands in the middle, at N/2. A list that is walked to \
    the first match is walked halfway: the oldest container fares better, the newest worse. The list of the \
    raw table, one rule a container, is walked to its end by every packet, wherever one stands.";

/// N of `growth`. The measured endpoint, by TCP and by UDP, stands in the middle, at N/2, so that
/// a list that ends at the first match is walked halfway; the others are TCP alone.
pub(super) fn shape(growth: Growth, size: u32) -> Shape {
    let middle = size / 2;
    let mut shape = Shape { published: Vec::new(), containers: Vec::new() };
    for place in 0..size {
        if place == middle {
            shape.published.extend(measured());
            shape.containers.push(SERVER);
        } else if growth == Growth::Ports {
            let port = host_port(place);
            shape.published.push(Published { protocol: "tcp", host_port: port, address: SERVER, port });
        } else {
            // The server's address is taken.
            let address = Ipv4Addr::from(u32::from(SERVER) + 1 + place);
            let one = one_port(place, address);
            shape.published.push(one);
            shape.containers.push(one.address);
        }
    }
    shape
}

/// What container `number` publishes, of a list or of a crowd.
pub(super) fn one_port(number: u32, address: Ipv4Addr) -> Published {
    Published { protocol: "tcp", host_port: host_port(number), address, port: PORT }
}

/// An engine's bed, reached at the port that the host publishes.
pub(super) fn bed() -> Bed {
    // bridge-nf-call-iptables stays 1 where br_netfilter is there: Docker sets it, so what leaves
    // a container passes the rules of PREROUTING at the bridge.
    Bed::engine().reached_at((CLIENT_GATEWAY, PORT).into())
}

pub(super) fn measured() -> [Published; 2] {
    ["tcp", "udp"].map(|protocol| Published { protocol, host_port: PORT, address: SERVER, port: PORT })
}

fn host_port(place: u32) -> u16 {
    u16::try_from(u32::from(FIRST) + place).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_measured_port_stands_in_the_middle() {
        for growth in [Growth::Ports, Growth::Containers] {
            for (size, before) in [(1, 0), (2, 1), (100, 50)] {
                let Shape { published, containers } = shape(growth, size);
                assert_eq!(published[before..before + 2], measured(), "{growth:?} {size}");
                assert_eq!(published.len(), size as usize + 1);
                let expected = if growth == Growth::Ports { 1 } else { size as usize };
                assert_eq!(containers.len(), expected);
            }
        }
    }

    #[test]
    fn no_port_and_no_address_is_given_twice() {
        let Shape { published, containers } = shape(Growth::Containers, LARGEST);
        let ports: HashSet<_> = published.iter().map(|one| (one.protocol, one.host_port)).collect();
        assert_eq!(ports.len(), published.len());
        assert_eq!(containers.iter().collect::<HashSet<_>>().len(), containers.len());
    }
}
