//! Names of networks and sandboxes: `[a-z0-9][a-z0-9_.-]{0,62}`, and none of our command words.
//!
//! A name becomes a file name, part of a path and a word of a command line, so what could be
//! taken for something else there is refused.

use std::fmt;
use std::str::FromStr;

/// Bytes of the longest name: a file name of 255 with room for what is put around it, and the
/// length of a DNS label (RFC 1035, 2.3.4).
const LONGEST: usize = 63;

/// Words that would be ambiguous in `dpctl inspect NAME` and its like.
const COMMAND_WORDS: &[&str] = &[
    "all",
    "apply",
    "attach",
    "completions",
    "config",
    "connect",
    "create",
    "detach",
    "dev",
    "disconnect",
    "doctor",
    "exec",
    "export",
    "group",
    "host",
    "inspect",
    "limit",
    "link",
    "ls",
    "man",
    "network",
    "none",
    "port",
    "publish",
    "reconcile",
    "reset",
    "rm",
    "rule",
    "sandbox",
    "serve",
    "set",
    "show",
    "stats",
    "unlink",
    "unpublish",
    "upgrade",
];

/// A name that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// Nothing.
    #[error("a name cannot be empty")]
    Empty,
    /// Too many characters.
    #[error("a name has at most {LONGEST} characters")]
    TooLong,
    /// A character that is not allowed there.
    #[error("a name is of a-z, 0-9, `_`, `.` and `-`, and begins with a letter or a digit")]
    Character,
    /// One of our own words.
    #[error("a word of dpctl's own; choose another name")]
    CommandWord,
}

impl Name {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        let first = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
        match text.as_bytes() {
            [] => Err(NotAName::Empty),
            bytes if bytes.len() > LONGEST => Err(NotAName::TooLong),
            [head, rest @ ..] if first(*head) && rest.iter().all(|byte| inner(*byte)) => {
                if COMMAND_WORDS.contains(&text) {
                    Err(NotAName::CommandWord)
                } else {
                    Ok(Self(text.to_owned()))
                }
            }
            _ => Err(NotAName::Character),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_names() {
        for text in ["a", "0", "web", "my-net_1.prod", &"x".repeat(63)] {
            assert_eq!(text.parse::<Name>().map(|name| name.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_could_be_a_path_an_option_or_a_trick_is_none() {
        for text in [
            "/", "a/b", "..", ".", "../a", "-a", "_a", ".a", "A", "Web", "a b", "a\n", "a\0", "a%", "ä", " a",
        ] {
            assert_eq!(text.parse::<Name>(), Err(NotAName::Character), "{text:?}");
        }
        assert_eq!("".parse::<Name>(), Err(NotAName::Empty));
        assert_eq!("x".repeat(64).parse::<Name>(), Err(NotAName::TooLong));
    }

    #[test]
    fn words_of_the_command_line_are_taken() {
        for text in COMMAND_WORDS {
            assert_eq!(text.parse::<Name>(), Err(NotAName::CommandWord), "{text}");
        }
        assert!(COMMAND_WORDS.is_sorted());
    }
}
