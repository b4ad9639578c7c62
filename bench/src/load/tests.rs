//! Every load over real paths. As root; else each test says so and ends.

mod garbler;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use clap::Parser;
use dataplane_tests::eventually::eventually;
use dataplane_tests::machine;
use dataplane_tests::netns::Namespace;
use dataplane_tests::packet::Packet;

use self::garbler::Garbler;
use super::*;
use crate::bed::{CLIENT_GATEWAY, SERVER};

const WINDOW: Duration = Duration::from_millis(50);

fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: {test}: makes network namespaces: run it as root");
    }
    root
}

fn loads() -> Vec<Box<dyn Load>> {
    vec![
        Box::new(latency::Latency),
        Box::new(crr::Connections),
        Box::new(tcp::Throughput),
        Box::new(udp::Datagrams),
        Box::new(raw::Frames),
        Box::new(per_packet::PerPacket),
        Box::new(capture()),
    ]
}

/// Datagrams, segments and an echo request within 4 ms, and what cannot be sent.
fn capture() -> replay::Replay {
    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        replay: replay::Options,
    }
    let (a, b) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let six = |last| [0xfd77, 0, 0, 0, 0, 0, 0, last];
    let mut file =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    for number in 0..40u16 {
        let packet = match number % 4 {
            0 => Packet::udp((a, number), (b, 53)).payload_of(usize::from(number)),
            1 => Packet::tcp((b, 443), (a, number)).payload_of(1400),
            2 => Packet::ip(a, b, 1).payload(&[8, 0, 0, 0, 0, 1, 0, 1, 0x55]),
            _ => Packet::udp((six(1), 1), (six(2), 2)).payload_of(9),
        };
        let frame = packet.build();
        let length = u32::try_from(frame.len()).expect("short").to_le_bytes();
        file.extend([[0; 4], (u32::from(number) * 100).to_le_bytes(), length, length].concat());
        file.extend(frame);
    }
    let mut stored = tempfile::NamedTempFile::new().expect("a temporary file");
    stored.write_all(&file).expect("a temporary file");
    let path: &Path = stored.path();
    let arguments = Arguments::parse_from(["dpbench", "--pcap", path.to_str().expect("plain")]);
    let replay = arguments.replay.load().expect("a good capture").expect("was given");
    assert_eq!(
        replay.left_out().map(|left_out| left_out.why).as_deref(),
        Some("10 of 40 frames are left out: 10 IPv6")
    );
    replay
}

/// Compares, measures, and holds the figures to what they must be whatever the machine does.
fn check(load: &dyn Load, bed: &Bed) {
    for parameters in load.parameters() {
        let what = format!("{} {parameters:?}", load.name());
        load.validate(bed, &parameters).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        match load.measure(bed, &parameters, WINDOW) {
            Ok(sample) => {
                assert_eq!(sample.figures.len(), load.metrics().len(), "{what}");
                let positive = sample.figures[0] > 0.0;
                assert!(positive && sample.figures.iter().all(|figure| *figure >= 0.0), "{what}: {sample:?}");
            }
            Err(error) if error.is::<cpu::HeldUp>() => println!("{what}: {error:#}"),
            Err(error) => panic!("{what}: {error:#}"),
        }
    }
}

#[test]
fn every_load_crosses_every_bed() {
    if !is_root("every_load_crosses_every_bed") {
        return;
    }
    let _turn = machine::alone();
    for bed in [Bed::direct(), Bed::bridged(), Bed::routed()] {
        for load in loads() {
            check(&*load, &bed);
        }
    }
}

#[test]
fn every_load_crosses_a_bed_that_translates() {
    if !is_root("every_load_crosses_a_bed_that_translates") {
        return;
    }
    let _turn = machine::alone();
    let bed = translated();
    for load in loads() {
        check(&*load, &bed);
    }
}

/// As engines publish a port.
fn translated() -> Bed {
    let bed = Bed::engine().reached_at(SocketAddr::new(CLIENT_GATEWAY.into(), 80));
    let to = format!("-j DNAT --to-destination {}", bed.listen);
    for protocol in ["tcp", "udp"] {
        let rule = format!("-A PREROUTING -d {CLIENT_GATEWAY} -p {protocol} --dport 80 {to}");
        bed.host().run(&format!("iptables -t nat {rule}"));
    }
    bed
}

#[test]
fn connections_on_a_path_that_follows_them_are_no_more_than_ports() {
    if !is_root("connections_on_a_path_that_follows_them_are_no_more_than_ports") {
        return;
    }
    let _turn = machine::alone();
    let bed = translated();
    let parameters = Parameters::new();
    for round in 0..11 {
        let done = crr::Connections.measure(&bed, &parameters, Duration::from_millis(500));
        assert!(done.is_ok(), "round {round}: {done:?}");
    }
    let path = "/proc/sys/net/netfilter/nf_conntrack_count";
    let count = bed.host().enter(|| std::fs::read_to_string(path)).expect("the bed follows connections");
    let count: u32 = count.trim().parse().expect("a number");
    assert!(count <= 65_536 - 1024, "{count} connections are followed");
    println!("{count} connections are followed");
}

#[test]
fn a_path_that_changes_a_byte_is_noticed() {
    if !is_root("a_path_that_changes_a_byte_is_noticed") {
        return;
    }
    let _turn = machine::alone();
    let through = SocketAddr::new(SERVER.into(), 8081);
    let bed = Bed::routed().reached_at(through);
    for (mask, noticed) in [(0x00, false), (0x01, true)] {
        let _garbler = Garbler::start(&bed, through, mask);
        // What `replay` compares is what enters the interface, before any program.
        for load in loads().iter().filter(|load| load.name() != "replay") {
            for parameters in load.parameters() {
                let found = load.validate(&bed, &parameters);
                let what = format!("{} {parameters:?} with {mask:#x}: {found:?}", load.name());
                assert_eq!(found.is_err(), noticed, "{what}");
            }
        }
    }
}

#[test]
fn measurements_leave_no_socket_open() {
    if !is_root("measurements_leave_no_socket_open") {
        return;
    }
    let _turn = machine::alone();
    let bed = Bed::direct();
    // By namespace: descriptors of this process come and go with the tests beside this one.
    let open = || -> u64 {
        let used = |namespace: &Namespace| {
            let text = namespace.enter(|| std::fs::read_to_string("/proc/thread-self/net/sockstat"));
            let text = text.expect("/proc is mounted");
            let count = text.lines().next().and_then(|line| line.strip_prefix("sockets: used "));
            count.and_then(|count| count.parse::<u64>().ok()).expect("a count")
        };
        used(&bed.client) + used(&bed.server)
    };
    let before = open();
    for load in loads() {
        let parameters = &load.parameters()[0];
        (0..10).for_each(|_| drop(load.measure(&bed, parameters, Duration::from_millis(2))));
        eventually(&format!("{} has closed its sockets", load.name()), || open() <= before);
    }
}
