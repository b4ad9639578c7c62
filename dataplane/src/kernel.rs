//! Makes things in the kernel, and looks whether they are there: the same for the host and for a
//! sandbox, each through a connection of its own.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::Path;

use crate::error::{Attempt, Error, Result};
use crate::item::Item;
use crate::netlink::{Address, Device, Listed, Neighbour, Netlink, Route, Rule, Station};

/// The table of routes that everything is in but local addresses.
const MAIN: u32 = 254;
const SYSCTLS: &str = "/proc/sys";

/// Makes things in one network namespace, which this thread is in.
#[derive(Debug)]
pub struct Kernel<'n> {
    netlink: &'n Netlink,
    replaces: bool,
    numbers: HashMap<String, u32>,
}

impl<'n> Kernel<'n> {
    /// Of the namespace that the connection was opened in.
    pub fn new(netlink: &'n Netlink) -> Self {
        Self { netlink, replaces: false, numbers: HashMap::new() }
    }

    /// The same, for what may be there in part: a route that has lost its source address is.
    pub fn mending(netlink: &'n Netlink) -> Self {
        Self { replaces: true, ..Self::new(netlink) }
    }

    /// Says the number of a device, which then is not asked for.
    #[must_use]
    pub fn knows(mut self, device: &str, ifindex: u32) -> Self {
        self.numbers.insert(device.to_owned(), ifindex);
        self
    }

    /// Makes all of them, in their order.
    pub async fn make(&mut self, items: &[Item]) -> Result<()> {
        for item in items {
            self.make_one(item).await?;
        }
        Ok(())
    }

    async fn make_one(&mut self, item: &Item) -> Result<()> {
        let netlink = self.netlink;
        match item {
            Item::Bridge { name, mac, mtu } => {
                netlink.add_bridge(name, *mac, *mtu).await?;
                // Once more: an MTU from a bridge's birth goes with its last port, one that was set stays.
                let ifindex = self.number(name).await?;
                netlink.set_mac_and_mtu(name, ifindex, *mac, *mtu).await
            }
            Item::Port { device, bridge, is_closed } => {
                let (port, bridge) = (self.number(device).await?, self.number(bridge).await?);
                netlink.set_bridge(device, port, bridge).await?;
                if *is_closed { netlink.close_port(device, port).await } else { Ok(()) }
            }
            Item::Up { device } => netlink.set_up(device, self.number(device).await?).await,
            Item::Sysctl { name, value } => set_sysctl(name, value),
            Item::Address { device, cidr } => {
                let ifindex = self.number(device).await?;
                netlink.add_address(device, Address { ifindex, cidr: *cidr }).await
            }
            Item::Route { device, .. } => {
                let ifindex = match device {
                    Some(device) => Some(self.number(device).await?),
                    None => None,
                };
                match route(item, ifindex) {
                    Some(route) if self.replaces => netlink.put_route(&route).await,
                    Some(route) => netlink.add_route(&route).await,
                    None => Ok(()),
                }
            }
            Item::Rule(rule) => netlink.add_rule(rule).await,
            Item::Neighbour { device, address, mac } => {
                let ifindex = self.number(device).await?;
                netlink.put_neighbour(&Neighbour { ifindex, address: *address, mac: *mac }).await
            }
            Item::Station { port, mac } => {
                let ifindex = self.number(port).await?;
                netlink.put_station(&Station { ifindex, mac: *mac }).await
            }
        }
    }

    /// The number of a device.
    pub async fn number(&mut self, device: &str) -> Result<u32> {
        if let Some(ifindex) = self.numbers.get(device) {
            return Ok(*ifindex);
        }
        match self.netlink.device(device).await? {
            Some(found) => {
                self.numbers.insert(device.to_owned(), found.ifindex);
                Ok(found.ifindex)
            }
            None => Err(Error::NoSuchInterface {
                name: device.to_owned(),
                near: Vec::new(),
                hint: Some("dpctl reconcile makes what is missing".to_owned()),
            }),
        }
    }
}

fn route(item: &Item, ifindex: Option<u32>) -> Option<Route> {
    match item {
        Item::Route { destination, gateway, source, metric, .. } => Some(Route {
            destination: *destination,
            ifindex,
            gateway: *gateway,
            source: *source,
            metric: *metric,
        }),
        Item::Bridge { .. }
        | Item::Port { .. }
        | Item::Up { .. }
        | Item::Sysctl { .. }
        | Item::Address { .. }
        | Item::Rule(_)
        | Item::Neighbour { .. }
        | Item::Station { .. } => None,
    }
}

