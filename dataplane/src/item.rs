//! What the kernel shall have for a network and for an endpoint: pure lists, each thing in the
//! order in which it is made.
//!
//! Commands make them, `reconcile` looks which are missing. Devices are named, since numbers are
//! the kernel's to give.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use dataplane_common::address::Mac;

use crate::endpoint::{Endpoint, mac_of, slot_in};
use crate::netlink::{Action, Rule};
use crate::network::{Kind, Network};
use crate::subnet::Subnet;

/// What the names of our bridges begin with; the network's number follows.
pub const BRIDGE_PREFIX: &str = "dpbr";
/// Where the policy rules of networks begin: right after the rule of the local table.
const FIRST_RULE: u32 = 16;
/// As many rules has a network in each family.
const RULES: u32 = 3;
/// Of routes that lead nowhere: any other route to the same place wins.
const LAST_RESORT: u32 = u32::MAX;

/// One thing that the kernel shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A bridge of ours.
    Bridge {
        /// Its name.
        name: String,
        /// Its MAC, which the kernel would change with its ports.
        mac: Mac,
        /// In bytes.
        mtu: u32,
    },
    /// A device is a closed port of a bridge.
    Port {
        /// The device.
        device: String,
        /// The bridge.
        bridge: String,
        /// Whether the bridge carries nothing between it and others.
        is_closed: bool,
    },
    /// A device is up.
    Up {
        /// The device.
        device: String,
    },
    /// A switch of the kernel's network stack.
    Sysctl {
        /// As in `sysctl`, with `/` for `.`.
        name: String,
        /// What it is set to.
        value: String,
    },
    /// A device has an address.
    Address {
        /// The device.
        device: String,
        /// The address.
        cidr: IpNetwork,
    },
    /// A route.
    Route {
        /// Where to.
        destination: IpNetwork,
        /// Out of which device; `None`: nowhere.
        device: Option<String>,
        /// By which router.
        gateway: Option<IpAddr>,
        /// With which address of the host's own.
        source: Option<IpAddr>,
        /// The lowest wins.
        metric: Option<u32>,
    },
    /// A policy rule.
    Rule(Rule),
    /// A permanent neighbour.
    Neighbour {
        /// On which device's link.
        device: String,
        /// Its address.
        address: IpAddr,
        /// Its MAC.
        mac: Mac,
    },
    /// A MAC that is behind a port of a bridge.
    Station {
        /// The port.
        port: String,
        /// The MAC.
        mac: Mac,
    },
}

/// The device that has a network's gateway addresses: its bridge, or one without ports that stands
/// for it, or somebody else's.
pub fn device_of(network: &Network) -> String {
    network.foreign_bridge.clone().unwrap_or_else(|| format!("{BRIDGE_PREFIX}{}", network.index))
}

/// The MAC of a network's gateway on its bridge.
pub fn gateway_mac(network: &Network) -> Mac {
    network.subnets.first().map_or(Mac::default(), |subnet| mac_of(subnet.gateway))
}

/// Whether a device is ours by its name: a bridge, or the host side of an endpoint's veth.
pub fn is_ours(device: &str) -> bool {
    let is_bridge = device
        .strip_prefix(BRIDGE_PREFIX)
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()));
    is_bridge || slot_in(device).is_some()
}

/// What a network has of the host, before any endpoint. Nothing of somebody else's bridge is ours.
pub fn of_network(network: &Network, mtu: u32) -> Vec<Item> {
    if !network.kind.has_addresses() || network.foreign_bridge.is_some() {
        return Vec::new();
    }
    let device = device_of(network);
    let mut items = vec![Item::Bridge { name: device.clone(), mac: gateway_mac(network), mtu }];
    items.extend(stack_of(&device, network));
    items.push(Item::Up { device: device.clone() });
    for subnet in &network.subnets {
        let prefix = if network.kind == Kind::Routed { whole(subnet.gateway) } else { subnet.cidr.prefix() };
        items.extend(address(&device, subnet.gateway, prefix));
        if network.kind == Kind::Routed {
            items.push(Item::Route {
                destination: subnet.cidr,
                device: None,
                gateway: None,
                source: None,
                metric: Some(LAST_RESORT),
            });
        }
        items.extend(rules(network.index, subnet.cidr).map(Item::Rule));
    }
    items
}

/// The rules that keep the host's stack from carrying a subnet's packets anywhere, whatever
/// becomes of our programs: only what the host itself sends with such a source goes on.
pub fn rules(network: u32, source: IpNetwork) -> [Rule; 3] {
    let first = FIRST_RULE + network * RULES;
    let rule = |offset: u32, of_host: bool, action: Action| Rule {
        priority: first + offset,
        source,
        of_host,
        action,
    };
    let all = any(source.is_ipv4());
    [
        rule(0, true, Action::Goto(first + 2)),
        rule(1, false, Action::Prohibit),
        Rule { source: all, ..rule(2, false, Action::Nop) },
    ]
}

/// All addresses of a family.
fn any(is_ipv4: bool) -> IpNetwork {
    let none: IpAddr = if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    IpNetwork::new(none, 0).unwrap_or_else(|_never| none.into())
}

