//! The harness itself, against the plain kernel: what it measures is what is there.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use dataplane_common::direction::Direction::FromContainer;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::eventually::{eventually, pass, within};
use dataplane_tests::leftovers::Snapshot;
use dataplane_tests::machine;
use dataplane_tests::netns::{Namespace, PREFIX};
use dataplane_tests::packet::{Packet, diff};
use dataplane_tests::run::{Program, Skb};
use dataplane_tests::skip::say;
use dataplane_tests::tcp::Flows;
use dataplane_tests::topology::Topology;
use dataplane_tests::udp::{FULL_FRAME, Offer, Sink, deliver, measure};
use dataplane_tests::{dpctl, iperf3};

use crate::ratio::assert_within;

const WARM_UP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(3);

#[test]
fn a_namespace_is_gone_with_its_guard() {
    let namespace = Namespace::new();
    let (name, path) = (namespace.name().to_owned(), namespace.path());
    assert!(name.starts_with(PREFIX) && path.exists(), "{}", path.display());
    drop(namespace);
    assert!(!path.exists(), "{} is still there", path.display());
}

#[test]
fn a_thread_inside_sees_the_namespace_and_the_others_do_not() {
    let namespace = Namespace::new();
    let interfaces = || fs::read_to_string("/proc/thread-self/net/dev").expect("/proc is mounted");
    namespace.ip("link add inside-only type veth peer name its-peer");
    assert!(namespace.enter(interfaces).contains("inside-only"));
    assert!(!interfaces().contains("inside-only"));
}

#[test]
fn boxes_reach_the_host_and_each_other() {
    let topology = Topology::new(2);
    let (one, two) = (topology.sandbox(1), topology.sandbox(2));
    for (at, address) in [
        (&topology.host, one.host_address()),
        (&topology.host, one.host_address_v6()),
        (&two.namespace, two.address()),
        (&two.namespace, two.address_v6()),
    ] {
        let listener = at.enter(|| TcpListener::bind((address, 0))).expect("the address is there");
        let to = listener.local_addr().expect("a bound socket has an address");
        let stream = one.namespace.enter(|| TcpStream::connect_timeout(&to, Duration::from_secs(2)));
        assert!(stream.is_ok(), "{to}: {stream:?}");
    }
}

#[test]
fn an_interface_counts_a_frame_with_its_ethernet_header() {
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    for (from, to, address, receiver) in [
        (&one.namespace, &topology.host, one.host_address(), topology.host_side(1)),
        (&topology.host, &one.namespace, one.address(), one.inside()),
        (&topology.host, &one.namespace, one.address_v6(), one.inside()),
    ] {
        let sink = Sink::new(to, address);
        let before = receiver.read();
        let sender = Offer::new(from, &sink).of_frames(1000).at(80_000_000).start();
        eventually("thousands of frames are sent", || sender.frames() >= 3000);
        drop(sender);
        let received = receiver.read().since(&before);
        // A few multicast reports of the kernel's own are counted as well.
        let length = received.bytes.div_ceil(received.packets);
        assert!((998..=1000).contains(&length), "frames of 1,000 to {address} count as {length}");
    }
}

/// The claim that `gso` tests stand on: a GSO packet is one to the counters of an interface,
/// until the host side of the veth that it leaves by has to cut it.
#[test]
fn a_gso_packet_is_counted_once_until_it_is_cut() {
    let topology = Topology::new(2);
    let (one, two) = (topology.sandbox(1), topology.sandbox(2));
    let sink = Sink::new(&two.namespace, two.address());
    let lengths = || {
        let offer = Offer::new(&one.namespace, &sink).as_gso(10).at(100_000_000);
        let before = two.inside().read();
        let sender = offer.start();
        eventually("thousands of frames are sent", || sender.frames() >= 5000);
        drop(sender);
        let received = two.inside().read().since(&before);
        received.bytes.div_ceil(received.packets)
    };
    // The upper ends are exact, the lower ones leave room for the kernel's own reports.
    let (whole, length) = (42 + 10 * 1472, lengths());
    assert!((whole - 200..=whole).contains(&length), "one header, ten payloads: {length}");
    topology.segment_towards(2);
    let length = lengths();
    assert!((1510..=1514).contains(&length), "frames: {length}");
}

#[test]
fn what_nothing_limits_arrives_at_the_rate_offered() {
    let _machine = machine::alone();
    let topology = Topology::new(2);
    let (one, two) = (topology.sandbox(1), topology.sandbox(2));
    let sink = Sink::new(&two.namespace, two.address());
    for (rate, frame, window) in
        [(256_000, 100, 4), (20_000_000, FULL_FRAME, 2), (2_050_000_000, FULL_FRAME, 2)]
    {
        if rate > 1_000_000_000 && machine::is_emulated() {
            say("2 Gbit/s are not tried: this CPU is emulated");
            continue;
        }
        let offer = Offer::new(&one.namespace, &sink).of_frames(frame).at(rate);
        let delivery =
            deliver(&[offer], &two.inside(), Duration::from_millis(100), Duration::from_secs(window));
        // A busy machine holds up the sender; what it did send must all arrive.
        assert_within(0.1, delivery.offered, rate, &format!("offered of {rate}"));
        let lost = 1.0 - delivery.delivered / delivery.offered;
        assert!(lost.abs() < 0.01, "{lost:.4} of {rate} is lost: {delivery:?}");
    }
}

