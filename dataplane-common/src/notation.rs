//! What the three notations of `tc` share: a decimal number, directly followed by a unit.
//!
//! Integers only, and what falls below the smallest unit is cut off, as tc does. Refuses what
//! C's `strtod` takes beyond decimal numbers (hex, `inf`, `nan`, signs, leading white space).

use core::fmt;

/// One quantity's notation: its units, its range, and its words in messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notation {
    /// The quantity with its article: `a rate`.
    pub(crate) noun: &'static str,
    /// Names in lower case, each with what one of it is worth. The empty name is the plain number.
    pub(crate) units: &'static [(&'static str, u64)],
    /// The units in words, for messages.
    pub(crate) expected: &'static str,
    /// Least and most, and both in the notation itself.
    pub(crate) least: (u64, &'static str),
    pub(crate) most: (u64, &'static str),
}

/// Why a text is not a rate, a size or a time. The message leaves out the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotationError {
    /// What is wrong.
    pub fault: Fault,
    notation: &'static Notation,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Empty, or not a number followed by letters.
    Malformed,
    /// A number, followed by letters that are no unit.
    UnknownUnit,
    /// A share of a link's speed, which tc takes for rates.
    Percent,
    /// Below zero.
    Negative,
    /// Zero where that means nothing.
    Zero,
    /// Below the least there is, but not zero.
    TooSmall,
    /// Above the most there is.
    TooLarge,
}

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Notation { noun, expected, least, most, .. } = self.notation;
        match self.fault {
            Fault::Malformed => write!(f, "not {noun}: expected a number and {expected}"),
            Fault::UnknownUnit => write!(f, "unknown unit for {noun}: expected {expected}"),
            Fault::Percent => write!(f, "{noun} cannot be a percentage: expected {expected}"),
            Fault::Negative => write!(f, "{noun} cannot be negative"),
            Fault::Zero => write!(f, "{noun} cannot be zero: the least is {}", least.1),
            Fault::TooSmall => write!(f, "too small: {noun} is at least {}", least.1),
            Fault::TooLarge => write!(f, "too large: {noun} is at most {}", most.1),
        }
    }
}

impl core::error::Error for NotationError {}

impl Notation {
    /// The value of `text` in the notation's smallest unit.
    pub(crate) fn parse(&'static self, text: &str) -> Result<u64, NotationError> {
        self.value(text).map_err(|fault| NotationError { fault, notation: self })
    }

    fn value(&self, text: &str) -> Result<u64, Fault> {
        if let Some(positive) = text.strip_prefix('-') {
            return Err(Decimal::split(positive).map_or(Fault::Malformed, |_| Fault::Negative));
        }
        let (number, unit) = Decimal::split(text).ok_or(Fault::Malformed)?;
        let value = number.times(self.scale(unit)?).ok_or(Fault::TooLarge)?;
        if value > self.most.0 {
            Err(Fault::TooLarge)
        } else if value >= self.least.0 {
            Ok(value)
        } else if number.significand == 0 {
            Err(Fault::Zero)
        } else {
            Err(Fault::TooSmall)
        }
    }

    fn scale(&self, unit: &str) -> Result<u64, Fault> {
        match self.units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
            Some((_, scale)) => Ok(*scale),
            None if unit == "%" => Err(Fault::Percent),
            None if unit.bytes().all(|byte| byte.is_ascii_alphabetic()) => Err(Fault::UnknownUnit),
            None => Err(Fault::Malformed),
        }
    }
}

/// `significand x 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    significand: u128,
    exponent: i64,
}

impl Decimal {
    /// Times the largest unit (8 x 1024^4), a significand below this still fits a u128.
    const SIGNIFICANDS: u128 = 10u128.pow(25);

    /// The number at the start of `text`, and what follows it.
    fn split(text: &str) -> Option<(Self, &str)> {
        let mut number = Self { significand: 0, exponent: 0 };
        let (whole, rest) = split_digits(text);
        number.append(whole, 0);
        let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        number.append(fraction, -1);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (exponent, rest) = split_exponent(rest);
        number.exponent = number.exponent.saturating_add(exponent);
        Some((number, rest))
    }

    /// Appends `digits`, each of which lowers the exponent by `-place`. The 26th significant
    /// digit and later ones only count as places; tc's `double` drops them after the 17th.
    fn append(&mut self, digits: &str, place: i64) {
        for digit in digits.bytes() {
            let longer = self.significand * 10 + u128::from(digit - b'0');
            if longer < Self::SIGNIFICANDS {
                self.significand = longer;
                self.exponent += place;
            } else {
                self.exponent += place + 1;
            }
        }
    }

    /// The number times `scale`, cut off to an integer; `None` past u64.
    fn times(self, scale: u64) -> Option<u64> {
        let product = self.significand * u128::from(scale);
        let places = u32::try_from(self.exponent.unsigned_abs()).unwrap_or(u32::MAX);
        let power = 10u128.checked_pow(places);
        let value = match power {
            _ if product == 0 => 0,
            Some(power) if self.exponent < 0 => product / power,
            None if self.exponent < 0 => 0,
            Some(power) => product.checked_mul(power)?,
            None => return None,
        };
        u64::try_from(value).ok()
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// `e3`, `E+3` or `e-3` at the start of `text`, as `strtod` takes them; 0 if there is none.
fn split_exponent(text: &str) -> (i64, &str) {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return (0, text) };
    let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let (digits, after) = split_digits(unsigned);
    if digits.is_empty() {
        return (0, text);
    }
    // Past i32 the number is zero or too large, whatever its digits.
    let size = digits
        .bytes()
        .fold(0i64, |size, digit| (size * 10 + i64::from(digit - b'0')).min(i64::from(i32::MAX)));
    (if rest.starts_with('-') { -size } else { size }, after)
}

#[cfg(test)]
pub(crate) mod tests;