/// Sets a switch of this thread's network stack.
fn set_sysctl(name: &str, value: &str) -> Result<()> {
    let path = Path::new(SYSCTLS).join(name);
    match fs::write(&path, value) {
        // A kernel without IPv6 has nothing to keep quiet.
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound
                && name.starts_with("net/ipv6/")
                && !Path::new(SYSCTLS).join("net/ipv6").exists() =>
        {
            Ok(())
        }
        other => other.attempt(|| format!("set {} to {value}", name.replace('/', "."))),
    }
}

/// What one network namespace has, as far as it concerns us.
#[derive(Debug)]
pub struct Snapshot {
    devices: HashMap<String, Device>,
    addresses: Vec<Address>,
    routes: Vec<Listed>,
    rules: Vec<Rule>,
    neighbours: Vec<Neighbour>,
    stations: Vec<Station>,
}

impl Snapshot {
    /// Looks at all of it; writes nothing.
    pub async fn take(netlink: &Netlink) -> Result<Self> {
        let devices = netlink.devices().await?;
        Ok(Self {
            devices: devices.into_iter().map(|device| (device.name.clone(), device)).collect(),
            addresses: netlink.addresses().await?,
            routes: netlink.routes().await?,
            rules: netlink.rules().await?,
            neighbours: netlink.neighbours().await?,
            stations: netlink.stations().await?,
        })
    }

    /// The device of a name.
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.get(name)
    }

    /// All devices.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// The rules of ours.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a thing is there, as it shall be.
    pub fn has(&self, item: &Item) -> bool {
        let device = |name: &str| self.devices.get(name);
        let number = |name: &str| device(name).map(|device| device.ifindex);
        match item {
            Item::Bridge { name, mac, mtu } => device(name)
                .is_some_and(|device| device.kind == "bridge" && device.mac == *mac && device.mtu == *mtu),
            Item::Port { device: name, bridge, is_closed } => device(name).is_some_and(|port| {
                port.controller.is_some()
                    && port.controller == number(bridge)
                    && (port.is_closed_port || !is_closed)
            }),
            Item::Up { device: name } => device(name).is_some_and(|device| device.is_up),
            Item::Sysctl { name, value } => has_sysctl(name, value),
            Item::Address { device: name, cidr } => {
                number(name).is_some_and(|ifindex| self.addresses.contains(&Address { ifindex, cidr: *cidr }))
            }
            Item::Route { device: name, .. } => {
                let ifindex = name.as_ref().and_then(|name| number(name));
                let is_known = name.is_none() || ifindex.is_some();
                route(item, ifindex).is_some_and(|wanted| {
                    is_known && self.routes.iter().any(|listed| is_same(listed, &wanted))
                })
            }
            Item::Rule(rule) => self.rules.contains(rule),
            Item::Neighbour { device: name, address, mac } => number(name).is_some_and(|ifindex| {
                self.neighbours.contains(&Neighbour { ifindex, address: *address, mac: *mac })
            }),
            Item::Station { port, mac } => {
                number(port).is_some_and(|ifindex| self.stations.contains(&Station { ifindex, mac: *mac }))
            }
        }
    }
}

/// IPv6 lists the metric that it chose itself, where none was given.
fn is_same(listed: &Listed, wanted: &Route) -> bool {
    let Route { destination, ifindex, gateway, source, metric } = listed.route;
    listed.table == MAIN
        && destination == wanted.destination
        && ifindex == wanted.ifindex
        && gateway == wanted.gateway
        && (source == wanted.source || wanted.source.is_none())
        && (metric == wanted.metric || wanted.metric.is_none())
}

fn has_sysctl(name: &str, value: &str) -> bool {
    let path = Path::new(SYSCTLS).join(name);
    match fs::read_to_string(path) {
        Ok(found) => found.split_whitespace().eq(value.split_whitespace()),
        Err(_) => name.starts_with("net/ipv6/") && !Path::new(SYSCTLS).join("net/ipv6").exists(),
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge { name, .. } => write!(f, "bridge {name}"),
            Self::Port { device, bridge, .. } => write!(f, "{device}: a closed port of {bridge}"),
            Self::Up { device } => write!(f, "{device}: up"),
            Self::Sysctl { name, value } => write!(f, "{} = {value}", name.replace('/', ".")),
            Self::Address { device, cidr } => write!(f, "{device}: address {cidr}"),
            Self::Route { destination, device: Some(device), .. } => {
                write!(f, "route to {destination} by {device}")
            }
            Self::Route { destination, device: None, .. } => write!(f, "unreachable route to {destination}"),
            Self::Rule(rule) => write!(f, "policy rule {} of {}", rule.priority, rule.source),
            Self::Neighbour { device, address, .. } => write!(f, "neighbour {address} on {device}"),
            Self::Station { port, mac } => write!(f, "{mac} behind {port}"),
        }
    }
}
