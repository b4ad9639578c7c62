//! Calls that fail: one line says so, nothing has changed, and the same command succeeds when
//! nothing is in its way.

use dataplane_tests::command::Output;
use dataplane_tests::skip;
use dataplane_tests::state::State;
use dataplane_tests::strace::{self, Act};

use crate::kill::{Ground, points, scenarios, topology, work};

const SAMPLE: usize = 1;

/// A kind of call, the error it gives, and which calls of the kind are meant: those whose line
/// has one of these words.
struct Fault {
    calls: &'static str,
    error: &'static str,
    with: &'static [&'static str],
}

/// Not meant: the dynamic linker's calls, and those that only ask.
const FAULTS: &[Fault] = &[
    Fault { calls: "bpf", error: "ENOMEM", with: &["BPF_"] },
    Fault { calls: "bpf", error: "EBUSY", with: &["LINK_CREATE", "LINK_UPDATE", "LINK_DETACH", "OBJ_PIN"] },
    Fault { calls: "bpf", error: "EPERM", with: &["PROG_LOAD", "MAP_CREATE", "MAP_UPDATE"] },
    Fault { calls: "openat", error: "EMFILE", with: &["/state", "/bpf/"] },
    Fault { calls: "pwrite64,ftruncate,fallocate", error: "ENOSPC", with: &["state.db"] },
    Fault { calls: "mkdir,rename,renameat2,mount", error: "ENOSPC", with: &["/tmp/dpt"] },
    Fault {
        calls: "unlink,unlinkat,rmdir,umount2",
        error: "EBUSY",
        with: &["/tmp/dpt", "netns_", "from_", "to_", "layout"],
    },
];

#[test]
fn a_command_whose_call_fails_says_so_and_changes_nothing() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let (topology, many) = topology();
    // An upgrade of a layout goes on, and does not go back.
    let is_meant = |name: &str| !name.ends_with("of many") && !name.ends_with("of a layout");
    for scenario in scenarios().filter(|scenario| is_meant(scenario.name)) {
        let ground = Ground::new(&topology, &many, scenario);
        for fault in FAULTS {
            let (clean, calls) = ground.clean(fault.calls);
            let meant: Vec<usize> = (0..calls.len())
                .filter(|call| fault.with.iter().any(|word| calls[*call].contains(word)))
                .collect();
            let name = format!("{} {} of {}", fault.error, fault.calls, scenario.name);
            for point in points(&name, meant.len(), SAMPLE) {
                let call = meant[point];
                let what = format!("{name}: call {call}, {}", calls[call]);
                let before = ground.prepare();
                let failed = strace::inject(&ground.command(), fault.calls, Act::Fail(call + 1, fault.error));
                one_line_or_done(&failed, &what);
                let after = ground.state();
                if !scenario.of_others {
                    undone_or_done(&ground, [&before, &after, &clean], &failed, &what);
                }
                ground.assert_still_limited(&what);
                ground.assert_leads_to(&clean, &what);
            }
        }
        ground.dpctl.leaves_nothing();
    }
}

/// Also what would undo fails: the next command does that.
#[test]
fn what_cannot_be_undone_is_undone_by_the_next_command() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let (topology, many) = topology();
    for scenario in scenarios().filter(|scenario| scenario.name.starts_with("attach")) {
        let ground = Ground::new(&topology, &many, scenario);
        let (clean, calls) = ground.clean("bpf,sendto");
        for point in points(scenario.name, calls.len(), SAMPLE) {
            let what = format!("{}: all fail from call {point}, {}", scenario.name, calls[point]);
            let before = ground.prepare();
            let failed = strace::inject(&ground.command(), "bpf,sendto", Act::FailFrom(point + 1, "ENOMEM"));
            one_line_or_done(&failed, &what);
            ground.assert_still_limited(&what);
            let ls = ground.dpctl.try_run("ls");
            assert_eq!(ls.code, 0, "{what}: {ls}");
            let [now, before, after] = [&ground.state(), &before, &clean].map(work);
            assert!(now == before || now == after, "{what}: neither done nor undone by `ls`:\n{now:#?}");
            ground.assert_leads_to(&clean, &what);
        }
        ground.dpctl.leaves_nothing();
    }
}

#[track_caller]
fn one_line_or_done(output: &Output, what: &str) {
    let panicked = output.stderr.contains("panicked") || output.code > 8;
    assert!(!panicked, "{what}: {output}");
    if output.code != 0 {
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert!(matches!(lines.as_slice(), [line] if line.starts_with("dpctl: ")), "{what}: {output}");
        assert_eq!(output.stdout, "", "{what}: {output}");
    }
}

/// Of what takes things away, each is gone or there; it goes on past what fails.
#[track_caller]
fn undone_or_done(ground: &Ground<'_>, [before, after, clean]: [&State; 3], output: &Output, what: &str) {
    let [old, now, new] = [before, after, clean].map(work);
    let removes = ["reset", "detach", "settle", "disconnect", "network rm", "sandbox rm"]
        .iter()
        .any(|verb| ground.scenario.name.starts_with(verb));
    if output.code == 0 {
        // The old pins of an upgrade, or some of them, may be left to the next command: of the
        // same maps, a second time.
        let mut done = now.clone();
        done.retain(|line| !line.starts_with("map entry: `"));
        done.dedup_by(|next, line| next == line && line.starts_with("map entry:"));
        assert_eq!(done, new, "{what}: said to be done: {output}");
    } else if removes {
        // A set of pins that is half removed is no set: the next command removes the rest.
        // An entry whose device is gone has its number, and leads nowhere.
        let is_of_nobody = |line: &str| {
            let number = line.strip_prefix("map entry: interface ");
            number.is_some_and(|number| number.starts_with(|digit: char| digit.is_ascii_digit()))
        };
        let explained = |line: &str| {
            line.contains("state removing") || line.starts_with("map entry: `") || is_of_nobody(line)
        };
        let shrunk = now.iter().all(|line| old.contains(line) || explained(line));
        assert!(shrunk, "{what}: {output}\n{now:#?}");
    } else {
        assert!(now == old, "{what}: failed, and yet changed: {output}\n{old:#?}\n{now:#?}");
    }
}
