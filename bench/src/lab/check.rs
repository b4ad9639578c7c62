//! Values of a lab file, each turned into what cannot be wrong, or refused with its place.

use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use anyhow::{Error, Result};
use toml::Spanned;

use crate::usage::usage;

/// The file as it was read.
#[derive(Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) path: &'t Path,
}

impl Text<'_> {
    /// `lab.toml:7:12`, of something that begins at this byte.
    pub(super) fn place(&self, at: usize) -> String {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.split(|byte| *byte == b'\n').count();
        let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[begin..]).chars().count() + 1;
        format!("{}:{line}:{column}", self.path.display())
    }

    /// An error about what stands there.
    pub(super) fn refuse(&self, at: Range<usize>, what: &str) -> Error {
        usage(format!("{}: {what}", self.place(at.start)))
    }

    /// The same of what TOML itself, or the shape of the tables, refuses.
    pub(super) fn refuse_toml(&self, error: &toml::de::Error) -> Error {
        let words = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        let plain: String = words.chars().map(|one| if one.is_control() { '?' } else { one }).collect();
        self.refuse(error.span().unwrap_or(0..0), &plain)
    }

    /// A name for tables and options.
    pub(super) fn name(&self, name: &Spanned<String>, what: &str) -> Result<String> {
        let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let text = name.get_ref();
        let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
        if begins && text.len() <= 40 && text.chars().all(letters) {
            return Ok(text.clone());
        }
        let rule = "has a-z, 0-9 and -, begins with a letter and is at most 40 long";
        Err(self.refuse(name.span(), &format!("`{}`: a name of a {what} {rule}", text.escape_debug())))
    }

    /// A line for people; its default where there is none.
    pub(super) fn about(&self, about: Option<&Spanned<String>>, default: &str) -> Result<String> {
        let Some(about) = about else { return Ok(default.to_owned()) };
        if about.get_ref().chars().any(char::is_control) || about.get_ref().chars().count() > 200 {
            return Err(self.refuse(about.span(), "`about` is one line of at most 200 characters"));
        }
        Ok(about.get_ref().clone())
    }

    /// A number within bounds.
    pub(super) fn number(
        &self,
        number: &Spanned<i64>,
        what: &str,
        within: RangeInclusive<u32>,
    ) -> Result<u32> {
        let parsed = u32::try_from(*number.get_ref()).ok().filter(|number| within.contains(number));
        let rule = || format!("{}: {what} is from {} to {}", number.get_ref(), within.start(), within.end());
        parsed.ok_or_else(|| self.refuse(number.span(), &rule()))
    }

    /// A time within bounds, as `200ms` or `2s`.
    pub(super) fn time(
        &self,
        time: &Spanned<String>,
        what: &str,
        within: RangeInclusive<Duration>,
    ) -> Result<Duration> {
        let parsed = humantime::parse_duration(time.get_ref()).ok();
        let rule = || {
            let (from, to) = (within.start(), within.end());
            let (from, to) = (humantime::format_duration(*from), humantime::format_duration(*to));
            format!(
                "`{}`: {what} is a time from {from} to {to}, as 200ms or 2s",
                time.get_ref().escape_debug()
            )
        };
        parsed.filter(|time| within.contains(time)).ok_or_else(|| self.refuse(time.span(), &rule()))
    }
}
