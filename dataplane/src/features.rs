//! What dpctl stands on in the kernel, found by trying it, never by the version.
//!
//! Refuses a kernel that lacks what nothing replaces, before anything is made there.

use std::io;
use std::os::fd::AsFd;
use std::thread;

use dataplane_common::direction::Direction;

use crate::error::{Attempt, Error, Result};
use crate::netlink::Netlink;
use crate::sys::{self, Instruction};

/// Something that a kernel has or lacks.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its name, in the kernel's words.
    pub name: &'static str,
    /// The first Linux that has it.
    pub since: &'static str,
    /// What becomes of dpctl where it is missing.
    pub otherwise: Otherwise,
    probe: fn() -> io::Result<bool>,
}

/// What becomes of dpctl without a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It refuses to work there.
    Refused,
    /// It uses something else, or goes without.
    Instead(&'static str),
}

/// All of them, the needed ones first.
pub const FEATURES: &[Feature] = &[
    Feature { name: "tc programs", since: "4.1", otherwise: Otherwise::Refused, probe: tc_programs },
    Feature { name: "netns cookies", since: "5.14", otherwise: Otherwise::Refused, probe: netns_cookies },
    Feature { name: "coarse clock", since: "5.11", otherwise: Otherwise::Refused, probe: coarse_clock },
    Feature {
        name: "compare-and-swap",
        since: "5.12",
        otherwise: Otherwise::Refused,
        probe: compare_and_swap,
    },
    Feature { name: "tcx", since: "6.6", otherwise: Otherwise::Instead("clsact"), probe: tcx },
    Feature { name: "clsact", since: "4.5", otherwise: Otherwise::Instead("tcx"), probe: clsact },
];

/// One of these is needed.
const HOOKS: [&str; 2] = ["tcx", "clsact"];

impl Feature {
    /// Whether this kernel has it; an error says nothing of that.
    pub fn is_there(&self) -> io::Result<bool> {
        (self.probe)()
    }
}

/// Whether the kernel has tcx.
pub fn has_tcx() -> Result<bool> {
    tcx().attempt(|| "try tcx".to_owned())
}

/// Whether the kernel has clsact and its BPF filters.
pub fn has_clsact() -> Result<bool> {
    clsact().attempt(|| "try clsact".to_owned())
}

/// Refuses a kernel that lacks what nothing replaces.
pub fn require() -> Result<()> {
    judge_all(Feature::is_there)
}

/// With `find`, which looks at one feature; hooks are looked at until there is one.
fn judge_all(find: impl Fn(&Feature) -> io::Result<bool>) -> Result<()> {
    let mut needed = FEATURES.iter().filter(|feature| feature.otherwise == Otherwise::Refused);
    needed.try_for_each(|feature| judge(feature, find(feature)))?;
    for hook in FEATURES.iter().filter(|feature| HOOKS.contains(&feature.name)) {
        if find(hook).attempt(|| format!("try {}", hook.name))? {
            return Ok(());
        }
    }
    Err(Error::lacking("tcx and clsact", "4.5, with sch_ingress and cls_bpf"))
}

fn judge(feature: &Feature, found: io::Result<bool>) -> Result<()> {
    let found = found.attempt(|| format!("try {}", feature.name))?;
    if found { Ok(()) } else { Err(Error::lacking(feature.name, feature.since)) }
}

// Opcodes, by what they read as; `include/uapi/linux/bpf.h` has their parts.
const SET: u8 = 0xb7; // to = immediate
const STORE: u8 = 0x7a; // *(u64 *)(to + offset) = immediate
const ATOMIC: u8 = 0xdb; // *(u64 *)(to + offset), what immediate says, from
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const CMPXCHG: i32 = 0xf1;
const KTIME_GET_COARSE_NS: i32 = 160;
const STACK: u8 = 10;

const RETURN_ZERO: [Instruction; 2] = [Instruction::new(SET, 0, 0, 0, 0), Instruction::new(EXIT, 0, 0, 0, 0)];

fn load(instructions: &[Instruction]) -> io::Result<bool> {
    let loaded = sys::load_program(&[instructions, &RETURN_ZERO].concat()).map(drop);
    // What the verifier does not know, and a kernel without bpf(2).
    unless(loaded, &[libc::EINVAL, libc::ENOSYS])
}

/// Whether it worked: `lacking` are the errors that say that the kernel has no such thing.
fn unless(tried: io::Result<()>, lacking: &[i32]) -> io::Result<bool> {
    match tried {
        Err(error) if error.raw_os_error().is_some_and(|errno| lacking.contains(&errno)) => Ok(false),
        other => other.map(|()| true),
    }
}

