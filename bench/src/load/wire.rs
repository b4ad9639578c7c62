//! Frames put onto the client's interface past sockets, routes and queueing disciplines.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use dataplane_tests::eventually::within;

use super::PATIENCE;
use super::frame::Way;
use crate::bed::{Bed, CLIENT, INSIDE};
use crate::sys::{Frames, packet_socket};

/// Where frames of datagrams come from.
const PORT: u16 = 40_000;
/// RFC 863; nobody listens there.
const DISCARD: u16 = 9;

/// The client's end of the bed.
pub(super) struct Wire {
    socket: OwnedFd,
    /// From the client to the server.
    pub(super) way: Way,
}

impl Wire {
    /// Learns the MAC addresses from the kernel, which looks for the next hop once something is
    /// sent to it.
    pub(super) fn new(bed: &Bed) -> Result<Self> {
        let SocketAddr::V4(to) = bed.connect else { bail!("no IPv4 address to send to: {}", bed.connect) };
        let route = bed.client.ip(&format!("-j route get {}", to.ip())).json();
        let hop: Ipv4Addr = route[0]["gateway"].as_str().map_or(Ok(*to.ip()), str::parse)?;
        // To the hop itself: at the server it would be one datagram too many.
        let nudge = bed.client.enter(|| UdpSocket::bind("0.0.0.0:0")).context("bind the client")?;
        nudge.send_to(&[0], (hop, DISCARD)).context("send to the next hop")?;
        let next =
            within(PATIENCE, || neighbour(bed, hop)).with_context(|| format!("{hop} has no MAC address"))?;
        let link = bed.client.ip(&format!("-j link show dev {INSIDE}")).json();
        let own = link[0]["address"]
            .as_str()
            .and_then(mac)
            .with_context(|| format!("{INSIDE} has no MAC address"))?;
        let index = bed.client_side().index();
        let socket =
            bed.client.enter(|| packet_socket(index, Frames::Out)).context("make a packet socket")?;
        let mut macs = [0; 12];
        macs[..6].copy_from_slice(&next);
        macs[6..].copy_from_slice(&own);
        Ok(Self { socket, way: Way { macs, from: SocketAddrV4::new(CLIENT, PORT), to } })
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What the client's kernel knows of a neighbour.
fn neighbour(bed: &Bed, address: Ipv4Addr) -> Option<[u8; 6]> {
    let table = bed.client.ip(&format!("-j neigh show {address} dev {INSIDE}")).json();
    table[0]["lladdr"].as_str().and_then(mac)
}

/// `02:77:00:00:01:01`.
fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_is_six_bytes() {
        assert_eq!(mac("02:77:00:00:01:fe"), Some([2, 0x77, 0, 0, 1, 0xfe]));
        assert_eq!(mac("02:77:00:00:01"), None);
        assert_eq!(mac("02:77:00:00:01:fg"), None);
    }
}
