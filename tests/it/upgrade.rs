//! `dpctl upgrade`: other programs in place of those that run, without a gap; and from pins of
//! another layout.

use std::fs;

use dataplane_common::direction::Direction;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::eventually::{DEADLINE, eventually, within};
use dataplane_tests::hooks;
use dataplane_tests::leftovers::files;
use dataplane_tests::state::State;
use dataplane_tests::topology::Topology;
use dataplane_tests::udp::{Offer, Sink};

use crate::attach::program_ids;
use crate::limited::{TIGHT, assert_free_both, assert_limited_both};

/// Every packet that was sent is counted, so none has passed a hook without a program; and every
/// one arrives. The kernel sends a report of its own now and then.
#[test]
fn upgrade_under_traffic_loses_no_packet_and_lets_none_by() {
    for hook in hooks::all() {
        let topology = Topology::new(2);
        let (one, two) = (topology.sandbox(1), topology.sandbox(2));
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach --rate 10gbit --hook {hook} veth1"));
        let programs = || dpctl.json("show veth1")[0]["own_program_ids"].clone();
        let before = [one, two].map(|sandbox| sandbox.inside().read());
        let to = [Sink::new(&two.namespace, two.address()), Sink::new(&one.namespace, one.address())];
        let offers = [Offer::new(&one.namespace, &to[0]), Offer::new(&two.namespace, &to[1])];
        let senders = offers.map(|offer| offer.of_frames(100).at(10_000_000).start());
        for _ in 0..5 {
            let (old, sent) = (programs(), senders[0].frames());
            let upgrade = dpctl.run("upgrade");
            assert!(upgrade.stderr.contains("counters and backlogs go on"), "{upgrade}");
            assert_ne!(programs(), old, "{hook}: the same programs");
            eventually("traffic goes on", || senders[0].frames() > sent + 100);
        }
        drop(senders);
        for (direction, [from, to]) in Direction::ALL.into_iter().zip([[0, 1], [1, 0]]) {
            let counts = || {
                let now = [one, two].map(|sandbox| sandbox.inside().read());
                let stats = dpctl.stats("veth1", direction);
                assert_eq!(stats.dropped_bytes, 0, "{stats:?}");
                let sent = now[from].tx_packets - before[from].tx_packets;
                [sent, stats.packets, now[to].rx_packets - before[to].rx_packets]
            };
            let same =
                |[sent, counted, arrived]: [u64; 3]| sent.abs_diff(counted).max(sent.abs_diff(arrived)) <= 8;
            let settled = within(DEADLINE, || same(counts()).then_some(()));
            let [sent, counted, arrived] = counts();
            let what =
                format!("{hook} {}: {sent} sent, {counted} counted, {arrived} arrived", direction.name());
            assert!(settled.is_some() && sent > 1000, "{what}");
        }
        dpctl.leaves_nothing();
    }
}

#[test]
fn upgrade_keeps_counters_limits_and_attachments() {
    for hook in hooks::all() {
        let topology = Topology::new(2);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        dpctl.run("attach veth2");
        assert_limited_both(&topology, 1, "premise");
        let (rows, before) = (dpctl.json("ls"), State::of(&topology.host, &dpctl));
        let counted = Direction::ALL.map(|direction| dpctl.stats("veth1", direction));
        dpctl.run("upgrade");
        State::of(&topology.host, &dpctl).assert_is(&before, "upgraded");
        assert_eq!(dpctl.json("ls"), rows);
        for (direction, counted) in Direction::ALL.into_iter().zip(counted) {
            let now = dpctl.stats("veth1", direction);
            assert_eq!(now.dropped_bytes, counted.dropped_bytes, "{}", direction.name());
            assert!(now.packets >= counted.packets, "{}", direction.name());
        }
        assert_limited_both(&topology, 1, "upgraded");
        assert_free_both(&topology, 2, "counters only");
        dpctl.leaves_nothing();
    }
}

#[test]
fn upgrade_where_nothing_is_attached_says_so() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let upgrade = dpctl.run("upgrade");
    assert_eq!((upgrade.stdout.as_str(), upgrade.stderr.lines().count()), ("", 1), "{upgrade}");
    assert_eq!(files(&dpctl.bpffs_dir()), Vec::<std::path::PathBuf>::new(), "nothing is made");
    dpctl.leaves_nothing();
}

#[test]
fn pins_of_another_layout_are_refused_until_upgrade_moves_them() {
    for hook in hooks::all() {
        let topology = Topology::new(1);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} --hook {hook} veth1"));
        let before = State::of(&topology.host, &dpctl);
        let layout = dpctl.pin("SLOTS").parent().expect("a pin lies in a directory").to_owned();
        fs::rename(&layout, layout.with_file_name("layout_0")).expect("bpffs renames");
        let renamed = State::of(&topology.host, &dpctl);
        for line in [
            "ls",
            "attach --rate 1mbit veth1",
            "detach veth1",
            "limit set veth1 --rate 1mbit",
            "limit show veth1",
            "limit clear veth1",
            "show veth1",
            "stats",
        ] {
            let refused = dpctl.try_run(line);
            assert_eq!((refused.code, refused.stderr.lines().count()), (7, 1), "{refused}");
            assert!(
                refused.stderr.contains("layout 0") && refused.stderr.contains("dpctl upgrade"),
                "{refused}"
            );
            assert_eq!(refused.stdout, "");
        }
        assert_eq!(dpctl.try_run("reconcile --check").code, 8, "a finding");
        assert_eq!(dpctl.try_run("doctor").code, 8, "a finding");
        State::of(&topology.host, &dpctl).assert_is(&renamed, "refused");
        assert_limited_both(&topology, 1, "refused");

        let upgrade = dpctl.run("upgrade");
        assert!(upgrade.stderr.contains("start anew"), "{upgrade}");
        State::of(&topology.host, &dpctl).assert_is(&before, "upgraded");
        assert_limited_both(&topology, 1, "upgraded");
        if hook == "tcx" {
            assert_eq!(program_ids(&topology, "veth1").map(|ids| ids.len()), [1, 1]);
        }
        assert!(dpctl.stats("veth1", Direction::FromContainer).dropped_bytes > 0, "the new maps count");
        dpctl.leaves_nothing();
    }
}
