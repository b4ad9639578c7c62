//! Addresses of devices.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Netlink;
use super::links::none_is_fine;
use crate::error::Result;

/// An address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The device.
    pub ifindex: u32,
    /// The address, with the length of its subnet's prefix.
    pub cidr: IpNetwork,
}

impl Netlink {
    /// All addresses of the namespace.
    pub async fn addresses(&self) -> Result<Vec<Address>> {
        let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let answers = self.ask(message, NLM_F_DUMP, || "list addresses".to_owned()).await?;
        Ok(answers.into_iter().filter_map(address).collect())
    }

    /// Gives a device an address. It is not probed for: a lease says that it is free.
    pub async fn add_address(&self, device: &str, address: Address) -> Result<()> {
        let message = RouteNetlinkMessage::NewAddress(message(address));
        let call = || format!("give {device} the address {}", address.cidr);
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, call).await.map(drop)
    }

    /// Takes an address from a device. None there is fine.
    pub async fn remove_address(&self, device: &str, address: Address) -> Result<()> {
        let message = RouteNetlinkMessage::DelAddress(message(address));
        let call = || format!("take the address {} from {device}", address.cidr);
        none_is_fine(self.ask(message, NLM_F_ACK, call).await, &[libc::ENODEV, libc::EADDRNOTAVAIL])
    }
}

fn message(Address { ifindex, cidr }: Address) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = ifindex;
    message.header.prefix_len = cidr.prefix();
    message.header.family = if cidr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.attributes.extend([AddressAttribute::Local(cidr.ip()), AddressAttribute::Address(cidr.ip())]);
    match cidr {
        IpNetwork::V4(cidr) if cidr.prefix() < 31 => {
            let broadcast: Ipv4Addr = cidr.broadcast();
            message.attributes.push(AddressAttribute::Broadcast(broadcast));
        }
        IpNetwork::V4(_) => {}
        IpNetwork::V6(cidr) => {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            if cidr.ip().is_unicast_link_local() {
                message.header.scope = AddressScope::Link;
            }
        }
    }
    message
}

fn address(answer: RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = answer else { return None };
    // IPv4's own address is the local one; the other is the peer's on a point-to-point link.
    let (mut local, mut other): (Option<IpAddr>, Option<IpAddr>) = (None, None);
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(address),
            AddressAttribute::Address(address) => other = Some(address),
            _ => {}
        }
    }
    let cidr = IpNetwork::new(local.or(other)?, message.header.prefix_len).ok()?;
    Some(Address { ifindex: message.header.index, cidr })
}
