//! What a frame of an endpoint says of itself: who sends to whom, and where its payload begins.
//!
//! For frames that are ours to judge: whatever is not understood is an error here, never
//! "something else, let it pass". Refuses VLAN tags, unknown types, lengths that lie, source
//! routes, and IPv6 header chains that are too long or hidden in fragments.

use crate::address::{Ip, Mac};
use crate::frame::Octets;

/// Length of an Ethernet header.
pub const ETHERNET: u32 = 14;
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
/// Extension headers that are followed: each kind that RFC 8200, 4.1 lists is in a packet once.
const EXTENSIONS: u32 = 4;

/// Protocol numbers (IANA) that decisions ask for.
pub mod protocol {
    /// RFC 792.
    pub const ICMP: u8 = 1;
    /// RFC 3376.
    pub const IGMP: u8 = 2;
    /// RFC 9293.
    pub const TCP: u8 = 6;
    /// RFC 768.
    pub const UDP: u8 = 17;
    /// RFC 4443.
    pub const ICMPV6: u8 = 58;
}

/// A frame, as far as a decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// To whom, on the link.
    pub to: Mac,
    /// From whom, on the link.
    pub from: Mac,
    /// What it carries.
    pub inner: Inner,
}

impl Headers {
    /// How many routers a packet may pass still; what is no packet passes none.
    #[inline(always)]
    pub const fn hops(&self) -> u8 {
        match &self.inner {
            Inner::Arp(_) => 0,
            Inner::Ip(packet) => packet.hops,
        }
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Address resolution (RFC 826).
    Arp(Arp),
    /// A packet of either family.
    Ip(Packet),
}

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Asks, or answers.
    pub is_request: bool,
    /// The sender's claim: this MAC ...
    pub sender_mac: Mac,
    /// ... has this address.
    pub sender: Ip,
    /// Whose MAC is asked for, or who is answered.
    pub target: Ip,
}

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// From whom.
    pub source: Ip,
    /// To whom.
    pub destination: Ip,
    /// What the payload is, behind all extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub hops: u8,
    /// Where the payload begins, from the start of the frame.
    pub payload: u32,
    /// Whether it is a piece of a datagram.
    pub fragment: Fragment,
}

/// Which piece of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it.
    Whole,
    /// Its beginning, with the headers of the payload.
    First,
    /// A later piece; its payload begins somewhere within.
    Later,
}

/// Why a frame is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Ends within its headers, or before the length that it gives.
    Short,
    /// A VLAN tag, or a type that is neither IP nor ARP.
    EtherType,
    /// A header that contradicts itself: version, header length, total length, ARP's sizes.
    Header,
    /// A source route (RFC 5095).
    SourceRoute,
    /// An option of IPv4, other than router alert.
    Options,
    /// More extension headers than anybody sends, or none where the payload should be.
    Extensions,
}

impl Headers {
    /// Reads the headers of a frame of `len` bytes into a place of the caller's: a program has 512
    /// bytes of stack.
    #[inline(always)]
    pub fn read(&mut self, frame: &impl Octets, len: u32) -> Result<(), Malformed> {
        self.to = Mac(frame.bytes(0).ok_or(Malformed::Short)?);
        self.from = Mac(frame.bytes(6).ok_or(Malformed::Short)?);
        self.inner = match u16::from_be_bytes(frame.bytes(12).ok_or(Malformed::Short)?) {
            IPV4 => Inner::Ip(ipv4(frame, len)?),
            IPV6 => Inner::Ip(ipv6(frame, len)?),
            ARP => Inner::Arp(arp(frame)?),
            _ => return Err(Malformed::EtherType),
        };
        Ok(())
    }
}

#[inline(always)]
fn arp(frame: &impl Octets) -> Result<Arp, Malformed> {
    let fixed: [u8; 8] = frame.bytes(ETHERNET).ok_or(Malformed::Short)?;
    let is_request = match fixed {
        [0, 1, 8, 0, 6, 4, 0, 1] => true,
        [0, 1, 8, 0, 6, 4, 0, 2] => false,
        _ => return Err(Malformed::Header),
    };
    let sender_mac = frame.bytes(ETHERNET + 8).ok_or(Malformed::Short)?;
    let sender = frame.bytes(ETHERNET + 14).ok_or(Malformed::Short)?;
    let target = frame.bytes(ETHERNET + 24).ok_or(Malformed::Short)?;
    Ok(Arp { is_request, sender_mac: Mac(sender_mac), sender: Ip::v4(sender), target: Ip::v4(target) })
}

