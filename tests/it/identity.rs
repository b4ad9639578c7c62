//! An attachment belongs to its device: whatever the device is called, as long as it lives, and
//! never to another one with its number.

use std::time::Duration;

use dataplane_common::direction::Direction;
use dataplane_tests::command::run;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::eventually::{eventually, pass};
use dataplane_tests::hooks;
use dataplane_tests::leftovers::processes_with;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip;
use dataplane_tests::state::State;
use dataplane_tests::topology::Topology;
use serde_json::{Value, json};

use crate::attach::program_ids;
use crate::limited::{TIGHT, assert_free_both, assert_limited_both};

#[test]
fn a_renamed_interface_keeps_its_limit_and_answers_to_its_new_name() {
    if hooks::release() < (6, 2) {
        skip!("this kernel renames no interface that is up (Linux 6.2)");
    }
    for hook in hooks::all() {
        let topology = Topology::new(1);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        topology.host.ip("link set veth1 name renamed");
        assert_limited_both(&topology, 1, "renamed");
        let rows = dpctl.json("ls");
        assert_eq!((&rows[0]["interface"], rows.as_array().map(Vec::len)), (&json!("renamed"), Some(1)));
        // Its old name is no lie about its limit.
        for line in ["detach veth1", "show veth1", "limit clear veth1", "stats veth1"] {
            let refused = dpctl.try_run(line);
            assert_eq!((refused.code, refused.stderr.lines().count()), (3, 1), "{refused}");
            assert!(refused.stderr.contains("it is called renamed now"), "{refused}");
            assert!(!refused.stderr.contains("is gone"), "{refused}");
        }
        dpctl.run("limit set renamed --rate 1gbit");
        assert_free_both(&topology, 1, "set by the new name");
        dpctl.run(&format!("attach {TIGHT} renamed"));
        assert_eq!(dpctl.json("ls").as_array().map(Vec::len), Some(1), "attached twice");
        assert_eq!(dpctl.json("show renamed")[0]["interface"], "renamed");
        assert_eq!(dpctl.json("stats")[0]["interface"], "renamed");
        assert_eq!(dpctl.run("reconcile").stdout, "", "healthy");
        dpctl.run("detach renamed");
        assert_free_both(&topology, 1, "detached");
        topology.host.ip("link set renamed name veth1");
        dpctl.leaves_nothing();
    }
}

/// `ip` takes alternative names everywhere, and longer ones than a first name can be.
#[test]
fn an_alternative_name_is_a_name_for_every_command() {
    let topology = Topology::new(1);
    let long = format!("a:long-{}", "n".repeat(100));
    topology.host.ip(&format!("link property add dev veth1 altname lan altname {long}"));
    let dpctl = Dpctl::new(&topology.host);
    for name in ["lan", &long] {
        dpctl.run(&format!("attach {TIGHT} {name}"));
        for listing in
            ["ls".to_owned(), format!("show {name}"), format!("stats {name}"), format!("limit show {name}")]
        {
            let rows = dpctl.json(&listing);
            assert_eq!(
                (&rows[0]["interface"], rows.as_array().map(Vec::len)),
                (&json!("veth1"), Some(1)),
                "{listing}"
            );
        }
        dpctl.run(&format!("limit set {name} --rate 1mbit"));
        assert_eq!(dpctl.attachment("veth1")["from_container"]["rate_bits_per_s"], 1_000_000);
        dpctl.run(&format!("limit clear dev {name}"));
        let twice = dpctl.try_run(&format!("detach veth1 {name}"));
        assert_eq!(twice.code, 2, "{twice}");
        assert!(twice.stderr.contains("another name of veth1, given twice"), "{twice}");
        dpctl.run(&format!("detach {name}"));
        assert_eq!(dpctl.json("ls"), json!([]));
    }
    dpctl.leaves_nothing();
}

#[test]
fn stats_watch_notes_a_veth_that_vanished_once_and_goes_on_without_it() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 1mbit veth1 veth2");
    for (names, code, rows_left) in [("", 0, 1), ("veth1 veth2", 0, 1), ("veth1", 3, 1)] {
        let mut command = dpctl.command(&format!("stats --watch --count 4 -o json {names}"));
        // After its first round: what vanished before is not its to note.
        let watched = std::thread::scope(|scope| {
            let watch = scope.spawn(move || run(&mut command));
            eventually("it watches", || !processes_with(&dpctl.state_dir()).is_empty());
            pass(Duration::from_millis(1500));
            topology.host.ip("link del veth1");
            watch.join().expect("it runs to its end")
        });
        assert_eq!(watched.code, code, "{names}: {watched}");
        let notes =
            watched.stderr.lines().filter(|line| line.starts_with("dpctl: veth1: the interface is gone"));
        assert_eq!(notes.count(), 1, "{names}: {watched}");
        let tables: Vec<Value> = serde_json::Deserializer::from_str(&watched.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("JSON");
        let last = tables.last().and_then(Value::as_array).map(Vec::len);
        assert_eq!(last, Some(rows_left), "{names}: {watched}");
        assert!(code != 0 || tables.len() == 4, "{names}: {watched}");
        topology.host.ip("link add veth1 type veth peer name peer1");
        dpctl.run("attach --rate 1mbit veth1");
    }
    topology.host.ip("link del veth1");
    dpctl.leaves_nothing();
}

