//! The limiter: what is offered, and what arrives.
//!
//! Box 1 is limited, by its veth; box 2 is its other end. What box 1 sends is counted where it
//! enters box 2, what it receives where it enters box 1. Each test first shows that without a
//! limit at least twice as much arrives.
//!
//! Frames are short at low rates, so that a window holds thousands of them: a frame more or
//! less, and the chance in early dropping, must not look like an error of the rate.

use std::thread;
use std::time::Duration;

use dataplane_common::direction::Direction;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::machine;
use dataplane_tests::meter::Interface;
use dataplane_tests::skip;
use dataplane_tests::skip::say;
use dataplane_tests::topology::{Sandbox, Topology};
use dataplane_tests::udp::{Delivery, FULL_FRAME, Offer, Sink, deliver, measure};

use crate::ratio::{assert_within, ratio};

/// Fills the virtual queue, so that a burst that is still to be had does not look like rate.
const FILL: Duration = Duration::from_millis(600);
/// Long enough for the queue to find its length: several times the latency.
const WARM_UP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(10);
/// As often a measurement is made whose sender fell behind.
const ATTEMPTS: usize = 3;
/// For claims about shape, not about the long run; [`WINDOW`] in the full tier.
const SHORT_WINDOW: Duration = Duration::from_secs(5);

/// A rate as `dpctl` takes it, and frames that suit it.
#[derive(Clone, Copy)]
struct Rate {
    name: &'static str,
    bits_per_s: u64,
    frame: usize,
}

const KBIT_128: Rate = Rate { name: "128kbit", bits_per_s: 128_000, frame: 80 };
const MBIT_1: Rate = Rate { name: "1mbit", bits_per_s: 1_000_000, frame: 250 };
const MBIT_10: Rate = Rate { name: "10mbit", bits_per_s: 10_000_000, frame: 1000 };
const MBIT_20: Rate = Rate { name: "20mbit", bits_per_s: 20_000_000, frame: 1000 };
const MBIT_100: Rate = Rate { name: "100mbit", bits_per_s: 100_000_000, frame: FULL_FRAME };
const GBIT_1: Rate = Rate { name: "1gbit", bits_per_s: 1_000_000_000, frame: FULL_FRAME };

/// Box 1's traffic in one direction.
struct Way<'t> {
    from: &'t Sandbox,
    to: &'t Sandbox,
    sink: Sink,
}

impl<'t> Way<'t> {
    fn new(topology: &'t Topology, direction: Direction) -> Self {
        let (from, to) = match direction {
            Direction::FromContainer => (topology.sandbox(1), topology.sandbox(2)),
            Direction::ToContainer => (topology.sandbox(2), topology.sandbox(1)),
        };
        Self { from, to, sink: Sink::new(&to.namespace, to.address()) }
    }

    fn flat_out(&self, frame: usize) -> Offer<'t> {
        Offer::new(&self.from.namespace, &self.sink).of_frames(frame)
    }

    /// A little over twice the rate, so that twice the rate is there even if the sender is held up.
    fn twice(&self, rate: Rate) -> Offer<'t> {
        self.flat_out(rate.frame).at(rate.bits_per_s / 100 * 205)
    }

    fn receiver(&self) -> Interface<'t> {
        self.to.inside()
    }
}

/// A claim about one rate: what is offered of it, and for how long.
struct Claim {
    rate: Rate,
    /// Options of `attach` beside the rate.
    options: &'static str,
    warm_up: Duration,
    window: Duration,
    offers: Offers,
    /// What the sender must have managed, as a share of the rate.
    offered: f64,
}

type Offers = for<'t> fn(&Way<'t>, Rate) -> Vec<Offer<'t>>;

impl Claim {
    /// UDP at twice the rate, in the long run.
    fn twice(rate: Rate) -> Self {
        Self { window: WINDOW, ..Self::of(rate, |way, rate| vec![way.twice(rate)]) }
    }

    fn of(rate: Rate, offers: Offers) -> Self {
        Self { rate, options: "", warm_up: WARM_UP, window: short_window(), offers, offered: 2.0 }
    }

    /// Holds within 1 % in one direction.
    fn holds(&self, direction: Direction) {
        let Self { rate, options, warm_up, window, offers, offered } = *self;
        let topology = Topology::new(2);
        // So that a GSO packet is counted as the frames that it becomes.
        topology.segment_towards(1);
        topology.segment_towards(2);
        let way = Way::new(&topology, direction);
        premise(rate, &way);

        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach --rate {} {options} veth1", rate.name));
        deliver(&[way.twice(rate)], &way.receiver(), FILL, Duration::ZERO);
        let what = format!("{} {options} {}", rate.name, direction.name());
        // A sender that a busy machine held up shows nothing about the limiter: once more then.
        let delivery = (0..ATTEMPTS)
            .map(|_| deliver(&offers(&way, rate), &way.receiver(), warm_up, window))
            .inspect(|delivery| report(&what, rate, delivery))
            .find(|delivery| ratio(delivery.offered, rate.bits_per_s) >= offered)
            .unwrap_or_else(|| panic!("{what}: the sender fell behind {ATTEMPTS} times"));
        assert_within(0.01, delivery.delivered, rate.bits_per_s, &what);
        dpctl.leaves_nothing();
    }

