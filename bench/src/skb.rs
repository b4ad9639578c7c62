//! The packets that programs are run on.

use dataplane_tests::packet::Packet;

/// Length of the small one.
pub(crate) const FRAME: u32 = 64;
/// Payload of one segment of the GSO packet.
pub(crate) const GSO_PAYLOAD: u32 = 1448;

/// A small UDP frame.
pub(crate) fn frame() -> Vec<u8> {
    let headers = Packet::udp(([10, 77, 1, 2], 1000), ([10, 77, 1, 1], 2000));
    let bare = headers.clone().build().len();
    headers.payload_of(FRAME as usize - bare).build()
}

/// A TCP packet with timestamps that will become two frames.
pub(crate) fn gso_packet() -> Vec<u8> {
    let timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1];
    let headers = Packet::tcp(([10, 77, 1, 2], 1000), ([10, 77, 1, 1], 2000)).tcp_options(&timestamps);
    headers.payload_of(2 * GSO_PAYLOAD as usize).build()
}
