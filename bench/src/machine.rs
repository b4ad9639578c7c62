//! Where a measurement was made: what is printed above the figures.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use dataplane_tests::netns::Namespace;
use serde_json::{Value, json};

/// Facts about the machine, a name and a value each.
#[derive(Debug)]
pub(crate) struct Machine(Vec<(&'static str, String)>);

impl Machine {
    /// Looks around. What cannot be found out is left out.
    pub(crate) fn look(dpctl: &Path) -> Self {
        let cpu = file("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let memory = file("/proc/meminfo");
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
        let facts = [
            ("date", said(Command::new("date").args(["-u", "+%F %R UTC"]))),
            ("command", std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
            ("commit", env!("DPBENCH_COMMIT").to_owned()),
            ("dpctl", said(Command::new(dpctl).arg("--version"))),
            ("kernel", file("/proc/sys/kernel/osrelease")),
            ("cpu", format!("{cpus} x {}", cpu.trim_start_matches([' ', '\t', ':']))),
            ("memory", memory.to_owned()),
            ("virtualization", said(Command::new("systemd-detect-virt").arg("--vm"))),
            ("clocksource", file("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
            ("mitigations", mitigations()),
            ("load", file("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")),
            ("rcu_expedited", file("/sys/kernel/rcu_expedited")),
            ("tcp", file("/proc/sys/net/ipv4/tcp_available_congestion_control")),
            ("tcp default", file("/proc/sys/net/ipv4/tcp_congestion_control")),
            ("offloads", offloads()),
            ("bridge netfilter", bridge_netfilter()),
        ];
        let facts = facts.into_iter().map(|(name, value)| (name, value.trim().to_owned()));
        Self(facts.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// By name.
    pub(crate) fn facts(self) -> BTreeMap<String, String> {
        self.0.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(name, value)| writeln!(f, "{name:<14} {value}"))
    }
}

/// What the kernel does about each weakness of the CPU; those that it does not have are left out.
fn mitigations() -> String {
    let folder = Path::new("/sys/devices/system/cpu/vulnerabilities");
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let states = names.filter_map(|name| {
        let state = fs::read_to_string(folder.join(&name)).ok()?;
        let state = state.trim().trim_start_matches("Mitigation: ").to_owned();
        (state != "Not affected").then(|| format!("{}: {state}", name.to_string_lossy()))
    });
    let mut states: Vec<String> = states.collect();
    states.sort();
    if states.is_empty() { "none needed".to_owned() } else { states.join(" | ") }
}

/// Of a veth as the kernel makes it; this needs a namespace, so root.
fn offloads() -> String {
    if !rustix::process::geteuid().is_root() {
        return String::new();
    }
    let namespace = Namespace::new();
    namespace.ip("link add left type veth peer name right");
    let features = said(namespace.command("ethtool").args(["-k", "left"]));
    let shown = OFFLOADS.iter().filter_map(|(feature, short)| {
        let state =
            features.lines().find_map(|line| line.trim().strip_prefix(feature)?.strip_prefix(": "))?;
        Some(format!("{short} {state}"))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Whether bridged packets walk iptables in a new namespace, as Docker wants it.
fn bridge_netfilter() -> String {
    if !rustix::process::geteuid().is_root() {
        return String::new();
    }
    Namespace::new().enter(|| match file("/proc/sys/net/bridge/bridge-nf-call-iptables").trim() {
        "1" => "on".to_owned(),
        "0" => "off".to_owned(),
        _ => "not loaded".to_owned(),
    })
}

/// As ethtool calls them, and as everybody does.
const OFFLOADS: [(&str, &str); 5] = [
    ("tcp-segmentation-offload", "tso"),
    ("generic-segmentation-offload", "gso"),
    ("generic-receive-offload", "gro"),
    ("tx-checksumming", "tx checksums"),
    ("rx-checksumming", "rx checksums"),
];

fn file(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn said(command: &mut Command) -> String {
    let output = command.output().ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
