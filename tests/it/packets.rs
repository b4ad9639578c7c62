//! The packet tables: what each hook does with a packet, and what it charges for it.
//!
//! Every row goes through both programs by `BPF_PROG_TEST_RUN`. No row changes a byte.

use std::collections::HashSet;

use dataplane_common::direction::Direction::{self, FromContainer};
use dataplane_common::limit::UNITS_PER_NS_SHIFT;
use dataplane_tests::dpctl::{Dpctl, Stats};
use dataplane_tests::meter::Interface;
use dataplane_tests::netns::Namespace;
use dataplane_tests::packet::{Packet, diff};
use dataplane_tests::run::{Program, Skb};

use crate::written::Written;

const BOX: [u8; 4] = [10, 77, 1, 2];
const HOST: [u8; 4] = [10, 77, 1, 1];
const BOX_V6: [u16; 8] = [0xfd77, 1, 0, 0, 0, 0, 0, 2];
const HOST_V6: [u16; 8] = [0xfd77, 1, 0, 0, 0, 0, 0, 1];

const NEXT: i32 = -1;
const DROP: i32 = 2;

/// `what` the packet is, the packet, its `gso_size`, and what it costs: frames and bytes.
struct Row {
    what: &'static str,
    packet: Packet,
    gso_size: u32,
    cost: (u64, u64),
}

fn row(what: &'static str, packet: Packet, gso_size: u32, cost: (u64, u64)) -> Row {
    Row { what, packet, gso_size, cost }
}

/// Frames of the same length.
const fn frames(frames: u64, length: u64) -> (u64, u64) {
    (frames, frames * length)
}

fn tcp() -> Packet {
    Packet::tcp((BOX, 40_000), (HOST, 80))
}

fn tcp_v6() -> Packet {
    Packet::tcp((BOX_V6, 40_000), (HOST_V6, 80))
}

fn udp() -> Packet {
    Packet::udp((BOX, 40_000), (HOST, 53))
}

/// Twelve bytes of TCP options, as a connection with timestamps has them.
const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

/// No two rows cost the same, so that none can be taken for another.
///
/// The kernel takes the outermost tag out of a packet before it gets to tc, `BPF_PROG_TEST_RUN`
/// does not: the tags here are those that stand inside another.
fn table() -> Vec<Row> {
    vec![
        row("a full IPv4 TCP frame costs its length", tcp().payload_of(1460), 0, (1, 1514)),
        row("an IPv6 TCP frame costs its length", tcp_v6().payload_of(100), 0, (1, 174)),
        row("a small UDP datagram costs its length", udp().payload_of(18), 0, (1, 60)),
        row("an inner VLAN tag is charged", udp().vlan(7).payload_of(18), 0, (1, 64)),
        row("ARP is charged", Packet::ethernet(0x0806).payload_of(28), 0, (1, 42)),
        row("a frame of an unknown type is charged", Packet::ethernet(0x88b5).payload_of(99), 0, (1, 113)),
        row("a fragment is charged", Packet::ip(BOX, HOST, 17).payload_of(200), 0, (1, 234)),
        row("IPv4 TCP GSO costs 3 frames of 54 + 500", tcp().payload_of(1500), 500, frames(3, 554)),
        row("one byte more is one frame more", tcp().payload_of(1501), 500, (4, 3 * 554 + 55)),
        row("a GSO packet of one segment is a frame", tcp().payload_of(400), 500, (1, 454)),
        row(
            "TCP options are repeated in each segment",
            tcp().tcp_options(&TIMESTAMPS).payload_of(1500),
            500,
            frames(3, 566),
        ),
        row(
            "IPv4 options are repeated in each segment",
            tcp().ip_options(&[1; 16]).payload_of(1500),
            500,
            frames(3, 570),
        ),
        row("an inner VLAN tag is repeated in each", tcp().vlan(7).payload_of(1500), 500, frames(3, 558)),
        row("so are two of them", tcp().tag(0x88a8, 5).vlan(7).payload_of(1500), 500, frames(3, 562)),
        row("IPv6 TCP GSO costs 3 frames of 74 + 500", tcp_v6().payload_of(1500), 500, frames(3, 574)),
        row("UDP GSO costs 3 frames of 42 + 500", udp().payload_of(1500), 500, frames(3, 542)),
        row("tiny segments cost all their headers", tcp().payload_of(1000), 1, frames(1000, 55)),
        row(
            "GSO of an unknown type: the least headers",
            Packet::ethernet(0x88b5).payload_of(1240),
            400,
            frames(3, 454),
        ),
        row(
            "GSO of another protocol, GRE: the least headers",
            Packet::ip(BOX, HOST, 47).payload_of(1820),
            600,
            frames(3, 654),
        ),
        row(
            "GSO cut off inside its headers is charged as it is",
            Packet::ip(BOX, HOST, 6).payload_of(4),
            500,
            (1, 38),
        ),
    ]
}

