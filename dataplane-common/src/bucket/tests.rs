//! The invariants of the module, over generated traffic.
//!
//! Costs are whole units, so a packet may be charged a unit too little and each of its bytes
//! a 512th of one (`limit::tests` proves that); bounds are exact but for that.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use proptest::prelude::*;

mod offers;

use super::*;
use crate::limit::Shape;
use crate::limit::tests::{limits, magnitudes, slack_limits};
use crate::rate::Rate;
use crate::size::Bytes;
use crate::time::Nanos;

const SECOND: u64 = 1_000_000_000;
/// The clock's value, in nanoseconds, at which the word's wraps.
const WRAP: u64 = 1 << (u64::BITS - UNITS_PER_NS_SHIFT);
/// The longest between two ticks of the kernel, at 100 Hz.
const LONGEST_TICK: u64 = 10_000_000;
/// A `random` that is never dropped early.
const LUCKY: u32 = u32::MAX;

impl Word for Cell<u64> {
    fn load(&self) -> u64 {
        self.get()
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        let found = self.get();
        if found == current {
            self.set(new);
            Ok(())
        } else {
            Err(found)
        }
    }

    fn add(&self, amount: u64) {
        self.set(self.get().wrapping_add(amount));
    }
}

impl Word for AtomicU64 {
    fn load(&self) -> u64 {
        AtomicU64::load(self, SeqCst)
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        AtomicU64::compare_exchange(self, current, new, SeqCst, SeqCst).map(|_| ())
    }

    fn add(&self, amount: u64) {
        self.fetch_add(amount, SeqCst);
    }
}

/// A word that other CPUs always win.
struct Contested(Cell<u64>);

impl Word for Contested {
    fn load(&self) -> u64 {
        self.0.get()
    }

    fn compare_exchange(&self, _: u64, _: u64) -> Result<(), u64> {
        Err(self.0.get())
    }

    fn add(&self, amount: u64) {
        self.0.add(amount);
    }
}

/// A word that other CPUs move, by the next of `others`, whenever this one has seen it.
struct Raced {
    word: Cell<u64>,
    others: Cell<Vec<u64>>,
}

impl Raced {
    fn moved_after(&self, found: u64) -> u64 {
        let mut others = self.others.take();
        self.word.add(others.pop().unwrap_or(0));
        self.others.set(others);
        found
    }
}

impl Word for Raced {
    fn load(&self) -> u64 {
        self.moved_after(self.word.get())
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        self.word.compare_exchange(current, new).map_err(|found| self.moved_after(found))
    }

    fn add(&self, amount: u64) {
        self.word.add(amount);
    }
}

fn passed(taken: Taken) -> bool {
    matches!(taken, Taken::Accepted | Taken::Contended)
}

/// A number of bytes accepted in a time, against what may be.
#[derive(Clone, Copy, Default)]
struct Accepted {
    packets: u64,
    bytes: u64,
    largest: u32,
}

impl Accepted {
    fn count(&mut self, bytes: u32) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
        self.largest = self.largest.max(bytes);
    }

    /// `burst + rate x (latency + window) + over packets`, and what rounding may hide.
    fn check(&self, shapes: &[Shape], window_ns: u64, over: u64) {
        // In bits x 1e9.
        let mut most = u128::from(over) * u128::from(self.largest) * 8 * u128::from(SECOND);
        for shape in shapes {
            let rate = u128::from(shape.rate.bits_per_s());
            most += u128::from(shape.burst.bytes()) * 8 * u128::from(SECOND);
            most += rate * u128::from(shape.latency.ns() + window_ns);
            let units = self.packets + self.bytes.div_ceil(512);
            most += rate * u128::from(units.div_ceil(1 << UNITS_PER_NS_SHIFT));
        }
        let bits = u128::from(self.bytes) * 8 * u128::from(SECOND);
        assert!(
            bits <= most,
            "{} bytes in {} are more than the {} of {shapes:?}",
            self.bytes,
            Nanos::from_ns(window_ns),
            most / u128::from(8 * SECOND),
        );
    }
}

/// Checks the bound in every window of `accepted`, which are (time, bytes), judged by a clock
/// that is `late` nanoseconds at the most.
fn check_windows(mut accepted: Vec<(u64, u32)>, shape: Shape, late: u64) {
    accepted.sort_unstable();
    for first in 0..accepted.len() {
        let mut sum = Accepted::default();
        for &(time, bytes) in &accepted[first..] {
            sum.count(bytes);
            sum.check(&[shape], time - accepted[first].0 + late, 1);
        }
    }
}

