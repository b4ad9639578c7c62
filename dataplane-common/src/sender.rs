//! What an endpoint may send, and what it wants with it.
//!
//! An endpoint speaks for itself alone: its MAC, its addresses, its claims in ARP and neighbour
//! discovery. It is no router, no DHCP server, and it answers no question about another.
//! Everything else is refused, whatever its form.

use crate::address::{Ip, Mac};
use crate::frame::Octets;
use crate::headers::{Arp, Fragment, Headers, Inner, Packet, protocol};
use crate::refusal::Refusal;

/// Who an endpoint is. An address that it has not is unset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Identity {
    /// Its IPv4 address.
    pub v4: Ip,
    /// Its IPv6 address.
    pub v6: Ip,
    /// The link-local one that its MAC makes, where it has IPv6.
    link_local: Ip,
    /// Its MAC.
    pub mac: Mac,
    reserved: [u8; 2],
}

const _: () = assert!(size_of::<Identity>() == 56);

/// What a frame that an endpoint may send is for. Each has an address: of a variant without one,
/// a program would leave the place unwritten, and the kernel refuses to have that read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Asks on the link who has an address.
    Ask(Ip),
    /// Tells who has this address, which is itself, or answers so.
    Announce(Ip),
    /// A packet to one address.
    To(Ip),
    /// A packet to a group.
    Group(Ip),
}

