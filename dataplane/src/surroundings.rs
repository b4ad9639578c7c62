//! What of a host surprises whoever limits traffic on it, though nothing is wrong with it.

use std::collections::HashSet;
use std::fs;

use rustix::process::{Resource, getrlimit};

use dataplane_common::direction::Direction;

use crate::attachment::Attachment;
use crate::descriptors;
use crate::error::Result;
use crate::hook;
use crate::netlink::Netlink;
use crate::netns::NetNs;
use crate::session::Session;
use crate::sys;

/// As many are named.
const FEW: usize = 5;

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

/// What of this network namespace and machine is worth a look, with these interfaces attached.
pub fn look(attached: &[Attachment]) -> Vec<Fact> {
    let filter = |name: &str| (name.to_owned(), sysctl(&format!("net/ipv4/conf/{name}/rp_filter")));
    let filters = ["all", "default"].into_iter().chain(attached.iter().map(|row| row.interface.as_str()));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let limits = [descriptors::allowed(), getrlimit(Resource::Memlock).current];
    vec![
        jit(of_first_namespace("net/core/bpf_jit_enable").as_deref()),
        unprivileged(sysctl("kernel/unprivileged_bpf_disabled").as_deref()),
        cgroup2(&mounts),
        bridge_nf(sysctl("net/bridge/bridge-nf-call-iptables").as_deref()),
        rp_filter(&filters.map(filter).collect::<Vec<_>>()),
        rlimit(limits),
    ]
}

fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|value| value.trim().to_owned())
}

/// A switch that is shown in the machine's first network namespace only, which is that of pid 1.
fn of_first_namespace(name: &str) -> Option<String> {
    sysctl(name).or_else(|| NetNs::of_pid(1).and_then(|first| first.run(|| Ok(sysctl(name)))).ok().flatten())
}

fn jit(enabled: Option<&str>) -> Fact {
    match enabled {
        Some("0") => {
            surprise("bpf_jit", "off: programs are interpreted; sysctl net.core.bpf_jit_enable=1 helps")
        }
        Some(_) => plain("bpf_jit", "on"),
        None => plain("bpf_jit", "cannot be seen from this network namespace"),
    }
}

fn unprivileged(disabled: Option<&str>) -> Fact {
    match disabled {
        Some("0") => surprise(
            "unprivileged_bpf",
            "on: anybody may load programs; sysctl kernel.unprivileged_bpf_disabled=2 forbids it",
        ),
        Some(_) => plain("unprivileged_bpf", "off"),
        None => plain("unprivileged_bpf", "this kernel does not tell"),
    }
}

fn cgroup2(mounts: &str) -> Fact {
    let mut mounts = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
    match mounts.next().and_then(|line| line.split(' ').nth(4)) {
        Some(point) => plain("cgroup2", point),
        None => surprise("cgroup2", "not mounted; limits do not need it"),
    }
}

fn bridge_nf(calls: Option<&str>) -> Fact {
    match calls {
        Some("0") => plain("bridge_nf", "off: bridged packets pass iptables by"),
        Some(_) => surprise("bridge_nf", "bridge-nf-call-iptables=1: bridged packets walk iptables too"),
        None => plain("bridge_nf", "no br_netfilter: bridged packets pass iptables by"),
    }
}

/// For an interface the larger of its own value and that of `all` holds; 1 is strict.
fn rp_filter(values: &[(String, Option<String>)]) -> Fact {
    let number =
        |value: &Option<String>| value.as_deref().and_then(|value| value.parse().ok()).unwrap_or(0u8);
    let of =
        |name: &str| values.iter().find(|(other, _)| other == name).map_or(0, |(_, value)| number(value));
    let (all, default) = (of("all"), of("default"));
    let strict = values.iter().filter(|(name, value)| name != "all" && all.max(number(value)) == 1);
    let strict: Vec<&str> = strict.map(|(name, _)| name.as_str()).take(FEW).collect();
    let words = format!("all={all} default={default}");
    if strict.is_empty() {
        plain("rp_filter", words)
    } else {
        let on = strict.join(", ");
        let effect = "what comes in where its answer would not go out is counted, and then dropped";
        surprise("rp_filter", format!("{words}, strict on {on}: {effect}"))
    }
}

