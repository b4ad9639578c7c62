//! Programs, filters and qdiscs of others on the same device go on as before.
//!
//! The foreign tcx programs are those of a second instance: other programs, other maps, other
//! links, and counters that tell what they saw. The foreign filters are `u32` with a mirror,
//! which counts.

use dataplane_common::direction::Direction;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::hooks;
use dataplane_tests::need_tcx;
use dataplane_tests::netns::Namespace;
use dataplane_tests::state::State;
use dataplane_tests::topology::Topology;

use crate::attach::program_ids;
use crate::limited::{TIGHT, arrivals, assert_few, assert_free_both, assert_limited_both, assert_whole};

/// Packets that a foreign instance saw of a burst in each direction.
fn seen(topology: &Topology, foreign: &Dpctl<'_>) -> [u64; 2] {
    Direction::ALL.map(|direction| {
        let before = foreign.stats("veth1", direction).packets;
        arrivals(topology, 1, direction);
        foreign.stats("veth1", direction).packets - before
    })
}

#[test]
fn programs_attached_before_ours_see_every_packet() {
    need_tcx!();
    let topology = Topology::new(1);
    let foreign = Dpctl::new(&topology.host);
    foreign.run("attach veth1");
    let theirs = program_ids(&topology, "veth1");
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    assert_limited_both(&topology, 1, "behind a foreign program");
    assert_whole(seen(&topology, &foreign), "what ours drops, theirs have seen");
    let ids = program_ids(&topology, "veth1");
    assert_eq!([ids[0][0], ids[1][0]], [theirs[0][0], theirs[1][0]], "theirs first");
    assert_eq!(dpctl.json("show veth1")[0]["programs_to_container"], serde_json::json!(ids[1]));

    dpctl.run("upgrade");
    assert_eq!(program_ids(&topology, "veth1").map(|ids| ids.len()), [2, 2]);
    assert_limited_both(&topology, 1, "behind a foreign program, upgraded");
    dpctl.run("detach veth1");
    assert_eq!(program_ids(&topology, "veth1"), theirs);
    assert_free_both(&topology, 1, "detached");
    assert_whole(seen(&topology, &foreign), "theirs");
    dpctl.leaves_nothing();
    foreign.leaves_nothing();
}

#[test]
fn programs_attached_after_ours_see_what_ours_let_pass() {
    need_tcx!();
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let foreign = Dpctl::new(&topology.host);
    foreign.run("attach veth1");
    assert_limited_both(&topology, 1, "before a foreign program");
    assert_few(seen(&topology, &foreign), "ours decides first");
    // Without a limit: a backlog that was kept would cost a packet now and then.
    dpctl.run("attach veth1");
    assert_whole(seen(&topology, &foreign), "ours lets all pass on");
    dpctl.run("detach veth1");
    assert_whole(seen(&topology, &foreign), "theirs");
    foreign.leaves_nothing();
    dpctl.leaves_nothing();
}

#[test]
fn order_first_goes_before_what_is_there() {
    need_tcx!();
    let topology = Topology::new(1);
    let foreign = Dpctl::new(&topology.host);
    foreign.run("attach veth1");
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} --order first veth1"));
    assert_limited_both(&topology, 1, "first");
    assert_few(seen(&topology, &foreign), "ours decides first");
    dpctl.run("detach veth1");
    dpctl.run(&format!("attach {TIGHT} --order last veth1"));
    assert_limited_both(&topology, 1, "last");
    assert_whole(seen(&topology, &foreign), "theirs");
    dpctl.leaves_nothing();
    foreign.leaves_nothing();
}

/// Filters that mirror every packet to a bridge without ports, and count them.
fn add_filters(host: &Namespace, preference: u16) {
    for side in ["ingress", "egress"] {
        host.run(&format!(
            "tc filter add dev veth1 {side} pref {preference} protocol all u32 match u32 0 0 \
             action mirred egress mirror dev sink continue"
        ));
    }
}

