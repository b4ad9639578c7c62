//! The answer to a packet that has no hops left: whole frames, made from the packet, in memory of
//! the caller's (a program has 512 bytes of stack).
//!
//! No answer to what is an answer or an error itself, nor to a later piece of a datagram
//! (RFC 1812, 4.3.2.7; RFC 4443, 2.4): errors about errors would never end.

use crate::address::{Ip, Mac};
use crate::headers::{Fragment, Packet, protocol};
use crate::sum;

/// Length of the answer in IPv4: headers, and the packet's own with eight bytes of its payload.
pub const V4_LEN: usize = 14 + 20 + 8 + V4_QUOTED;
/// Bytes of the packet that the answer quotes (RFC 792).
pub const V4_QUOTED: usize = 28;
/// Length of the answer in IPv6.
pub const V6_LEN: usize = 14 + 40 + 8 + V6_QUOTED;
/// Bytes of the packet that the answer quotes.
pub const V6_QUOTED: usize = 48;

/// The two ends of a link: who answers, and who is answered.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'e> {
    /// The router's MAC and address.
    pub router: (&'e Mac, &'e Ip),
    /// The sender's.
    pub sender: (&'e Mac, &'e Ip),
}

/// Whether a packet may be answered by an error. `kind` is the first byte of its payload.
#[inline(always)]
pub fn may_be_answered(packet: &Packet, kind: u8) -> bool {
    const ECHO: u8 = 8;
    const LEAST_INFORMATIONAL: u8 = 128;
    packet.fragment != Fragment::Later
        && match packet.protocol {
            protocol::ICMP if packet.source.is_v4() => kind == ECHO,
            protocol::ICMPV6 if !packet.source.is_v4() => kind >= LEAST_INFORMATIONAL,
            _ => true,
        }
}

/// Makes a frame "time exceeded" of ICMP (RFC 792), around the bytes that it quotes: the packet
/// from its IP header on, which stand at the frame's end already.
#[inline(always)]
pub fn exceeded_v4(frame: &mut [u8; V4_LEN], ends: Ends<'_>) {
    const TOTAL: u8 = 20 + 8 + 28;
    frame[..V4_LEN - V4_QUOTED].fill(0);
    frame[..6].copy_from_slice(&ends.sender.0.0);
    frame[6..12].copy_from_slice(&ends.router.0.0);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14..24].copy_from_slice(&[0x45, 0xc0, 0, TOTAL, 0, 0, 0, 0, 64, protocol::ICMP]);
    frame[26..30].copy_from_slice(&ends.router.1.0[12..]);
    frame[30..34].copy_from_slice(&ends.sender.1.0[12..]);
    let header = sum::of(0, &frame[14..34]);
    frame[24..26].copy_from_slice(&header);
    frame[34] = 11;
    let message = sum::of(0, &frame[34..]);
    frame[36..38].copy_from_slice(&message);
}

/// The same of `ICMPv6` (RFC 4443, 3.3).
#[inline(always)]
pub fn exceeded_v6(frame: &mut [u8; V6_LEN], ends: Ends<'_>) {
    const LENGTH: u8 = 8 + 48;
    frame[..V6_LEN - V6_QUOTED].fill(0);
    frame[..6].copy_from_slice(&ends.sender.0.0);
    frame[6..12].copy_from_slice(&ends.router.0.0);
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    frame[14..22].copy_from_slice(&[0x60, 0, 0, 0, 0, LENGTH, protocol::ICMPV6, 64]);
    frame[22..38].copy_from_slice(&ends.router.1.0);
    frame[38..54].copy_from_slice(&ends.sender.1.0);
    frame[54] = 3;
    let message = sum::of(u32::from(LENGTH) + u32::from(protocol::ICMPV6), &frame[22..]);
    frame[56..58].copy_from_slice(&message);
}

#[cfg(test)]
mod tests;
