//! Runs that are ended early: what finished is kept, and nothing else is left.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dataplane_tests::command::{ends_within, pid, run};
use dataplane_tests::eventually::{DEADLINE, eventually};
use dataplane_tests::leftovers::{mounts, processes_with};
use rustix::process::{Signal, kill_process};

use super::{dpbench, needs_root, out, results};

/// Namespaces of `rr` over one veth: two, and twice the three of the baseline.
const ALL: usize = 8;

fn begin(out: &str) -> Child {
    begin_with(out, "rr", "50ms")
}

fn begin_with(out: &str, scenario: &str, window: &str) -> Child {
    let words = ["run", "--only", scenario, "--variants", "veth", "--rounds", "1000", "--window", window];
    let mut command = dpbench(&words);
    command.args(["--out", out]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

/// What has the name of a run in the places where runs leave things.
fn left(pid: u32) -> Vec<String> {
    let name = format!("dpt-{pid}-");
    let mut left = Vec::new();
    for folder in ["/run/netns", "/tmp"] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
        left.extend(ours.map(|entry| entry.path().display().to_string()));
    }
    left.extend(mounts(Path::new("/tmp")).into_iter().filter(|mount| mount.contains(&name)));
    left.extend(processes_with(Path::new(&name)));
    left
}

#[track_caller]
fn builds(child: &Child, namespaces: usize) {
    eventually("the run has built its paths", || left(child.id()).len() >= namespaces);
}

#[test]
fn a_signal_ends_a_run_which_keeps_what_it_has_and_leaves_nothing() {
    needs_root!();
    // While it builds, and while it measures.
    for (signal, namespaces) in
        [(Signal::INT, 3), (Signal::INT, ALL), (Signal::TERM, ALL), (Signal::HUP, ALL)]
    {
        let (_folder, out) = out();
        let mut child = begin(&out);
        builds(&child, namespaces);
        kill_process(pid(&child), signal).expect("it runs");
        assert!(ends_within(&child, DEADLINE), "it goes on after {signal:?}");
        assert_eq!(child.wait().expect("a status").code(), Some(130));
        let results = results(&out);
        assert_eq!(results["complete"], false, "{results}");
        for case in results["scenarios"][0]["cases"].as_array().into_iter().flatten() {
            assert!(case["rounds"].as_u64().is_some_and(|rounds| (1..1000).contains(&rounds)), "{case}");
        }
        assert_eq!(left(child.id()), Vec::<String>::new());
    }
}

/// CPU time that it has had, in ticks.
fn ticks(child: &Child) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum()
}

#[test]
fn a_signal_ends_a_long_window() {
    needs_root!();
    for scenario in ["rr", "crr", "raw"] {
        let (_folder, out) = out();
        let mut child = begin_with(&out, scenario, "10min");
        builds(&child, ALL);
        let built = ticks(&child);
        // Building takes next to nothing, sending all there is.
        eventually("it measures", || ticks(&child) > built + 50);
        kill_process(pid(&child), Signal::INT).expect("it runs");
        let ended = ends_within(&child, DEADLINE);
        // What does not heed the first one, a second one ends.
        kill_process(pid(&child), Signal::INT).ok();
        assert_eq!(child.wait().expect("a status").code(), Some(130), "{scenario}");
        assert!(ended, "{scenario} goes on");
    }
}

#[test]
fn the_next_run_removes_what_a_killed_one_left() {
    needs_root!();
    let (_folder, out) = out();
    let mut child = begin(&out);
    builds(&child, ALL);
    let name = format!("dpt-{}-", child.id());
    // A process in the background, and a folder, as a variant may have them.
    let namespace = left(child.id()).into_iter().find(|path| path.starts_with("/run/netns/"));
    let inside = format!("--net={}", namespace.expect("a namespace"));
    let mut stray =
        Command::new("nsenter").args([&inside, "cat"]).stdin(Stdio::piped()).spawn().expect("cat");
    eventually("the stray is inside", || {
        fs::read_to_string(format!("/proc/{}/comm", stray.id())).is_ok_and(|name| name == "cat\n")
    });
    fs::create_dir(format!("/tmp/{name}folder")).expect("a folder");
    kill_process(pid(&child), Signal::KILL).expect("it runs");
    child.wait().expect("a status");

    let (_next_folder, next_out) = super::out();
    let words = ["run", "--only", "rr", "--variants", "veth", "--rounds", "1", "--window", "10ms"];
    run(dpbench(&words).args(["--out", &next_out])).ok();
    let ended = ends_within(&stray, Duration::ZERO);
    stray.kill().expect("it ends");
    stray.wait().expect("a status");
    assert!(ended, "a stray process goes on");
    assert_eq!(left(child.id()), Vec::<String>::new());
}

#[test]
fn a_second_signal_ends_at_once() {
    needs_root!();
    let (_folder, out) = out();
    let mut child = begin(&out);
    builds(&child, ALL);
    // Taking down takes longer than from one signal to the next; the second one waits for nothing.
    kill_process(pid(&child), Signal::INT).expect("it runs");
    eventually("the second signal is heard", || {
        kill_process(pid(&child), Signal::INT).ok();
        ends_within(&child, Duration::from_millis(5))
    });
    assert_eq!(child.wait().expect("a status").code(), Some(130));
    let kept = fs::exists(format!("{out}/results.json")).expect("a folder");
    assert!(!kept, "it has taken down and kept what it had");
    // What that leaves, the next run removes.
    let (_next_folder, next_out) = super::out();
    let words = ["run", "--only", "rr", "--variants", "veth", "--rounds", "1", "--window", "10ms"];
    run(dpbench(&words).args(["--out", &next_out])).ok();
    assert_eq!(left(child.id()), Vec::<String>::new());
}