#[test]
fn udp_through_tbf_is_delivered_at_the_rate_of_tbf() {
    let _machine = machine::shared();
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    let sink = Sink::new(&one.namespace, one.address());
    topology.host.run("tc qdisc add dev veth1 root tbf rate 1mbit burst 5000 latency 50ms");
    let offer = Offer::new(&topology.host, &sink).of_frames(500).at(2_000_000);
    let delivery = deliver(&[offer], &one.inside(), WARM_UP, WINDOW);
    assert_within(0.01, delivery.delivered, 1_000_000, "delivered");

    // The harness sees a limit that is wrong by 3 %.
    topology.host.run("tc qdisc replace dev veth1 root tbf rate 1030kbit burst 5000 latency 50ms");
    let delivery = deliver(&[offer], &one.inside(), WARM_UP, WINDOW);
    assert_within(0.01, delivery.delivered, 1_030_000, "delivered");
}

#[test]
fn tcp_through_tbf_has_the_goodput_of_full_frames() {
    let _machine = machine::shared();
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    topology.host.run("tc qdisc add dev veth1 root tbf rate 10mbit burst 10000 latency 50ms");
    for count in [1, 4] {
        let flows = Flows {
            from: &topology.host,
            to: &one.namespace,
            address: one.address(),
            count,
            congestion: "cubic",
        };
        let goodput = flows.measure(WARM_UP, WINDOW);
        assert_eq!(goodput.flows.len(), count);
        // 1,448 bytes of payload in a frame of 1,514.
        assert_within(0.1, goodput.bits_per_s(), 9_564_000, &format!("{count} cubic flows: {goodput:?}"));
        assert!(goodput.fairness() > 0.5, "{goodput:?}");
    }
}

#[test]
fn iperf3_reports_what_its_receiver_got() {
    let _machine = machine::shared();
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    topology.host.run("tc qdisc add dev veth1 root tbf rate 1mbit burst 5000 latency 50ms");
    let server = iperf3::Server::start(&one.namespace, one.address(), 5201);
    let report = server.client(&mut topology.host.command("iperf3"), "-u -b 2M -l 458 -t 3");
    // 458 bytes of payload in a frame of 500.
    assert_within(0.05, report.received_bits_per_s, 916_000, "received");
}

#[test]
fn a_sender_stops_with_its_guard() {
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    let sink = Sink::new(&topology.host, one.host_address());
    let sender = Offer::new(&one.namespace, &sink).at(10_000_000).start();
    eventually("it sends", || sender.frames() > 10);
    let senders = [sender];
    let delivery = measure(&senders, &topology.host_side(1), Duration::ZERO, Duration::from_millis(200));
    assert!(delivery.delivered > 5_000_000.0, "{delivery:?}");
    drop(senders);
    let before = topology.host_side(1).read();
    pass(Duration::from_millis(50));
    // The sender would send 40; the box reports its multicast groups when it likes.
    let packets = topology.host_side(1).read().since(&before).packets;
    assert!(packets <= 2, "{packets} packets after the end");
}

#[test]
fn what_stays_behind_is_named() {
    let host = Namespace::new();
    let folder = dpctl::temporary_folder();
    let before = Snapshot::of(&host, folder.path());
    assert_eq!(Snapshot::of(&host, folder.path()).since(&before), Vec::<String>::new());

    host.ip("link add stray type veth peer name peer");
    host.run("tc qdisc add dev stray clsact");
    fs::write(folder.path().join("pin"), "").expect("the folder is ours");
    host.run(&format!("mount -t tmpfs none {}", folder.path().display()));
    let left = Snapshot::of(&host, folder.path()).since(&before).join("\n");
    dpctl::unmount_below(folder.path());
    for trace in ["link stray", "link peer", "clsact", "mount /tmp/dpt-"] {
        assert!(left.contains(trace), "`{trace}` is missing in\n{left}");
    }
    let left = Snapshot::of(&host, folder.path()).since(&before).join("\n");
    assert!(left.contains("/pin") && !left.contains("mount"), "{left}");
}

#[test]
fn a_pinned_program_runs_on_a_packet_of_an_interface() {
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth1");
    // Nothing but ours: the box reports its multicast groups when it likes.
    one.namespace.ip("link set eth0 down");
    let program = Program::pinned(&dpctl.pin(FromContainer.name()));
    let packet = Packet::udp((one.address(), 1000), (one.host_address(), 53)).payload_of(2842).build();
    let skb = Skb { ifindex: topology.host_side(1).index(), ..Skb::default() };

    let ran = topology.host.enter(|| program.run(&packet, skb));
    assert_eq!(ran.verdict, -1, "{ran:?}");
    assert_eq!(diff(&packet, &ran.packet), None);
    assert_eq!(ran.skb.ifindex, skb.ifindex);
    assert_eq!(dpctl.stats("veth1", FromContainer).bytes, 2884);

    // Three segments of 1,000 bytes and less, each with 42 bytes of headers.
    topology.host.enter(|| program.run(&packet, Skb { gso_size: 1000, gso_segs: 3, ..skb }));
    assert_eq!(dpctl.stats("veth1", FromContainer).bytes, 2884 + 2842 + 3 * 42);

    let ran = topology.host.enter(|| program.repeat(&packet, skb, 100));
    assert!(ran.time > Duration::ZERO && ran.time < Duration::from_millis(1), "{:?}", ran.time);
    assert_eq!(dpctl.stats("veth1", FromContainer).packets, 1 + 3 + 100);
    dpctl.leaves_nothing();
}

#[test]
#[should_panic(expected = "exit code 1")]
fn a_command_that_fails_fails_the_test() {
    Namespace::new().run("false");
}

#[test]
fn a_condition_that_never_holds_is_given_up() {
    let mut asked = 0;
    let found = within(Duration::from_millis(20), || {
        asked += 1;
        None::<()>
    });
    assert!(found.is_none() && asked > 1, "asked {asked} times");
}
