//! What the host knows by heart: who has which MAC, and behind which port of a bridge a MAC is.

use std::net::IpAddr;

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use dataplane_common::address::Mac;

use super::Netlink;
use super::links::none_is_fine;
use crate::error::Result;

/// A permanent neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Neighbour {
    /// On which device's link.
    pub ifindex: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its MAC.
    pub mac: Mac,
}

/// A MAC that is behind a port of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Station {
    /// The port.
    pub ifindex: u32,
    /// The MAC.
    pub mac: Mac,
}

impl Netlink {
    /// All permanent neighbours, of both families.
    pub async fn neighbours(&self) -> Result<Vec<Neighbour>> {
        let message = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let answers = self.ask(message, NLM_F_DUMP, || "list neighbours".to_owned()).await?;
        Ok(answers.into_iter().filter_map(neighbour).collect())
    }

    /// Sets a permanent neighbour.
    pub async fn put_neighbour(&self, neighbour: &Neighbour) -> Result<()> {
        let message = RouteNetlinkMessage::NewNeighbour(neighbour_message(neighbour));
        let call = || format!("remember the MAC of {}", neighbour.address);
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, call).await.map(drop)
    }

    /// Forgets a neighbour. None there is fine.
    pub async fn remove_neighbour(&self, neighbour: &Neighbour) -> Result<()> {
        let message = RouteNetlinkMessage::DelNeighbour(neighbour_message(neighbour));
        let call = || format!("forget the MAC of {}", neighbour.address);
        none_is_fine(self.ask(message, NLM_F_ACK, call).await, &[libc::ENOENT, libc::ENODEV])
    }

    /// All stations that bridges know for good.
    pub async fn stations(&self) -> Result<Vec<Station>> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        let message = RouteNetlinkMessage::GetNeighbour(message);
        let answers = self.ask(message, NLM_F_DUMP, || "list stations of bridges".to_owned()).await?;
        Ok(answers.into_iter().filter_map(station).collect())
    }

    /// Tells a bridge which MAC is behind one of its ports.
    pub async fn put_station(&self, station: &Station) -> Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.ifindex = station.ifindex;
        // To be static, an entry has a state that the bridge takes for "does not age".
        message.header.state = NeighbourState::Noarp;
        message.header.flags = NeighbourFlags::Controller;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(station.mac.0.to_vec()));
        let call = || format!("tell the bridge of {}", station.mac);
        let message = RouteNetlinkMessage::NewNeighbour(message);
        self.ask(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, call).await.map(drop)
    }
}

fn neighbour_message(neighbour: &Neighbour) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = neighbour.ifindex;
    message.header.state = NeighbourState::Permanent;
    let (family, address) = match neighbour.address {
        IpAddr::V4(address) => (AddressFamily::Inet, NeighbourAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, NeighbourAddress::Inet6(address)),
    };
    message.header.family = family;
    message.attributes.extend([
        NeighbourAttribute::Destination(address),
        NeighbourAttribute::LinkLayerAddress(neighbour.mac.0.to_vec()),
    ]);
    message
}

fn mac(attributes: &[NeighbourAttribute]) -> Option<Mac> {
    attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => Some(Mac::from_slice(bytes)),
        _ => None,
    })
}

fn neighbour(answer: RouteNetlinkMessage) -> Option<Neighbour> {
    let RouteNetlinkMessage::NewNeighbour(message) = answer else { return None };
    if message.header.state != NeighbourState::Permanent {
        return None;
    }
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::from(*address)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::from(*address)),
        _ => None,
    })?;
    Some(Neighbour { ifindex: message.header.ifindex, address, mac: mac(&message.attributes)? })
}

fn station(answer: RouteNetlinkMessage) -> Option<Station> {
    let RouteNetlinkMessage::NewNeighbour(message) = answer else { return None };
    let is_static = matches!(message.header.state, NeighbourState::Noarp | NeighbourState::Permanent);
    is_static.then_some(Station { ifindex: message.header.ifindex, mac: mac(&message.attributes)? })
}
