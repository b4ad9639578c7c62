//! Answers to "who has this address": whole frames, made from the question.
//!
//! The path answers in place of endpoints and gateways, so nothing is flooded and no claim of an
//! endpoint is ever believed.

use crate::address::{Ip, Mac};

/// Length of an ARP answer, Ethernet header included.
pub const ARP_LEN: usize = 42;
/// Length of a neighbour advertisement with its one option, Ethernet header included.
pub const ADVERTISEMENT_LEN: usize = 86;

/// Tells the asker that `mac` has `address` (RFC 826).
#[inline(always)]
pub fn arp(asker: (Mac, Ip), mac: Mac, address: Ip) -> [u8; ARP_LEN] {
    let mut frame = [0; ARP_LEN];
    ethernet(&mut frame, asker.0, mac, [0x08, 0x06]);
    frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
    frame[22..28].copy_from_slice(&mac.0);
    frame[28..32].copy_from_slice(&address.0[12..]);
    frame[32..38].copy_from_slice(&asker.0.0);
    frame[38..42].copy_from_slice(&asker.1.0[12..]);
    frame
}

/// The same in IPv6 (RFC 4861, 4.4): solicited, and overriding what the asker knew.
#[inline(always)]
pub fn advertisement(asker: (Mac, Ip), mac: Mac, address: Ip, is_router: bool) -> [u8; ADVERTISEMENT_LEN] {
    const SOLICITED_OVERRIDE: u8 = 0x60;
    const ROUTER: u8 = 0x80;
    let mut frame = [0; ADVERTISEMENT_LEN];
    ethernet(&mut frame, asker.0, mac, [0x86, 0xdd]);
    frame[14..22].copy_from_slice(&[0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame[22..38].copy_from_slice(&address.0);
    frame[38..54].copy_from_slice(&asker.1.0);
    frame[54] = 136;
    frame[58] = SOLICITED_OVERRIDE | if is_router { ROUTER } else { 0 };
    frame[62..78].copy_from_slice(&address.0);
    frame[78..80].copy_from_slice(&[2, 1]);
    frame[80..86].copy_from_slice(&mac.0);
    let sum = checksum(&frame);
    frame[56..58].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[inline(always)]
fn ethernet(frame: &mut [u8], to: Mac, from: Mac, ether_type: [u8; 2]) {
    frame[..6].copy_from_slice(&to.0);
    frame[6..12].copy_from_slice(&from.0);
    frame[12..14].copy_from_slice(&ether_type);
}

/// RFC 4443, 2.3: over the addresses, the length, the protocol and the message. The sum of 36
/// words fits 32 bits, so its carries are folded in at the end.
#[inline(always)]
fn checksum(frame: &[u8; ADVERTISEMENT_LEN]) -> u16 {
    let mut sum: u32 = 32 + 58;
    for word in frame[22..].chunks_exact(2) {
        sum += u32::from(u16::from_be_bytes([word[0], word[1]]));
    }
    let folded = (sum & 0xffff) + (sum >> 16);
    let [.., high, low] = (folded + (folded >> 16)).to_be_bytes();
    !u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests;