/// How long `bytes` take at the rate, rounded up.
fn drain_ns(rate: Rate, bytes: u64) -> u64 {
    let ns = (u128::from(bytes) * 8 * u128::from(SECOND)).div_ceil(u128::from(rate.bits_per_s()));
    u64::try_from(ns).expect("bounded by Rate::MIN")
}

/// Clock values everywhere, and around the wrap.
fn clocks() -> impl Strategy<Value = u64> {
    prop_oneof![
        magnitudes(0, 4 * WRAP),
        (0..20 * SECOND).prop_map(|before| WRAP - before),
        (0..3600 * 24 * SECOND).prop_map(|before| 2 * WRAP - before),
    ]
}

/// Packets: a gap in 16ths of the time that the packet takes at the rate, bytes, `random`.
fn packets() -> impl Strategy<Value = Vec<(u64, u32, u32)>> {
    let gap = prop_oneof![4 => Just(0), 4 => 0..16u64, 2 => 0..64u64, 1 => 0..2000u64];
    let bytes = prop_oneof![60..=1514u32, 60..=65_550u32];
    let random = prop_oneof![Just(LUCKY), any::<u32>()];
    proptest::collection::vec((gap, bytes, random), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_window_holds_at_most_the_bound(
        (shape, limit) in limits(), start in clocks(), idle in 0..2 * SECOND, packets in packets(),
    ) {
        let word = Cell::new(start.wrapping_sub(idle) << UNITS_PER_NS_SHIFT);
        let (mut now, mut accepted) = (start, Vec::new());
        for (gap, bytes, random) in packets {
            now += drain_ns(shape.rate, u64::from(bytes)) * gap / 16;
            if passed(take(&word, &limit, now, bytes, || random)) {
                accepted.push((now, bytes));
            }
        }
        check_windows(accepted, shape, 0);
    }

    #[test]
    fn a_coarse_clock_adds_a_tick_to_the_bound(
        (shape, limit) in slack_limits(),
        start in clocks(),
        tick in 1..=LONGEST_TICK,
        packets in packets(),
    ) {
        prop_assert!(limit.is_slack());
        let word = Cell::new(start << UNITS_PER_NS_SHIFT);
        let (mut now, mut accepted) = (start, Vec::new());
        for (gap, bytes, random) in packets {
            now += drain_ns(shape.rate, u64::from(bytes)) * gap / 16;
            if passed(take(&word, &limit, now - now % tick, bytes, || random)) {
                accepted.push((now, bytes));
            }
        }
        check_windows(accepted, shape, tick - 1);
    }

    // CPUs read the clock before they reach the word. A second is far longer than that takes;
    // past it a word would look like another limit's.
    #[test]
    fn order_of_timestamps_does_not_matter(
        (shape, limit) in limits(),
        start in clocks(),
        window in magnitudes(1, SECOND),
        packets in proptest::collection::vec((0..=SECOND, 60..=65_550u32), 1..120),
    ) {
        let word = Cell::new(start << UNITS_PER_NS_SHIFT);
        let mut accepted = Vec::new();
        for (time, bytes) in packets {
            let now = start + time % window;
            if passed(take(&word, &limit, now, bytes, || LUCKY)) {
                accepted.push((now, bytes));
            }
        }
        check_windows(accepted, shape, 0);
    }

    #[test]
    fn conforming_traffic_is_not_dropped(
        (shape, limit) in limits(), start in clocks(), packets in packets(),
    ) {
        // A token bucket of the same rate and burst, in bits x 1e9. What it takes for a packet
        // includes a 512th of a unit a byte, by which a cost may be rounded up.
        let rate = u128::from(shape.rate.bits_per_s());
        let full = u128::from(shape.burst.bytes()) * 8 * u128::from(SECOND);
        let (mut tokens, mut now) = (full, start);
        let word = Cell::new(start << UNITS_PER_NS_SHIFT);
        for (gap, bytes, _) in packets {
            let price = u128::from(bytes) * (8 * u128::from(SECOND) + rate.div_ceil(256 * 512));
            if price > full {
                continue;
            }
            // Sends as soon as the bucket allows, or later by the gap.
            let wait = u64::try_from(price.saturating_sub(tokens).div_ceil(rate)).expect("bounded by Rate::MIN")
                + drain_ns(shape.rate, u64::from(bytes)) * gap / 16;
            now += wait;
            tokens = (tokens + rate * u128::from(wait)).min(full) - price;
            prop_assert_eq!(take(&word, &limit, now, bytes, || 0), Taken::Accepted);
        }
    }

    #[test]
    fn a_word_that_others_always_win_is_charged_and_bounded(
        (shape, limit) in limits(), start in clocks(), packets in packets(),
    ) {
        // Others can only win a word by moving it, so it does not lie in the past.
        let word = Contested(Cell::new(start << UNITS_PER_NS_SHIFT));
        let (mut now, mut accepted, mut charged) = (start, Accepted::default(), 0);
        for (gap, bytes, random) in packets {
            now += drain_ns(shape.rate, u64::from(bytes)) * gap.min(16) / 16;
            match take(&word, &limit, now, bytes, || random) {
                Taken::Contended => {
                    accepted.count(bytes);
                    charged += limit.cost(bytes);
                }
                Taken::Accepted => prop_assert!(false, "the exchange cannot succeed"),
                Taken::Early | Taken::Full => {}
            }
            accepted.check(&[shape], now - start, 1);
            prop_assert_eq!(word.load(), (start << UNITS_PER_NS_SHIFT).wrapping_add(charged));
        }
    }

    #[test]
    fn no_charge_is_lost_in_a_race(
        (_, limit) in limits(), start in clocks(), others in proptest::collection::vec(1..=1000u64, 0..12),
    ) {
        prop_assume!(limit.first_backlog >= others.iter().sum());
        let started = start << UNITS_PER_NS_SHIFT;
        let word = Raced { word: Cell::new(started), others: Cell::new(others.clone()) };
        let expected = if others.len() < TRIES { Taken::Accepted } else { Taken::Contended };
        prop_assert_eq!(take(&word, &limit, start, 60, || LUCKY), expected);
        let others = others.iter().sum::<u64>() - word.others.take().iter().sum::<u64>();
        prop_assert_eq!(word.word.get(), started.wrapping_add(others + limit.cost(60)));
    }

    #[test]
    fn chance_is_asked_once_however_often_the_word_is_lost(
        (_, limit) in limits(), start in clocks(), point in any::<u32>(), others in 0..2 * TRIES,
    ) {
        let ramp = limit.full_backlog - limit.first_backlog;
        prop_assume!(ramp > 64);
        let backlog = limit.first_backlog + 1 + u64::from(point) % (ramp - 32);
        let word = Cell::new((start << UNITS_PER_NS_SHIFT).wrapping_add(backlog));
        let word = Raced { word, others: Cell::new(vec![1; others]) };
        let asked = Cell::new(0);
        let taken = take(&word, &limit, start, 60, || {
            asked.set(asked.get() + 1);
            LUCKY
        });
        prop_assert!(asked.get() == 1 && (passed(taken) || limit.drop_threshold(backlog + 32) > u64::from(LUCKY)));
    }

    #[test]
    fn a_packet_that_lost_the_word_is_judged_again(
        (_, limit) in limits(), start in clocks(), before in 0..TRIES,
    ) {
        let word = Cell::new(start << UNITS_PER_NS_SHIFT);
        let others = std::iter::once(limit.full_backlog + 1).chain(std::iter::repeat_n(1, before));
        let word = Raced { word, others: Cell::new(others.collect()) };
        prop_assume!(limit.first_backlog >= 8);
        prop_assert_eq!(take(&word, &limit, start, 60, || LUCKY), Taken::Full);
    }

    #[test]
    fn past_the_burst_chance_decides(
        (_, limit) in limits(), now in clocks(), point in any::<u32>(), random in any::<u32>(),
    ) {
        let ramp = u128::from(limit.full_backlog - limit.first_backlog);
        prop_assume!(ramp > 0);
        let along = u64::try_from((ramp * u128::from(point)).div_ceil(1 << 32)).expect("below the ramp");
        let backlog = limit.first_backlog + along.max(1);
        let word = Cell::new((now << UNITS_PER_NS_SHIFT).wrapping_add(backlog));
        let dropped = u64::from(random) < limit.drop_threshold(backlog);
        let expected = if dropped { Taken::Early } else { Taken::Accepted };
        prop_assert_eq!(take(&word, &limit, now, 60, || random), expected);
    }

    #[test]
    fn an_untouched_word_blocks_nothing_at_any_uptime((_, limit) in limits(), now in clocks()) {
        for random in [0, LUCKY] {
            prop_assert_eq!(take(&Cell::new(0), &limit, now, 1514, || random), Taken::Accepted);
        }
    }

    #[test]
    fn a_word_further_ahead_than_the_limit_s_own_can_be_blocks_nothing(
        (_, limit) in limits(), now in clocks(), ahead in magnitudes(1, u64::MAX / 2),
    ) {
        let ahead = limit.stale_after().saturating_add(ahead);
        let word = Cell::new((now << UNITS_PER_NS_SHIFT).wrapping_add(ahead));
        prop_assert_eq!(take(&word, &limit, now, 1514, || 0), Taken::Accepted);
    }

    #[test]
    fn a_packet_of_any_length_is_charged_16_megabytes_or_all_of_it(
        (shape, limit) in limits(), now in clocks(), bytes in magnitudes(1 << 24, u64::from(u32::MAX)),
    ) {
        let word = Cell::new(now << UNITS_PER_NS_SHIFT);
        let bytes = u32::try_from(bytes).expect("in range");
        prop_assert_eq!(take(&word, &limit, now, bytes, || LUCKY), Taken::Accepted);
        let full = limit.cost(1 << 24) > limit.full_backlog;
        prop_assert_eq!(take(&word, &limit, now, 60, || LUCKY) == Taken::Full, full, "{:?}", shape);
    }

    #[test]
    fn a_word_outlasts_a_limit_if_its_queue_is_full_before_it_drains(
        (_, limit) in limits(), now in clocks(), ahead in magnitudes(1, u64::MAX / 2),
    ) {
        let now_units = now << UNITS_PER_NS_SHIFT;
        prop_assert!(!outlasts(0, &limit, now), "untouched");
        prop_assert!(!outlasts(now_units.wrapping_sub(ahead).max(1), &limit, now), "in the past");
        prop_assert!(!outlasts(now_units.wrapping_add(limit.full_backlog), &limit, now), "its own");
        let word = now_units.wrapping_add(ahead);
        prop_assume!(word != 0);
        prop_assert_eq!(outlasts(word, &limit, now), ahead > limit.full_backlog);
        // What stays is drained within the limit's own queue.
        if !outlasts(word, &limit, now) {
            let later = now + (ahead.div_ceil(1 << UNITS_PER_NS_SHIFT));
            prop_assert_eq!(take(&Cell::new(word), &limit, later, 60, || 0), Taken::Accepted);
        }
    }

    #[test]
    fn around_a_change_the_old_bound_and_the_new_hold_together(
        old in limits(), new in limits(), start in clocks(), change in 0..120usize, packets in packets(),
    ) {
        let word = Cell::new(start << UNITS_PER_NS_SHIFT);
        let (mut now, mut accepted) = (start, Accepted::default());
        for (place, (gap, bytes, random)) in packets.into_iter().enumerate() {
            let (shape, limit) = if place < change { old } else { new };
            now += drain_ns(shape.rate, u64::from(bytes)) * gap / 16;
            if passed(take(&word, &limit, now, bytes, || random)) {
                accepted.count(bytes);
            }
            accepted.check(&[old.0, new.0], now - start, 2);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn racing_cpus_are_bounded_by_a_packet_more_each(
        (shape, limit) in limits(), start in clocks(), window in magnitudes(1, SECOND), seed in any::<u64>(),
    ) {
        let word = AtomicU64::new(start << UNITS_PER_NS_SHIFT);
        let hammer = |mut state: u64| {
            let mut sum = Accepted::default();
            for _ in 0..2000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (now, bytes) = (start + (state >> 20) % window, 60 + (state >> 33) as u32 % 65_491);
                if passed(take(&word, &limit, now, bytes, || LUCKY)) {
                    sum.count(bytes);
                }
            }
            sum
        };
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| hammer(seed));
            (hammer(!seed), one.join().expect("no panic"))
        });
        Accepted {
            packets: one.packets + other.packets,
            bytes: one.bytes + other.bytes,
            largest: one.largest.max(other.largest),
        }
        .check(&[shape], window, 2);
    }
}
