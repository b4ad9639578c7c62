//! Changes packets and hands them on: the only file that writes a byte.
#![expect(unsafe_code, reason = "the helpers are foreign functions")]

use aya_ebpf::helpers::generated::{
    bpf_l3_csum_replace, bpf_redirect, bpf_redirect_peer, bpf_skb_change_tail, bpf_skb_change_type,
    bpf_skb_store_bytes,
};
use dataplane_common::headers::{ETHERNET, Inner};
use dataplane_common::layout::Slot;
use dataplane_common::refusal::Refusal;

use crate::maps;
use crate::packet::Packet;

/// What a redirect answers that cannot be: drop.
const SHOT: i32 = 2;

/// Out of an interface.
#[inline(always)]
pub(crate) fn redirect(ifindex: u32) -> i32 {
    // SAFETY: takes no pointers; the kernel drops the packet if there is no such interface.
    i32::try_from(unsafe { bpf_redirect(ifindex, 0) }).unwrap_or(SHOT)
}

/// Into the namespace of a veth's peer.
#[inline(always)]
pub(crate) fn redirect_into_peer(ifindex: u32) -> i32 {
    // SAFETY: as above.
    i32::try_from(unsafe { bpf_redirect_peer(ifindex, 0) }).unwrap_or(SHOT)
}

/// Makes the packet this frame.
#[inline(always)]
pub(crate) fn replace<const N: usize>(packet: &Packet, frame: &[u8; N]) -> Result<(), Refusal> {
    let length = u32::try_from(N).map_err(|_too_long| Refusal::Malformed)?;
    // SAFETY: the kernel checks the length.
    let failed = unsafe { bpf_skb_change_tail(packet.skb(), length, 0) };
    if failed != 0 {
        return Err(Refusal::Malformed);
    }
    store(packet, 0, frame)
}

/// The hop that a router takes: one off the TTL or hop limit, and the MACs of the next link.
#[inline(always)]
pub(crate) fn next_hop(packet: &Packet, to: Slot) -> Result<(), Refusal> {
    const TTL: u32 = ETHERNET + 8;
    const CHECKSUM: u32 = ETHERNET + 10;
    const HOP_LIMIT: u32 = ETHERNET + 7;
    let to = maps::endpoint(to).ok_or(Refusal::Gone)?;
    let Inner::Ip(ip) = &maps::scratch().ok_or(Refusal::Gone)?.headers.inner else {
        return Err(Refusal::Malformed);
    };
    if ip.source.is_v4() {
        // The sum runs over words: TTL and protocol are one.
        let word = |hops: u8| u64::from(u16::from_ne_bytes([hops, ip.protocol]));
        // SAFETY: the kernel checks the offset.
        unsafe {
            bpf_l3_csum_replace(packet.skb(), CHECKSUM, word(ip.hops), word(ip.hops.wrapping_sub(1)), 2)
        };
        store(packet, TTL, &[ip.hops.wrapping_sub(1)])?;
    } else {
        store(packet, HOP_LIMIT, &[ip.hops.wrapping_sub(1)])?;
    }
    store(packet, 0, &to.identity.mac.0)?;
    store(packet, 6, &to.host_mac.0)
}

/// Marks the packet as one for its receiver: a frame for another MAC than the veth's own is none,
/// and kernels before 6.1.139, 6.6.91 and 6.12.29 keep that mark through `bpf_redirect_peer`.
#[inline(always)]
pub(crate) fn for_this_host(packet: &Packet) {
    const PACKET_HOST: u32 = 0;
    // SAFETY: no preconditions; it fails for other types than this.
    unsafe { bpf_skb_change_type(packet.skb(), PACKET_HOST) };
}

#[inline(always)]
fn store<const N: usize>(packet: &Packet, offset: u32, bytes: &[u8; N]) -> Result<(), Refusal> {
    let length = u32::try_from(N).map_err(|_too_long| Refusal::Malformed)?;
    // SAFETY: the source is as long as the length says; the kernel checks the offset.
    let failed = unsafe { bpf_skb_store_bytes(packet.skb(), offset, bytes.as_ptr().cast(), length, 0) };
    if failed == 0 { Ok(()) } else { Err(Refusal::Malformed) }
}
