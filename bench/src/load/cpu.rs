//! Which CPU runs what.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Keeps the calling thread on the machine's last CPU: interrupts go to the first one. Client and
/// server both, for latency and connection rates: across two CPUs wake-ups drown everything.
pub(super) fn pin_to_the_last() -> Result<()> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut only = CpuSet::new();
    only.set(cpus - 1);
    sched_setaffinity(None, &only).with_context(|| format!("pin a thread to CPU {}", cpus - 1))
}
