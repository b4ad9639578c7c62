//! Rates in `tc`'s notation: `128kbit`, `1.5mbit`, `10mibit`, `16kbps` (kilobytes), `1000`.

use core::fmt;
use core::str::FromStr;

use crate::notation::Notation;
pub use crate::notation::{Fault, NotationError};

/// Bits per second, from [`Rate::MIN`] to [`Rate::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// The slowest rate: a full frame takes three minutes.
    pub const MIN: Self = Self(64);
    /// The fastest rate: 10 Tbit/s. Above 100 Gbit/s the smallest frames are charged up to 2.4 %
    /// too little, since costs are whole units of 1/256 ns.
    pub const MAX: Self = Self(10_000_000_000_000);

    /// The rate, if it lies between [`Rate::MIN`] and [`Rate::MAX`].
    pub const fn from_bits_per_s(bits: u64) -> Option<Self> {
        if Self::MIN.0 <= bits && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// Bits in a second.
    pub const fn bits_per_s(self) -> u64 {
        self.0
    }
}

const KILO: u64 = 1000;
const KIBI: u64 = 1024;

/// As in iproute2's `get_rate64`, which ignores case too: `Mbps` are megabytes.
static NOTATION: Notation = Notation {
    noun: "a rate",
    units: &[
        ("", 1),
        ("bit", 1),
        ("kbit", KILO),
        ("mbit", KILO.pow(2)),
        ("gbit", KILO.pow(3)),
        ("tbit", KILO.pow(4)),
        ("kibit", KIBI),
        ("mibit", KIBI.pow(2)),
        ("gibit", KIBI.pow(3)),
        ("tibit", KIBI.pow(4)),
        ("bps", 8),
        ("kbps", 8 * KILO),
        ("mbps", 8 * KILO.pow(2)),
        ("gbps", 8 * KILO.pow(3)),
        ("tbps", 8 * KILO.pow(4)),
        ("kibps", 8 * KIBI),
        ("mibps", 8 * KIBI.pow(2)),
        ("gibps", 8 * KIBI.pow(3)),
        ("tibps", 8 * KIBI.pow(4)),
    ],
    expected: "bit, kbit, mbit, gbit, tbit, kibit.., or bps, kbps.. for bytes",
    least: (Rate::MIN.0, "64bit"),
    most: (Rate::MAX.0, "10tbit"),
};

impl FromStr for Rate {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        NOTATION.parse(text).map(Self)
    }
}

/// The shortest whole number of a unit of bits; of two equally short ones the decimal.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DECIMAL: [&str; 5] = ["bit", "kbit", "mbit", "gbit", "tbit"];
        const BINARY: [&str; 5] = ["bit", "kibit", "mibit", "gibit", "tibit"];
        let (decimal, thousands) = divide_out(self.0, KILO);
        let (binary, kibis) = divide_out(self.0, KIBI);
        // `i` is one character more.
        if digits(binary) + 1 < digits(decimal) {
            write!(f, "{binary}{}", BINARY[kibis])
        } else {
            write!(f, "{decimal}{}", DECIMAL[thousands])
        }
    }
}

/// `value` divided by `unit` as often as that is exact, four times at the most, and how often.
fn divide_out(mut value: u64, unit: u64) -> (u64, usize) {
    let mut times = 0;
    while times < 4 && value != 0 && value.is_multiple_of(unit) {
        value /= unit;
        times += 1;
    }
    (value, times)
}

