//! Typed handles on the maps; the only writes to maps from user space.
//!
//! User space writes `SLOTS` and `LIMITS`, and who is who in [`Peers`]. `BUCKETS`, `COUNTERS` and
//! `REASONS` are the programs'; the first two are zeroed, never changed: counters while a slot is
//! not in use, backlogs also when they outlast a new limit.

use std::os::fd::OwnedFd;
use std::path::Path;

mod peers;

use aya::maps::{Array, HashMap, Map, MapData, MapType, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;

use dataplane_common::bucket::outlasts;
use dataplane_common::counters::Counters;
use dataplane_common::direction::Direction;
use dataplane_common::layout::{
    ADDRESSES, BUCKET_CAPACITY, BUCKETS, Bucket, CAPACITY, COUNTERS, DEVICES, ENDPOINTS, LIMITS, Limits,
    NETWORKS, REASONS, SLOTS, Slot, SlotCounters, bucket_index,
};
use dataplane_common::refusal::Refusal;

pub use self::peers::Peers;
use crate::error::{Attempt, Error, Result};
use crate::pin::{Kind, open_own_pin};
use crate::sys;

/// The maps' names, which are those of their pins.
pub const NAMES: [&str; 9] =
    [SLOTS, LIMITS, BUCKETS, COUNTERS, ENDPOINTS, NETWORKS, ADDRESSES, DEVICES, REASONS];

/// The maps of one instance.
pub struct Tables {
    slots: HashMap<MapData, u32, Slot>,
    limits: Array<MapData, Limits>,
    buckets: Array<MapData, Bucket>,
    counters: PerCpuArray<MapData, SlotCounters>,
    reasons: PerCpuArray<MapData, u64>,
    /// Who is who: networks, endpoints, their addresses and devices.
    pub peers: Peers,
    cpus: usize,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl Tables {
    /// Opens the maps pinned in `dir`; refuses maps of another shape.
    pub fn open(dir: &Path) -> Result<Self> {
        let slots = open_map(dir, SLOTS, MapType::Hash, (4, size_of::<Slot>()), CAPACITY)?;
        let limits = open_map(dir, LIMITS, MapType::Array, (4, size_of::<Limits>()), CAPACITY)?;
        let buckets = open_map(dir, BUCKETS, MapType::Array, (4, size_of::<Bucket>()), BUCKET_CAPACITY)?;
        let counters =
            open_map(dir, COUNTERS, MapType::PerCpuArray, (4, size_of::<SlotCounters>()), CAPACITY)?;
        let reasons = open_map(dir, REASONS, MapType::PerCpuArray, (4, size_of::<u64>()), Refusal::COUNT)?;
        let call = || format!("open the maps in {}", dir.display());
        Ok(Self {
            slots: HashMap::try_from(slots).attempt(call)?,
            limits: Array::try_from(limits).attempt(call)?,
            buckets: Array::try_from(buckets).attempt(call)?,
            counters: PerCpuArray::try_from(counters).attempt(call)?,
            reasons: PerCpuArray::try_from(reasons).attempt(call)?,
            peers: Peers::open(dir)?,
            cpus: nr_cpus().map_err(|(call, source)| Error::Io { call: call.to_owned(), source })?,
        })
    }

    /// Makes a slot ready for an interface that nothing is attached to yet.
    pub fn prepare(&mut self, slot: u32, ifindex: u32, limits: Limits) -> Result<()> {
        let call = || format!("prepare slot {slot}");
        let zeroes = PerCpuValues::try_from(vec![SlotCounters::default(); self.cpus]).attempt(call)?;
        self.limits.set(slot, limits, 0).attempt(call)?;
        for direction in Direction::ALL {
            self.clear_debt(slot, direction)?;
        }
        self.counters.set(slot, zeroes, 0).attempt(call)?;
        self.slots.insert(ifindex, Slot { index: slot }, 0).attempt(call)
    }

    /// Sets the limits of a slot in use, unless they are in force.
    pub fn change_limits(&mut self, slot: u32, limits: Limits) -> Result<()> {
        if self.limits(slot)? == limits { Ok(()) } else { self.set_limits(slot, limits) }
    }

    /// Sets the limits of a slot in use. To be done again where it was cut short.
    ///
    /// A backlog is time, and stays. One that is longer than the new limit's whole queue, by a
    /// slower rate or a longer latency, would stop all traffic until it has drained: that
    /// direction starts with none.
    pub fn set_limits(&mut self, slot: u32, limits: Limits) -> Result<()> {
        self.limits.set(slot, limits, 0).attempt(|| format!("set the limits of slot {slot}"))?;
        for direction in Direction::ALL {
            let index = bucket_index(slot, direction);
            let bucket =
                self.buckets.get(&index, 0).attempt(|| format!("read the backlog of slot {slot}"))?;
            if outlasts(bucket.word, &limits.0[direction.index()], sys::monotonic_ns()) {
                self.clear_debt(slot, direction)?;
            }
        }
        Ok(())
    }

    fn clear_debt(&mut self, slot: u32, direction: Direction) -> Result<()> {
        let index = bucket_index(slot, direction);
        self.buckets.set(index, Bucket::default(), 0).attempt(|| format!("clear the backlog of slot {slot}"))
    }

    /// The limits of a slot.
    pub fn limits(&self, slot: u32) -> Result<Limits> {
        self.limits.get(&slot, 0).attempt(|| format!("read the limits of slot {slot}"))
    }

    /// The slot of an interface.
    pub fn slot(&self, ifindex: u32) -> Result<Option<u32>> {
        match self.slots.get(&ifindex, 0) {
            Ok(slot) => Ok(Some(slot.index)),
            Err(aya::maps::MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error).attempt(|| format!("look up interface {ifindex}")),
        }
    }

    /// Sets the slot of an interface, and nothing else.
    pub fn set_slot(&mut self, ifindex: u32, slot: u32) -> Result<()> {
        self.slots.insert(ifindex, Slot { index: slot }, 0).attempt(|| format!("set slot {slot}"))
    }

    /// All interfaces that have a slot.
    pub fn slots(&self) -> Result<Vec<(u32, u32)>> {
        let entries = self.slots.iter().map(|entry| entry.map(|(ifindex, slot)| (ifindex, slot.index)));
        entries.collect::<std::result::Result<_, _>>().attempt(|| "list the slots".to_owned())
    }

    /// Takes the slot from an interface. None there is fine.
    pub fn release(&mut self, ifindex: u32) -> Result<()> {
        match self.slots.remove(&ifindex) {
            Err(aya::maps::MapError::SyscallError(error))
                if error.io_error.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            other => other.attempt(|| format!("release interface {ifindex}")),
        }
    }

    /// Refused packets of the host since the programs were loaded, by reason, summed over the CPUs.
    pub fn refused(&self) -> Result<Vec<(Refusal, u64)>> {
        let count = |reason: Refusal| {
            let per_cpu = self.reasons.get(&reason.index(), 0).attempt(|| "read the reasons".to_owned())?;
            Ok((reason, per_cpu.iter().sum()))
        };
        Refusal::ALL.into_iter().map(count).collect()
    }

    /// The counters of a slot, by direction, summed over the CPUs.
    pub fn counters(&self, slot: u32) -> Result<[Counters; 2]> {
        let per_cpu = self.counters.get(&slot, 0).attempt(|| format!("read the counters of slot {slot}"))?;
        Ok(per_cpu.iter().fold(Default::default(), |[from, to]: [Counters; 2], cpu| {
            [from.plus(cpu.0[0]), to.plus(cpu.0[1])]
        }))
    }
}

fn open_map(dir: &Path, name: &str, kind: MapType, sizes: (u32, usize), entries: u32) -> Result<Map> {
    let data = open_data(dir, name, kind, sizes, entries)?;
    Map::from_map_data(data).attempt(|| format!("open {}", dir.join(name).display()))
}

fn open_data(
    dir: &Path,
    name: &str,
    kind: MapType,
    (key_size, value_size): (u32, usize),
    entries: u32,
) -> Result<MapData> {
    let path = dir.join(name);
    let wanted = format!("map {name}: {kind:?}, {value_size}-byte values, {entries} entries");
    let fd: OwnedFd = open_own_pin(&path, Kind::Map, &wanted)?;
    let foreign = |found: String| Error::ForeignPin { path: path.clone(), found, wanted: wanted.clone() };
    let data = MapData::from_fd(fd).map_err(|_not_a_map| foreign("another kind of object".to_owned()))?;
    let info = data.info().attempt(|| format!("examine {}", path.display()))?;
    let found = (info.map_type().ok(), info.key_size(), info.value_size() as usize, info.max_entries());
    if found != (Some(kind), key_size, value_size, entries) || info.name() != name.as_bytes() {
        return Err(foreign(format!(
            "map {}: {}-byte values, {} entries",
            String::from_utf8_lossy(info.name()),
            info.value_size(),
            info.max_entries()
        )));
    }
    Ok(data)
}
