//! Turns a frame round: what asked, or can go no further, becomes the answer and goes back.

use dataplane_common::address::Ip;
use dataplane_common::frame::Octets;
use dataplane_common::headers::{ETHERNET, Inner};
use dataplane_common::hops::{
    Ends, V4_LEN, V4_QUOTED, V6_LEN, V6_QUOTED, exceeded_v4, exceeded_v6, may_be_answered,
};
use dataplane_common::layout::Slot;
use dataplane_common::neighbour::{advertisement, arp};
use dataplane_common::network;
use dataplane_common::refusal::Refusal;

use crate::packet::Packet;
use crate::{maps, rewrite};

/// Tells the asker whose MAC has the address asked for, as was found.
#[inline(always)]
pub(crate) fn tell_mac(packet: &Packet, own: Slot) -> Result<(), Refusal> {
    let own = maps::endpoint(own).ok_or(Refusal::Gone)?;
    let network = maps::network(own.network).ok_or(Refusal::Gone)?;
    let scratch = maps::scratch().ok_or(Refusal::Gone)?;
    let found = if scratch.is_found { maps::endpoint(scratch.receiver) } else { None };
    let mac = network::answer(own, network, found);
    let asker = &scratch.headers.from;
    match &scratch.headers.inner {
        Inner::Arp(question) => {
            let frame = scratch.frame.first_chunk_mut().ok_or(Refusal::Malformed)?;
            arp(frame, (asker, &question.sender), mac, &question.target);
            rewrite::replace(packet, frame)
        }
        Inner::Ip(question) => {
            let target: Ip = packet.bytes(question.payload + 8).map(Ip).ok_or(Refusal::Malformed)?;
            let is_router = target == network.gateway_v6;
            let frame = scratch.frame.first_chunk_mut().ok_or(Refusal::Malformed)?;
            advertisement(frame, (asker, &question.source), mac, &target, is_router);
            rewrite::replace(packet, frame)
        }
    }
}

/// Tells the sender that its packet has no hops left, as a router does. One small frame for each
/// of the sender's own, to itself, and charged to its limit: nobody else can be harmed by it.
#[inline(always)]
pub(crate) fn tell_hops_exceeded(packet: &Packet, slot: Slot) -> Result<(), Refusal> {
    let own = maps::endpoint(slot).ok_or(Refusal::Gone)?;
    let network = maps::network(own.network).ok_or(Refusal::Gone)?;
    let scratch = maps::scratch().ok_or(Refusal::Gone)?;
    let Inner::Ip(ip) = &scratch.headers.inner else { return Err(Refusal::HopsExceeded) };
    let [kind] = packet.bytes(ip.payload).ok_or(Refusal::HopsExceeded)?;
    if !may_be_answered(ip, kind) {
        return Err(Refusal::HopsExceeded);
    }
    let is_v4 = ip.source.is_v4();
    let gateway = if is_v4 { &network.gateway_v4 } else { &network.gateway_v6 };
    let ends = Ends { router: (&own.host_mac, gateway), sender: (&scratch.headers.from, &ip.source) };
    if is_v4 {
        let frame: &mut [u8; V4_LEN] = scratch.frame.first_chunk_mut().ok_or(Refusal::HopsExceeded)?;
        let quoted: &mut [u8; V4_QUOTED] = frame.last_chunk_mut().ok_or(Refusal::HopsExceeded)?;
        packet.copy(ETHERNET, quoted).ok_or(Refusal::HopsExceeded)?;
        exceeded_v4(frame, ends);
        rewrite::replace(packet, frame)
    } else {
        let frame: &mut [u8; V6_LEN] = scratch.frame.first_chunk_mut().ok_or(Refusal::HopsExceeded)?;
        let quoted: &mut [u8; V6_QUOTED] = frame.last_chunk_mut().ok_or(Refusal::HopsExceeded)?;
        packet.copy(ETHERNET, quoted).ok_or(Refusal::HopsExceeded)?;
        exceeded_v6(frame, ends);
        rewrite::replace(packet, frame)
    }
}
