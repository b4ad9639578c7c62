//! What a network's endpoints may do, and where their packets go.
//!
//! Isolation first: what nothing here allows is dropped. No lookup is made here; who asks has
//! looked up the receiver and passes it in.

use crate::address::{Ip, Mac};
use crate::refusal::Refusal;
use crate::sender::{Identity, Intent};

/// A network, as the programs know it. All zero is "no network".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Network {
    /// The gateway's IPv4 address, where the network has IPv4.
    pub gateway_v4: Ip,
    /// The gateway's IPv6 address, where the network has IPv6.
    pub gateway_v6: Ip,
    /// The broadcast address of its IPv4 subnet.
    pub broadcast: Ip,
    /// The device that has the gateway's addresses: the bridge, or what stands for it.
    pub device: u32,
    /// Flags, see the constants.
    pub flags: u32,
    /// The slot of the first of its endpoints, plus 1; 0 is none. See [`Endpoint::next`].
    pub first: u32,
    /// The gateway's MAC; unset where each endpoint's own host side has it (routed).
    pub gateway_mac: Mac,
    reserved: [u8; 6],
}

const _: () = assert!(size_of::<Network>() == 72);

impl Network {
    /// The network exists.
    pub const PRESENT: u32 = 1;
    /// Endpoints may talk to each other.
    pub const ICC: u32 = 1 << 1;
    /// Nothing but the network and its gateway.
    pub const INTERNAL: u32 = 1 << 2;
    /// No bridge: each endpoint is a link of its own, and packets between them are routed.
    pub const ROUTED: u32 = 1 << 3;
    /// A bridge of somebody else's, who carries the frames: endpoints are guarded, no more.
    pub const FOREIGN: u32 = 1 << 4;

    /// With these flags and nothing else yet.
    pub const fn new(flags: u32) -> Self {
        let unset = Ip::UNSET;
        Self {
            gateway_v4: unset,
            gateway_v6: unset,
            broadcast: unset,
            device: 0,
            flags: flags | Self::PRESENT,
            first: 0,
            gateway_mac: Mac([0; 6]),
            reserved: [0; 6],
        }
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    #[inline(always)]
    fn is_gateway(&self, address: Ip) -> bool {
        address != Ip::UNSET && (address == self.gateway_v4 || address == self.gateway_v6)
    }
}

/// An endpoint, as the programs know it. All zero is "no endpoint".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Endpoint {
    /// Who it is.
    pub identity: Identity,
    /// Its network's index, from 1; 0 is no endpoint.
    pub network: u32,
    /// The host side of its veth.
    pub ifindex: u32,
    /// The slot after it among the endpoints of its network, plus 1; 0 is the last.
    pub next: u32,
    /// Flags, see the constants.
    pub flags: u32,
    /// The MAC of its veth's host side.
    pub host_mac: Mac,
    reserved: [u8; 2],
}

const _: () = assert!(size_of::<Endpoint>() == 80);

impl Endpoint {
    /// Its packets pass the host side of its veth, where others look at them.
    pub const NO_BYPASS: u32 = 1;

    /// Of a network, alone in it.
    pub const fn new(identity: Identity, network: u32, ifindex: u32, host_mac: Mac) -> Self {
        Self { identity, network, ifindex, next: 0, flags: 0, host_mac, reserved: [0; 2] }
    }
}

/// Where a frame of an endpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Way {
    /// Back, as an answer: see [`answer`].
    Answer,
    /// To the endpoint that was found.
    Endpoint,
    /// To the host, if the address is one of its own; else nowhere.
    HostIfItsOwn,
    /// To the host.
    Host,
    /// To the host, and a copy to each endpoint of the network.
    Everybody,
    /// A copy to each endpoint of the network, and none to the host.
    Peers,
    /// Nowhere: there is nobody to whom it would be news.
    Nowhere,
}

/// Decides by what the sender wants. `found` is the endpoint of the sender's network that has the
/// address asked for or sent to, if one has it.
#[inline(always)]
pub fn way(intent: &Intent, network: &Network, found: Option<&Endpoint>) -> Result<Way, Refusal> {
    if network.has(Network::FOREIGN) {
        return Ok(Way::Host);
    }
    // One link for all, as far as they may hear of each other.
    let is_shared = network.has(Network::ICC) && !network.has(Network::ROUTED);
    match *intent {
        Intent::Ask(address) if network.is_gateway(address) => Ok(Way::Answer),
        Intent::Ask(_) => match found {
            Some(_) if !network.has(Network::ICC) => Err(Refusal::NotAllowed),
            Some(_) => Ok(Way::Answer),
            None => Err(Refusal::Nobody),
        },
        // The host's neighbours are permanent ones. Other endpoints may remember who had the
        // address before.
        Intent::Announce(_) if is_shared => Ok(Way::Peers),
        Intent::Announce(_) => Ok(Way::Nowhere),
        Intent::To(address) if network.is_gateway(address) => Ok(Way::Host),
        Intent::To(address) => match found {
            Some(_) if network.has(Network::ICC) => Ok(Way::Endpoint),
            Some(_) => Err(Refusal::NotAllowed),
            None if network.has(Network::INTERNAL) || is_of_a_link(address) => Err(Refusal::NoUplink),
            None => Ok(Way::HostIfItsOwn),
        },
        Intent::Group(address) => {
            if !address.is_group() && address != network.broadcast {
                return Err(Refusal::Malformed);
            }
            Ok(if is_shared { Way::Everybody } else { Way::Host })
        }
    }
}

/// The MAC that an endpoint is told for the address that it asked for: of the endpoint that has it,
/// or of the gateway, which has all others, and in a routed network all there are.
#[inline(always)]
pub fn answer<'e>(own: &'e Endpoint, network: &'e Network, found: Option<&'e Endpoint>) -> &'e Mac {
    match found {
        _ if network.has(Network::ROUTED) => &own.host_mac,
        Some(found) => &found.identity.mac,
        None => &network.gateway_mac,
    }
}

/// Whether an endpoint is entered by `to_container` from another one: same network, ICC on.
#[inline(always)]
pub fn may_enter(from: &Endpoint, to: &Endpoint, network: &Network) -> bool {
    from.network != 0 && from.network == to.network && network.has(Network::ICC)
}

/// Link-local, loopback and "this network" addresses lead nowhere beyond a link, and not to the
/// host's services either.
#[inline(always)]
fn is_of_a_link(address: Ip) -> bool {
    let octets = address.0;
    if address.is_v4() {
        matches!(octets[12], 0 | 127) || (octets[12] == 169 && octets[13] == 254)
    } else {
        (octets[0] == 0xfe && octets[1] & 0xc0 == 0x80) || octets[..15] == [0; 15]
    }
}

#[cfg(test)]
mod tests;
