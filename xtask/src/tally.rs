//! Reads what libtest prints: who passed, failed, was skipped and why, and how long it took.
//!
//! A test that cannot run here prints `skipped: NAME: REASON` and returns; libtest calls that
//! passed. It prints past libtest's capture, so there may be words between name and verdict:
//!
//! ```text
//! test peers::docker ... skipped: peers::docker: no dockerd
//! ok <0.002s>
//! ```

use std::collections::BTreeMap;
use std::fmt;

/// Everything worth keeping of one or more test runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    reported_passed: usize,
    reported_failed: usize,
    ignored: usize,
    /// Test and reason.
    skipped: BTreeMap<String, String>,
    failed: Vec<String>,
    /// Test and seconds, where libtest was told to report them.
    pub(crate) durations: Vec<(String, f64)>,
    running: Option<String>,
}

impl Tally {
    /// Takes in one line.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.reported_passed += count(counts, "passed");
            self.reported_failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
            self.running = None;
        } else if let Some((name, rest)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            self.running = Some(name.to_owned());
            self.said(rest);
        } else {
            self.said(line);
        }
    }

    /// Whether no test has run at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.reported_passed + self.reported_failed + self.ignored == 0
    }

    /// Whether nothing failed.
    pub(crate) fn is_clean(&self) -> bool {
        self.reported_failed == 0
    }

    /// Test and reason, in alphabetical order.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.skipped.iter().map(|(name, reason)| (name.as_str(), reason.as_str()))
    }

    /// The names of those that failed.
    pub(crate) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// A skip, the verdict of the running test, or words of any.
    fn said(&mut self, text: &str) {
        if let Some((name, reason)) = text.strip_prefix("skipped: ").and_then(|rest| rest.split_once(": ")) {
            if !self.failed.iter().any(|other| other == name) {
                self.skipped.entry(name.to_owned()).or_insert_with(|| reason.to_owned());
            }
            return;
        }
        let (verdict, time) = text.split_once(" <").unwrap_or((text, ""));
        if !["ok", "FAILED"].contains(&verdict) {
            return;
        }
        let Some(name) = self.running.take() else { return };
        if let Some(seconds) = time.strip_suffix("s>").and_then(|time| time.parse().ok()) {
            self.durations.push((name.clone(), seconds));
        }
        if verdict == "FAILED" {
            self.skipped.remove(&name);
            self.failed.push(name);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.reported_passed.saturating_sub(self.skipped.len());
        let skipped = self.skipped.len() + self.ignored;
        write!(out, "{passed} passed, {} failed, {skipped} skipped", self.reported_failed)
    }
}

/// The number before `word` in `ok. 5 passed; 0 failed; ...`.
fn count(counts: &str, word: &str) -> usize {
    let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
    let number = words.windows(2).find(|pair| pair[1] == word).map(|pair| pair[0]);
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "
running 5 tests
test attach::twice ... ok <0.100s>
test peers::docker ... skipped: peers::docker: no dockerd: not installed
skipped: peers::docker: twice said
ok <0.002s>
skipped: rate::tcp: said by one that failed
test rate::udp ... 128kbit: 99.9 %
ok, said the test
FAILED <20.500s>
test rate::tcp ... FAILED <1.000s>
test old ... ignored, for good
test result: FAILED. 2 passed; 2 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn skipped_tests_do_not_count_as_passed() {
        assert_eq!(tally(RUN).to_string(), "1 passed, 2 failed, 5 skipped");
    }

    #[test]
    fn a_skip_keeps_its_first_reason() {
        let tally = tally(RUN);
        assert_eq!(tally.skipped().collect::<Vec<_>>(), [("peers::docker", "no dockerd: not installed")]);
    }

    #[test]
    fn the_failed_are_named() {
        let tally = tally(RUN);
        assert_eq!(tally.failed(), ["rate::udp", "rate::tcp"]);
        assert!(!tally.is_clean());
    }

    #[test]
    fn durations_are_kept_in_order() {
        let durations = tally(RUN).durations;
        let expected =
            [("attach::twice", 0.1), ("peers::docker", 0.002), ("rate::udp", 20.5), ("rate::tcp", 1.0)];
        assert_eq!(durations, expected.map(|(name, seconds)| (name.to_owned(), seconds)));
    }

    #[test]
    fn several_binaries_add_up() {
        let one =
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n";
        assert_eq!(tally(&one.repeat(2)).to_string(), "4 passed, 0 failed, 0 skipped");
    }
}
