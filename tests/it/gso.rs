//! A GSO packet costs the frames that it becomes, headers included.
//!
//! The hooks on box 1's veth see packets whole. The veth towards the receiver cuts them after
//! that, so the receiver's interface counts frames, and both counts must agree.

use std::net::IpAddr;
use std::time::Duration;

use aya::programs::ProgramInfo;
use aya::sys::{Stats, enable_stats};
use dataplane_common::direction::Direction::{self, FromContainer, ToContainer};
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::eventually::eventually;
use dataplane_tests::machine;
use dataplane_tests::meter::Interface;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip::say;
use dataplane_tests::tcp::Flows;
use dataplane_tests::topology::{Sandbox, Topology};
use dataplane_tests::udp::{Offer, Sink};

use crate::ratio::assert_count_within;

/// Of bulk traffic nearly all frames are full.
const FULL_FRAME: u64 = 1514;

/// From where to where, and what the hooks on `veth1` call that.
struct Path<'t> {
    what: &'static str,
    from: &'t Namespace,
    to: &'t Sandbox,
    direction: Direction,
}

#[test]
fn udp_gso_packets_are_counted_as_the_frames_they_become() {
    each_path_counts_frames("udp", |path, address| {
        let sink = Sink::new(&path.to.namespace, address);
        let sender = Offer::new(path.from, &sink).as_gso(10).at(150_000_000).start();
        eventually("ten thousand frames are sent", || sender.frames() >= 10_000);
    });
}

#[test]
fn tcp_gso_packets_are_counted_as_the_frames_they_become() {
    each_path_counts_frames("tcp", |path, address| {
        let flows = Flows { from: path.from, to: &path.to.namespace, address, count: 1, congestion: "cubic" };
        let goodput = flows.measure(Duration::ZERO, Duration::from_secs(1));
        assert!(goodput.bits_per_s() > 50_000_000.0, "{}: {goodput:?}", path.what);
    });
}

fn each_path_counts_frames(protocol: &str, send: impl Fn(&Path<'_>, IpAddr)) {
    let _machine = machine::shared();
    let topology = Topology::new(2);
    topology.segment_towards(1);
    topology.segment_towards(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 200mbit veth1");
    for path in paths(&topology) {
        for address in [path.to.address(), path.to.address_v6()] {
            let what = format!("{protocol} {} at {address}", path.what);
            counts_frames(&topology, &dpctl, &path, &what, || send(&path, address));
        }
    }
    dpctl.leaves_nothing();
}

fn paths(topology: &Topology) -> [Path<'_>; 3] {
    let (one, two) = (topology.sandbox(1), topology.sandbox(2));
    [
        Path { what: "from box 1 to box 2", from: &one.namespace, to: two, direction: FromContainer },
        Path { what: "from box 2 to box 1", from: &two.namespace, to: one, direction: ToContainer },
        Path { what: "from the host to box 1", from: &topology.host, to: one, direction: ToContainer },
    ]
}

fn counts_frames(topology: &Topology, dpctl: &Dpctl<'_>, path: &Path<'_>, what: &str, send: impl FnOnce()) {
    // How often the program has run: a packet each time, whatever that becomes.
    let _counting = enable_stats(Stats::RunTime).expect("root may, from Linux 5.8 on");
    let pin = dpctl.pin(path.direction.name());
    let ran = || ProgramInfo::from_pin(&pin).expect("a pinned program").run_count();
    // What passed the program and found no room on the way in was counted too.
    let sender = Interface::new(&topology.host, &path.to.veth);
    let (ran_before, before, sent_before) = (ran(), path.to.inside().read(), sender.read());
    let counted_before = dpctl.stats("veth1", path.direction);
    send();
    let counted = dpctl.stats("veth1", path.direction);
    let (counted, bytes) = (counted.packets - counted_before.packets, counted.bytes - counted_before.bytes);
    let (whole, frames) = (ran() - ran_before, path.to.inside().read().since(&before));
    let lost = sender.read().tx_dropped - sent_before.tx_dropped;
    say(&format!(
        "{what}: {whole} packets became {frames:?}, {lost} were lost, counted {counted} of {bytes} bytes"
    ));
    assert!(lost < frames.packets / 20, "{what}: {lost} lost: too many to tell anything");
    assert!((1..frames.packets / 2).contains(&whole), "premise: {what}: {whole} packets became {frames:?}");
    // The kernel's own multicast reports, a few packets, are in one count and not in the other.
    assert_count_within(0.001, counted, frames.packets + lost, what);
    assert_count_within(0.001, bytes, frames.bytes + lost * FULL_FRAME, what);
}
