//! What leads outside, and what the host's own routes and addresses take.

use ipnetwork::IpNetwork;

use crate::error::Result;
use crate::item::is_ours;
use crate::netlink::Netlink;

/// Of links to which nothing else gives a size, in bytes: Ethernet's.
const DEFAULT_MTU: u32 = 1500;

/// The MTU of the link that the best default route leads out by.
pub async fn mtu(netlink: &Netlink) -> Result<u32> {
    let mut defaults: Vec<_> = netlink.routes().await?.into_iter().map(|listed| listed.route).collect();
    defaults.retain(|route| route.destination.prefix() == 0 && route.ifindex.is_some());
    let best = defaults.iter().min_by_key(|route| (!route.destination.is_ipv4(), route.metric.unwrap_or(0)));
    let Some(ifindex) = best.and_then(|route| route.ifindex) else { return Ok(DEFAULT_MTU) };
    let devices = netlink.devices().await?;
    let device = devices.iter().find(|device| device.ifindex == ifindex);
    Ok(device.map_or(DEFAULT_MTU, |device| device.mtu))
}

/// The subnets that routes and addresses of the host take, but for those of our own networks.
pub async fn of_others(netlink: &Netlink) -> Result<Vec<(IpNetwork, String)>> {
    let devices = netlink.devices().await?;
    let name = |ifindex: u32| {
        devices.iter().find(|device| device.ifindex == ifindex).map_or("?", |device| device.name.as_str())
    };
    let is_told = |cidr: &IpNetwork| {
        let is_local = match cidr {
            IpNetwork::V4(cidr) => cidr.network().is_loopback() || cidr.network().is_multicast(),
            IpNetwork::V6(cidr) => {
                cidr.network().is_unicast_link_local()
                    || cidr.network().is_multicast()
                    || cidr.ip().is_loopback()
            }
        };
        cidr.prefix() > 0 && !is_local
    };
    let mut taken = Vec::new();
    for address in netlink.addresses().await? {
        let Ok(cidr) = IpNetwork::new(address.cidr.network(), address.cidr.prefix()) else { continue };
        let device = name(address.ifindex);
        if is_told(&cidr) && !is_ours(device) {
            taken.push((cidr, format!("{}, an address of {device}", address.cidr)));
        }
    }
    for listed in netlink.routes().await? {
        let route = listed.route;
        let device = route.ifindex.map_or("?", name);
        // Those of the kernel's stand for addresses, and those without a device of ours are ours.
        if is_told(&route.destination) && !listed.is_kernels && !listed.is_ours && !is_ours(device) {
            taken.push((route.destination, format!("{}, a route by {device}", route.destination)));
        }
    }
    Ok(taken)
}