    /// Holds in both directions, tried side by side in topologies of their own.
    fn holds_each_way(&self) {
        thread::scope(|scope| {
            for direction in Direction::ALL {
                scope.spawn(move || self.holds(direction));
            }
        });
    }
}

fn short_window() -> Duration {
    if machine::full() { WINDOW } else { SHORT_WINDOW }
}

/// Without a limit, at least twice `rate` arrives.
#[track_caller]
fn premise(rate: Rate, way: &Way<'_>) {
    let delivery =
        deliver(&[way.twice(rate)], &way.receiver(), Duration::from_millis(200), Duration::from_secs(1));
    let share = ratio(delivery.delivered, rate.bits_per_s);
    assert!(share >= 2.0, "premise: without a limit {share:.3} of {} arrives, not twice it", rate.name);
}

fn report(what: &str, rate: Rate, delivery: &Delivery) {
    let share = |bits_per_s| ratio(bits_per_s, rate.bits_per_s);
    say(&format!(
        "{what}: offered {:.3}, delivered {:.4}",
        share(delivery.offered),
        share(delivery.delivered)
    ));
}

#[test]
fn udp_at_twice_128kbit_is_delivered_within_one_percent_of_it() {
    let _machine = machine::shared();
    Claim::twice(KBIT_128).holds_each_way();
}

#[test]
fn udp_at_twice_1mbit_is_delivered_within_one_percent_of_it() {
    if !machine::full() {
        skip!("only with DATAPLANE_FULL=1");
    }
    let _machine = machine::shared();
    Claim::twice(MBIT_1).holds_each_way();
}

#[test]
fn udp_at_twice_10mbit_is_delivered_within_one_percent_of_it() {
    let _machine = machine::shared();
    Claim::twice(MBIT_10).holds_each_way();
}

/// Such a queue is too short for the coarse clock: the exact one is read.
#[test]
fn udp_at_twice_10mbit_with_a_latency_of_50ms_is_delivered_within_one_percent_of_it() {
    let _machine = machine::shared();
    Claim { options: "--latency 50ms", ..Claim::twice(MBIT_10) }.holds_each_way();
}

#[test]
fn udp_at_twice_100mbit_is_delivered_within_one_percent_of_it() {
    if !machine::full() {
        skip!("only with DATAPLANE_FULL=1");
    }
    let _machine = machine::alone();
    Claim::twice(MBIT_100).holds_each_way();
}

#[test]
fn udp_at_twice_1gbit_is_delivered_within_one_percent_of_it() {
    if machine::is_emulated() {
        skip!("an emulated CPU sends no 2 Gbit/s");
    }
    let _machine = machine::alone();
    for direction in Direction::ALL {
        Claim::twice(GBIT_1).holds(direction);
    }
}

/// A bucket that truncates its refill at each packet gives almost nothing here.
#[test]
fn twenty_thousand_small_packets_a_second_get_all_of_128kbit() {
    let _machine = machine::shared();
    let claim = Claim::of(KBIT_128, |way, _| vec![way.flat_out(60).at(20_000 * 60 * 8)]);
    Claim { offered: 50.0, ..claim }.holds_each_way();
}

/// A bucket that loses the remainder of its refill gives half of it here.
#[test]
fn an_offer_of_1_01_times_the_limit_gets_all_of_it() {
    let _machine = machine::shared();
    let claim =
        Claim::of(KBIT_128, |way, rate| vec![way.flat_out(rate.frame).at(rate.bits_per_s / 100 * 101)]);
    // The queue that twice the limit has left drains slowly into an offer so near the limit.
    Claim { warm_up: 3 * WARM_UP, offered: 1.0, ..claim }.holds_each_way();
}

/// Small packets, as fast as both CPUs can: every one of them wants the same word.
#[test]
fn two_cpus_on_one_bucket_together_get_its_rate() {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        skip!("one CPU cannot race");
    }
    let _machine = machine::alone();
    let claim = Claim::of(MBIT_100, |way, _| [0, 1].map(|cpu| way.flat_out(200).from_cpu(cpu)).to_vec());
    for direction in Direction::ALL {
        claim.holds(direction);
    }
}

