//! The hook of a plain attachment: limit and count, redirect nothing.
//!
//! Ownership line: a packet on an interface without a slot is not ours and passes uncounted.

use aya_ebpf::programs::TcContext;
use dataplane_common::bucket::{Taken, take};
use dataplane_common::direction::Direction;
use dataplane_common::layout::Slot;
use dataplane_common::verdict::Verdict;

use crate::packet::Packet;
use crate::{clock, maps};

#[inline(always)] // one copy a direction, whose index then is a constant offset
pub(crate) fn run(ctx: TcContext, direction: Direction) -> Verdict {
    let packet = Packet::new(ctx);
    let Some(slot) = maps::slot(packet.ifindex()) else { return Verdict::Next };
    let wire = packet.wire();
    let verdict = charge(slot, direction, wire.bytes).into();
    maps::count(slot, direction, verdict, wire);
    verdict
}

/// Charges a direction's limit, where it has one.
#[inline(always)]
pub(crate) fn charge(slot: Slot, direction: Direction, bytes: u32) -> Taken {
    let Some((limit, word)) = maps::limit(slot, direction) else { return Taken::Accepted };
    let now = if limit.is_slack() { clock::now_coarse() } else { clock::now() };
    take(&word, limit, now, bytes, clock::random)
}
