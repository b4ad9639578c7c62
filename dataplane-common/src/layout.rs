//! Where state lies: map names, capacities, values, and the version of all of it.
//!
//! Config and running state are separate maps, by writer: user space writes `SLOTS` and
//! `LIMITS`, the programs write `BUCKETS` and `COUNTERS`.

use crate::counters::Counters;
use crate::direction::Direction;
use crate::limit::Limit;

/// Changes with every change of a map's name, key, value or meaning. `dpctl` refuses pins of
/// another version; `dpctl upgrade` moves them.
pub const LAYOUT_VERSION: u32 = 1;

/// Attachments that one instance can have.
pub const CAPACITY: u32 = 16_384;

/// Interface index -> [`Slot`]: which attachment a packet belongs to. Written by user space.
pub const SLOTS: &str = "SLOTS";
/// Slot -> [`Limits`]. Written by user space.
pub const LIMITS: &str = "LIMITS";
/// [`bucket_index`] -> [`Bucket`]. Written by the programs; zeroed by user space.
pub const BUCKETS: &str = "BUCKETS";
/// Slot -> [`SlotCounters`], per CPU. Written by the programs.
pub const COUNTERS: &str = "COUNTERS";

/// Where an attachment's state lies in the arrays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Slot {
    /// Index into `LIMITS`, `BUCKETS` and `COUNTERS`.
    pub index: u32,
}

/// The limits of one attachment, by [`crate::direction::Direction::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Limits(pub [Limit; 2]);

/// The running state of one bucket, a cache line of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Bucket {
    /// See [`crate::bucket`].
    pub word: u64,
    reserved: [u64; 7],
}

/// Buckets that there are.
pub const BUCKET_CAPACITY: u32 = CAPACITY * 2;

/// Where a slot's bucket for one direction lies: an entry of its own, so that one can be zeroed
/// while the other is in use.
#[inline(always)]
pub const fn bucket_index(slot: u32, direction: Direction) -> u32 {
    match direction {
        Direction::FromContainer => slot * 2,
        Direction::ToContainer => slot * 2 + 1,
    }
}

/// The counters of one attachment, by [`crate::direction::Direction::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SlotCounters(pub [Counters; 2]);

const _: () = assert!(size_of::<Slot>() == 4);
const _: () = assert!(size_of::<Limits>() == 64);
const _: () = assert!(size_of::<Bucket>() == 64);
const _: () = assert!(size_of::<SlotCounters>() == 80);
