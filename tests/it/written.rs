//! What the programs have written of the only attachment, straight from their maps: `dpctl` takes
//! milliseconds to start, and does not tell a bucket's word.

use aya::maps::{Array, Map, MapData, PerCpuArray};
use dataplane_common::direction::Direction;
use dataplane_common::layout::{BUCKETS, Bucket, COUNTERS, SlotCounters, bucket_index};
use dataplane_tests::dpctl::Dpctl;

pub(crate) struct Written {
    counters: PerCpuArray<MapData, SlotCounters>,
    buckets: Array<MapData, Bucket>,
}

impl Written {
    /// Of an instance with veth1 attached, and nothing else.
    #[track_caller]
    pub(crate) fn of(dpctl: &Dpctl<'_>) -> Self {
        assert_eq!(dpctl.json("show veth1")[0]["slot"], 0);
        let map = |name| MapData::from_pin(dpctl.pin(name)).expect("it is pinned");
        Self {
            counters: Map::PerCpuArray(map(COUNTERS)).try_into().expect("it has this layout"),
            buckets: Map::Array(map(BUCKETS)).try_into().expect("it has this layout"),
        }
    }

    /// Bytes that have passed.
    #[track_caller]
    pub(crate) fn bytes(&self, direction: Direction) -> u64 {
        let cpus = self.counters.get(&0, 0).expect("an array has all its elements");
        cpus.iter().map(|cpu| cpu.0[direction.index()].bytes).sum()
    }

    /// When all that has passed would have left at the rate.
    #[track_caller]
    pub(crate) fn word(&self, direction: Direction) -> u64 {
        self.buckets.get(&bucket_index(0, direction), 0).expect("an array has all its elements").word
    }
}
