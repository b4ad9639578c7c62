//! Every map, and one typed function a question.
#![expect(unsafe_code, reason = "map values are shared with the kernel; this file is their address")]

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use dataplane_common::bucket::Word;
use dataplane_common::direction::Direction;
use dataplane_common::frame::Wire;
use dataplane_common::layout::{BUCKET_CAPACITY, Bucket, CAPACITY, Limits, Slot, SlotCounters, bucket_index};
use dataplane_common::limit::Limit;
use dataplane_common::verdict::Verdict;

#[map]
static SLOTS: HashMap<u32, Slot> = HashMap::with_max_entries(CAPACITY, 0);
#[map]
static LIMITS: Array<Limits> = Array::with_max_entries(CAPACITY, 0);
#[map]
static BUCKETS: Array<Bucket> = Array::with_max_entries(BUCKET_CAPACITY, 0);
#[map]
static COUNTERS: PerCpuArray<SlotCounters> = PerCpuArray::with_max_entries(CAPACITY, 0);

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
