//! Answers to "who has this address": whole frames, made from the question, in memory of the
//! caller's (a program has 512 bytes of stack).
//!
//! The path answers in place of endpoints and gateways, so nothing is flooded and no claim of an
//! endpoint is ever believed.

use crate::address::{Ip, Mac};
use crate::sum;

/// Length of an ARP answer, Ethernet header included.
pub const ARP_LEN: usize = 42;
/// Length of a neighbour advertisement with its one option, Ethernet header included.
pub const ADVERTISEMENT_LEN: usize = 86;

/// Tells the asker that `mac` has `address` (RFC 826).
#[inline(always)]
pub fn arp(frame: &mut [u8; ARP_LEN], asker: (&Mac, &Ip), mac: &Mac, address: &Ip) {
    ethernet(frame, asker.0, mac, [0x08, 0x06]);
    frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
    frame[22..28].copy_from_slice(&mac.0);
    frame[28..32].copy_from_slice(&address.0[12..]);
    frame[32..38].copy_from_slice(&asker.0.0);
    frame[38..42].copy_from_slice(&asker.1.0[12..]);
}

/// The same in IPv6 (RFC 4861, 4.4): solicited, and overriding what the asker knew.
#[inline(always)]
pub fn advertisement(
    frame: &mut [u8; ADVERTISEMENT_LEN],
    asker: (&Mac, &Ip),
    mac: &Mac,
    address: &Ip,
    is_router: bool,
) {
    const ROUTER: u8 = 0x80;
    const SOLICITED: u8 = 0x40;
    message(frame, asker, mac, address, SOLICITED | OVERRIDE | if is_router { ROUTER } else { 0 });
}

const OVERRIDE: u8 = 0x20;

#[inline(always)]
fn message(frame: &mut [u8; ADVERTISEMENT_LEN], asker: (&Mac, &Ip), mac: &Mac, address: &Ip, flags: u8) {
    frame.fill(0);
    ethernet(frame, asker.0, mac, [0x86, 0xdd]);
    frame[14..22].copy_from_slice(&[0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame[22..38].copy_from_slice(&address.0);
    frame[38..54].copy_from_slice(&asker.1.0);
    frame[54] = 136;
    frame[58] = flags;
    frame[62..78].copy_from_slice(&address.0);
    frame[78..80].copy_from_slice(&[2, 1]);
    frame[80..86].copy_from_slice(&mac.0);
    // RFC 4443, 2.3: over the addresses, the length, the protocol and the message.
    let sum = sum::of(32 + 58, &frame[22..]);
    frame[56..58].copy_from_slice(&sum);
}

/// Tells everybody on a link that `mac` has `address`, unasked (RFC 5227, 3).
pub fn announcement_v4(mac: Mac, address: Ip) -> [u8; ARP_LEN] {
    let mut frame = [0; ARP_LEN];
    ethernet(&mut frame, &Mac::BROADCAST, &mac, [0x08, 0x06]);
    frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    frame[22..28].copy_from_slice(&mac.0);
    frame[28..32].copy_from_slice(&address.0[12..]);
    frame[38..42].copy_from_slice(&address.0[12..]);
    frame
}

/// The same in IPv6 (RFC 4861, 7.2.6).
pub fn announcement_v6(mac: Mac, address: Ip) -> [u8; ADVERTISEMENT_LEN] {
    const ALL_NODES: Ip = Ip([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);
    let mut frame = [0; ADVERTISEMENT_LEN];
    message(&mut frame, (&ALL_NODES_MAC, &ALL_NODES), &mac, &address, OVERRIDE);
    frame
}

#[inline(always)]
fn ethernet(frame: &mut [u8], to: &Mac, from: &Mac, ether_type: [u8; 2]) {
    frame[..6].copy_from_slice(&to.0);
    frame[6..12].copy_from_slice(&from.0);
    frame[12..14].copy_from_slice(&ether_type);
}

#[cfg(test)]
mod tests;
