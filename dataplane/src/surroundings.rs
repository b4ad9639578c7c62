//! What of a host surprises whoever limits traffic on it, though nothing is wrong with it.

use std::collections::HashSet;
use std::fs;
use std::io;

use rustix::process::{Resource, getrlimit};

use dataplane_common::direction::Direction;

use crate::attachment::Attachment;
use crate::error::Result;
use crate::hook;
use crate::netlink::{Device, Netlink};
use crate::session::Session;
use crate::sys;

/// A fact, and whether it is one to know of.
#[derive(Debug)]
pub struct Fact {
    /// What it is about.
    pub what: &'static str,
    /// How it is.
    pub words: String,
    /// Whether it may be a surprise.
    pub is_surprise: bool,
}

fn plain(what: &'static str, words: impl Into<String>) -> Fact {
    Fact { what, words: words.into(), is_surprise: false }
}

fn surprise(what: &'static str, words: impl Into<String>) -> Fact {
    Fact { what, words: words.into(), is_surprise: true }
}

/// What of this network namespace and machine is worth a look.
pub fn look() -> Vec<Fact> {
    vec![jit(), cgroup2(), bridge_nf(), rp_filter(), rlimit()]
}

fn sysctl(name: &str) -> io::Result<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).map(|value| value.trim().to_owned())
}

fn jit() -> Fact {
    match sysctl("net/core/bpf_jit_enable").as_deref() {
        Ok("0") => surprise(
            "bpf_jit",
            "off: programs are interpreted, and slow; to have them compiled: sysctl net.core.bpf_jit_enable=1",
        ),
        // A kernel that always compiles shows no switch outside the first namespace.
        _ => plain("bpf_jit", "on"),
    }
}

fn cgroup2() -> Fact {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let point =
        mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
    match point {
        Some(point) => plain("cgroup2", point),
        None => surprise("cgroup2", "not mounted; limits do not need it"),
    }
}

fn bridge_nf() -> Fact {
    match sysctl("net/bridge/bridge-nf-call-iptables").as_deref() {
        Ok("0") => plain("bridge_nf", "off: bridged packets pass iptables by"),
        Ok(_) => {
            surprise("bridge_nf", "bridge-nf-call-iptables=1: bridged packets walk the host's iptables too")
        }
        Err(_) => plain("bridge_nf", "no br_netfilter: bridged packets pass iptables by"),
    }
}

fn rp_filter() -> Fact {
    let [all, default] =
        ["all", "default"].map(|name| sysctl(&format!("net/ipv4/conf/{name}/rp_filter")).unwrap_or_default());
    let words = format!("all={all} default={default}");
    if [&all, &default].contains(&&"1".to_owned()) {
        let strict = "1 drops what comes in where its answer would not go out, after dpctl has counted it";
        surprise("rp_filter", format!("{words}: {strict}"))
    } else {
        plain("rp_filter", words)
    }
}

fn rlimit() -> Fact {
    /// What a command has open at the most, and some room.
    const NEEDED: u64 = 64;
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < NEEDED => {
            surprise("rlimit", format!("{files} open files: fewer than the {NEEDED} that a command may need"))
        }
        files => {
            let files = files.map_or("any number of".to_owned(), |files| files.to_string());
            plain("rlimit", format!("{files} open files; locked memory is not counted for BPF (Linux 5.11)"))
        }
    }
}

/// Programs of others: what runs before ours, and veths that have some and none of ours.
pub async fn others(session: &Session, rows: &[Attachment]) -> Result<Vec<Fact>> {
    let Some(datapath) = &session.datapath else { return Ok(Vec::new()) };
    let mut facts = Vec::new();
    for row in rows {
        for direction in Direction::ALL {
            let programs = hook::programs(&session.netlink, row, direction).await?;
            let ours = datapath.program_id(direction);
            let Some(before @ 1..) = programs.iter().position(|id| *id == ours) else { continue };
            let (name, way) = (&row.interface, direction.name());
            facts.push(format!("{name}: {before} before ours in {way}; dpctl show {name} lists them"));
        }
    }
    let more = facts.len().saturating_sub(FEW);
    facts.truncate(FEW);
    if more > 0 {
        facts.push(format!("and {more} more hooks with programs of others before ours"));
    }
    Ok(facts.into_iter().map(|words| surprise("others", words)).collect())
}

const FEW: usize = 5;

/// Veths with programs of others and none of ours: another dataplane is at work, which may not
/// let packets pass to a program attached after its own.
pub async fn foreign_veths(attached: &[Attachment]) -> Result<Option<Fact>> {
    let ours: HashSet<u32> = attached.iter().map(|row| row.ifindex).collect();
    let has_some = |device: &Device| {
        let programs = |direction| sys::programs_on(device.ifindex, direction);
        Direction::ALL.into_iter().any(|direction| programs(direction).is_ok_and(|ids| !ids.is_empty()))
    };
    let devices = Netlink::open()?.devices().await?;
    let foreign: Vec<String> = devices
        .into_iter()
        .filter(|device| device.is_veth() && !ours.contains(&device.ifindex) && has_some(device))
        .map(|device| device.name)
        .collect();
    let Some(first) = foreign.first() else { return Ok(None) };
    let which = match foreign.len() {
        1 => format!("{first} has"),
        count => format!("{first} and {} more veths have", count - 1),
    };
    let words = format!("{which} tcx programs of others (another CNI?): --order first puts ours before them");
    Ok(Some(surprise("others", words)))
}
