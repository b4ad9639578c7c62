//! What the kernel holds for itself, by /proc/meminfo, and what programs hold, by `smaps_rollup`.
//!
//! Both count whole pages of 4 KiB. What a subsystem takes from the page allocator itself is in
//! none of the kernel's sums, so it is not seen here.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dataplane_tests::netns::Namespace;

use crate::interrupt;
use crate::load::HeldUp;

/// Kernel stacks come from vmalloc where the kernel guards them, and are then counted there.
const SUMS: [&str; 5] = ["Slab", "Percpu", "VmallocUsed", "PageTables", "SecPageTables"];
const STACKS: &str = "KernelStack";
/// Between two readings that must agree, and by how much: what an idle machine moves by.
const APART: Duration = Duration::from_millis(100);
const AGREE: u64 = 32 * 1024;
/// On a busy machine they never do.
const PATIENCE: Duration = Duration::from_secs(3);
/// The kernel frees some things up to five seconds late (`kvfree_rcu`).
pub(super) const FREED: Duration = Duration::from_secs(7);

/// Bytes that the kernel holds now.
pub(super) fn held() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    // Names of callers in the list of vmalloc areas; unreadable where the kernel hides it.
    let areas = fs::read_to_string("/proc/vmallocinfo").unwrap_or_default();
    let in_vmalloc =
        ["kernel_clone", "dup_task_struct", "copy_process"].iter().any(|name| areas.contains(name));
    Ok(sum(&text, !in_vmalloc))
}

/// The same once it no longer moves; an error where it always does.
pub(super) fn settled() -> Result<u64> {
    let end = Instant::now() + PATIENCE;
    let mut before = held()?;
    loop {
        interrupt::pause(APART)?;
        let now = held()?;
        if now.abs_diff(before) <= AGREE {
            return Ok(now);
        }
        if Instant::now() > end {
            bail!(HeldUp(format!("the kernel's memory did not settle within {PATIENCE:.0?}")));
        }
        before = now;
    }
}

/// The same once it is back at `least`, or is not within `late`.
pub(super) fn settled_near(least: u64, late: Duration) -> Result<u64> {
    let end = Instant::now() + late;
    loop {
        let now = settled()?;
        if now <= least + AGREE || Instant::now() > end {
            return Ok(now);
        }
    }
}

/// Bytes of the programs that run in a namespace; what several share is shared out.
pub(super) fn programs(namespace: &Namespace) -> u64 {
    let pss = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        value(&text, "Pss")
    };
    namespace.processes().into_iter().map(|(pid, _)| pss(pid)).sum()
}

fn sum(meminfo: &str, with_stacks: bool) -> u64 {
    let stacks = if with_stacks { value(meminfo, STACKS) } else { 0 };
    SUMS.iter().map(|name| value(meminfo, name)).sum::<u64>() + stacks
}

/// Bytes of a line such as `Slab:   1203860 kB`.
fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_stacks_are_counted_once() {
        let text = "MemFree: 9 kB\nSlab:   100 kB\nSReclaimable: 7 kB\nKernelStack:  16 kB\nPageTables: 4 kB\n\
                    VmallocTotal: 34359738367 kB\nVmallocUsed:  20 kB\nPercpu:  8 kB\n";
        assert_eq!(sum(text, true), 148 * 1024);
        assert_eq!(sum(text, false), 132 * 1024);
    }

    #[test]
    fn programs_of_a_namespace_are_found() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: making namespaces needs root");
            return;
        }
        let namespace = Namespace::new();
        assert_eq!(programs(&namespace), 0);
        let mut child = namespace.command("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        dataplane_tests::eventually::eventually("cat is inside", || programs(&namespace) > 50 * 1024);
        drop(child.stdin.take());
        child.wait().expect("cat ends with its input");
    }
}
