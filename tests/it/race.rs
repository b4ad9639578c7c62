//! Two CPUs that want one bucket at the same nanosecond.
//!
//! Packets through a veth are microseconds apart, so that CPUs hardly ever meet. Here each CPU
//! runs the program itself in a loop, which tries the word every hundred nanoseconds.

use std::thread;
use std::time::{Duration, Instant};

use dataplane_common::direction::Direction;
use dataplane_common::limit::UNITS_PER_NS_SHIFT;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::machine;
use dataplane_tests::packet::Packet;
use dataplane_tests::run::{Program, Skb};
use dataplane_tests::skip;
use dataplane_tests::skip::say;
use dataplane_tests::topology::Topology;
use dataplane_tests::udp::pin_to;

use crate::ratio::{assert_count_within, count_ratio};
use crate::written::Written;

const RATE: &str = "1gbit";
const BYTES_PER_S: u64 = 125_000_000;
const SMALLEST: usize = 60;
/// Fills the virtual queue: from then on it must not run empty, or time is lost with it.
const FILL: Duration = Duration::from_millis(600);

#[test]
fn two_cpus_racing_for_one_bucket_together_get_its_rate() {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        skip!("one CPU cannot race");
    }
    let _machine = machine::alone();
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth1");
    let packet =
        Packet::udp((one.address(), 1000), (one.host_address(), 53)).payload_of(SMALLEST - 42).build();
    let skb = Skb { ifindex: topology.host_side(1).index(), ..Skb::default() };

    let written = Written::of(&dpctl);
    for direction in Direction::ALL {
        let program = Program::pinned(&dpctl.pin(direction.name()));
        let race = |time| topology.host.enter(|| race(&program, &packet, skb, time));
        let what = format!("{RATE} {}, racing", direction.name());

        // Not without a limit: CPUs that want one word are slower than those that want none.
        dpctl.run("limit set --rate 100gbit veth1");
        let before = written.bytes(direction);
        race(Duration::from_millis(500));
        let unlimited = count_ratio((written.bytes(direction) - before) * 2, BYTES_PER_S);
        assert!(unlimited >= 2.0, "premise: {what}: under a limit out of reach {unlimited:.1} of it passes");

        dpctl.run(&format!("limit set --rate {RATE} veth1"));
        race(FILL);
        let (bytes, word) = (written.bytes(direction), written.word(direction));
        race(Duration::from_secs(3));
        let passed = written.bytes(direction) - bytes;
        // The time that passed, and what the queue grew by: the word has both.
        let time = (written.word(direction) - word) >> UNITS_PER_NS_SHIFT;
        let due = BYTES_PER_S * time / 1_000_000_000;
        say(&format!("{what}: unlimited {unlimited:.1}, passed {:.4}", count_ratio(passed, due)));
        assert_count_within(0.01, passed, due, &what);
    }
    dpctl.leaves_nothing();
}

/// Both CPUs run the program for `time`.
fn race(program: &Program, packet: &[u8], skb: Skb, time: Duration) {
    let end = Instant::now() + time;
    thread::scope(|scope| {
        for cpu in [0, 1] {
            scope.spawn(move || {
                pin_to(cpu);
                while Instant::now() < end {
                    program.repeat(packet, skb, 10_000);
                }
            });
        }
    });
}