#[test]
fn a_veth_that_disappears_is_named_once_and_leaves_nothing() {
    for hook in hooks::all() {
        let topology = Topology::new(2);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth2"));
        let before = State::of(&topology.host, &dpctl);
        dpctl.run(&format!("attach --from-container 1mbit --to-container 2mbit --hook {hook} veth1"));
        // As a container does that has NET_ADMIN, or ends.
        topology.sandbox(1).namespace.ip("link del eth0");

        let ls = dpctl.run("ls -o json");
        assert_eq!(ls.json().as_array().map(Vec::len), Some(1));
        assert_eq!(
            ls.stderr,
            "dpctl: veth1: the interface is gone, and its limit with it; a container that restarted has a \
             new veth: dpctl attach --from-container 1mbit --to-container 2mbit --pid PID\n"
        );
        assert_eq!(dpctl.run("ls").stderr, "", "said once");
        let after = State::of(&topology.host, &dpctl);
        for what in ["attachment:", "pin", "map entry:", "tcx:", "filter:"] {
            assert!(after.lines(what).eq(before.lines(what)), "{what} {before:?} {after:?}");
        }
        let detach = dpctl.try_run("detach veth1");
        assert_eq!((detach.code, detach.stderr.lines().count()), (3, 1), "{detach}");
        assert!(
            detach.stderr.contains("dpctl attach --from-container 1mbit --to-container 2mbit --pid PID"),
            "{detach}"
        );
        assert_limited_both(&topology, 2, "the other box");
        dpctl.leaves_nothing();
    }
}

#[test]
fn what_is_said_of_a_veth_that_disappeared_names_burst_and_latency_of_its_own() {
    for (commands, said) in [
        (
            &["attach veth1 --rate 1mbit --burst 20kb --latency 100ms"] as &[&str],
            "--rate 1mbit --burst 20kb --latency 100ms",
        ),
        (&["attach veth1 --to-container 1mbit --latency 100ms"], "--to-container 1mbit --latency 100ms"),
        // No option sets a burst of one direction alone.
        (
            &["attach veth1 --from-container 1mbit --burst 20kb", "limit set veth1 --to-container 1mbit"],
            "--rate 1mbit",
        ),
        (
            &["attach veth1 --rate 10mbit --from-container 1gbit"],
            "--from-container 1gbit --to-container 10mbit",
        ),
    ] {
        let topology = Topology::new(1);
        let dpctl = Dpctl::new(&topology.host);
        for command in commands {
            dpctl.run(command);
        }
        topology.host.ip("link del veth1");
        let gone = dpctl.run("ls");
        let command = format!("a new veth: dpctl attach {said} --pid PID");
        assert!(gone.stderr.lines().any(|line| line.ends_with(&command)), "`{command}` is not in: {gone}");
        dpctl.leaves_nothing();
    }
}

/// Asked to be let go, and gone: that is done.
#[test]
fn detach_of_an_interface_that_has_just_disappeared_succeeds() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    topology.host.ip("link del veth1");
    let detach = dpctl.run("detach veth1");
    assert!(detach.stderr.contains("veth1: the interface is gone"), "{detach}");
    assert_eq!(State::of(&topology.host, &dpctl).lines("map entry:").count(), 0);
    dpctl.leaves_nothing();
}

/// What a [`Topology`] gives to veth1, and another.
const OLD_MAC: &str = "02:77:00:00:01:01";
const NEW_MAC: &str = "02:77:00:00:01:09";

/// A veth of the topology's own is replaced by another with the same name, index and addresses.
fn replace(topology: &Topology, ifindex: u32, mac: &str) {
    let inside = topology.sandbox(1).namespace.name().to_owned();
    topology.host.ip("link del veth1");
    topology.host.ip_batch(&format!(
        "link add veth1 index {ifindex} address {mac} type veth peer name eth0 address 02:77:00:00:01:02 netns {inside}
         link set veth1 addrgenmode none
         address add 10.77.1.1/24 dev veth1
         link set veth1 up
         neigh replace 10.77.1.2 lladdr 02:77:00:00:01:02 dev veth1"
    ));
    topology.sandbox(1).namespace.ip_batch(&format!(
        "link set eth0 addrgenmode none
         address add 10.77.1.2/24 dev eth0
         link set eth0 up
         neigh replace 10.77.1.1 lladdr {mac} dev eth0"
    ));
    assert_eq!(topology.host_side(1).index(), ifindex, "premise: the number is taken again");
}