/// Charged by its length alone, a GSO packet of ten frames would get 2.5 % too much.
#[test]
fn udp_gso_at_twice_100mbit_is_delivered_within_one_percent_of_it() {
    if machine::is_emulated() {
        skip!("an emulated CPU may send less than 200 Mbit/s");
    }
    let _machine = machine::shared();
    Claim::of(MBIT_100, |way, rate| vec![way.twice(rate).as_gso(10)]).holds_each_way();
}

#[test]
fn both_directions_at_once_do_not_disturb_each_other() {
    let _machine = machine::shared();
    let topology = Topology::new(2);
    let rates = [MBIT_10, MBIT_20];
    let ways = Direction::ALL.map(|direction| Way::new(&topology, direction));
    for (rate, way) in rates.iter().zip(&ways) {
        premise(*rate, way);
    }
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --from-container 10mbit --to-container 20mbit veth1");
    thread::scope(|scope| {
        for ((rate, way), direction) in rates.iter().zip(&ways).zip(Direction::ALL) {
            scope.spawn(move || {
                let delivery = deliver(&[way.twice(*rate)], &way.receiver(), WARM_UP, short_window());
                let what = format!("{} {}, both at once", rate.name, direction.name());
                report(&what, *rate, &delivery);
                assert_within(0.01, delivery.delivered, rate.bits_per_s, &what);
            });
        }
    });
    dpctl.leaves_nothing();
}

/// `tc tbf` with the same numbers lets no full frame through at all.
#[test]
fn a_burst_below_one_frame_lets_full_frames_through() {
    let _machine = machine::shared();
    let rate = Rate { frame: FULL_FRAME, ..KBIT_128 };
    let numbers = "rate 128kbit burst 1000 latency 50ms";
    let topology = Topology::new(2);
    let ways = Direction::ALL.map(|direction| Way::new(&topology, direction));
    for way in &ways {
        // In short frames: a second holds twenty full ones.
        premise(KBIT_128, way);
    }

    topology.host.run(&format!("tc qdisc add dev veth1 root tbf {numbers}"));
    let [_, to_container] = &ways;
    let second = Duration::from_secs(1);
    let tbf = deliver(&[to_container.twice(rate)], &to_container.receiver(), Duration::ZERO, second);
    assert!(ratio(tbf.delivered, rate.bits_per_s) < 0.01, "tc tbf lets full frames through: {tbf:?}");
    topology.host.run("tc qdisc del dev veth1 root");

    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 128kbit --burst 1000 --latency 50ms veth1");
    thread::scope(|scope| {
        for (way, direction) in ways.iter().zip(Direction::ALL) {
            scope.spawn(move || {
                let delivery = deliver(&[way.twice(rate)], &way.receiver(), WARM_UP, short_window());
                let what = format!("{numbers} {}, full frames", direction.name());
                report(&what, rate, &delivery);
                let share = ratio(delivery.delivered, rate.bits_per_s);
                // Ten frames a second: one more or less is 2 % of the window; and a queue that
                // is shorter than a frame may run empty between two of them.
                assert!((0.8..=1.05).contains(&share), "{what}: {delivery:?}");
            });
        }
    });
    dpctl.leaves_nothing();
}

#[test]
fn limit_set_acts_with_the_next_packet() {
    let _machine = machine::shared();
    let rate = Rate { frame: 250, ..MBIT_10 };
    let topology = Topology::new(2);
    let way = Way::new(&topology, Direction::FromContainer);
    premise(rate, &way);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 10mbit veth1");
    let senders = [way.twice(rate).start()];
    let second = Duration::from_secs(1);
    let at_once = |limit, what| {
        let share = ratio(measure(&senders, &way.receiver(), Duration::ZERO, second).delivered, limit);
        say(&format!("{what}, first second: {share:.3} of the limit"));
        share
    };
    let later = |limit, what| {
        let delivery = measure(&senders, &way.receiver(), Duration::ZERO, 2 * second);
        assert_within(0.04, delivery.delivered, limit, what);
    };
    at_once(10_000_000, "10mbit attached");
    later(10_000_000, "10mbit attached");

    // A second's worth, and at most the whole queue of 400 ms and the burst on top.
    dpctl.run("limit set --rate 1mbit veth1");
    assert!(at_once(1_000_000, "lowered to 1mbit") <= 1.45);
    later(1_000_000, "lowered to 1mbit");

    dpctl.run("limit set --rate 10mbit veth1");
    assert!((0.5..=1.45).contains(&at_once(10_000_000, "raised to 10mbit")));
    later(10_000_000, "raised to 10mbit");

    dpctl.run("limit clear veth1");
    assert!(at_once(20_500_000, "cleared") >= 0.95);
    drop(senders);
    dpctl.leaves_nothing();
}
