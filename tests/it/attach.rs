//! Attach and attach again, detach and detach again, and the limits in between.

use std::process::Stdio;

use dataplane_common::direction::Direction::{self, FromContainer, ToContainer};
use dataplane_tests::command::run_with_input;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::eventually::eventually;
use dataplane_tests::hooks;
use dataplane_tests::state::State;
use dataplane_tests::topology::Topology;
use serde_json::json;

use crate::limited::{
    TIGHT, assert_free, assert_free_both, assert_limited, assert_limited_both, assert_whole,
};
use crate::pairs::add_pairs;

/// The rates in force, from and to the container.
pub(crate) fn rates(dpctl: &Dpctl<'_>, interface: &str) -> [Option<u64>; 2] {
    let row = dpctl.attachment(interface);
    assert!(!row.is_null(), "{interface} is not listed");
    Direction::ALL.map(|direction| row[direction.name()]["rate_bits_per_s"].as_u64())
}

/// Ids of the programs at the hooks, from and to the container, as the kernel lists them.
pub(crate) fn program_ids(topology: &Topology, interface: &str) -> [Vec<u32>; 2] {
    use aya::programs::{SchedClassifier, TcAttachType};
    if !hooks::has_tcx() {
        return ["ingress", "egress"].map(|side| filter_programs(topology, interface, side));
    }
    [TcAttachType::Ingress, TcAttachType::Egress].map(|hook| {
        let programs = topology.host.enter(|| SchedClassifier::query_tcx(interface, hook));
        let (_, programs) = programs.expect("this kernel has tcx (6.6)");
        programs.iter().map(aya::programs::ProgramInfo::id).collect()
    })
}

fn filter_programs(topology: &Topology, interface: &str, side: &str) -> Vec<u32> {
    let filters = topology.host.run(&format!("tc -j filter show dev {interface} {side}")).json();
    let ids = filters.as_array().into_iter().flatten().map(|filter| &filter["options"]["prog"]["id"]);
    ids.filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

#[test]
fn attach_limits_both_directions_by_one_program_each() {
    for hook in hooks::all() {
        let topology = Topology::new(1);
        let dpctl = Dpctl::new(&topology.host);
        assert_free_both(&topology, 1, "premise: before attach");
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        assert_limited_both(&topology, 1, hook);
        let state = State::of(&topology.host, &dpctl);
        let kind = if hook == "tcx" { "tcx:" } else { "filter:" };
        let programs: Vec<&str> = state
            .lines(kind)
            .filter(|line| line.ends_with("_container") && line.contains("veth1 "))
            .collect();
        assert!(
            matches!(programs.as_slice(), [to, from]
                if to.contains("egress") && to.ends_with("to_container")
                && from.contains("ingress") && from.ends_with("from_container")),
            "{programs:#?}"
        );
        assert_eq!(dpctl.attachment("veth1")["hook"], hook);
        dpctl.leaves_nothing();
    }
}

#[test]
fn attaching_again_sets_the_values_and_touches_no_hook() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 1gbit veth1");
    assert_free_both(&topology, 1, "at 1 Gbit/s");
    let (before, ids) = (dpctl.stats("veth1", ToContainer), program_ids(&topology, "veth1"));
    let slot = &dpctl.json("show veth1")[0]["slot"];

    dpctl.run(&format!("attach {TIGHT} veth1"));
    assert_eq!(rates(&dpctl, "veth1"), [Some(64_000); 2]);
    assert_limited_both(&topology, 1, "at once");
    assert_eq!(program_ids(&topology, "veth1"), ids, "the same programs");
    assert_eq!(ids.map(|ids| ids.len()), [1, 1]);
    assert_eq!(&dpctl.json("show veth1")[0]["slot"], slot);
    let after = dpctl.stats("veth1", ToContainer);
    assert!(after.packets >= before.packets && before.packets >= 64, "counters go on: {before:?}, {after:?}");

    // What is not said again is not kept: attach sets the whole.
    dpctl.run("attach --to-container 5mbit veth1");
    assert_eq!(rates(&dpctl, "veth1"), [None, Some(5_000_000)]);
    dpctl.run("attach veth1");
    assert_eq!(rates(&dpctl, "veth1"), [None, None]);
    assert_free_both(&topology, 1, "attached anew without a rate");
    dpctl.leaves_nothing();
}

#[test]
fn without_a_rate_traffic_is_only_counted() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth1");
    assert_free_both(&topology, 1, "counters only");
    for direction in Direction::ALL {
        let stats = dpctl.stats("veth1", direction);
        assert_whole([stats.packets; 2], direction.name());
        assert!(stats.bytes >= 64 * 1042, "{stats:?}");
        assert_eq!((stats.dropped_limit_early, stats.dropped_limit_full, stats.dropped_bytes), (0, 0, 0));
    }
    assert_eq!(rates(&dpctl, "veth1"), [None, None]);
    dpctl.leaves_nothing();
}