fn tc_programs() -> io::Result<bool> {
    load(&[])
}

fn coarse_clock() -> io::Result<bool> {
    load(&[Instruction::new(CALL, 0, 0, 0, KTIME_GET_COARSE_NS)])
}

fn compare_and_swap() -> io::Result<bool> {
    load(&[
        Instruction::new(STORE, STACK, 0, -8, 0),
        Instruction::new(SET, 0, 0, 0, 0),
        Instruction::new(SET, 1, 0, 0, 1),
        Instruction::new(ATOMIC, STACK, 1, -8, CMPXCHG),
    ])
}

fn netns_cookies() -> io::Result<bool> {
    unless(sys::netns_cookie().map(drop), &[libc::ENOPROTOOPT])
}

/// On the loopback of a network namespace that ends with the attempt: on a device that is in use
/// it would be seen.
fn clsact() -> io::Result<bool> {
    let tried = thread::spawn(|| {
        sys::enter_new_network_namespace()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(try_clsact())
    });
    tried.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn try_clsact() -> io::Result<bool> {
    let program = sys::load_program(&RETURN_ZERO)?;
    let direction = Direction::FromContainer;
    let tried = async {
        let netlink = Netlink::open()?;
        netlink.add_clsact("lo", LOOPBACK).await?;
        netlink.put_filter("lo", LOOPBACK, direction, (1, 1), program.as_fd(), false).await
    };
    match tried.await {
        Ok(()) => Ok(true),
        Err(Error::Kernel { .. }) => Ok(false),
        // With its number, which says whether it was not allowed.
        Err(Error::Io { source, .. }) => Err(source),
        Err(Error::Netlink { source: rtnetlink::Error::NetlinkError(message), .. }) => Err(message.to_io()),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

/// The loopback of every namespace.
const LOOPBACK: u32 = 1;

fn tcx() -> io::Result<bool> {
    unless(sys::programs_on(LOOPBACK, Direction::FromContainer).map(drop), &[libc::EINVAL, libc::ENOSYS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_refused_for_what_it_lacks_and_not_for_what_could_not_be_tried() {
        let clock = FEATURES.iter().find(|feature| feature.name == "coarse clock").expect("it is needed");
        assert!(judge(clock, Ok(true)).is_ok());
        let lacking = judge(clock, Ok(false)).expect_err("lacking");
        assert_eq!(
            lacking.to_string(),
            "coarse clock: this kernel has none (needs Linux 5.11); dpctl is made for Linux 6.1 and later"
        );
        assert_eq!(lacking.exit_code(), 6);
        let tried = judge(clock, Err(io::Error::from_raw_os_error(libc::EMFILE))).expect_err("not tried");
        assert!(tried.to_string().starts_with("try coarse clock: "), "{tried}");
        assert_eq!(
            unless(Err(io::Error::from_raw_os_error(libc::EINVAL)), &[libc::EINVAL]).ok(),
            Some(false)
        );
        assert!(unless(Err(io::Error::from_raw_os_error(libc::EPERM)), &[libc::EINVAL]).is_err());
    }

    /// Whichever it is, it is named; of the two hooks one is enough.
    #[test]
    fn a_kernel_is_refused_for_each_thing_that_nothing_replaces() {
        let without = |lacking: &'static [&str]| judge_all(|feature| Ok(!lacking.contains(&feature.name)));
        for name in ["tc programs", "netns cookies", "coarse clock", "compare-and-swap"] {
            let refusal = judge_all(|feature| Ok(feature.name != name)).expect_err(name);
            assert!(refusal.to_string().starts_with(&format!("{name}: this kernel has none")), "{refusal}");
            assert_eq!(refusal.exit_code(), 6);
        }
        assert!(without(&[]).is_ok() && without(&["tcx"]).is_ok() && without(&["clsact"]).is_ok());
        let refusal = without(&["tcx", "clsact"]).expect_err("no hook");
        assert!(refusal.to_string().starts_with("tcx and clsact: this kernel has none"), "{refusal}");
        assert_eq!(refusal.exit_code(), 6);
    }

    #[test]
    fn what_is_needed_comes_first() {
        let needed = FEATURES.iter().take_while(|feature| feature.otherwise == Otherwise::Refused).count();
        let all = FEATURES.iter().filter(|feature| feature.otherwise == Otherwise::Refused).count();
        assert_eq!(needed, all);
    }
}
