//! TCP through the default limit keeps the rate: cubic, whatever the machine's default is.
//!
//! Box 1 is limited, by its veth; box 2 is its other end. A sender on the host itself would be
//! told of each packet that is dropped on its way to box 1, and slow down before it loses more.
//!
//! `cargo xtask bench attach` has the same beside `tc tbf`.

use std::thread;
use std::time::Duration;

use dataplane_common::direction::Direction;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::machine;
use dataplane_tests::skip;
use dataplane_tests::skip::say;
use dataplane_tests::tcp::Flows;
use dataplane_tests::topology::Topology;

use crate::ratio::ratio;

/// Of what full frames carry at the rate.
const LEAST: f64 = 0.85;
/// The queue of 0.4 s may run full in a window of 10 s, and give that away.
const MOST: f64 = 1.05;
/// The first window of a flow fills the queue at whatever speed.
const WARM_UP: Duration = Duration::from_secs(2);

/// Flows through the default limit of a rate, in one direction.
#[derive(Clone, Copy)]
struct Claim {
    rate: u64,
    flows: usize,
    direction: Direction,
}

impl Claim {
    fn holds(self) {
        let Self { rate, flows, direction } = self;
        let topology = Topology::new(2);
        let (one, two) = (topology.sandbox(1), topology.sandbox(2));
        let (from, to) = match direction {
            Direction::FromContainer => (one, two),
            Direction::ToContainer => (two, one),
        };
        let (from, to, address) = (&from.namespace, &to.namespace, to.address());
        let tcp = Flows { from, to, address, count: flows, congestion: "cubic" };
        let what = format!("{rate}bit {}, {flows} flows", direction.name());
        let unlimited = tcp.measure(Duration::from_millis(300), Duration::from_secs(1)).bits_per_s();
        let free = ratio(unlimited, rate);
        assert!(free >= 2.0, "premise: {what}: without a limit {free:.2} of it arrives, not twice it");

        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach --rate {rate}bit veth1"));
        let goodput = tcp.measure(WARM_UP, Duration::from_secs(if machine::full() { 30 } else { 10 }));
        // A full frame is 1,514 bytes, of which 1,448 are payload.
        let share = ratio(goodput.bits_per_s(), rate / 1514 * 1448);
        say(&format!("{what}: tcp {share:.3} of the ideal, without a limit {free:.0} of the rate"));
        assert!((LEAST..=MOST).contains(&share), "{what}: {share:.3} of the ideal: {goodput:?}");
        dpctl.leaves_nothing();
    }
}

/// One flow each way, and in the full tier eight as well.
fn claims(rate: u64) -> impl Iterator<Item = Claim> {
    let flows: &[usize] = if machine::full() { &[1, 8] } else { &[1] };
    let claim = move |flows| Direction::ALL.map(|direction| Claim { rate, flows, direction });
    flows.iter().copied().flat_map(claim)
}

fn hold_side_by_side(claims: impl Iterator<Item = Claim>) {
    thread::scope(|scope| {
        for claim in claims {
            scope.spawn(move || claim.holds());
        }
    });
}

#[test]
fn tcp_through_1mbit_keeps_its_rate() {
    if !machine::full() {
        skip!("only with DATAPLANE_FULL=1");
    }
    let _machine = machine::shared();
    hold_side_by_side(claims(1_000_000));
}

#[test]
fn tcp_through_10mbit_keeps_its_rate() {
    let _machine = machine::shared();
    hold_side_by_side(claims(10_000_000));
}

#[test]
fn tcp_through_100mbit_keeps_its_rate() {
    if !machine::full() {
        skip!("only with DATAPLANE_FULL=1");
    }
    let _machine = machine::alone();
    claims(100_000_000).for_each(Claim::holds);
}

#[test]
fn tcp_through_1gbit_keeps_its_rate() {
    if !machine::full() {
        skip!("only with DATAPLANE_FULL=1");
    }
    let _machine = machine::alone();
    claims(1_000_000_000).for_each(Claim::holds);
}
