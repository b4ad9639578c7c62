//! A host with boxes: namespaces joined by veths, as a container engine joins containers.
//!
//! ```text
//!   box 1                    host (forwards)                    box 2
//!   eth0 ──────────── veth1        veth2 ──────────── eth0
//!   10.77.1.2/24      10.77.1.1    10.77.2.1          10.77.2.2/24
//!   fd77:1::2/64      fd77:1::1    fd77:2::1          fd77:2::2/64
//! ```
//!
//! `dpctl` works on the veths in the host. Traffic from box to box crosses two of them, so what
//! leaves one box is counted where it enters the other; traffic between a box and the host
//! crosses one. Neighbours are permanent and there are no link-local addresses, so that nothing
//! but the test's own packets is counted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::eventually::eventually;
use crate::meter::Interface;
use crate::netns::Namespace;

/// A host and its boxes; all gone on drop.
#[derive(Debug)]
pub struct Topology {
    /// Where the veths' host sides are, and where `dpctl` runs.
    pub host: Namespace,
    boxes: Vec<Sandbox>,
}

/// A namespace that stands for a container.
#[derive(Debug)]
pub struct Sandbox {
    /// The namespace; its interface is `eth0`.
    pub namespace: Namespace,
    /// The host side of its veth.
    pub veth: String,
    number: u8,
}

/// The box's side of every veth.
pub const INSIDE: &str = "eth0";

impl Topology {
    /// A host with as many boxes, numbered from 1, all up.
    #[track_caller]
    pub fn new(boxes: u8) -> Self {
        let host = Namespace::new();
        host.sysctl("ipv4/ip_forward", "1");
        host.sysctl("ipv6/conf/all/forwarding", "1");
        let boxes = (1..=boxes).map(|number| Sandbox::new(&host, number)).collect();
        let topology = Self { host, boxes };
        for sandbox in &topology.boxes {
            sandbox.wait_until_up(&topology.host);
        }
        topology
    }

    /// Box `number`, from 1.
    #[track_caller]
    pub fn sandbox(&self, number: u8) -> &Sandbox {
        &self.boxes[usize::from(number) - 1]
    }

    /// Counters of the host side of a box's veth.
    pub fn host_side(&self, number: u8) -> Interface<'_> {
        Interface::new(&self.host, &self.sandbox(number).veth)
    }

    /// Turns off what `ethtool -K` calls `features` (`tso`, `tx-udp-segmentation`) on the host
    /// side of box `number`'s veth: packets that leave by it are cut into frames, after the
    /// hooks have seen them whole, so that the box's counters tell how many frames they are.
    #[track_caller]
    pub fn segment_towards(&self, number: u8) {
        let veth = &self.sandbox(number).veth;
        self.host.run(&format!("ethtool -K {veth} tso off tx-udp-segmentation off"));
    }
}

impl Sandbox {
    fn new(host: &Namespace, number: u8) -> Self {
        let namespace = Namespace::new();
        let veth = format!("veth{number}");
        let inside = namespace.name();
        // The peer is born where it belongs: moving it there later takes 18 ms.
        host.ip_batch(&format!(
            "link add {veth} address 02:77:00:00:{number:02x}:01 type veth \
                 peer name {INSIDE} address 02:77:00:00:{number:02x}:02 netns {inside}
             link set {veth} addrgenmode none
             address add 10.77.{number}.1/24 dev {veth}
             address add fd77:{number:x}::1/64 dev {veth} nodad
             link set {veth} up
             neigh replace 10.77.{number}.2 lladdr 02:77:00:00:{number:02x}:02 dev {veth}
             neigh replace fd77:{number:x}::2 lladdr 02:77:00:00:{number:02x}:02 dev {veth}"
        ));
        namespace.ip_batch(&format!(
            "link set {INSIDE} addrgenmode none
             address add 10.77.{number}.2/24 dev {INSIDE}
             address add fd77:{number:x}::2/64 dev {INSIDE} nodad
             link set {INSIDE} up
             neigh replace 10.77.{number}.1 lladdr 02:77:00:00:{number:02x}:01 dev {INSIDE}
             neigh replace fd77:{number:x}::1 lladdr 02:77:00:00:{number:02x}:01 dev {INSIDE}
             route add default via 10.77.{number}.1
             route add default via fd77:{number:x}::1"
        ));
        Self { namespace, veth, number }
    }

    /// The box's own address.
    pub fn address(&self) -> IpAddr {
        Ipv4Addr::new(10, 77, self.number, 2).into()
    }

    /// The host's address on the box's veth.
    pub fn host_address(&self) -> IpAddr {
        Ipv4Addr::new(10, 77, self.number, 1).into()
    }

    /// The box's own IPv6 address.
    pub fn address_v6(&self) -> IpAddr {
        Ipv6Addr::new(0xfd77, self.number.into(), 0, 0, 0, 0, 0, 2).into()
    }

    /// The host's IPv6 address on the box's veth.
    pub fn host_address_v6(&self) -> IpAddr {
        Ipv6Addr::new(0xfd77, self.number.into(), 0, 0, 0, 0, 0, 1).into()
    }

    /// Counters of the box's interface.
    pub fn inside(&self) -> Interface<'_> {
        Interface::new(&self.namespace, INSIDE)
    }

    fn wait_until_up(&self, host: &Namespace) {
        eventually(&format!("{} and its peer are up", self.veth), || {
            let up = |namespace: &Namespace, name: &str| {
                namespace.ip(&format!("link show dev {name}")).stdout.contains("state UP")
            };
            up(host, &self.veth) && up(&self.namespace, INSIDE)
        });
    }
}
