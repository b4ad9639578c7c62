//! What was typed wrongly, or stands wrongly in a file that was named: one line, exit code 2.

use std::fmt;
use std::process::ExitCode;

use anyhow::Error;
use clap::error::ErrorKind;

use crate::interrupt;
use crate::stdout::print;

/// As a shell says it of a command that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// What was typed, a lab file or a file of results is not as it must be.
const USAGE: u8 = 2;

/// Marks an error as one of usage.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error of usage.
pub(crate) fn usage(complaint: impl Into<String>) -> Error {
    Error::new(Usage(complaint.into()))
}

/// Tells the error in one line, and with which code to exit.
pub(crate) fn fail(error: &Error) -> ExitCode {
    eprintln!("dpbench: {error:#}");
    if error.is::<Usage>() {
        ExitCode::from(USAGE)
    } else if interrupt::check().is_err() {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::FAILURE
    }
}

/// Help goes out as it is; a complaint becomes one line.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return print(&error.render().to_string()).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS);
    }
    fail(&usage(complaint(error)))
}

fn complaint(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::MissingSubcommand
        || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        return "which command? dpbench --help lists them".to_owned();
    }
    let text = error.to_string();
    let complaint = text.split("\n\n").next().unwrap_or(&text);
    let words: Vec<&str> = complaint.split_whitespace().collect();
    let complaint = words.join(" ");
    let complaint = complaint.trim_start_matches("error: ");
    // A bad value says itself what is expected.
    let bad_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    let hint = if bad_value { "" } else { "; dpbench --help lists commands and options" };
    format!("{complaint}{hint}")
}
