//! The hooks of an endpoint: it speaks for itself alone, and reaches what its network allows.
//!
//! Ownership line: every packet at an endpoint is ours. What is not understood is dropped; an
//! endpoint that no map knows any more passes nothing.

use aya_ebpf::programs::TcContext;
use dataplane_common::direction::Direction;
use dataplane_common::frame::Wire;
use dataplane_common::layout::Slot;
use dataplane_common::network::{Endpoint, Network, Way, may_enter};
use dataplane_common::refusal::Refusal;
use dataplane_common::verdict::{DropReason, Verdict};

use crate::packet::Packet;
use crate::{copies, maps, part, rewrite};

/// A packet leaves an endpoint.
#[inline(always)]
pub(crate) fn from(ctx: TcContext) -> Verdict {
    let packet = Packet::new(ctx);
    let Some(slot) = maps::slot(packet.ifindex()) else { return unknown() };
    let wire = packet.wire();
    let verdict = send(&packet, slot, wire).unwrap_or_else(Verdict::Drop);
    maps::count(slot, Direction::FromContainer, verdict, wire);
    maps::count_reason(verdict);
    verdict
}

/// A packet enters an endpoint: from the host, or approved by the sender's own hook and seen here
/// once more.
#[inline(always)]
pub(crate) fn to(ctx: TcContext) -> Verdict {
    let packet = Packet::new(ctx);
    let Some(slot) = maps::slot(packet.ifindex()) else { return unknown() };
    let wire = packet.wire();
    let verdict = receive(&packet, slot, wire).unwrap_or_else(Verdict::Drop);
    maps::count(slot, Direction::ToContainer, verdict, wire);
    maps::count_reason(verdict);
    verdict
}

#[inline(always)]
fn unknown() -> Verdict {
    let verdict = Verdict::Drop(Refusal::Gone.into());
    maps::count_reason(verdict);
    verdict
}

#[inline(always)]
fn send(packet: &Packet, own_slot: Slot, wire: Wire) -> Result<Verdict, DropReason> {
    let own = maps::endpoint(own_slot).ok_or(Refusal::Gone)?;
    let network = maps::network(own.network).ok_or(Refusal::Gone)?;
    if own.ifindex != packet.ifindex() {
        return Err(Refusal::Gone.into());
    }
    part::done(part::read_frame(packet.skb()))?;
    part::done(part::judge_sender(packet.skb(), own_slot.index))?;
    part::charged(part::charge(own_slot.index, part::FROM, wire.bytes))?;
    part::done(part::find_way(own_slot.index))?;
    let scratch = maps::scratch().ok_or(Refusal::Gone)?;
    match &scratch.way {
        Way::Answer => {
            part::done(part::tell_mac(packet.skb(), own_slot.index))?;
            Ok(Verdict::Redirect(packet.ifindex()))
        }
        Way::Endpoint => {
            let slot = scratch.receiver;
            if network.has(Network::ROUTED) {
                if scratch.headers.hops() <= 1 {
                    part::done(part::tell_hops_exceeded(packet.skb(), own_slot.index))?;
                    return Ok(Verdict::Redirect(packet.ifindex()));
                }
                part::done(part::next_hop(packet.skb(), slot.index))?;
            }
            enter(packet, slot, wire)
        }
        Way::HostIfItsOwn => {
            part::done(part::refuse_unless_hosts_own(packet.skb(), network.device))?;
            Ok(Verdict::Next)
        }
        Way::Host => Ok(Verdict::Next),
        Way::Everybody => {
            copies::to_all(packet.skb(), own.ifindex, network.first);
            Ok(Verdict::Next)
        }
        Way::Peers => {
            copies::to_all(packet.skb(), own.ifindex, network.first);
            Ok(Verdict::Consumed)
        }
        Way::Nowhere => Ok(Verdict::Consumed),
    }
}

/// Does what the receiver's own hook would have done, and hands the packet over.
#[inline(always)]
fn enter(packet: &Packet, slot: Slot, wire: Wire) -> Result<Verdict, DropReason> {
    let to = maps::endpoint(slot).ok_or(Refusal::Gone)?;
    // An ifindex is no identity: the container may have deleted its end, and the number is free.
    if !maps::is_alive(to.ifindex) {
        return Err(Refusal::Gone.into());
    }
    if to.flags & Endpoint::NO_BYPASS != 0 {
        return Ok(Verdict::Redirect(to.ifindex));
    }
    let charged = part::charged(part::charge(slot.index, part::TO, wire.bytes));
    let verdict = charged.map_or_else(Verdict::Drop, |()| Verdict::IntoPeer(to.ifindex));
    maps::count(slot, Direction::ToContainer, verdict, wire);
    rewrite::for_this_host(packet);
    charged.map(|()| verdict)
}

#[inline(always)]
fn receive(packet: &Packet, slot: Slot, wire: Wire) -> Result<Verdict, DropReason> {
    let own = maps::endpoint(slot).ok_or(Refusal::Gone)?;
    let network = maps::network(own.network).ok_or(Refusal::Gone)?;
    let origin = packet.origin();
    // 0 is the host itself, and our own number an answer that was turned round.
    if origin != 0 && origin != own.ifindex {
        // A number that a deleted device had may be anybody's by now.
        let sender = if maps::is_alive(origin) { maps::slot(origin).and_then(maps::endpoint) } else { None };
        let allowed = match sender {
            Some(sender) => may_enter(sender, own, network),
            None => network.has(Network::FOREIGN),
        };
        if !allowed {
            return Err(Refusal::NotAllowed.into());
        }
    }
    part::charged(part::charge(slot.index, part::TO, wire.bytes))?;
    Ok(Verdict::Next)
}
