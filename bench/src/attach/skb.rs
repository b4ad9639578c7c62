//! The packets that programs are run on, and the kernel's view of them.

use dataplane_tests::packet::Packet;

/// Length of the small one.
pub(super) const FRAME: u32 = 64;
/// Payload of one segment of the GSO packet.
pub(super) const GSO_PAYLOAD: u32 = 1448;

/// A small UDP frame.
pub(super) fn frame() -> Vec<u8> {
    let headers = Packet::udp(([10, 77, 1, 2], 1000), ([10, 77, 1, 1], 2000));
    let bare = headers.clone().build().len();
    headers.payload_of(FRAME as usize - bare).build()
}

/// A TCP packet with timestamps that will become two frames.
pub(super) fn gso_packet() -> Vec<u8> {
    let timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1];
    let headers = Packet::tcp(([10, 77, 1, 2], 1000), ([10, 77, 1, 1], 2000)).tcp_options(&timestamps);
    headers.payload_of(2 * GSO_PAYLOAD as usize).build()
}

/// Size of `struct __sk_buff`, and the offsets of what a run needs: part of the kernel's ABI.
pub(super) const CONTEXT: usize = 192;
const IFINDEX: usize = 40;
const GSO_SIZE: usize = 176;

/// A packet at an interface; `gso_size` is 0 for one that is a frame.
pub(super) fn context(ifindex: u32, gso_size: u32) -> [u8; CONTEXT] {
    let mut context = [0; CONTEXT];
    context[IFINDEX..IFINDEX + 4].copy_from_slice(&ifindex.to_ne_bytes());
    context[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&gso_size.to_ne_bytes());
    context
}
