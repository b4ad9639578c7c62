//! Steady offers: the rate is given in full and not more, by either clock.

use super::*;

/// Offers `bytes`-sized packets at `percent` of the rate: as many as `most`, for 100 s at the
/// longest and for a thousand packets at the least. The clock goes on every `tick` nanoseconds.
fn offer(shape: Shape, percent: u64, bytes: u32, most: u64, tick: u64) -> (Accepted, u64) {
    let limit = Limit::new(shape).expect("a limit");
    let (start, word) = (WRAP - 3 * SECOND, Cell::new(0));
    let gap = u128::from(bytes) * 8 * u128::from(SECOND) * 100 * (1 << 20)
        / (u128::from(shape.rate.bits_per_s()) * u128::from(percent));
    let packets = ((u128::from(100 * SECOND) << 20) / gap).clamp(1000, u128::from(most));
    let (mut sum, mut time, mut random) = (Accepted::default(), 0, randoms());
    for _ in 0..packets {
        let now = start + u64::try_from(time >> 20).expect("fits");
        if passed(take(&word, &limit, now - now % tick, bytes, &mut random)) {
            sum.count(bytes);
        }
        time += gap;
    }
    (sum, u64::try_from(time >> 20).expect("fits"))
}

/// A generator that needs no seed: Marsaglia's xorshift64*, upper half.
fn randoms() -> impl FnMut() -> u32 {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

fn check_offer(bits_per_s: u64, percent: u64, bytes: u32, most: u64) {
    let rate = Rate::from_bits_per_s(bits_per_s).expect("in range");
    let defaults = Shape { rate, burst: Shape::default_burst(rate), latency: Shape::DEFAULT_LATENCY };
    // The least with which a queue never runs empty: two packets, and what leaves between two
    // ticks of the clock.
    let burst = Bytes::from_bytes(2 * u64::from(bytes) + bits_per_s.div_ceil(8 * SECOND));
    let least = Shape { rate, burst, latency: Nanos::from_ns(0) };
    for (shape, tick) in [(defaults, 1), (defaults, LONGEST_TICK), (least, 1)] {
        let (sum, window) = offer(shape, percent, bytes, most, tick);
        sum.check(&[shape], window + tick - 1, 1);
        let offered = u128::from(bits_per_s) * u128::from(window) / u128::from(8 * SECOND);
        assert!(
            u128::from(sum.bytes + u64::from(bytes)) * 100 >= offered * 99,
            "{percent} % of {rate} in packets of {bytes}: {} of {offered} bytes accepted, {shape:?}",
            sum.bytes
        );
    }
}

#[test]
fn a_rate_is_given_in_full_and_not_more() {
    for bits_per_s in
        [64, 1000, 128_000, 1_000_000, 999_999_937, 1_000_000_000, 100_000_000_000, 10_000_000_000_000]
    {
        for percent in [101, 7500] {
            for bytes in [60, 61, 1514] {
                check_offer(bits_per_s, percent, bytes, 500_000);
            }
        }
    }
}

#[test]
fn hundred_seconds_lose_no_remainder() {
    check_offer(1_000_000, 7500, 60, u64::MAX);
    check_offer(3_333_333, 101, 60, u64::MAX);
    check_offer(3_333_333, 7500, 1514, u64::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rate_is_given_in_full_and_not_more(
        bits_per_s in magnitudes(Rate::MIN.bits_per_s(), Rate::MAX.bits_per_s()),
        percent in prop_oneof![Just(101), Just(7500), 101..7500u64],
        bytes in 60..=1514u32,
    ) {
        check_offer(bits_per_s, percent, bytes, 100_000);
    }
}
