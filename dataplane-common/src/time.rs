//! Times in `tc`'s notation: `50ms`, `1.5s`, `100us`, `1000` (microseconds).

use core::fmt;
use core::str::FromStr;

use crate::notation::Notation;
pub use crate::notation::{Fault, NotationError};

/// A number of nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(u64);

impl Nanos {
    /// The number as it is.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// The number of nanoseconds.
    pub const fn ns(self) -> u64 {
        self.0
    }
}

const US: u64 = 1000;
const MS: u64 = 1000 * US;
const SEC: u64 = 1000 * MS;
const DAY: u64 = 24 * 3600 * SEC;

/// As in iproute2's `get_time`, and the units of nanoseconds from its `get_time64`.
static NOTATION: Notation = Notation {
    noun: "a time",
    units: &[
        ("", US),
        ("s", SEC),
        ("sec", SEC),
        ("secs", SEC),
        ("ms", MS),
        ("msec", MS),
        ("msecs", MS),
        ("us", US),
        ("usec", US),
        ("usecs", US),
        ("ns", 1),
        ("nsec", 1),
        ("nsecs", 1),
    ],
    expected: "s, ms, us or ns",
    least: (0, "0s"),
    most: (DAY, "86400s"),
};

impl FromStr for Nanos {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        NOTATION.parse(text).map(Self)
    }
}

/// In the largest unit of which there is a whole one, with as many decimals as it takes.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name, mut width) = match self.0 {
            0 | SEC.. => (SEC, "s", 9),
            MS.. => (MS, "ms", 6),
            US.. => (US, "us", 3),
            _ => (1, "ns", 0),
        };
        let (whole, mut fraction) = (self.0 / unit, self.0 % unit);
        if fraction == 0 {
            return write!(f, "{whole}{name}");
        }
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{fraction:0width$}{name}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notation::tests::{check_bounds, check_round_trip, check_text, texts};

    #[test]
    fn times_are_those_of_tc() {
        // What tbf's latency of iproute2 6.1 gives back, in microseconds there.
        for (text, ns) in [
            ("50ms", 50 * MS),
            ("50MS", 50 * MS),
            ("50Ms", 50 * MS),
            ("50msec", 50 * MS),
            ("50msecs", 50 * MS),
            ("1s", SEC),
            ("1S", SEC),
            ("1sec", SEC),
            ("1SECS", SEC),
            ("500us", 500 * US),
            ("500usec", 500 * US),
            ("500usecs", 500 * US),
            ("50000", 50 * MS),
            ("5", 5 * US),
            ("1.5ms", 1500 * US),
            (".5s", 500 * MS),
            ("5.ms", 5 * MS),
            ("1e3", MS),
            ("1e1ms", 10 * MS),
            ("0", 0),
            ("0ms", 0),
            ("86400s", DAY),
            // tc's `double` gives 1004 us.
            ("1.005ms", 1005 * US),
            // tbf's own parser has no nanoseconds, and rounds the third down to 0 us.
            ("1ns", 1),
            ("500nsecs", 500),
            ("0.1us", 100),
            ("0.1ns", 0),
        ] {
            assert_eq!(text.parse(), Ok(Nanos(ns)), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused_with_its_reason() {
        for (text, fault) in [
            ("", Fault::Malformed),
            ("ms", Fault::Malformed),
            ("50 ms", Fault::Malformed),
            ("50ms ", Fault::Malformed),
            ("50ms.", Fault::Malformed),
            ("50ms\0", Fault::Malformed),
            ("1m", Fault::UnknownUnit),
            ("1min", Fault::UnknownUnit),
            ("1h", Fault::UnknownUnit),
            ("50msx", Fault::UnknownUnit),
            ("10%", Fault::Percent),
            // tc takes all below: strtod's liberties, a latency below zero as a smaller limit,
            // and past 4294 s it wraps.
            (" 50ms", Fault::Malformed),
            ("+5ms", Fault::Malformed),
            ("0x10ms", Fault::Malformed),
            ("-1ms", Fault::Negative),
            ("86400.000000001s", Fault::TooLarge),
            ("1e9s", Fault::TooLarge),
        ] {
            let error = text.parse::<Nanos>().expect_err(text);
            assert_eq!(error.fault, fault, "{text:?}");
        }
    }

    #[test]
    fn a_time_is_printed_in_its_largest_unit_and_exactly() {
        for (ns, text) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1001, "1.001us"),
            (100 * US, "100us"),
            (50 * MS, "50ms"),
            (1500 * US, "1.5ms"),
            (MS + 1, "1.000001ms"),
            (SEC, "1s"),
            (1010 * MS, "1.01s"),
            (DAY - 1, "86399.999999999s"),
        ] {
            assert_eq!(Nanos(ns).to_string(), text);
        }
    }

    #[test]
    fn the_range_is_inclusive() {
        check_bounds(&NOTATION);
    }

    proptest! {
        #[test]
        fn printing_and_parsing_gives_the_same_time(
            ns in 0..=DAY,
            (count, unit) in (0..86_400u64, prop_oneof![Just(1), Just(US), Just(MS), Just(SEC)]),
        ) {
            check_round_trip(Nanos(ns));
            check_round_trip(Nanos(count * unit));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in texts()) {
            check_text(&NOTATION, &text);
        }
    }
}
