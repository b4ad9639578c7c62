//! `dpbench compare A.json B.json`: what changed beyond noise from one run to another.
//!
//! A figure is compared as what it is over its own run's baseline, so that neither the day nor
//! the machine counts; [`change`] says what is noise. Figures without a baseline are compared as
//! they are, and marked.

mod change;
mod pairs;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::read::read;
use crate::stdout::print;
use change::Verdict;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// results.json of the earlier run
    a: PathBuf,
    /// results.json of the later run
    b: PathBuf,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Exit with 8 where something became worse
    #[arg(long)]
    fail_on_worse: bool,
    /// Of the random numbers that intervals are made with
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs: one JSON object
    Json,
}

/// Found something, as `dpctl doctor` says it.
const FOUND: u8 = 8;

impl Compare {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let (a, b) = (read(&self.a)?, read(&self.b)?);
        let comparison = pairs::compare(&a, &b, self.seed);
        match self.output {
            Format::Table => print(&text::table(&comparison))?,
            Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&comparison)?))?,
        }
        let worse = comparison.figures.iter().any(|figure| figure.change.verdict == Verdict::Worse);
        Ok(if self.fail_on_worse && worse { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
    }
}