/// With tcx also if its MAC is the same. With clsact nothing tells such a device from one whose
/// filters were removed: it is listed still, unlimited, and `reconcile` or `attach` limits it.
#[test]
fn a_new_device_with_an_old_number_is_not_taken_for_the_old_one() {
    for (hook, mac) in [("tcx", NEW_MAC), ("tcx", OLD_MAC), ("clsact", NEW_MAC)] {
        if !hooks::has(hook) {
            continue;
        }
        let what = format!("{hook}, {mac}");
        let topology = Topology::new(1);
        let ifindex = topology.host_side(1).index();
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        assert_limited_both(&topology, 1, "premise");
        replace(&topology, ifindex, mac);
        assert_free_both(&topology, 1, &format!("{what}: before any command"));
        let ls = dpctl.run("ls -o json");
        assert_eq!(ls.json(), json!([]), "{what}");
        assert!(ls.stderr.starts_with("dpctl: veth1: the interface is gone"), "{what}: {ls}");
        let left = State::of(&topology.host, &dpctl);
        for kind in ["attachment:", "map entry:", "pin links", "tcx:", "filter:"] {
            assert_eq!(left.lines(kind).count(), 0, "{what}: {left:?}");
        }
        dpctl.run(&format!("attach --rate 1gbit --hook {hook} veth1"));
        assert_free_both(&topology, 1, &format!("{what}: its own limit"));
        let counted = Direction::ALL.map(|direction| dpctl.stats("veth1", direction));
        assert!(counted.iter().all(|stats| stats.dropped_bytes == 0 && stats.packets < 80), "{counted:?}");
        dpctl.leaves_nothing();
    }
}

/// Nobody has run a command between the old device's end and the attach to the new one.
#[test]
fn attach_to_a_new_device_with_an_old_number_is_a_fresh_attachment() {
    for (hook, mac) in [("tcx", OLD_MAC), ("clsact", NEW_MAC)] {
        if !hooks::has(hook) {
            continue;
        }
        let topology = Topology::new(1);
        let ifindex = topology.host_side(1).index();
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach --rate 1gbit --hook {hook} veth1"));
        assert_free_both(&topology, 1, "premise");
        replace(&topology, ifindex, mac);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        assert_limited_both(&topology, 1, hook);
        let packets = dpctl.stats("veth1", Direction::FromContainer).packets;
        assert!(packets < 64, "{hook}: the old device's packets are counted for the new one: {packets}");
        assert_eq!(dpctl.json("ls").as_array().map(Vec::len), Some(1));
        dpctl.leaves_nothing();
    }
}

#[test]
fn a_device_moved_to_another_namespace_is_let_go_by_the_next_command() {
    for hook in hooks::all() {
        let topology = Topology::new(2);
        let elsewhere = Namespace::new();
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1 veth2"));
        topology.host.ip(&format!("link set veth1 netns {}", elsewhere.name()));
        let ls = dpctl.run("ls -o json");
        assert!(ls.stderr.starts_with("dpctl: veth1: the interface is gone"), "{ls}");
        assert_eq!(ls.json().as_array().map(Vec::len), Some(1), "{ls}");
        let there = elsewhere.enter(|| {
            use aya::programs::{SchedClassifier, TcAttachType};
            [TcAttachType::Ingress, TcAttachType::Egress].map(|hook| {
                let programs = SchedClassifier::query_tcx("veth1", hook);
                programs.map_or(if hooks::has_tcx() { usize::MAX } else { 0 }, |(_, programs)| programs.len())
            })
        });
        assert_eq!(there, [0, 0], "it took our programs with it");
        assert_limited_both(&topology, 2, "the other box");
        // A qdisc does not follow its device into another namespace.
        assert!(!elsewhere.run("tc qdisc show dev veth1").stdout.contains("clsact"), "{hook}");
        // Back again, it is a device as any other.
        elsewhere.ip(&format!("link set veth1 netns {}", topology.host.name()));
        assert_eq!(dpctl.json("ls").as_array().map(Vec::len), Some(1));
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        if hook == "tcx" {
            assert_eq!(program_ids(&topology, "veth1").map(|ids| ids.len()), [1, 1]);
        }
        dpctl.leaves_nothing();
    }
}