#[inline(always)]
fn ipv4(frame: &impl Octets, len: u32) -> Result<Packet, Malformed> {
    let header: [u8; 20] = frame.bytes(ETHERNET).ok_or(Malformed::Short)?;
    let header_len = u32::from(header[0] & 0x0f) * 4;
    let total = total_len(u32::from(u16::from_be_bytes([header[2], header[3]])), len);
    if header[0] >> 4 != 4 || header_len < 20 || total < header_len {
        return Err(Malformed::Header);
    }
    if ETHERNET + total > len {
        return Err(Malformed::Short);
    }
    if header_len > 20 {
        refuse_options(frame, header_len)?;
    }
    let offset = u16::from_be_bytes([header[6], header[7]]);
    let fragment = match (offset & 0x1fff, offset & 0x2000 != 0) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First,
        (_, _) => Fragment::Later,
    };
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = header;
    Ok(Packet {
        source: Ip::v4([s0, s1, s2, s3]),
        destination: Ip::v4([d0, d1, d2, d3]),
        protocol: header[9],
        hops: header[8],
        payload: ETHERNET + header_len,
        fragment,
    })
}

/// A GSO packet of more than 64 KiB (BIG TCP) has no room for its length, and says 0.
#[inline(always)]
const fn total_len(said: u32, len: u32) -> u32 {
    if said == 0 && len > ETHERNET + 0xffff { len - ETHERNET } else { said }
}

/// Nobody sends options in good faith but router alert (RFC 2113), as IGMP does; filters are to drop
/// the rest (RFC 7126), source routes and what could hide one.
#[inline(always)]
fn refuse_options(frame: &impl Octets, header_len: u32) -> Result<(), Malformed> {
    const ROUTER_ALERT: [u8; 2] = [148, 4];
    let option: [u8; 2] = frame.bytes(ETHERNET + 20).ok_or(Malformed::Short)?;
    if header_len == 24 && option == ROUTER_ALERT { Ok(()) } else { Err(Malformed::Options) }
}

#[inline(always)]
fn ipv6(frame: &impl Octets, len: u32) -> Result<Packet, Malformed> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    const NOTHING: u8 = 59;
    let fixed: [u8; 8] = frame.bytes(ETHERNET).ok_or(Malformed::Short)?;
    if fixed[0] >> 4 != 6 {
        return Err(Malformed::Header);
    }
    let length = u32::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    if ETHERNET + 40 + length > len {
        return Err(Malformed::Short);
    }
    let (mut protocol, mut payload, mut fragment) = (fixed[6], ETHERNET + 40, Fragment::Whole);
    for _ in 0..=EXTENSIONS {
        let length = match protocol {
            // Beyond a later fragment's header is payload, whatever it calls itself.
            _ if fragment == Fragment::Later => 0,
            HOP_BY_HOP | DESTINATION => extension_len(frame, payload)?,
            ROUTING => {
                let [kind] = frame.bytes(payload + 2).ok_or(Malformed::Short)?;
                if kind == 0 {
                    return Err(Malformed::SourceRoute);
                }
                extension_len(frame, payload)?
            }
            FRAGMENT => {
                let [_, _, high, low] = frame.bytes::<4>(payload).ok_or(Malformed::Short)?;
                let offset = u16::from_be_bytes([high, low]);
                fragment = match (offset & 0xfff8, offset & 1 == 1) {
                    (0, false) => fragment,
                    (0, true) => Fragment::First,
                    (_, _) => Fragment::Later,
                };
                8
            }
            NOTHING => return Err(Malformed::Extensions),
            _ if payload > len => return Err(Malformed::Short),
            _ => 0,
        };
        if length == 0 {
            let source = Ip(frame.bytes(ETHERNET + 8).ok_or(Malformed::Short)?);
            let destination = Ip(frame.bytes(ETHERNET + 24).ok_or(Malformed::Short)?);
            // IPv4 in its mapped form is ours alone; on a link it would pass for the other family.
            if source.is_v4() || destination.is_v4() {
                return Err(Malformed::Header);
            }
            return Ok(Packet { source, destination, protocol, hops: fixed[7], payload, fragment });
        }
        let [next] = frame.bytes(payload).ok_or(Malformed::Short)?;
        protocol = next;
        payload += length;
    }
    Err(Malformed::Extensions)
}

#[inline(always)]
fn extension_len(frame: &impl Octets, payload: u32) -> Result<u32, Malformed> {
    let [length] = frame.bytes(payload + 1).ok_or(Malformed::Short)?;
    Ok(u32::from(length) * 8 + 8)
}

/// The headers of a frame of `len` bytes.
#[cfg(test)]
pub(crate) fn headers(frame: &impl Octets, len: u32) -> Result<Headers, Malformed> {
    let nobody = Arp { is_request: false, sender_mac: Mac::default(), sender: Ip::UNSET, target: Ip::UNSET };
    let mut headers = Headers { to: Mac::default(), from: Mac::default(), inner: Inner::Arp(nobody) };
    headers.read(frame, len).map(|()| headers)
}

#[cfg(test)]
mod tests;
