//! What a test left behind: the state of everything that `dpctl` may touch, as lines, before
//! and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use aya::programs::{SchedClassifier, TcAttachType};

use crate::netns::{Namespace, command_line, processes};

const RCU_EXPEDITED: &str = "/sys/kernel/rcu_expedited";

/// Links, hooks, mounts, files and processes at one moment, a line each.
#[derive(Clone, Debug)]
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// All that concerns `host` and an instance whose directories lie below `folder`.
    #[track_caller]
    pub fn of(host: &Namespace, folder: &Path) -> Self {
        let mut lines = links(host);
        lines.extend(mounts(folder));
        lines.extend(files(folder).iter().map(|file| format!("file {}", file.display())));
        lines.extend(processes_with(folder));
        lines.extend(rules(host));
        lines.extend(expedited());
        Self(lines)
    }

    /// What is here and was not in `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Vec<String> {
        self.0.difference(&earlier.0).cloned().collect()
    }
}

/// Policy rules and routes of `host`.
fn rules(host: &Namespace) -> Vec<String> {
    let shows = ["rule", "-6 rule", "route show table all proto 100", "-6 route show table all proto 100"];
    let texts = shows.iter().map(|show| host.ip(show).stdout);
    texts
        .flat_map(|text| text.lines().map(|line| format!("rule or route {line}")).collect::<Vec<_>>())
        .collect()
}

fn links(host: &Namespace) -> BTreeSet<String> {
    let qdiscs = host.run("tc qdisc show").stdout;
    let mut lines: BTreeSet<String> = qdiscs.lines().map(|qdisc| format!("qdisc {qdisc}")).collect();
    for link in host.ip("-j link").json().as_array().into_iter().flatten() {
        let name = link["ifname"].as_str().unwrap_or("?");
        lines.insert(format!("link {name} of {}", host.name()));
        for (hook, side) in [(TcAttachType::Ingress, "ingress"), (TcAttachType::Egress, "egress")] {
            // A kernel without tcx has none to list.
            let programs =
                host.enter(|| SchedClassifier::query_tcx(name, hook)).map_or(vec![], |(_, all)| all);
            for program in programs {
                let what = program.name_as_str().unwrap_or("?");
                lines.insert(format!("tcx {side} of {name}: program {} {what}", program.id()));
            }
            // Without clsact or ingress, whose handle that is, a device has no filters here.
            if !qdiscs.contains(&format!(" ffff: dev {name} ")) {
                continue;
            }
            let filters = host.try_run(&format!("tc filter show dev {name} {side}")).stdout;
            lines.extend(filters.lines().map(|filter| format!("{side} filter of {name}: {filter}")));
        }
    }
    lines
}

/// Mount points at or below `folder`.
pub fn mounts(folder: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .filter(|point| Path::new(point).starts_with(folder))
        .map(|point| format!("mount {point}"))
        .collect()
}

/// Files below `folder`; empty folders are nobody's, and so are the kernel's own `*.debug`.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&path));
        } else if path.extension().is_none_or(|extension| extension != "debug") {
            found.push(path);
        }
    }
    found
}

/// The machine-wide switch, if it is on. It may be another's, so wait for it to go off.
fn expedited() -> Option<String> {
    let value = fs::read_to_string(RCU_EXPEDITED).unwrap_or_default();
    (value.trim() != "0").then(|| format!("{RCU_EXPEDITED} = {}", value.trim()))
}

/// Processes on whose command line `folder` stands.
pub fn processes_with(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy().into_owned();
    let others = processes().filter(|pid| *pid != process::id());
    let lines = others.map(|pid| (pid, command_line(pid))).filter(|(_, line)| line.contains(&folder));
    lines.map(|(pid, line)| format!("process {pid}: {line}")).collect()
}
