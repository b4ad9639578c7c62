//! What came out on each kernel: the tests, and what the verifier made of the programs.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use crate::tally::Tally;

/// One kernel.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kernel: String,
    pub(super) tally: Tally,
    pub(super) programs: Vec<Program>,
    /// What `dpctl doctor -o json` said.
    pub(super) doctor: String,
    took: Duration,
    /// Why there is no result, or not all of it.
    error: Option<String>,
}

/// As the test `verifier::every_program_verifies_below_the_ceiling` tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) instructions: String,
    pub(super) time: String,
}

impl Row {
    pub(super) fn new(kernel: String) -> Self {
        Self {
            kernel,
            tally: Tally::default(),
            programs: Vec::new(),
            doctor: String::new(),
            took: Duration::ZERO,
            error: None,
        }
    }

    /// Takes in one line of the tests.
    pub(super) fn line(&mut self, line: &str) {
        self.tally.line(line);
        self.programs.extend(verified(line));
    }

    /// The tests have ended with a status, or the guest without one.
    pub(super) fn end(&mut self, took: Duration, ran: Result<i32>) {
        self.took = took;
        self.error = match ran {
            Err(error) => Some(format!("{error:#}")),
            Ok(0) if self.tally.is_empty() => Some("no test has such a name".to_owned()),
            Ok(0) if self.tally.is_clean() => None,
            Ok(status) if self.tally.is_clean() => Some(format!("the tests ended with {status}")),
            Ok(_) => Some(format!("failed: {}", self.tally.failed().join(", "))),
        };
    }

    /// What is wrong, if anything is.
    pub(super) fn failure(&self) -> Option<String> {
        self.error.as_ref().map(|error| format!("{}: {error}", self.kernel))
    }
}

/// All rows, the reasons of skipped tests first.
pub(super) fn show(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (name, reason) in row.tally.skipped() {
            writeln!(text, "{}: skipped {name}: {reason}", row.kernel).ok();
        }
    }
    let width = rows.iter().map(|row| row.kernel.len()).max().unwrap_or(0).max("kernel".len());
    writeln!(
        text,
        "{:width$}  {:>7}  {:<34}  program, verified instructions, time",
        "kernel", "seconds", "tests"
    )
    .ok();
    for row in rows {
        let (kernel, seconds, tests) = (&row.kernel, row.took.as_secs(), row.tally.to_string());
        write!(text, "{kernel:width$}  {seconds:>7}  {tests:<34}").ok();
        for (number, program) in row.programs.iter().enumerate() {
            if number > 0 {
                write!(text, "\n{:width$}  {:>7}  {:<34}", "", "", "").ok();
            }
            write!(text, "  {:<16} {:>6} {:>9}", program.name, program.instructions, program.time).ok();
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    for failure in rows.iter().filter_map(Row::failure) {
        writeln!(text, "{failure}").ok();
    }
    text
}

/// `from_container`, `1573` and `2.4 ms` of `verified: from_container: 1573 instructions, 2.4 ms`;
/// the name of the test may stand before it.
fn verified(line: &str) -> Option<Program> {
    let (name, rest) = line.split_once("verified: ")?.1.split_once(": ")?;
    let (instructions, time) = rest.split_once(" instructions, ")?;
    Some(Program { name: name.to_owned(), instructions: instructions.to_owned(), time: time.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\
test peers::docker ... skipped: peers::docker: no dockerd
ok <0.002s>
test verifier::every ... verified: from_container: 1573 instructions, 2.4 ms
verified: to_container: 1601 instructions, 12.4 ms
ok <0.100s>
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured
";

    fn row(text: &str, ran: Result<i32>) -> Row {
        let mut row = Row::new("6.1.0-50-amd64".to_owned());
        text.lines().for_each(|line| row.line(line));
        row.end(Duration::from_secs(61), ran);
        row
    }

    #[test]
    fn a_table_has_a_kernel_a_row_and_a_program_a_line() {
        let table = show(&[row(RUN, Ok(0))]);
        let expected = "\
6.1.0-50-amd64: skipped peers::docker: no dockerd
kernel          seconds  tests                               program, verified instructions, time
6.1.0-50-amd64       61  1 passed, 0 failed, 1 skipped       from_container     1573    2.4 ms
                                                             to_container       1601   12.4 ms
";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_row_fails_by_test_by_status_and_by_guest() {
        assert_eq!(row(RUN, Ok(0)).failure(), None);
        let failed = RUN.replace("0 failed", "1 failed").replace("ok <0.100s>", "FAILED <0.100s>");
        assert_eq!(
            row(&failed, Ok(101)).failure().as_deref(),
            Some("6.1.0-50-amd64: failed: verifier::every")
        );
        assert_eq!(row(RUN, Ok(101)).failure().as_deref(), Some("6.1.0-50-amd64: the tests ended with 101"));
        let hung = row("", Err(anyhow::anyhow!("it hangs")));
        assert_eq!(hung.failure().as_deref(), Some("6.1.0-50-amd64: it hangs"));
        assert!(show(&[hung]).ends_with("6.1.0-50-amd64: it hangs\n"));
        assert_eq!(row("", Ok(0)).failure().as_deref(), Some("6.1.0-50-amd64: no test has such a name"));
    }
}
