//! Frames for the tests of this crate, built byte by byte.

use crate::address::{Ip, Mac};

/// A station of the tests.
pub(crate) const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
/// Another one.
pub(crate) const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);

pub(crate) fn ip(text: &str) -> Ip {
    text.parse::<core::net::IpAddr>().expect("an address").into()
}

pub(crate) fn ethernet(to: Mac, from: Mac, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &ether_type.to_be_bytes(), payload].concat()
}

/// Checksums are left out: no decision looks at them.
pub(crate) fn ipv4(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).expect("short");
    let [high, low] = total.to_be_bytes();
    let fixed = [0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0];
    [&fixed[..], &ip(source).0[12..], &ip(destination).0[12..], payload].concat()
}

pub(crate) fn ipv6(source: &str, destination: &str, next: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).expect("short").to_be_bytes();
    [&[0x60, 0, 0, 0, high, low, next, hops][..], &ip(source).0, &ip(destination).0, payload].concat()
}

pub(crate) fn udp(from: u16, to: u16) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0, 8, 0, 0]].concat()
}

pub(crate) fn arp(operation: u8, sender_mac: Mac, sender: &str, target: &str) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4, 0, operation];
    [&fixed[..], &sender_mac.0, &ip(sender).0[12..], &[0; 6], &ip(target).0[12..]].concat()
}

/// A neighbour solicitation or advertisement with one option that names a MAC.
pub(crate) fn neighbour(kind: u8, target: &str, option: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &ip(target).0, &[option, 1], &mac.0].concat()
}

/// An extension header of eight bytes.
pub(crate) fn extension(next: u8, rest: &[u8]) -> Vec<u8> {
    [&[next, 0, 1, 4, 0, 0, 0, 0][..], rest].concat()
}

/// A fragment header.
pub(crate) fn fragment(next: u8, offset: u16, more: bool, rest: &[u8]) -> Vec<u8> {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    [&[next, 0, high, low, 0, 0, 0, 7][..], rest].concat()
}
