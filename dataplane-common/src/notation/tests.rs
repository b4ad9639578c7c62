use core::fmt::{Debug, Display};
use core::str::FromStr;

use proptest::prelude::*;

use super::*;

static TENTHS: Notation = Notation {
    noun: "a thing",
    units: &[("", 1), ("ten", 10), ("big", 8 << 40)],
    expected: "ten or big",
    least: (10, "1ten"),
    most: (u64::MAX, "a lot"),
};

#[test]
fn numbers_are_those_of_strtod_without_signs_hex_and_words() {
    for (text, value) in [
        ("10", 10),
        ("010", 10),
        ("10.", 10),
        ("10.99", 10),
        ("1.25ten", 12),
        ("1.0000000000000000000000000000000000000000000ten", 10),
        ("1e1", 10),
        ("1E+1", 10),
        (".1e2", 10),
        ("100e-1", 10),
        ("12300000000000000000000000000000e-30ten", 123),
        ("0.00000000000000000000000000000000000001e39", 10),
        ("18446744073709551615", u64::MAX),
        ("18446744073709551615.9", u64::MAX),
        ("0.00000000001big", 87),
        ("9.999999999999999999999999999big", 87_960_930_222_079),
    ] {
        assert_eq!(TENTHS.value(text), Ok(value), "{text:?}");
    }
}

#[test]
fn faults_are_told_apart() {
    for (text, fault) in [
        ("", Fault::Malformed),
        (".", Fault::Malformed),
        ("-", Fault::Malformed),
        ("--1", Fault::Malformed),
        ("+1", Fault::Malformed),
        ("ten", Fault::Malformed),
        (".e1", Fault::Malformed),
        ("1.2.3", Fault::Malformed),
        ("1 ten", Fault::Malformed),
        ("1ten ", Fault::Malformed),
        ("1ten\0", Fault::Malformed),
        ("1tén", Fault::Malformed),
        ("1\u{ff11}", Fault::Malformed),
        ("1e", Fault::UnknownUnit),
        ("1e+", Fault::Malformed),
        ("1tens", Fault::UnknownUnit),
        ("10%", Fault::Percent),
        ("-1", Fault::Negative),
        ("-0", Fault::Negative),
        ("-1nonsense", Fault::Negative),
        ("0", Fault::Zero),
        ("0.000big", Fault::Zero),
        ("0e999999999999999999999", Fault::Zero),
        ("9", Fault::TooSmall),
        ("0.9ten", Fault::TooSmall),
        ("1e-999999999999999999999big", Fault::TooSmall),
        ("18446744073709551616", Fault::TooLarge),
        ("99999999999999999999999999999999999999999999", Fault::TooLarge),
        ("1e999999999999999999999", Fault::TooLarge),
        ("1e19big", Fault::TooLarge),
        ("1e18446744073709551617", Fault::TooLarge),
    ] {
        assert_eq!(TENTHS.value(text), Err(fault), "{text:?}");
    }
}

#[test]
fn a_message_is_one_line_that_says_what_is_expected() {
    let message = |text| TENTHS.parse(text).expect_err("refused").to_string();
    assert_eq!(message("x"), "not a thing: expected a number and ten or big");
    assert_eq!(message("1x"), "unknown unit for a thing: expected ten or big");
    assert_eq!(message("1%"), "a thing cannot be a percentage: expected ten or big");
    assert_eq!(message("-1"), "a thing cannot be negative");
    assert_eq!(message("0"), "a thing cannot be zero: the least is 1ten");
    assert_eq!(message("1"), "too small: a thing is at least 1ten");
    assert_eq!(message("1e99"), "too large: a thing is at most a lot");
}

/// What [`Notation::least`] and [`Notation::most`] say in words is what they are.
pub(crate) fn check_bounds(notation: &Notation) {
    for (value, text) in [notation.least, notation.most] {
        assert_eq!(notation.value(text), Ok(value));
    }
}

/// Printing and parsing again gives the same value.
pub(crate) fn check_round_trip<T>(value: T)
where
    T: Copy + Debug + Display + FromStr<Err = NotationError> + PartialEq,
{
    let text = value.to_string();
    assert_eq!(text.parse(), Ok(value), "printed as {text}");
}

/// Case does not matter, nothing panics, and what is taken is what tc's `double` gives.
pub(crate) fn check_text(notation: &'static Notation, text: &str) {
    let value = notation.value(text);
    assert_eq!(value, notation.value(&text.to_ascii_lowercase()));
    assert_eq!(value, notation.value(&text.to_ascii_uppercase()));
    let Ok(value) = value else { return };
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let scale = notation.scale(unit).expect("accepted above");
    #[expect(clippy::cast_precision_loss, reason = "the tolerance is wider")]
    let (ours, scale) = (value as f64, scale as f64);
    let double = number.parse::<f64>().expect("decimal") * scale;
    assert!((double - ours).abs() <= 1.0 + double * 1e-15, "{text}: {ours}, as a double {double}");
}

/// Texts that are nearly numbers with units, and texts that are nothing.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{0,9}\\.?[0-9]{0,30}([eE][-+]?[0-9]{1,3})?[kKmMgGtT]?i?(b|bit|BIT|bps|Bps|s|secs?|SEC|%)?",
        "[0-9]{1,40}[0a-zA-Z%/ \0]{0,6}",
        any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in texts()) {
        check_text(&TENTHS, &text);
    }
}