impl Identity {
    /// Of these addresses.
    pub const fn new(mac: Mac, v4: Ip, v6: Ip) -> Self {
        let has_v6 = !matches!(v6.0, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let link_local = if has_v6 { mac.link_local() } else { Ip::UNSET };
        Self { v4, v6, link_local, mac, reserved: [0; 2] }
    }

    #[inline(always)]
    fn owns(&self, address: Ip) -> bool {
        address != Ip::UNSET && (address == self.v4 || address == self.v6 || address == self.link_local)
    }

    /// Judges a frame by what it says of its sender.
    #[inline(always)]
    pub fn judge(&self, headers: &Headers, frame: &impl Octets) -> Result<Intent, Refusal> {
        if headers.from != self.mac {
            return Err(Refusal::SourceMac);
        }
        match &headers.inner {
            Inner::Arp(arp) => self.judge_arp(arp),
            Inner::Ip(packet) => self.judge_packet(headers.to, packet, frame),
        }
    }

    #[inline(always)]
    fn judge_arp(&self, arp: &Arp) -> Result<Intent, Refusal> {
        // RFC 5227: a probe has no sender yet, and asks for the address that it is about to take.
        let is_probe = arp.is_request && arp.sender == Ip::V4_UNSPECIFIED && self.owns(arp.target);
        if arp.sender_mac != self.mac || !(self.owns(arp.sender) || is_probe) {
            return Err(Refusal::NeighbourClaim);
        }
        Ok(if arp.is_request && !self.owns(arp.target) {
            Intent::Ask(arp.target)
        } else if is_probe {
            Intent::Announce(arp.target)
        } else {
            Intent::Announce(arp.sender)
        })
    }

    #[inline(always)]
    fn judge_packet(&self, to: Mac, packet: &Packet, frame: &impl Octets) -> Result<Intent, Refusal> {
        let Packet { source, destination, .. } = *packet;
        // To itself: nothing that its own loopback would not have carried (the land attack).
        if self.owns(destination) || packet.hops == 0 {
            return Err(Refusal::Malformed);
        }
        // One receiver in the packet and all of them on the link is an old way past filters; but for
        // the broadcast of an IPv4 subnet, which looks like an address: whoever knows it decides.
        let is_broadcast = to == Mac::BROADCAST && destination.is_v4();
        if to.is_group() != (destination.is_group() || is_broadcast) {
            return Err(Refusal::Malformed);
        }
        if packet.protocol == protocol::ICMPV6 && !source.is_v4() && packet.fragment != Fragment::Later {
            if let Some(intent) = self.judge_icmpv6(packet, frame)? {
                return Ok(intent);
            }
        } else if !self.owns(source) {
            // RFC 3376, 4.2.13: a report may come from a host without an address.
            let is_report = packet.protocol == protocol::IGMP && source == Ip::V4_UNSPECIFIED;
            if !is_report {
                return Err(Refusal::SourceAddress);
            }
        }
        if packet.protocol == protocol::UDP && packet.fragment != Fragment::Later {
            refuse_dhcp_servers(packet, frame)?;
        }
        Ok(if to.is_group() { Intent::Group(destination) } else { Intent::To(destination) })
    }

    /// Neighbour discovery is answered here (RFC 4861); the rest of ICMP is packets like any.
    #[inline(always)]
    fn judge_icmpv6(&self, packet: &Packet, frame: &impl Octets) -> Result<Option<Intent>, Refusal> {
        const LISTENER_QUERY: u8 = 130;
        const LISTENER_REPORT: u8 = 131;
        const LISTENER_DONE: u8 = 132;
        const LISTENER_REPORT_V2: u8 = 143;
        const ROUTER_SOLICITATION: u8 = 133;
        const ROUTER_ADVERTISEMENT: u8 = 134;
        const SOLICITATION: u8 = 135;
        const ADVERTISEMENT: u8 = 136;
        const REDIRECT: u8 = 137;
        const TARGET_MAC: u8 = 2;
        const SOURCE_MAC: u8 = 1;
        // RFC 7112: the first fragment has all headers, or the whole is no packet.
        let [kind] = frame.bytes(packet.payload).ok_or(Refusal::Malformed)?;
        let is_own = self.owns(packet.source);
        let from_nobody = packet.source == Ip::UNSET;
        let intent = match kind {
            ROUTER_ADVERTISEMENT | REDIRECT | LISTENER_QUERY => return Err(Refusal::RouterClaim),
            SOLICITATION | ADVERTISEMENT => {
                // RFC 4861, 7.1: from the link itself; RFC 6980: never in fragments.
                if packet.hops != 255 || packet.fragment != Fragment::Whole {
                    return Err(Refusal::NeighbourClaim);
                }
                let target = frame.bytes(packet.payload + 8).map(Ip).ok_or(Refusal::Malformed)?;
                let option = if kind == SOLICITATION { SOURCE_MAC } else { TARGET_MAC };
                self.refuse_foreign_mac(packet, option, frame)?;
                match (kind, self.owns(target)) {
                    (SOLICITATION, true) if from_nobody => Some(Intent::Announce(target)),
                    (SOLICITATION, false) if is_own => Some(Intent::Ask(target)),
                    (ADVERTISEMENT, true) if is_own => Some(Intent::Announce(target)),
                    _ => return Err(Refusal::NeighbourClaim),
                }
            }
            LISTENER_REPORT | LISTENER_DONE | LISTENER_REPORT_V2 | ROUTER_SOLICITATION
                if is_own || from_nobody =>
            {
                None
            }
            _ if is_own => None,
            _ => return Err(Refusal::SourceAddress),
        };
        Ok(intent)
    }

    /// The one option that says whose MAC it is must say ours. One option is all that stations
    /// send with these messages; more could hide a second claim, so there may be no more.
    #[inline(always)]
    fn refuse_foreign_mac(&self, packet: &Packet, kind: u8, frame: &impl Octets) -> Result<(), Refusal> {
        let at = packet.payload + 24;
        let Some([found, units, mac @ ..]) = frame.bytes::<8>(at) else { return Ok(()) };
        let is_nonce = found == 14; // RFC 7527, beside a solicitation for one's own address
        let is_known = (found == kind && units == 1 && Mac(mac) == self.mac) || is_nonce && units == 1;
        if !is_known || frame.bytes::<8>(at + 8).is_some() {
            return Err(Refusal::NeighbourClaim);
        }
        Ok(())
    }
}

/// Answers of DHCP servers come from port 67 (RFC 2131) and 547 (RFC 8415).
#[inline(always)]
fn refuse_dhcp_servers(packet: &Packet, frame: &impl Octets) -> Result<(), Refusal> {
    let port: [u8; 2] = frame.bytes(packet.payload).ok_or(Refusal::Malformed)?;
    match (u16::from_be_bytes(port), packet.source.is_v4()) {
        (67, true) | (547, false) => Err(Refusal::DhcpServer),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
