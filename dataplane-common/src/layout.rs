//! Where state lies: map names, capacities, values, and the version of all of it.
//!
//! Config and running state are separate maps, by writer: user space writes `SLOTS`, `LIMITS`,
//! `ENDPOINTS`, `NETWORKS`, `ADDRESSES` and `DEVICES`, the programs write `BUCKETS`, `COUNTERS` and
//! `REASONS`.

use crate::address::Ip;
use crate::counters::Counters;
use crate::direction::Direction;
use crate::limit::Limit;

/// Changes with every change of a map's name, key, value or meaning. `dpctl` refuses pins of
/// another version; `dpctl upgrade` moves them.
pub const LAYOUT_VERSION: u32 = 2;

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
/// Slot -> [`crate::network::Endpoint`]; unset where an attachment is no endpoint. Written by user
/// space.
pub const ENDPOINTS: &str = "ENDPOINTS";
/// Index from 1 -> [`crate::network::Network`]. Written by user space.
pub const NETWORKS: &str = "NETWORKS";
/// [`Place`] -> [`Slot`]: which endpoint of a network has an address. Written by user space.
pub const ADDRESSES: &str = "ADDRESSES";
/// Interface index -> itself, as long as the device is there: the kernel takes it out when it goes.
/// Written by user space.
pub const DEVICES: &str = "DEVICES";
/// [`crate::refusal::Refusal::index`] -> packets, per CPU. Written by the programs.
pub const REASONS: &str = "REASONS";

/// Networks that one instance can have, and one more since index 0 is none.
pub const NETWORK_CAPACITY: u32 = 1025;
/// Addresses of endpoints: IPv4, IPv6 and link-local.
pub const ADDRESS_CAPACITY: u32 = CAPACITY * 3;

/// An address in a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Place {
    /// The network's index.
    pub network: u32,
    reserved: u32,
    /// The address.
    pub address: Ip,
}

const _: () = assert!(size_of::<Place>() == 24);

impl Place {
    /// Of an address in a network.
    #[inline(always)]
    pub const fn new(network: u32, address: Ip) -> Self {
        Self { network, reserved: 0, address }
    }
}

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
const _: () = assert!(size_of::<SlotCounters>() == 96);