/// A namespace with a veth pair that is down: no packet but the tests' own is counted.
fn quiet_host() -> Namespace {
    let host = Namespace::new();
    host.ip("link add veth1 type veth peer name veth2");
    host
}

/// The charge of one direction while `work` ran.
fn charged(dpctl: &Dpctl<'_>, direction: Direction, work: impl FnOnce()) -> Stats {
    let before = dpctl.stats("veth1", direction);
    work();
    let after = dpctl.stats("veth1", direction);
    Stats {
        packets: after.packets - before.packets,
        bytes: after.bytes - before.bytes,
        dropped_limit_early: after.dropped_limit_early - before.dropped_limit_early,
        dropped_limit_full: after.dropped_limit_full - before.dropped_limit_full,
        dropped_refused: after.dropped_refused - before.dropped_refused,
        dropped_bytes: after.dropped_bytes - before.dropped_bytes,
    }
}

#[test]
fn every_packet_passes_unchanged_and_costs_the_frames_it_becomes() {
    let host = quiet_host();
    let dpctl = Dpctl::new(&host);
    // Nothing is dropped up to 500 s of backlog.
    dpctl.run("attach --rate 1mbit --latency 1000s veth1");
    let ifindex = Interface::new(&host, "veth1").index();
    let written = Written::of(&dpctl);
    for direction in Direction::ALL {
        let program = Program::pinned(&dpctl.pin(direction.name()));
        let full = udp().payload_of(1472).build();
        // Two minutes of backlog: a queue that never runs empty moves by the charge alone.
        host.enter(|| program.repeat(&full, Skb { ifindex, ..Skb::default() }, 10_000));
        for Row { what, packet, gso_size, cost } in table() {
            let packet = packet.build();
            // A container can claim any number of segments; it is not asked.
            for gso_segs in [0, 1, 7, 0xffff] {
                let skb = Skb { ifindex, gso_size, gso_segs };
                let word = written.word(direction);
                let stats = charged(&dpctl, direction, || {
                    let ran = host.enter(|| program.run(&packet, skb));
                    assert_eq!(ran.verdict, NEXT, "{what}: not passed on");
                    assert_eq!(diff(&packet, &ran.packet), None, "{what}: changed");
                });
                let what = format!("{what} ({} claims {gso_segs} segments)", direction.name());
                assert_eq!((stats.packets, stats.bytes, stats.dropped_bytes), (cost.0, cost.1, 0), "{what}");
                let moved = written.word(direction) - word;
                assert_eq!(
                    moved,
                    cost.1 * BYTE_AT_1MBIT,
                    "{what}: the bucket is charged {} bytes",
                    moved / BYTE_AT_1MBIT
                );
            }
        }
    }
    dpctl.leaves_nothing();
}

/// What a byte moves a bucket's word by at 1 Mbit/s: 8 microseconds, a whole number of units.
const BYTE_AT_1MBIT: u64 = 8_000 << UNITS_PER_NS_SHIFT;

#[test]
fn no_two_rows_of_the_table_cost_the_same() {
    let mut seen = HashSet::new();
    for Row { what, cost, .. } in table() {
        assert!(seen.insert(cost), "{what}: another row costs {cost:?} too");
    }
}