#[test]
fn the_rate_of_one_direction_wins_over_rate() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} --from-container 1gbit veth1"));
    assert_eq!(rates(&dpctl, "veth1"), [Some(1_000_000_000), Some(64_000)]);
    assert_free(&topology, 1, FromContainer, "1 Gbit/s");
    assert_limited(&topology, 1, ToContainer, "64 kbit/s");
    dpctl.run(&format!("attach --to-container 1gbit {TIGHT} veth1"));
    assert_eq!(rates(&dpctl, "veth1"), [Some(64_000), Some(1_000_000_000)]);
    assert_limited(&topology, 1, FromContainer, "64 kbit/s");
    assert_free(&topology, 1, ToContainer, "1 Gbit/s");
    dpctl.run("attach --from-container 64kbit --latency 10ms veth1");
    assert_limited(&topology, 1, FromContainer, "64 kbit/s");
    assert_free(&topology, 1, ToContainer, "one direction only");
    dpctl.leaves_nothing();
}

#[test]
fn detach_frees_the_traffic_and_a_second_detach_finds_nothing() {
    for hook in hooks::all() {
        let topology = Topology::new(2);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth2"));
        let before = State::of(&topology.host, &dpctl);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        assert_limited_both(&topology, 1, "premise");
        dpctl.run("detach veth1");
        assert_free_both(&topology, 1, "detached");
        assert_limited_both(&topology, 2, "the other box");
        State::of(&topology.host, &dpctl).assert_is(&before, "after detach");
        let again = dpctl.try_run("detach veth1");
        assert_eq!((again.code, again.stderr.lines().count()), (3, 1), "{again}");
        assert!(again.stderr.starts_with("dpctl: veth1: not attached"), "{again}");
        // Of two names, the one that is there stays if the other is not.
        assert_eq!(dpctl.try_run("detach veth2 veth1").code, 3);
        assert_limited_both(&topology, 2, "all or none");
        dpctl.run("detach --all");
        assert_eq!(dpctl.try_run("detach --all").code, 3);
        dpctl.leaves_nothing();
    }
}

#[test]
fn many_names_come_from_standard_input() {
    const COUNT: usize = 100;
    let topology = Topology::new(1);
    let host = &topology.host;
    let names: Vec<String> = add_pairs(host, COUNT)
        .into_iter()
        .zip(["\n", " ", "\t", "\r\n"].iter().cycle())
        .map(|(name, gap)| name + gap)
        .collect();
    let dpctl = Dpctl::new(host);
    let attach = run_with_input(
        &mut dpctl.command(&format!("attach {TIGHT} --stdin veth1")),
        names.concat().as_bytes(),
    );
    attach.ok();
    let rows = dpctl.json("ls");
    assert_eq!(rows.as_array().map(Vec::len), Some(COUNT + 1));
    assert_limited_both(&topology, 1, "the one on the command line");
    let none = run_with_input(&mut dpctl.command("attach --stdin"), b" \n").ok();
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", ""));
    dpctl.run("detach --all");
    assert_eq!(dpctl.json("ls"), json!([]));
    dpctl.leaves_nothing();
}

#[test]
fn the_host_side_of_a_container_is_found_by_pid_and_by_namespace() {
    let topology = Topology::new(2);
    let one = topology.sandbox(1);
    let elsewhere = topology.sandbox(2).namespace.name();
    one.namespace.ip(&format!("link add other type veth peer name other netns {elsewhere}"));
    let dpctl = Dpctl::new(&topology.host);
    let mut command = one.namespace.command("sleep");
    let mut container = command.arg("1000").stdin(Stdio::null()).spawn().expect("sleep starts");
    eventually("the process is in its namespace", || {
        one.namespace
            .processes()
            .iter()
            .any(|(pid, line)| *pid == container.id() && line.starts_with("sleep"))
    });
    let (name, path) = (one.namespace.name().to_owned(), one.namespace.path());
    for place in [
        format!("--pid {}", container.id()),
        format!("--netns {name}"),
        format!("--netns {}", path.display()),
        format!("--netns /proc/{}/ns/net --interface eth0", container.id()),
    ] {
        dpctl.run(&format!("attach {TIGHT} {place}"));
        assert_limited_both(&topology, 1, &place);
        assert_free_both(&topology, 2, &place);
        dpctl.run("detach veth1");
    }
    for (place, problem) in [
        (format!("--netns {name} --interface eth7"), "has no interface eth7"),
        (format!("--netns {name} --interface lo"), "lo is a loopback device, not a veth"),
        (format!("--netns {name} --interface other"), "host side of other is not in this network namespace"),
        (format!("--netns {}", topology.host.name()), "shares this network namespace"),
        ("--netns no-such".to_owned(), "no such network namespace"),
        ("--netns /etc/passwd".to_owned(), "not a network namespace"),
        (format!("--netns /proc/{}/ns/mnt", container.id()), "not a network namespace"),
        ("--pid 4194305".to_owned(), "no such process"),
    ] {
        let refused = dpctl.try_run(&format!("attach {TIGHT} {place}"));
        assert_eq!((refused.code, refused.stderr.lines().count()), (3, 1), "{refused}");
        assert!(refused.stderr.contains(problem), "{problem}: {refused}");
    }
    container.kill().and_then(|()| container.wait()).expect("it is ours");
    assert_eq!(dpctl.json("ls"), json!([]));
    dpctl.leaves_nothing();
}

