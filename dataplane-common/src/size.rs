//! Sizes in `tc`'s notation: `1000`, `32kb`, `4k`, `1mbit` (131,072 bytes). A `k` is 1,024.

use core::fmt;
use core::str::FromStr;

use crate::notation::Notation;
pub use crate::notation::{Fault, NotationError};

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// The number as it is.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

const KIBI: u64 = 1024;
const MEBI: u64 = KIBI * KIBI;
const GIBI: u64 = KIBI * MEBI;

/// As in iproute2's `get_size`, which has no bare `bit`.
static NOTATION: Notation = Notation {
    noun: "a size",
    units: &[
        ("", 1),
        ("b", 1),
        ("k", KIBI),
        ("kb", KIBI),
        ("m", MEBI),
        ("mb", MEBI),
        ("g", GIBI),
        ("gb", GIBI),
        ("kbit", KIBI / 8),
        ("mbit", MEBI / 8),
        ("gbit", GIBI / 8),
    ],
    expected: "b, kb, mb, gb (of 1024), or kbit, mbit, gbit",
    least: (1, "1b"),
    // tbf's burst is 32 bits wide.
    most: (0xffff_ffff, "4294967295b"),
};

impl FromStr for Bytes {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        NOTATION.parse(text).map(Self)
    }
}

/// The largest unit of which it is a whole number.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0b"),
            n if n.is_multiple_of(GIBI) => write!(f, "{}gb", n / GIBI),
            n if n.is_multiple_of(MEBI) => write!(f, "{}mb", n / MEBI),
            n if n.is_multiple_of(KIBI) => write!(f, "{}kb", n / KIBI),
            n => write!(f, "{n}b"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notation::tests::{check_bounds, check_round_trip, check_text, texts};

    #[test]
    fn sizes_are_those_of_tc() {
        // What tbf of iproute2 6.1 gives back, but for its rounding to clock ticks.
        for (text, bytes) in [
            ("1000", 1000),
            ("1000b", 1000),
            ("32kb", 32_768),
            ("32KB", 32_768),
            ("32Kb", 32_768),
            ("4k", 4096),
            ("4K", 4096),
            ("1m", 1_048_576),
            ("1mb", 1_048_576),
            ("1M", 1_048_576),
            ("1g", 1_073_741_824),
            ("1gb", 1_073_741_824),
            ("16kbit", 2048),
            ("1mbit", 131_072),
            ("1gbit", 134_217_728),
            ("1.5kb", 1536),
            (".5kb", 512),
            ("5.kb", 5120),
            ("1.9kb", 1945),
            ("0.001mb", 1048),
            ("0.3mbit", 39_321),
            ("1e4", 10_000),
            ("1e1kb", 10_240),
            ("1.5", 1),
            ("4294967295", 4_294_967_295),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_its_reason() {
        for (text, fault) in [
            ("", Fault::Malformed),
            ("kb", Fault::Malformed),
            ("32 kb", Fault::Malformed),
            ("32kb ", Fault::Malformed),
            ("1000\0", Fault::Malformed),
            ("8bit", Fault::UnknownUnit),
            ("1kib", Fault::UnknownUnit),
            ("1kibit", Fault::UnknownUnit),
            ("1tb", Fault::UnknownUnit),
            ("1000bytes", Fault::UnknownUnit),
            ("10%", Fault::Percent),
            ("-1kb", Fault::Negative),
            ("0", Fault::Zero),
            ("0kb", Fault::Zero),
            ("0.5", Fault::TooSmall),
            ("4g", Fault::TooLarge),
            ("4294967296", Fault::TooLarge),
            ("1e99", Fault::TooLarge),
            // tc takes all below: strtod's liberties, and a cell size that only tables need.
            (" 32kb", Fault::Malformed),
            ("+5kb", Fault::Malformed),
            ("0x1000", Fault::Malformed),
            ("4096/8", Fault::Malformed),
        ] {
            let error = text.parse::<Bytes>().expect_err(text);
            assert_eq!(error.fault, fault, "{text:?}");
        }
    }

    #[test]
    fn a_size_is_printed_in_the_largest_whole_unit() {
        for (bytes, text) in [
            (0, "0b"),
            (1, "1b"),
            (1000, "1000b"),
            (1514, "1514b"),
            (1536, "1536b"),
            (4096, "4kb"),
            (32_768, "32kb"),
            (1_048_576, "1mb"),
            (3_221_225_472, "3gb"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn the_range_is_inclusive() {
        check_bounds(&NOTATION);
    }

    proptest! {
        #[test]
        fn printing_and_parsing_gives_the_same_size(
            bytes in 1..=0xffff_ffffu64,
            (count, unit) in (1..4096u64, prop_oneof![Just(KIBI), Just(MEBI)]),
        ) {
            check_round_trip(Bytes(bytes));
            check_round_trip(Bytes((count * unit).min(0xffff_ffff)));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in texts()) {
            check_text(&NOTATION, &text);
        }
    }
}
