//! `dpctl reconcile`: what somebody broke is found, said and repaired; what is whole is not
//! touched.

use std::fs;
use std::path::Path;

use aya::maps::{Array, HashMap, Map, MapData};
use aya::programs::SchedClassifier;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::SchedClassifierLink;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::eventually::eventually;
use dataplane_tests::hooks;
use dataplane_tests::skip;
use dataplane_tests::state::State;
use dataplane_tests::strace;
use dataplane_tests::topology::Topology;

use crate::limited::{TIGHT, assert_limited_both};

/// What somebody did to an instance with veth1 attached, and a word of what is said of it.
struct Damage {
    what: &'static str,
    /// Where it matters.
    hook: Option<&'static str>,
    act: fn(&Topology, &Dpctl<'_>),
    said: &'static str,
}

const DAMAGES: &[Damage] = &[
    Damage {
        what: "a link's pin is removed",
        hook: Some("tcx"),
        act: remove_link,
        said: "veth1: from_container is not attached: attached",
    },
    Damage {
        what: "another program is put on a pinned link",
        hook: Some("tcx"),
        act: hijack_link,
        said: "veth1: from_container is another program: swapped",
    },
    Damage {
        what: "a map entry is removed",
        hook: None,
        act: remove_entry,
        said: "veth1: not in the map of interfaces: entered",
    },
    Damage {
        what: "a map entry names another slot",
        hook: None,
        act: change_entry,
        said: "veth1: not in the map of interfaces: entered",
    },
    Damage {
        what: "limits are raised in the map",
        hook: None,
        act: raise_limits,
        said: "veth1: the map has other limits than were set: set",
    },
    Damage {
        what: "a map entry is made up",
        hook: None,
        act: add_entry,
        said: "interface 4242: in the map, but not attached: removed",
    },
    Damage {
        what: "a program's pin is removed",
        hook: None,
        act: remove_program,
        said: "pins of programs or maps are missing or damaged: all made anew",
    },
    Damage {
        what: "a map's pin is removed",
        hook: Some("clsact"),
        act: remove_map,
        said: "pins of programs or maps are missing or damaged: all made anew",
    },
    Damage {
        what: "all pins of the layout are removed",
        hook: None,
        act: remove_layout,
        said: "pins of programs or maps are missing or damaged: all made anew",
    },
    Damage {
        what: "clsact is removed",
        hook: Some("clsact"),
        act: remove_clsact,
        said: "veth1: to_container is not attached: attached",
    },
    Damage {
        what: "a filter is removed",
        hook: Some("clsact"),
        act: remove_filter,
        said: "veth1: to_container is not attached: attached",
    },
];

fn remove_link(topology: &Topology, dpctl: &Dpctl<'_>) {
    fs::remove_file(dpctl.pin("from_container_0")).expect("bpffs removes");
    // The kernel detaches a link that nobody holds a little later.
    eventually("the link is gone", || {
        State::of(&topology.host, dpctl).lines("tcx: veth1").all(|line| line.ends_with("to_container"))
    });
}

/// `BPF_LINK_UPDATE` by somebody else: the link is ours still.
fn hijack_link(_: &Topology, dpctl: &Dpctl<'_>) {
    let link = PinnedLink::from_pin(dpctl.pin("from_container_0")).expect("it is pinned");
    let link = SchedClassifierLink::try_from(FdLink::from(link)).expect("a tcx link");
    let mut other = SchedClassifier::from_pin(dpctl.pin("to_container")).expect("it is pinned");
    other.attach_to_link(link).expect("root may");
}

fn slots(dpctl: &Dpctl<'_>) -> HashMap<MapData, u32, u32> {
    let data = MapData::from_pin(dpctl.pin("SLOTS")).expect("it is pinned");
    HashMap::try_from(Map::HashMap(data)).expect("a hash map")
}

fn remove_entry(topology: &Topology, dpctl: &Dpctl<'_>) {
    slots(dpctl).remove(&topology.host_side(1).index()).expect("veth1 has an entry");
}

fn change_entry(topology: &Topology, dpctl: &Dpctl<'_>) {
    slots(dpctl).insert(topology.host_side(1).index(), 77, 0).expect("there is room");
}

fn add_entry(_: &Topology, dpctl: &Dpctl<'_>) {
    slots(dpctl).insert(4242, 77, 0).expect("there is room");
}

fn raise_limits(_: &Topology, dpctl: &Dpctl<'_>) {
    let data = MapData::from_pin(dpctl.pin("LIMITS")).expect("it is pinned");
    let mut limits: Array<MapData, [u64; 8]> = Array::try_from(Map::Array(data)).expect("an array");
    limits.set(0, [0; 8], 0).expect("slot 0 is there");
}

fn remove_program(_: &Topology, dpctl: &Dpctl<'_>) {
    fs::remove_file(dpctl.pin("to_container")).expect("bpffs removes");
}

fn remove_map(_: &Topology, dpctl: &Dpctl<'_>) {
    fs::remove_file(dpctl.pin("LIMITS")).expect("bpffs removes");
}

fn remove_layout(_: &Topology, dpctl: &Dpctl<'_>) {
    fs::remove_dir_all(dpctl.pin("SLOTS").parent().expect("a directory")).expect("bpffs removes");
}

fn remove_clsact(topology: &Topology, _: &Dpctl<'_>) {
    topology.host.run("tc qdisc del dev veth1 clsact");
}

fn remove_filter(topology: &Topology, _: &Dpctl<'_>) {
    topology.host.run("tc filter del dev veth1 egress");
}

#[test]
fn reconcile_finds_says_and_repairs_what_was_broken() {
    for Damage { what, hook, act, said } in DAMAGES {
        let hook = hook.unwrap_or_else(hooks::usual);
        if !hooks::has(hook) {
            continue;
        }
        let topology = Topology::new(1);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        let whole = State::of(&topology.host, &dpctl);
        act(&topology, &dpctl);
        let broken = State::of(&topology.host, &dpctl);
        assert_ne!(whole, broken, "premise: {what}");

        let check = dpctl.try_run("reconcile --check");
        assert_eq!((check.code, check.stderr.as_str()), (8, ""), "{what}: {check}");
        State::of(&topology.host, &dpctl).assert_is(&broken, &format!("{what}: --check changes nothing"));
        if ["a link's pin is removed", "clsact is removed"].contains(what) {
            let ls = dpctl.run("ls");
            let said = "dpctl: veth1: not in force, since hooks are missing; run: dpctl reconcile\n";
            assert_eq!(ls.stderr, said, "{what}: {ls}");
            let show = dpctl.run("show veth1");
            assert!(show.stdout.contains("ours missing; run: dpctl reconcile"), "{what}: {show}");
        }
        assert_eq!(dpctl.try_run("doctor").code, 8, "{what}");

        let repair = dpctl.run("reconcile");
        assert!(repair.stdout.contains(said), "{what}: {repair}");
        State::of(&topology.host, &dpctl).assert_is(&whole, what);
        assert_limited_both(&topology, 1, what);
        for line in ["reconcile", "reconcile --check"] {
            let again = dpctl.run(line);
            assert_eq!(
                (again.stdout.as_str(), again.stderr.as_str()),
                ("", "dpctl: all is as it should be\n")
            );
        }
        let json = dpctl.json("reconcile");
        assert_eq!(json, serde_json::json!([]), "{what}");
        dpctl.leaves_nothing();
    }
}

#[test]
fn findings_are_json_too() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    remove_entry(&topology, &dpctl);
    let check = dpctl.try_run("reconcile --check -o json");
    assert_eq!(check.code, 8);
    let row = |repaired: bool| {
        serde_json::json!([{
            "finding": "veth1: not in the map of interfaces",
            "repair": "entered",
            "repaired": repaired,
        }])
    };
    assert_eq!(check.json(), row(false));
    assert_eq!(dpctl.json("reconcile"), row(true));
    dpctl.leaves_nothing();
}

