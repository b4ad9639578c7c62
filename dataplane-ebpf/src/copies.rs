//! Copies of a broadcast or multicast frame for every other endpoint of a network.
#![expect(unsafe_code, reason = "a loop's body is called back by the kernel")]

use core::ffi::c_void;

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_clone_redirect, bpf_loop};
use dataplane_common::layout::Slot;

use crate::maps;

/// Ports of a Linux bridge at the most, and so endpoints of a network that has one.
const PORTS: u32 = 1023;

#[repr(C)]
struct Walk {
    skb: *mut __sk_buff,
    own: u32,
    /// The slot to be looked at, plus 1; 0 ends it.
    next: u32,
}

/// Sends a copy out of the host side of each other endpoint's veth, whose own hook judges it.
/// `own` is the sender's interface, which gets none; `first` the first slot of its network, plus 1.
#[inline(always)]
pub(crate) fn to_all(skb: *mut __sk_buff, own: u32, first: u32) {
    let mut walk = Walk { skb, own, next: first };
    // SAFETY: the callback takes what the kernel passes it: the turn, and this struct.
    unsafe { bpf_loop(PORTS, copy as *mut c_void, (&raw mut walk).cast(), 0) };
}

/// One turn; 1 ends the loop.
extern "C" fn copy(_turn: u32, walk: *mut Walk) -> i64 {
    // SAFETY: `to_all` passes a `Walk` that outlives the loop.
    let walk = unsafe { &mut *walk };
    let Some(index) = walk.next.checked_sub(1) else { return 1 };
    let Some(endpoint) = maps::endpoint(Slot { index }) else { return 1 };
    walk.next = endpoint.next;
    if endpoint.ifindex != walk.own && maps::is_alive(endpoint.ifindex) {
        // SAFETY: the packet is the program's own; a copy that cannot be made is lost, as on a link.
        unsafe { bpf_clone_redirect(walk.skb, endpoint.ifindex, 0) };
    }
    0
}
