//! `dpbench report`: what a run found, told again from its results.json: the table, the page, or
//! its plots by themselves. Measures nothing, and needs no root.

mod figures;
mod markup;
mod page;
mod plot;
mod remarks;
#[cfg(test)]
mod specimen;
mod summary;
mod wording;

pub(crate) use page::page;
pub(crate) use summary::summary;
pub(crate) use wording::{parameters, path};

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::read::read;
use crate::stdout::print;
use page::plots;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The results.json of a run
    #[arg(value_name = "results.json")]
    results: PathBuf,
    /// Write the page to this file, instead of a table to the terminal
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write each plot as an SVG file into this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl Report {
    pub(crate) fn run(&self) -> Result<()> {
        let results = read(&self.results)?;
        if let Some(file) = &self.output {
            write(file, &page(&results)?)?;
        }
        if let Some(folder) = &self.plots {
            fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
            for (name, svg) in plots(&results)? {
                write(&folder.join(name).with_extension("svg"), &svg)?;
            }
        }
        if self.output.is_none() && self.plots.is_none() {
            print(&summary(&results))?;
        }
        Ok(())
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::specimen;

    #[test]
    fn what_a_run_keeps_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = specimen::run();
        let file = folder.path().join("results.json");
        write(&file, &serde_json::to_string_pretty(&run).expect("JSON")).expect("written");
        let again = read(&file).expect("read");
        // As text: what is not a number is unlike itself.
        assert!(format!("{again:?}") == format!("{run:?}"));
    }
}
