//! SIGKILL at any point of any command: limits that were set hold, the next command tidies up,
//! and the same command then does what it would have done.
//!
//! A command is killed just before one of the calls by which it changes something; between two
//! of them it makes no difference where.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use dataplane_tests::command::ends_within;
use dataplane_tests::dpctl::{Dpctl, binary};
use dataplane_tests::eventually::{DEADLINE, eventually, eventually_get};
use dataplane_tests::need_tcx;
use dataplane_tests::netns::{command_line, processes};
use dataplane_tests::skip;
use dataplane_tests::state::State;
use dataplane_tests::strace::{self, Act, CHANGES};
use dataplane_tests::topology::Topology;
use rustix::process::{Pid, Signal, kill_process};

use crate::kill::{Ground, points, scenarios, topology, work};
use crate::limited::{TIGHT, assert_limited_both};
use crate::pairs::add_pairs;

const SAMPLE: usize = 3;
const SWITCH: &str = "/sys/kernel/rcu_expedited";
const WAKING_TIME: &str = "/dev/cpu_dma_latency";
const SWITCH_RECORD: &str = "/run/dpctl_rcu_expedited";

#[test]
fn a_command_killed_at_any_point_is_finished_or_undone_by_the_next() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let (topology, many) = topology();
    for scenario in scenarios() {
        let ground = Ground::new(&topology, &many, scenario);
        let (clean, calls) = ground.clean(CHANGES);
        for point in points(scenario.name, calls.len(), SAMPLE) {
            let what = format!("{} killed before call {point}, {}", scenario.name, calls[point]);
            let before = ground.prepare();
            let killed = strace::inject(&ground.command(), CHANGES, Act::Kill(point + 1));
            // SQLite and the runtime do not make the same calls every time.
            assert!(killed.code == 137 || killed.code == scenario.code, "{what}: {killed}");
            ground.assert_still_limited(&what);
            if !scenario.of_others {
                tidied_up(&ground, &before, &clean, &what);
            }
            ground.assert_leads_to(&clean, &what);
        }
        ground.dpctl.leaves_nothing();
    }
}

/// `ls` finds what the killed command left, and brings it to where the command started, or to
/// where it was going.
#[track_caller]
fn tidied_up(ground: &Ground<'_>, before: &State, clean: &State, what: &str) {
    let ls = ground.dpctl.try_run("ls");
    assert!(ls.code == 0 || ls.code == ground.scenario.listed, "{what}: {ls}");
    let after = ground.state();
    let [before, clean, now] = [before, clean, &after].map(work);
    assert!(now == before || now == clean, "{what}: neither done nor undone by `ls`:\n{after:#?}");
    let staging: Vec<&str> = after.lines("pin").filter(|pin| pin.contains("ing/")).collect();
    assert!(staging.is_empty(), "{what}: {staging:?}");
    eventually(&format!("{what}: {SWITCH} is back"), || !Path::new(SWITCH_RECORD).exists());
    ground.assert_still_limited(what);
    if ground.scenario.is_of_networks() {
        ground.assert_holds_together(what);
    }
}

/// The child that holds the switch is killed with its parent, so nobody is left to set it back.
/// Filters of clsact need no switch.
#[test]
fn a_killed_mass_attach_and_its_child_leave_no_switch_on_after_the_next_command() {
    need_tcx!();
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    if switch().is_empty() {
        skip!("this kernel has no {SWITCH}");
    }
    let topology = Topology::new(1);
    let many = add_pairs(&topology.host, 300).join(" ");
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let before = State::of(&topology.host, &dpctl);

    // It stops itself in the middle, so there is time to look.
    let attach = dpctl.command(&format!("attach --rate 1mbit {many}"));
    let mut stopped = strace::command(&attach, "bpf", "signal=STOP:when=1000");
    stopped.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut strace = stopped.spawn().expect("strace starts");
    let folder = dpctl.state_dir().to_string_lossy().into_owned();
    let begins = format!("{} ", binary().display());
    let parent = eventually_get("dpctl has stopped in the middle", || {
        processes().find(|pid| {
            let line = command_line(*pid);
            line.starts_with(&begins) && line.contains(&folder) && is_stopped(*pid)
        })
    });
    let child = eventually_get("its child holds the switch", || {
        processes().find(|pid| parent_of(*pid) == Some(parent))
    });
    // Other commands of this machine take turns with the switch.
    eventually("premise: the switch is on, and recorded", || {
        switch() == "1" && Path::new(SWITCH_RECORD).exists()
    });
    let is_awake = !Path::new(WAKING_TIME).exists() || has_open(parent, WAKING_TIME);
    let during = dpctl.run("ls");
    for pid in [child, parent] {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::KILL).expect("it is there");
    }
    assert!(ends_within(&strace, DEADLINE), "strace ends with what it traces");
    strace.wait().expect("it has ended");
    assert!(is_awake, "CPUs are kept awake");
    assert!(!during.stderr.contains("not in force"), "a hook that is to come is not missing: {during}");
    assert_limited_both(&topology, 1, "killed");

    dpctl.run("ls");
    eventually("the next command has set it back", || switch() == "0" && !Path::new(SWITCH_RECORD).exists());
    State::of(&topology.host, &dpctl).assert_is(&before, "undone");
    dpctl.run(&format!("attach --rate 1mbit {many}"));
    assert_eq!(dpctl.json("ls").as_array().map(Vec::len), Some(301));
    dpctl.leaves_nothing();
}

#[test]
fn few_links_keep_no_cpu_awake() {
    need_tcx!();
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let (output, calls) = strace::calls(&dpctl.command(&format!("attach {TIGHT} veth1")), "open,openat");
    output.ok();
    assert!(calls.iter().any(|call| call.contains("state.db")), "premise: {calls:?}");
    assert!(!calls.iter().any(|call| call.contains(WAKING_TIME)), "{calls:?}");
    dpctl.leaves_nothing();
}

fn has_open(pid: u32, path: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.into_iter().any(|entry| fs::read_link(entry.path()).is_ok_and(|file| file == Path::new(path)))
}

fn switch() -> String {
    fs::read_to_string(SWITCH).unwrap_or_default().trim().to_owned()
}

fn status(pid: u32, key: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(status.lines().find_map(|line| line.strip_prefix(key))?.trim().to_owned())
}

fn parent_of(pid: u32) -> Option<u32> {
    status(pid, "PPid:")?.parse().ok()
}

fn is_stopped(pid: u32) -> bool {
    status(pid, "State:").is_some_and(|state| state.starts_with(['T', 't']))
}