/// Attach again is asked for a limit that holds, whatever has become of the hooks.
#[test]
fn attach_restores_hooks_that_somebody_removed() {
    for (hook, act) in [("tcx", remove_link as fn(&Topology, &Dpctl<'_>)), ("clsact", remove_clsact)] {
        if !hooks::has(hook) {
            continue;
        }
        let topology = Topology::new(1);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        let whole = State::of(&topology.host, &dpctl);
        act(&topology, &dpctl);
        dpctl.run(&format!("attach {TIGHT} veth1"));
        assert_limited_both(&topology, 1, hook);
        State::of(&topology.host, &dpctl).assert_is(&whole, hook);
        dpctl.leaves_nothing();
    }
}

/// Nor starts a process: one that attaches or detaches a link has another hold `rcu_expedited`.
#[test]
fn reconcile_on_a_healthy_host_writes_nothing() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 1mbit --hook clsact veth1");
    dpctl.run("attach --rate 1mbit veth2");
    let before = State::of(&topology.host, &dpctl);
    for line in ["reconcile", "reconcile --check", "ls", "stats"] {
        let calls = "bpf,sendto,sendmsg,clone,clone3,vfork,execve,mount,umount2,mkdir,rename,unlink,unlinkat,\
                     rmdir,chmod,fchmodat";
        let (output, calls) = strace::calls(&dpctl.command(line), calls);
        output.ok();
        assert!(calls.iter().any(|call| call.contains("BPF_OBJ_GET")), "premise: {calls:#?}");
        assert!(calls.iter().any(|call| is_netlink_get(call)), "premise: {calls:#?}");
        let reads = [
            "BPF_OBJ_GET",
            "BPF_OBJ_GET_INFO_BY_FD",
            "BPF_MAP_LOOKUP_ELEM",
            "BPF_MAP_GET_NEXT_KEY",
            "BPF_PROG_QUERY",
        ];
        let harmless = |call: &str| {
            reads.iter().any(|read| call.starts_with(&format!("bpf({read},")))
                || is_netlink_get(call)
                || call.starts_with("execve(") && call.contains("dpctl\"")
                // SQLite sets the mode of its files, and makes sure of a directory that is there.
                || call.contains("EEXIST")
        };
        let writes: Vec<&String> = calls.iter().filter(|call| !harmless(call)).collect();
        assert!(writes.is_empty(), "{line}: {writes:#?}");
    }
    State::of(&topology.host, &dpctl).assert_is(&before, "looked at");
    dpctl.leaves_nothing();
}

/// Requests of rtnetlink come in fours: new, delete, get, set. `strace` names them only for
/// sockets of its own namespace.
fn is_netlink_get(call: &str) -> bool {
    let kind = call.split("nlmsg_type=").nth(1).unwrap_or_default();
    let number = kind.strip_prefix("0x").and_then(|hex| hex.split(' ').next());
    kind.starts_with("RTM_GET")
        || number.and_then(|hex| u32::from_str_radix(hex, 16).ok()).is_some_and(|number| number % 4 == 2)
}

#[test]
fn reconcile_where_nothing_is_attached_makes_nothing() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    for line in ["reconcile", "reconcile --check", "doctor"] {
        dpctl.run(line);
        assert!(!Path::new(&dpctl.state_dir()).exists() && !dpctl.bpffs_dir().exists(), "{line}");
    }
    dpctl.leaves_nothing();
}
