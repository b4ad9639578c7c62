//! A frame that leaves an endpoint: what it says, whether it may, and where it goes. Each leaves
//! what it found in the scratch.

use dataplane_common::layout::{Place, Slot};
use dataplane_common::network::way;
use dataplane_common::refusal::Refusal;
use dataplane_common::sender::Intent;

use crate::maps;
use crate::packet::Packet;

/// Reads what the frame says.
#[inline(always)]
pub(crate) fn read(packet: &Packet) -> Result<(), Refusal> {
    let scratch = maps::scratch().ok_or(Refusal::Gone)?;
    if packet.is_tagged() {
        return Err(Refusal::Malformed);
    }
    scratch.headers.read(packet, packet.len()).map_err(|_malformed| Refusal::Malformed)
}

/// Judges it by what it says of its sender, and what that wants with it.
#[inline(always)]
pub(crate) fn judge(packet: &Packet, own: Slot) -> Result<(), Refusal> {
    let own = maps::endpoint(own).ok_or(Refusal::Gone)?;
    let scratch = maps::scratch().ok_or(Refusal::Gone)?;
    scratch.intent = own.identity.judge(&scratch.headers, packet)?;
    Ok(())
}

/// Finds where it goes.
#[inline(always)]
pub(crate) fn find_way(own: Slot) -> Result<(), Refusal> {
    let own = maps::endpoint(own).ok_or(Refusal::Gone)?;
    let network = maps::network(own.network).ok_or(Refusal::Gone)?;
    let scratch = maps::scratch().ok_or(Refusal::Gone)?;
    scratch.is_found = false;
    if let Intent::Ask(address) | Intent::To(address) = &scratch.intent {
        scratch.place = Place::new(own.network, *address);
        // Kept in the scratch at once: where there is none, the register that would hold it is read
        // all the same, which Linux 6.1 refuses ("invalid read from stack").
        if let Some(slot) = maps::owner(&scratch.place) {
            scratch.is_found = true;
            scratch.receiver = slot;
        }
    }
    let found = if scratch.is_found { maps::endpoint(scratch.receiver) } else { None };
    scratch.way = way(&scratch.intent, network, found)?;
    Ok(())
}
