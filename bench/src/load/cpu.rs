//! Which CPU runs what, and whether it did.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::bed::Bed;

/// So often is tried what another tenant of the CPU spoils.
const ATTEMPTS: u32 = 3;
/// The highest that is no real-time one: other work on the machine waits.
const NICENESS: i32 = -20;

/// Keeps the calling thread on the machine's last CPU: interrupts go to the first one. Client and
/// server both, for latency and connection rates: across two CPUs wake-ups drown everything.
pub(super) fn pin_to_the_last() -> Result<()> {
    come_first();
    pin(None, last())
}

/// Keeps the programs that stand between client and server on the last CPU too.
pub(super) fn pin_what_is_between(bed: &Bed) -> Result<()> {
    let programs = bed.host.iter().flat_map(|host| host.processes());
    for (program, _) in programs {
        let threads = std::fs::read_dir(format!("/proc/{program}/task")).into_iter().flatten().flatten();
        let ids = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
        for id in ids {
            pin(Pid::from_raw(id), last())?;
        }
    }
    Ok(())
}

/// CPU time that the calling thread has had so far.
pub(super) fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Watches that a thread which is to send as fast as it can has its CPU.
pub(super) struct Watch {
    start: Instant,
    had: Duration,
}

impl Watch {
    /// From now on, of the calling thread.
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), had: thread_time() }
    }

    /// The time since; an error where the thread ran less than half of it.
    pub(super) fn end(&self) -> Result<Duration> {
        let (time, had) = (self.start.elapsed(), thread_time().saturating_sub(self.had));
        if had * 2 < time {
            bail!(HeldUp(format!("the sender had its CPU for {had:.0?} of {time:.0?}")));
        }
        Ok(time)
    }
}

/// Other work on the CPU kept the load from what it was to do: a reason to leave the round out, not
/// to give the case up.
#[derive(Debug)]
pub(crate) struct HeldUp(pub(crate) String);

impl fmt::Display for HeldUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the path cannot carry it, or the machine is busy", self.0)
    }
}

impl std::error::Error for HeldUp {}

/// What `measure` finds once it was not held up; an error where it always is.
pub(super) fn undisturbed<T>(measure: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match measure() {
            Err(error) if error.is::<HeldUp>() => {}
            done => return done,
        }
    }
    measure()
}

fn come_first() {
    // A machine that refuses it measures all the same.
    setpriority_process(None, NICENESS).ok();
}

fn pin(thread: Option<Pid>, cpu: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(thread, &only).with_context(|| format!("pin a thread to CPU {cpu}"))
}

/// The last that this process may use; looked up once, since pinned threads may use but one.
fn last() -> usize {
    static LAST: OnceLock<usize> = OnceLock::new();
    *LAST.get_or_init(|| {
        let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::ensure;

    use super::*;

    #[test]
    fn what_was_held_up_is_measured_again_and_nothing_else_is() {
        let times = Cell::new(0);
        let held_up_until = |good: u32| {
            times.set(0);
            undisturbed(|| {
                times.set(times.get() + 1);
                ensure!(times.get() >= good, HeldUp("held up".to_owned()));
                Ok(times.get())
            })
        };
        assert_eq!(held_up_until(3).ok(), Some(3));
        assert!(held_up_until(4).is_err(), "three times at most");
        times.set(0);
        let failed: Result<()> = undisturbed(|| {
            times.set(times.get() + 1);
            bail!("no such interface")
        });
        assert_eq!((failed.is_err(), times.get()), (true, 1));
    }
}