fn digits(value: u64) -> u32 {
    value.checked_ilog10().unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notation::tests::{check_bounds, check_round_trip, check_text, texts};

    #[test]
    fn rates_are_those_of_tc() {
        // What `tc -j qdisc show` of iproute2 6.1 gives back, times 8.
        for (text, bits) in [
            ("1000", 1000),
            ("1000bit", 1000),
            ("128kbit", 128_000),
            ("128KBIT", 128_000),
            ("128Kbit", 128_000),
            ("1kibit", 1024),
            ("10mibit", 10_485_760),
            ("10MiBit", 10_485_760),
            ("1gibit", 1_073_741_824),
            ("1tibit", 1_099_511_627_776),
            ("1mbit", 1_000_000),
            ("1gbit", 1_000_000_000),
            ("10tbit", 10_000_000_000_000),
            ("1.5mbit", 1_500_000),
            (".5mbit", 500_000),
            ("5.mbit", 5_000_000),
            ("1e3", 1000),
            ("1e3kbit", 1_000_000),
            ("1E+3", 1000),
            ("1e-3mbit", 1000),
            ("16bps", 128),
            ("16kbps", 128_000),
            ("16KBps", 128_000),
            ("1Mbps", 8_000_000),
            ("1gbps", 8_000_000_000),
            ("1tbps", 8_000_000_000_000),
            ("1kibps", 8192),
            ("1mibps", 8_388_608),
            ("1gibps", 8_589_934_592),
            ("1tibps", 8_796_093_022_208),
            ("64bit", 64),
            ("0.000064mbit", 64),
            ("1.1gbit", 1_100_000_000),
            ("4.35mbit", 4_350_000),
            // tc cuts off to whole bytes a second (128 and 296); a bit is a bit here.
            ("129bit", 129),
            ("0.3kbit", 300),
        ] {
            assert_eq!(text.parse(), Ok(Rate(bits)), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_rate_is_refused_with_its_reason() {
        for (text, fault) in [
            ("", Fault::Malformed),
            ("kbit", Fault::Malformed),
            ("128 kbit", Fault::Malformed),
            ("128kbit ", Fault::Malformed),
            ("128kbit\0", Fault::Malformed),
            ("1,5mbit", Fault::Malformed),
            ("1..5mbit", Fault::Malformed),
            ("128_kbit", Fault::Malformed),
            ("128k", Fault::UnknownUnit),
            ("128kb", Fault::UnknownUnit),
            ("128kbits", Fault::UnknownUnit),
            ("1e", Fault::UnknownUnit),
            ("50%", Fault::Percent),
            ("0", Fault::Zero),
            ("0kbit", Fault::Zero),
            // tc takes all below: strtod skips white space and reads signs, hex and words;
            // -1mbit and nan wrap to 2^67 bits a second; 7bit is 0, hence "mandatory".
            (" 128kbit", Fault::Malformed),
            ("\t128kbit", Fault::Malformed),
            ("+1mbit", Fault::Malformed),
            ("0x10mbit", Fault::Malformed),
            ("0x1p4kbit", Fault::Malformed),
            ("inf", Fault::Malformed),
            ("nan", Fault::Malformed),
            ("-1mbit", Fault::Negative),
            ("7bit", Fault::TooSmall),
            ("63bit", Fault::TooSmall),
            ("10000000000001", Fault::TooLarge),
            ("100tbit", Fault::TooLarge),
            ("18446744073709551616bit", Fault::TooLarge),
        ] {
            let error = text.parse::<Rate>().expect_err(text);
            assert_eq!(error.fault, fault, "{text:?}");
        }
    }

    #[test]
    fn a_rate_is_printed_in_the_shortest_whole_unit() {
        for (bits, text) in [
            (64, "64bit"),
            (128, "128bit"),
            (1000, "1kbit"),
            (1001, "1001bit"),
            (1024, "1kibit"),
            (1_500_000, "1500kbit"),
            (128_000, "128kbit"),
            (1_024_000, "1024kbit"),
            (10_112_000, "10112kbit"),
            (10_485_760, "10mibit"),
            (1_048_576_000, "1000mibit"),
            (1_000_000_000, "1gbit"),
            (1_099_511_627_776, "1tibit"),
            (10_000_000_000_000, "10tbit"),
            (9_999_999_999_999, "9999999999999bit"),
        ] {
            assert_eq!(Rate(bits).to_string(), text);
        }
    }

    #[test]
    fn the_range_is_inclusive() {
        check_bounds(&NOTATION);
        assert_eq!(Rate::from_bits_per_s(64), Some(Rate::MIN));
        assert_eq!(Rate::from_bits_per_s(10_000_000_000_000), Some(Rate::MAX));
        assert_eq!(Rate::from_bits_per_s(63), None);
        assert_eq!(Rate::from_bits_per_s(10_000_000_000_001), None);
    }

    proptest! {
        #[test]
        fn printing_and_parsing_gives_the_same_rate(
            bits in 64..=10_000_000_000_000u64,
            (count, unit) in (1..100_000u64, 0..NOTATION.units.len()),
        ) {
            check_round_trip(Rate(bits));
            let bits = count * NOTATION.units[unit].1;
            if let Some(rate) = Rate::from_bits_per_s(bits) {
                check_round_trip(rate);
            }
        }

        #[test]
        fn any_text_is_taken_or_refused(text in texts()) {
            check_text(&NOTATION, &text);
        }
    }
}
