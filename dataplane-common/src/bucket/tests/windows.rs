//! The bound in every window, whatever the clock and the order; and what keeps to it passes.

use super::*;

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