/// Open files and locked bytes; `None` is any number.
fn rlimit([files, locked]: [Option<u64>; 2]) -> Fact {
    let number = |value: Option<u64>| value.map_or("unlimited".to_owned(), |value| value.to_string());
    let words = format!("{} open files, {} locked bytes", number(files), number(locked));
    if files.is_some_and(|files| files < descriptors::NEEDED) {
        surprise("rlimit", format!("{words}: few files; ulimit -n 1024 allows more"))
    } else {
        plain("rlimit", format!("{words} (not counted for BPF since Linux 5.11)"))
    }
}

/// Programs of others: what runs before ours, and veths that have some and none of ours.
pub async fn others(session: &Session, rows: &[Attachment]) -> Result<Vec<Fact>> {
    let Some(datapath) = &session.datapath else { return Ok(Vec::new()) };
    let mut facts = Vec::new();
    for row in rows {
        for direction in Direction::ALL {
            let programs = hook::programs(&session.netlink, row, direction).await?;
            let ours = datapath.program_id(row.role, direction);
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

/// Veths with programs of others and none of ours: another dataplane is at work, which may not
/// let packets pass to a program attached after its own.
pub async fn foreign_veths(attached: &[Attachment]) -> Result<Option<Fact>> {
    let ours: HashSet<u32> = attached.iter().map(|row| row.ifindex).collect();
    let netlink = Netlink::open()?;
    let qdiscs = netlink.ingress_qdiscs().await?;
    let mut foreign = Vec::new();
    for device in netlink.devices().await? {
        if !device.is_veth() || ours.contains(&device.ifindex) {
            continue;
        }
        let has_clsact = qdiscs.get(&device.ifindex).is_some_and(|kind| kind == "clsact");
        for direction in Direction::ALL {
            let on_tcx = sys::programs_on(device.ifindex, direction).is_ok_and(|ids| !ids.is_empty());
            let filters = if has_clsact { netlink.filters(device.ifindex, direction).await? } else { vec![] };
            if on_tcx || filters.iter().any(|filter| filter.program_id != 0) {
                foreign.push(device.name);
                break;
            }
        }
    }
    let Some(first) = foreign.first() else { return Ok(None) };
    let which = match foreign.len() {
        1 => format!("{first} has"),
        count => format!("{first} and {} more veths have", count - 1),
    };
    let words = format!("{which} programs of others (another CNI?): --order first puts ours before them");
    Ok(Some(surprise("others", words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surprises_is_told_from_what_does_not() {
        let filters = |values: &[(&str, &str)]| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
            rp_filter(&values.collect::<Vec<_>>())
        };
        let cgroup = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";
        for (fact, is_surprise, words) in [
            (jit(Some("0")), true, "interpreted"),
            (jit(Some("1")), false, "on"),
            (jit(None), false, "cannot be seen"),
            (unprivileged(Some("0")), true, "anybody"),
            (unprivileged(Some("2")), false, "off"),
            (cgroup2(cgroup), false, "/sys/fs/cgroup"),
            (cgroup2("25 1 0:5 / /proc rw - proc proc rw"), true, "not mounted"),
            (bridge_nf(Some("1")), true, "bridge-nf-call-iptables=1"),
            (bridge_nf(Some("0")), false, "off"),
            (bridge_nf(None), false, "no br_netfilter"),
            (filters(&[("all", "0"), ("default", "0")]), false, "all=0 default=0"),
            (filters(&[("all", "2"), ("default", "1")]), false, "all=2 default=1"),
            (filters(&[("all", "0"), ("default", "0"), ("veth1", "1")]), true, "strict on veth1"),
            (filters(&[("all", "1"), ("default", "0"), ("veth1", "2")]), true, "strict on default"),
            (rlimit([Some(1024), None]), false, "1024 open files, unlimited locked bytes"),
            (rlimit([Some(16), Some(65_536)]), true, "few files"),
        ] {
            assert!(fact.words.contains(words) && fact.is_surprise == is_surprise, "{fact:?}");
        }
    }
}