/// What a gateway's device wants of the stack: our programs ask it where packets lead, which it
/// answers only where forwarding is on, and nobody on the link tells it anything.
fn stack_of(device: &str, network: &Network) -> Vec<Item> {
    let has = |is_ipv4: bool| network.subnets.iter().any(|subnet| subnet.cidr.is_ipv4() == is_ipv4);
    let mut items = Vec::new();
    if has(true) {
        items.push(sysctl("ipv4", device, "forwarding", "1"));
    }
    if has(false) {
        items.extend(quiet(device));
        items.push(sysctl("ipv6", device, "forwarding", "1"));
    } else {
        items.push(sysctl("ipv6", device, "disable_ipv6", "1"));
    }
    items
}

/// IPv6 with the addresses that it is given, and no others.
fn quiet(device: &str) -> [Item; 4] {
    [
        sysctl("ipv6", device, "disable_ipv6", "0"),
        sysctl("ipv6", device, "addr_gen_mode", "1"),
        sysctl("ipv6", device, "accept_ra", "0"),
        sysctl("ipv6", device, "accept_dad", "0"),
    ]
}

/// What an endpoint has on the host once its veth is there and its programs are attached.
pub fn on_host(network: &Network, endpoint: &Endpoint) -> Vec<Item> {
    let device = endpoint.host_side();
    let bridge = device_of(network);
    let is_closed = network.foreign_bridge.is_none();
    let mut items = Vec::new();
    match network.kind {
        Kind::Bridge => {
            items.push(sysctl("ipv6", &device, "disable_ipv6", "1"));
            items.push(Item::Port { device: device.clone(), bridge: bridge.clone(), is_closed });
            if is_closed {
                items.push(Item::Station { port: device.clone(), mac: endpoint.mac });
            }
            items.push(Item::Up { device });
            if is_closed {
                items.extend(neighbours(&bridge, endpoint));
            }
        }
        Kind::Routed => {
            match endpoint.address(false) {
                Some(_) => items.extend(quiet(&device)),
                None => items.push(sysctl("ipv6", &device, "disable_ipv6", "1")),
            }
            items.push(Item::Up { device: device.clone() });
            items.extend(neighbours(&device, endpoint));
            for (subnet, address) in with_subnets(network, endpoint) {
                items.push(Item::Route {
                    destination: only(address),
                    device: Some(device.clone()),
                    gateway: None,
                    source: Some(subnet.gateway),
                    metric: None,
                });
            }
        }
        Kind::Host | Kind::None => {}
    }
    items
}

fn neighbours<'e>(device: &'e str, endpoint: &'e Endpoint) -> impl Iterator<Item = Item> + 'e {
    endpoint.addresses.iter().map(move |address| Item::Neighbour {
        device: device.to_owned(),
        address: *address,
        mac: endpoint.mac,
    })
}

/// What an endpoint has in its sandbox once its veth is there.
pub fn in_sandbox(network: &Network, endpoint: &Endpoint) -> Vec<Item> {
    let device = &endpoint.interface;
    let mut items = Vec::new();
    match endpoint.address(false) {
        Some(_) => items.extend(quiet(device)),
        None => items.push(sysctl("ipv6", device, "disable_ipv6", "1")),
    }
    for (name, value) in &endpoint.sysctls {
        let name = name.replace('.', "/").replace("IFNAME", device);
        items.push(Item::Sysctl { name, value: value.clone() });
    }
    items.push(Item::Up { device: device.clone() });
    if endpoint.address(false).is_some() {
        let link_local = IpAddr::from(endpoint.mac.link_local());
        items.extend(address(device, link_local, 64));
    }
    for (subnet, own) in with_subnets(network, endpoint) {
        let gateway = subnet.gateway;
        if network.kind == Kind::Routed {
            items.extend(address(device, own, whole(own)));
            let route = |destination, gateway| Item::Route {
                destination,
                device: Some(device.clone()),
                gateway,
                source: None,
                metric: None,
            };
            items.push(route(only(gateway), None));
            items.push(route(subnet.cidr, Some(gateway)));
        } else {
            items.extend(address(device, own, subnet.cidr.prefix()));
        }
        if let Some(metric) = endpoint.metric {
            items.push(Item::Route {
                destination: any(own.is_ipv4()),
                device: Some(device.clone()),
                gateway: Some(gateway),
                source: None,
                metric: Some(metric),
            });
        }
    }
    items
}

/// The addresses of an endpoint, each with its subnet.
fn with_subnets<'e>(
    network: &'e Network,
    endpoint: &'e Endpoint,
) -> impl Iterator<Item = (&'e Subnet, IpAddr)> + 'e {
    network.subnets.iter().filter_map(|subnet| Some((subnet, endpoint.address(subnet.cidr.is_ipv4())?)))
}

fn sysctl(family: &str, device: &str, key: &str, value: &str) -> Item {
    Item::Sysctl { name: format!("net/{family}/conf/{device}/{key}"), value: value.to_owned() }
}

fn address(device: &str, address: IpAddr, prefix: u8) -> Option<Item> {
    let cidr = IpNetwork::new(address, prefix).ok()?;
    Some(Item::Address { device: device.to_owned(), cidr })
}

/// The length of a prefix that is one address.
const fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address as a network of its own.
fn only(address: IpAddr) -> IpNetwork {
    address.into()
}