#[test]
fn limit_set_changes_what_is_named_and_nothing_else() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 1gbit --latency 10ms veth1 veth2");
    let ids = program_ids(&topology, "veth1");
    let limits = |name: &str| {
        let row = dpctl.attachment(name);
        Direction::ALL.map(|direction| row[direction.name()].clone())
    };
    let unchanged = limits("veth2");
    dpctl.run("limit set veth1 --to-container 64kbit");
    let [from, to] = limits("veth1");
    assert_eq!(from, unchanged[0]);
    assert_eq!(to, json!({"rate_bits_per_s": 64_000, "burst_bytes": 3028, "latency_ns": 10_000_000}));
    assert_free(&topology, 1, FromContainer, "as it was");
    assert_limited(&topology, 1, ToContainer, "limit set");
    assert_eq!(limits("veth2"), unchanged);
    assert_free_both(&topology, 2, "as it was");

    // In front of the name or behind it, as with ip and tc.
    dpctl.run("limit set --burst 4k dev veth1");
    let [from, to] = limits("veth1");
    assert_eq!([&from["burst_bytes"], &to["burst_bytes"]], [4096, 4096]);
    // A burst that was chosen stays when the rate changes, one by default follows it.
    dpctl.run("limit set dev veth1 --rate 10mbit");
    dpctl.run("limit set veth2 --rate 20mbit");
    assert_eq!(limits("veth1")[0]["burst_bytes"], 4096);
    assert_eq!(limits("veth2")[0]["burst_bytes"], 12_500);
    dpctl.run("limit set veth1 veth2 --rate 64kbit");
    assert_limited_both(&topology, 1, "two at once");
    assert_limited_both(&topology, 2, "two at once");
    assert_eq!(program_ids(&topology, "veth1"), ids);
    dpctl.leaves_nothing();
}

#[test]
fn limit_show_shows_what_is_asked_for_and_limit_clear_leaves_the_counters() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1 veth2"));
    let all = dpctl.json("ls");
    assert_eq!(dpctl.json("limit show veth2"), json!([all[1]]));
    assert_eq!(dpctl.json("limit show dev veth2 veth1"), all);
    assert!(dpctl.run("limit show dev veth1").stdout.contains("64kbit"));

    assert_limited_both(&topology, 1, "premise");
    let before = dpctl.stats("veth1", FromContainer);
    dpctl.run("limit clear veth1");
    assert_eq!(rates(&dpctl, "veth1"), [None, None]);
    assert_free_both(&topology, 1, "cleared");
    assert_limited_both(&topology, 2, "not cleared");
    let after = dpctl.stats("veth1", FromContainer);
    assert_whole([after.packets - before.packets; 2], "passed");
    // The box reports its multicast groups when it likes, in 90 bytes; the limit may still have
    // dropped a report. What is sent here is a hundred times as much.
    let dropped = after.dropped_bytes - before.dropped_bytes;
    assert!(dropped <= 2 * 90, "{dropped} bytes more");
    // What has no limit has no burst either.
    let refused = dpctl.try_run("limit set veth1 --burst 10k");
    assert_eq!(refused.code, 2, "{refused}");
    dpctl.run("limit set veth1 --from-container 64kbit --latency 10ms");
    assert_limited(&topology, 1, FromContainer, "set anew");
    assert_free(&topology, 1, ToContainer, "not set");
    dpctl.leaves_nothing();
}

#[test]
fn limits_of_networks_and_groups_are_refused() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let before = State::of(&topology.host, &dpctl);
    for line in ["limit set network n1 --rate 1mbit", "limit show group g1", "limit clear network n1"] {
        let refused = dpctl.try_run(line);
        assert_eq!((refused.code, refused.stderr.lines().count()), (2, 1), "{refused}");
        assert!(refused.stderr.contains("limits are set on interfaces"), "{refused}");
    }
    State::of(&topology.host, &dpctl).assert_is(&before, "refused");
    dpctl.leaves_nothing();
}

/// `dev` alone is a name, as any other.
#[test]
fn an_interface_may_be_called_dev() {
    let topology = Topology::new(1);
    topology.host.ip("link add name dev type veth peer name group");
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 1mbit dev group");
    dpctl.run("limit set dev --rate 2mbit");
    dpctl.run("limit set dev group --rate 3mbit");
    assert_eq!(rates(&dpctl, "dev"), [Some(2_000_000); 2]);
    assert_eq!(rates(&dpctl, "group"), [Some(3_000_000); 2]);
    dpctl.leaves_nothing();
}
