//! Every map, and one typed function a question.
#![expect(unsafe_code, reason = "map values are shared with the kernel; this file is their address")]

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, DevMapHash, HashMap, PerCpuArray};
use dataplane_common::bucket::Word;
use dataplane_common::direction::Direction;
use dataplane_common::frame::Wire;
use dataplane_common::headers::Headers;
use dataplane_common::layout::{
    ADDRESS_CAPACITY, BUCKET_CAPACITY, Bucket, CAPACITY, Limits, NETWORK_CAPACITY, Place, Slot, SlotCounters,
    bucket_index,
};
use dataplane_common::limit::Limit;
use dataplane_common::network::{Endpoint, Network, Way};
use dataplane_common::refusal::Refusal;
use dataplane_common::sender::Intent;
use dataplane_common::verdict::{DropReason, Verdict};

#[map]
static SLOTS: HashMap<u32, Slot> = HashMap::with_max_entries(CAPACITY, 0);
#[map]
static LIMITS: Array<Limits> = Array::with_max_entries(CAPACITY, 0);
#[map]
static BUCKETS: Array<Bucket> = Array::with_max_entries(BUCKET_CAPACITY, 0);
#[map]
static COUNTERS: PerCpuArray<SlotCounters> = PerCpuArray::with_max_entries(CAPACITY, 0);

#[map]
static ENDPOINTS: Array<Endpoint> = Array::with_max_entries(CAPACITY, 0);
#[map]
static NETWORKS: Array<Network> = Array::with_max_entries(NETWORK_CAPACITY, 0);
#[map]
static ADDRESSES: HashMap<Place, Slot> = HashMap::with_max_entries(ADDRESS_CAPACITY, BPF_F_NO_PREALLOC);
#[map]
static DEVICES: DevMapHash = DevMapHash::with_max_entries(CAPACITY, 0);
#[map]
static REASONS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Refusal::COUNT, 0);

/// What a program works on that its stack of 512 bytes has no room for.
pub(crate) struct Scratch {
    /// Of the frame at hand.
    pub(crate) headers: Headers,
    /// What its sender wants with it.
    pub(crate) intent: Intent,
    /// Which endpoint's address is looked for.
    pub(crate) place: Place,
    /// Where it goes.
    pub(crate) way: Way,
    /// Whether an endpoint has the address, and which.
    pub(crate) is_found: bool,
    pub(crate) receiver: Slot,
    /// An answer that is being made.
    pub(crate) frame: [u8; 128],
}

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// This CPU's own. Only `from_endpoint` uses it, and is not entered again while it runs: copies
/// that it makes are sent out of other interfaces, past `to_endpoint` alone.
#[inline(always)]
pub(crate) fn scratch() -> Option<&'static mut Scratch> {
    let scratch = SCRATCH.get_ptr_mut(0)?;
    // SAFETY: no other program on this CPU has it, as above; all zero is a value of it.
    Some(unsafe { &mut *scratch })
}

/// The attachment of an interface.
#[inline(always)]
pub(crate) fn slot(ifindex: u32) -> Option<Slot> {
    // SAFETY: user space replaces whole values, of four bytes: the one read is old or new.
    unsafe { SLOTS.get(ifindex) }.copied()
}

/// The limit of a direction and its bucket; `None` where nothing is limited.
#[inline(always)]
pub(crate) fn limit(slot: Slot, direction: Direction) -> Option<(&'static Limit, BucketWord)> {
    // Copied in place when it is set: a packet may see a part of the old limit beside a part of
    // the new. Any bits are a limit, and the next packet sees the new one.
    let limit = &LIMITS.get(slot.index)?.0[direction.index()];
    if !limit.is_set() {
        return None;
    }
    let bucket = BUCKETS.get_ptr_mut(bucket_index(slot.index, direction))?;
    // SAFETY: the map's values are `Bucket`; elements of an array map are never freed or moved.
    let word = unsafe { &raw mut (*bucket).word };
    Some((limit, BucketWord(word)))
}

/// Counts a packet for its attachment.
#[inline(always)]
pub(crate) fn count(slot: Slot, direction: Direction, verdict: Verdict, wire: Wire) {
    if let Some(counters) = COUNTERS.get_ptr_mut(slot.index) {
        // SAFETY: this CPU's own copy; a program is not interrupted by another of its hook here.
        unsafe { (*counters).0[direction.index()].count(verdict, wire) }
    }
}

/// The endpoint that an attachment is; `None` where it is none.
#[inline(always)]
pub(crate) fn endpoint(slot: Slot) -> Option<&'static Endpoint> {
    ENDPOINTS.get(slot.index).filter(|endpoint| endpoint.network != 0)
}

/// The network of a number.
#[inline(always)]
pub(crate) fn network(id: u32) -> Option<&'static Network> {
    NETWORKS.get(id).filter(|network| network.has(Network::PRESENT))
}

/// The endpoint that has an address of a network.
#[inline(always)]
pub(crate) fn owner(place: &Place) -> Option<Slot> {
    // SAFETY: as in `slot`.
    unsafe { ADDRESSES.get(place) }.copied()
}

/// Whether a device of this number is there, and is the one that was entered.
#[inline(always)]
pub(crate) fn is_alive(ifindex: u32) -> bool {
    DEVICES.get_ifindex(ifindex).is_some()
}

/// Counts a refused packet by its reason, for the host.
#[inline(always)]
pub(crate) fn count_reason(verdict: Verdict) {
    let Verdict::Drop(DropReason::Refused(refusal)) = verdict else { return };
    if let Some(count) = REASONS.get_ptr_mut(refusal.index()) {
        // SAFETY: this CPU's own copy, as in `count`.
        unsafe { *count += 1 }
    }
}

/// A bucket's word in its map.
pub(crate) struct BucketWord(*mut u64);

impl Word for BucketWord {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: made by `limit` from a map value; aligned, lives as long as the map.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn compare_exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        // SAFETY: as in `load`.
        let (found, stored) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(self.0, current, new)
        };
        if stored { Ok(()) } else { Err(found) }
    }

    #[inline(always)]
    fn add(&self, amount: u64) {
        // SAFETY: as in `load`.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(self.0, amount) };
    }
}