fn counted(host: &Namespace, preference: u16) -> [u64; 2] {
    ["ingress", "egress"].map(|side| {
        let filters = host.run(&format!("tc -s -j filter show dev veth1 {side} pref {preference}")).json();
        let counts = filters.as_array().into_iter().flatten();
        let counts = counts.filter_map(|filter| filter["options"]["actions"][0]["stats"]["packets"].as_u64());
        counts.max().unwrap_or_else(|| panic!("no foreign filter: {filters}"))
    })
}

fn with_sink() -> Topology {
    let topology = Topology::new(1);
    topology.host.ip_batch("link add sink type bridge\nlink set sink addrgenmode none up");
    topology
}

fn counted_of_a_burst(topology: &Topology, preference: u16) -> [u64; 2] {
    let before = counted(&topology.host, preference);
    for direction in Direction::ALL {
        arrivals(topology, 1, direction);
    }
    let after = counted(&topology.host, preference);
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn filters_of_others_run_beside_tcx() {
    need_tcx!();
    let topology = with_sink();
    let host = &topology.host;
    host.run("tc qdisc add dev veth1 clsact");
    add_filters(host, 10);
    let dpctl = Dpctl::new(host);
    let before = State::of(host, &dpctl);
    dpctl.run(&format!("attach {TIGHT} --hook tcx veth1"));
    assert_limited_both(&topology, 1, "beside clsact");
    assert_few(counted_of_a_burst(&topology, 10), "tcx runs first");
    dpctl.run("limit clear veth1");
    assert_whole(counted_of_a_burst(&topology, 10), "what passes goes on to their filters");
    dpctl.run("detach veth1");
    assert_whole(counted_of_a_burst(&topology, 10), "detached");
    assert_eq!(
        before.lines("filter:").collect::<Vec<_>>(),
        State::of(host, &dpctl).lines("filter:").collect::<Vec<_>>()
    );
    dpctl.leaves_nothing();
}

#[test]
fn filters_and_qdiscs_of_others_stay_when_ours_are_gone() {
    for order in ["first", "last"] {
        let topology = with_sink();
        let host = &topology.host;
        host.run("tc qdisc add dev veth1 root tbf rate 1gbit burst 1mb latency 50ms");
        host.run("tc qdisc add dev veth1 clsact");
        add_filters(host, 10);
        let dpctl = Dpctl::new(host);
        let before = State::of(host, &dpctl);
        dpctl.run(&format!("attach {TIGHT} --hook clsact --order {order} veth1"));
        add_filters(host, 60_000); // after ours, whatever the order
        assert_limited_both(&topology, 1, order);
        let (early, late) = (counted_of_a_burst(&topology, 10), counted_of_a_burst(&topology, 60_000));
        assert_few(late, &format!("{order}: theirs after ours"));
        match order {
            "first" => assert_few(early, "ours first"),
            _ => assert_whole(early, "theirs before ours"),
        }
        dpctl.run("upgrade");
        assert_limited_both(&topology, 1, order);
        dpctl.run("detach veth1");
        assert_whole(counted_of_a_burst(&topology, 10), "detached");
        assert_whole(counted_of_a_burst(&topology, 60_000), "detached");
        let after = State::of(host, &dpctl);
        assert_eq!(before.lines("qdisc:").collect::<Vec<_>>(), after.lines("qdisc:").collect::<Vec<_>>());
        assert!(!after.lines("filter:").any(|filter| filter.contains("container")), "{after:?}");
        for side in ["ingress", "egress"] {
            host.run(&format!("tc filter del dev veth1 {side} pref 60000"));
        }
        dpctl.leaves_nothing();
    }
}

#[test]
fn a_clsact_of_ours_stays_while_others_use_it() {
    let topology = with_sink();
    let host = &topology.host;
    let dpctl = Dpctl::new(host);
    dpctl.run(&format!("attach {TIGHT} --hook clsact veth1"));
    add_filters(host, 10);
    dpctl.run("detach veth1");
    assert_whole(counted_of_a_burst(&topology, 10), "detached");
    // The next attach finds it there: no longer ours, it stays when nobody uses it either.
    dpctl.run(&format!("attach {TIGHT} --hook clsact veth1"));
    host.run("tc filter del dev veth1 ingress pref 10");
    host.run("tc filter del dev veth1 egress pref 10");
    dpctl.run("detach veth1");
    host.run("tc qdisc del dev veth1 clsact"); // which fails if there is none
    dpctl.leaves_nothing();
}

/// An `ingress` qdisc has the place of clsact, and only one of its two sides.
#[test]
fn a_device_with_an_ingress_qdisc_takes_tcx_and_refuses_clsact() {
    need_tcx!();
    let topology = Topology::new(1);
    topology.host.run("tc qdisc add dev veth1 ingress");
    let dpctl = Dpctl::new(&topology.host);
    let before = State::of(&topology.host, &dpctl);
    let refused = dpctl.try_run(&format!("attach {TIGHT} --hook clsact veth1"));
    assert_eq!((refused.code, refused.stderr.lines().count()), (4, 1), "{refused}");
    assert!(refused.stderr.contains("veth1") && refused.stderr.contains("ingress"), "{refused}");
    assert_eq!(before.lines("filter:").count() + before.lines("qdisc:").count(), {
        let after = State::of(&topology.host, &dpctl);
        after.lines("filter:").count() + after.lines("qdisc:").count()
    });
    assert_free_both(&topology, 1, "refused");
    dpctl.run(&format!("attach {TIGHT} veth1"));
    assert_limited_both(&topology, 1, "tcx");
    dpctl.leaves_nothing();
}

#[test]
fn another_kind_of_hook_is_refused_while_one_is_there() {
    need_tcx!();
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    for (present, other) in [("tcx", "clsact"), ("clsact", "tcx")] {
        dpctl.run(&format!("attach {TIGHT} --hook {present} veth1"));
        let before = State::of(&topology.host, &dpctl);
        let refused = dpctl.try_run(&format!("attach --rate 1gbit --hook {other} veth1"));
        assert_eq!((refused.code, refused.stderr.lines().count()), (4, 1), "{refused}");
        assert!(refused.stderr.contains("dpctl detach veth1"), "{refused}");
        State::of(&topology.host, &dpctl).assert_is(&before, "refused");
        // Without asking for one, what is there is kept.
        dpctl.run(&format!("attach {TIGHT} veth1"));
        assert_eq!(dpctl.attachment("veth1")["hook"], present);
        dpctl.run("detach veth1");
    }
    assert_free_both(&topology, 1, "detached");
    dpctl.leaves_nothing();
}

/// What the doctor says of programs of others; they are no finding.
fn others(dpctl: &Dpctl<'_>) -> Option<String> {
    let checks = dpctl.json("doctor");
    let mut checks = checks.as_array().cloned().unwrap_or_default().into_iter();
    let others = checks.find(|check| check["check"] == "others")?;
    assert_eq!(others["ok"], true, "{others}");
    others["result"].as_str().map(str::to_owned)
}

#[test]
fn doctor_names_veths_with_programs_of_others() {
    for hook in hooks::all() {
        let topology = Topology::new(2);
        let dpctl = Dpctl::new(&topology.host);
        assert_eq!(others(&dpctl), None, "{hook}: nobody's yet");
        let foreign = Dpctl::new(&topology.host);
        foreign.run(&format!("attach --hook {hook} veth1"));
        let words = others(&dpctl).unwrap_or_default();
        assert!(words.starts_with("veth1 has programs of others"), "{hook}: {words}");
        foreign.leaves_nothing();
        dpctl.leaves_nothing();
    }
}

#[test]
fn doctor_names_programs_of_others_that_run_before_ours() {
    need_tcx!();
    let topology = Topology::new(2);
    let foreign = Dpctl::new(&topology.host);
    foreign.run("attach veth1");
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth1");
    let words = others(&dpctl).unwrap_or_default();
    assert!(words.starts_with("veth1: 1 before ours in from_container"), "{words}");
    foreign.run("detach veth1");
    assert_eq!(others(&dpctl), None);
    dpctl.leaves_nothing();
    foreign.leaves_nothing();
}
