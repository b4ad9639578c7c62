use proptest::prelude::*;

use super::*;

/// Values of all magnitudes, each magnitude as likely as the next.
pub(crate) fn magnitudes(least: u64, most: u64) -> impl Strategy<Value = u64> {
    let bits = (u64::BITS - least.leading_zeros(), u64::BITS - most.leading_zeros());
    (bits.0..=bits.1, any::<u64>()).prop_map(move |(bits, value)| {
        let below = 1u64.checked_shl(bits).unwrap_or(0).wrapping_sub(1);
        (below / 2 + 1 + value % (below / 2 + 1)).clamp(least, most)
    })
}

fn rates() -> impl Strategy<Value = Rate> {
    prop_oneof![
        8 => magnitudes(Rate::MIN.bits_per_s(), Rate::MAX.bits_per_s()),
        1 => Just(Rate::MIN.bits_per_s()),
        1 => Just(Rate::MAX.bits_per_s()),
    ]
    .prop_map(|bits| Rate::from_bits_per_s(bits).expect("in range"))
}

/// Shapes of all magnitudes, with and without a burst or a latency.
pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let burst = prop_oneof![1 => Just(0), 9 => magnitudes(1, u64::from(u32::MAX))];
    let latency = prop_oneof![2 => Just(0), 8 => magnitudes(1, Shape::LONGEST_QUEUE.ns())];
    let any = (rates(), burst, latency).prop_map(|(rate, burst, latency)| Shape {
        rate,
        burst: Bytes::from_bytes(burst),
        latency: Nanos::from_ns(latency),
    });
    // From the burst to the whole queue it is a single unit.
    let rate = Rate::from_bits_per_s(8_000_000_000_000).expect("in range");
    let steepest = Shape { rate, burst: Bytes::from_bytes(999), latency: Nanos::from_ns(1) };
    prop_oneof![100 => any, 1 => Just(steepest)]
}

/// Shapes with a limit, and the limit.
pub(crate) fn limits() -> impl Strategy<Value = (Shape, Limit)> {
    shapes().prop_filter_map("queue too long", |shape| Some((shape, Limit::new(shape).ok()?)))
}

/// Limits that the coarse clock serves.
pub(crate) fn slack_limits() -> impl Strategy<Value = (Shape, Limit)> {
    shapes().prop_filter_map("queue too long", |shape| {
        let shape = Shape { latency: Nanos::from_ns(shape.latency.ns() + 101_000_000), ..shape };
        Some((shape, Limit::new(shape).ok()?))
    })
}

#[test]
fn no_limit_is_all_zero() {
    // All bytes: the size is asserted to be that of the fields.
    let Limit { cost_per_byte, first_backlog, full_backlog, ramp_shift, ramp_slope } = Limit::NONE;
    assert_eq!((cost_per_byte, first_backlog, full_backlog, ramp_shift, ramp_slope), (0, 0, 0, 0, 0));
    assert_eq!(Limit::NONE, Limit::default());
    assert!(!Limit::NONE.is_set());
}

#[test]
fn the_longest_queue_is_allowed_and_a_nanosecond_more_is_not() {
    let shape = |latency| Shape { rate: Rate::MIN, burst: Bytes::from_bytes(8), latency };
    let longest = Nanos::from_ns(Shape::LONGEST_QUEUE.ns() - 1_000_000_000);
    assert!(Limit::new(shape(longest)).is_ok());
    let error = Limit::new(shape(Nanos::from_ns(longest.ns() + 1))).expect_err("too long");
    assert_eq!(
        error.to_string(),
        "burst 8b at rate 64bit with latency 3599.000000001s is a queue of more than 3600s: \
         lower the burst or the latency"
    );
}

#[test]
fn a_queue_is_slack_from_five_ticks_below_the_first_backlog_and_five_above() {
    let is_slack = |burst, latency_ms: u64| {
        let rate = Rate::from_bits_per_s(8_000_000).expect("in range");
        let latency = Nanos::from_ns(latency_ms * 1_000_000);
        Limit::new(Shape { rate, burst: Bytes::from_bytes(burst), latency }).expect("a limit").is_slack()
    };
    assert!(is_slack(0, 100));
    assert!(!is_slack(0, 99));
    assert!(!is_slack(1_000_000, 99), "a second of burst, but a ramp of less than 50 ms");
    assert!(!Limit::NONE.is_slack());
}

