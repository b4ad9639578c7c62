//! Parts of a hook that the kernel verifies by themselves, each once, whatever leads to it: a hook
//! in one piece has hundreds of thousands of paths, and needs more than the 512 bytes of stack that
//! a program has.
//!
//! Such a part ("global function" in the kernel's words) takes the packet and numbers, answers a
//! number, and shares [`crate::maps::Scratch`] with its hook. Its symbol must be seen from outside.
#![expect(unsafe_code, reason = "names that are seen from outside; no other object has them")]

use aya_ebpf::bindings::__sk_buff;
use dataplane_common::bucket::Taken;
use dataplane_common::direction::Direction;
use dataplane_common::layout::Slot;
use dataplane_common::refusal::Refusal;
use dataplane_common::verdict::DropReason;

use crate::packet::Packet;
use crate::{answer, fib, limiter, rewrite, sender};

/// A direction, as a number.
pub(crate) const FROM: u32 = 0;
/// The other.
pub(crate) const TO: u32 = 1;

/// See [`limiter::charge`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn charge(slot: u32, direction: u32, bytes: u32) -> u32 {
    let direction = if direction == TO { Direction::ToContainer } else { Direction::FromContainer };
    match limiter::charge(Slot { index: slot }, direction, bytes) {
        Taken::Accepted | Taken::Contended => DONE,
        Taken::Early => EARLY,
        Taken::Full => FULL,
    }
}

/// What [`charge`] has answered.
#[inline(always)]
pub(crate) fn charged(answer: u32) -> Result<(), DropReason> {
    match answer {
        DONE => Ok(()),
        EARLY => Err(DropReason::LimitEarly),
        _ => Err(DropReason::LimitFull),
    }
}

/// See [`sender::read`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn read_frame(skb: *mut __sk_buff) -> u32 {
    number(sender::read(&Packet::of(skb)))
}

/// See [`sender::judge`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn judge_sender(skb: *mut __sk_buff, slot: u32) -> u32 {
    number(sender::judge(&Packet::of(skb), Slot { index: slot }))
}

/// See [`sender::find_way`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn find_way(slot: u32) -> u32 {
    number(sender::find_way(Slot { index: slot }))
}

/// See [`answer::tell_mac`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn tell_mac(skb: *mut __sk_buff, slot: u32) -> u32 {
    number(answer::tell_mac(&Packet::of(skb), Slot { index: slot }))
}

/// See [`answer::tell_hops_exceeded`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn tell_hops_exceeded(skb: *mut __sk_buff, slot: u32) -> u32 {
    number(answer::tell_hops_exceeded(&Packet::of(skb), Slot { index: slot }))
}

/// See [`fib::refuse_unless_hosts_own`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn refuse_unless_hosts_own(skb: *mut __sk_buff, device: u32) -> u32 {
    number(fib::refuse_unless_hosts_own(&Packet::of(skb), device))
}

/// See [`rewrite::next_hop`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn next_hop(skb: *mut __sk_buff, to: u32) -> u32 {
    number(rewrite::next_hop(&Packet::of(skb), Slot { index: to }))
}

/// Of what went well.
const DONE: u32 = 0;
const EARLY: u32 = 1;
const FULL: u32 = 2;

/// What a part answers.
#[inline(always)]
fn number(done: Result<(), Refusal>) -> u32 {
    match done {
        Ok(()) => DONE,
        Err(refusal) => refusal.index() + 1,
    }
}

/// What a part has answered.
#[inline(always)]
pub(crate) fn done(answer: u32) -> Result<(), Refusal> {
    if answer == DONE {
        return Ok(());
    }
    Err(Refusal::numbered(answer.wrapping_sub(1)).unwrap_or(Refusal::Malformed))
}