#[test]
fn packet_on_an_interface_without_a_slot_passes_uncounted() {
    let host = quiet_host();
    let dpctl = Dpctl::new(&host);
    dpctl.run("attach --rate 64bit --burst 1 --latency 0 veth1");
    let other = Skb { ifindex: Interface::new(&host, "veth2").index(), ..Skb::default() };
    for direction in Direction::ALL {
        let program = Program::pinned(&dpctl.pin(direction.name()));
        let stats = charged(&dpctl, direction, || {
            for _ in 0..10 {
                let ran = host.enter(|| program.run(&udp().payload_of(18).build(), other));
                assert_eq!(ran.verdict, NEXT, "not ours, so it passes");
            }
        });
        assert_eq!((stats.packets, stats.dropped_bytes), (0, 0), "not ours, so it is not counted");
    }
    dpctl.leaves_nothing();
}

#[test]
fn packet_past_the_whole_queue_is_dropped_and_counted() {
    let host = quiet_host();
    let dpctl = Dpctl::new(&host);
    // A frame of 60 bytes takes 7.5 s at this rate: nothing drains while the test runs.
    dpctl.run("attach --rate 64bit --burst 1 --latency 0 veth1");
    let skb = Skb { ifindex: Interface::new(&host, "veth1").index(), ..Skb::default() };
    let packet = udp().payload_of(18).build();
    for direction in Direction::ALL {
        let program = Program::pinned(&dpctl.pin(direction.name()));
        let stats = charged(&dpctl, direction, || {
            let verdicts = [(); 3].map(|()| host.enter(|| program.run(&packet, skb)).verdict);
            // The first finds no backlog and is charged whole, although it is larger than the burst.
            assert_eq!(verdicts, [NEXT, DROP, DROP], "{}", direction.name());
        });
        let expected = Stats {
            packets: 1,
            bytes: 60,
            dropped_limit_early: 0,
            dropped_limit_full: 2,
            dropped_refused: 0,
            dropped_bytes: 120,
        };
        assert_eq!(stats, expected, "{}: exactly these counters move", direction.name());
    }
    dpctl.leaves_nothing();
}

#[test]
fn packet_on_the_ramp_is_dropped_at_random() {
    let host = quiet_host();
    let dpctl = Dpctl::new(&host);
    // At 1,000 bytes a second: nothing is dropped up to 600 s of backlog, all past 1,100 s. A frame is 1 s.
    dpctl.run("attach --rate 1kbps --burst 100kb --latency 1000s veth1");
    let skb = Skb { ifindex: Interface::new(&host, "veth1").index(), ..Skb::default() };
    let packet = udp().payload_of(1000 - 42).build();
    for direction in Direction::ALL {
        let program = Program::pinned(&dpctl.pin(direction.name()));
        let run = |times| host.enter(|| program.repeat(&packet, skb, times));
        let below = charged(&dpctl, direction, || {
            run(602);
        });
        assert_eq!((below.packets, below.dropped_bytes), (602, 0), "nothing is dropped below the ramp");
        let ramp = charged(&dpctl, direction, || {
            run(100_000);
        });
        assert!((300..=505).contains(&ramp.packets), "the ramp has room for 500 frames: {ramp:?}");
        assert!(ramp.dropped_limit_early > 100, "dropped at random on the way: {ramp:?}");
        assert_eq!(ramp.packets + ramp.dropped_limit_early + ramp.dropped_limit_full, 100_000);
    }
    dpctl.leaves_nothing();
}

#[test]
fn cleared_limit_lets_the_next_packet_through() {
    let host = quiet_host();
    let dpctl = Dpctl::new(&host);
    dpctl.run("attach --rate 64bit --burst 1 --latency 0 veth1");
    let skb = Skb { ifindex: Interface::new(&host, "veth1").index(), ..Skb::default() };
    let packet = udp().payload_of(18).build();
    let program = Program::pinned(&dpctl.pin(FromContainer.name()));
    let run = || host.enter(|| program.run(&packet, skb)).verdict;
    assert_eq!([run(), run()], [NEXT, DROP]);
    dpctl.run("limit clear veth1");
    assert_eq!([run(), run()], [NEXT, NEXT]);
    // The old debt is half a minute of a slow rate, and nothing of a fast one.
    dpctl.run("limit set veth1 --rate 1gbit");
    assert_eq!([run(), run()], [NEXT, NEXT]);
    dpctl.leaves_nothing();
}