#[test]
fn default_shape_is_a_limit_at_every_rate() {
    for rate in [Rate::MIN.bits_per_s(), 1000, 128_000, 10_000_000, 1_000_000_000, Rate::MAX.bits_per_s()] {
        let rate = Rate::from_bits_per_s(rate).expect("in range");
        let burst = Shape::default_burst(rate);
        assert!(burst.bytes() >= 2 * Shape::FRAME.bytes());
        let limit = Limit::new(Shape { rate, burst, latency: Shape::DEFAULT_LATENCY }).expect("a limit");
        assert!(limit.is_slack(), "{rate} by default: the cheap clock");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_shape_is_refused_or_fits(
        rate in rates(),
        burst in prop_oneof![magnitudes(0, u64::MAX), Just(u64::MAX)],
        latency in prop_oneof![magnitudes(0, u64::MAX), Just(u64::MAX)],
    ) {
        let shape = Shape { rate, burst: Bytes::from_bytes(burst), latency: Nanos::from_ns(latency) };
        let bits_per_s = u128::from(rate.bits_per_s());
        let queue_ns = u128::from(burst) * 8_000_000_000 / bits_per_s + u128::from(latency);
        let Ok(limit) = Limit::new(shape) else {
            prop_assert!(queue_ns > u128::from(Shape::LONGEST_QUEUE.ns()));
            return Ok(());
        };
        prop_assert!(queue_ns <= u128::from(Shape::LONGEST_QUEUE.ns()));
        prop_assert!(limit.is_set());
        let burst = u128::from(burst) * 8 * u128::from(UNITS_PER_SECOND) / bits_per_s;
        let (first, full) = (u128::from(limit.first_backlog), u128::from(limit.full_backlog));
        prop_assert!(first >= burst, "the burst is never dropped");
        prop_assert_eq!(full, (queue_ns << UNITS_PER_NS_SHIFT).max(burst));
        prop_assert!(first <= full);
        let wide = u128::from(limit.full_backlog) + u128::from(UNITS_PER_SECOND)
            + (u128::from(limit.cost_per_byte) << (25 - COST_SHIFT));
        prop_assert_eq!(u128::from(limit.stale_after()), wide);
        // A backlog at its worst and a clock at any value must not look like the past.
        prop_assert!(wide < 1 << 63);
    }

    #[test]
    fn cost_is_that_of_the_rate_to_a_unit_and_a_512th_a_byte(
        (shape, limit) in limits(),
        bytes in prop_oneof![60..=65_550u32, 60..=1u32 << 24],
    ) {
        // Both sides times the rate, in 512ths of a unit.
        let rate = u128::from(shape.rate.bits_per_s());
        let exact = u128::from(bytes) * 8 * u128::from(UNITS_PER_SECOND) * 512;
        let charged = u128::from(limit.cost(bytes)) * 512 * rate;
        prop_assert!(charged <= exact + u128::from(bytes) * rate);
        prop_assert!(charged + (512 + u128::from(bytes)) * rate > exact);
        prop_assert!(limit.cost(bytes) > 0);
    }

    #[test]
    fn drop_probability_rises_from_0_to_1((_, limit) in limits(), points in any::<(u64, u64)>()) {
        let ramp = limit.full_backlog - limit.first_backlog;
        let at = |point: u64| {
            let along = (u128::from(point) * u128::from(ramp)) >> 64;
            limit.first_backlog + u64::try_from(along).expect("below the ramp")
        };
        let (low, high) = (points.0.min(points.1), points.0.max(points.1));
        prop_assert!(limit.drop_threshold(at(low)) <= limit.drop_threshold(at(high)));
        prop_assert!(limit.drop_threshold(limit.full_backlog) <= 1 << 32);
        prop_assert_eq!(limit.drop_threshold(limit.first_backlog), 0);
        if ramp > 0 {
            prop_assert!(limit.drop_threshold(limit.full_backlog) >= (1 << 32) - (1 << 22));
        }
    }
}
