//! The invariants of the module, over generated traffic.
//!
//! Costs are whole units, so a packet may be charged a unit too little and each of its bytes
//! a 512th of one (`limit::tests` proves that); bounds are exact but for that.

use core::cell::Cell;

use proptest::prelude::*;

mod offers;
mod races;
mod windows;

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
}
