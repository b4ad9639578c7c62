//! `dpbench report`: what a run found, told again from its results.json: the table, the page, or
//! its plots by themselves. Measures nothing, and needs no root.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::page::{page, plots};
use crate::results::{Results, SCHEMA};
use crate::summary::summary;

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
            print!("{}", summary(&results));
        }
        Ok(())
    }
}

/// Of a run that is over: `results.json` and `report.html` in `folder`, which is made.
pub(crate) fn keep(results: &Results, folder: &Path) -> Result<[PathBuf; 2]> {
    fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let files = ["results.json", "report.html"].map(|name| folder.join(name));
    // The figures first: they cannot be had again.
    write(&files[0], &format!("{}\n", serde_json::to_string_pretty(results)?))?;
    write(&files[1], &page(results)?)?;
    Ok(files)
}

/// A results.json of a schema that this build reads.
fn read(file: &Path) -> Result<Results> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("read {shown}"))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("read {shown}: no JSON"))?;
    let schema = json["schema"].as_u64();
    ensure!(
        schema == Some(SCHEMA.into()),
        "read {shown}: it has schema {}, and this dpbench reads {SCHEMA}: use the version that wrote it",
        schema.map_or_else(|| "none".to_owned(), |schema| schema.to_string())
    );
    serde_json::from_value(json).with_context(|| format!("read {shown}: not what dpbench writes"))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen;

    #[test]
    fn what_a_run_keeps_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = specimen::run();
        let [json, html] = keep(&run, &folder.path().join("new")).expect("kept");
        let again = read(&json).expect("read");
        // As text: what is not a number is unlike itself.
        assert!(format!("{again:?}") == format!("{run:?}"), "{}", json.display());
        assert!(fs::read_to_string(html).expect("a page").starts_with("<!doctype html>"));
    }

    #[test]
    fn a_file_of_another_kind_is_refused_in_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("results.json");
        for (text, why) in [
            ("{", "no JSON"),
            ("{\"schema\": 7}", "schema 7"),
            ("[]", "schema none"),
            ("{\"schema\": 1}", "not what"),
        ] {
            write(&file, text).expect("written");
            let error = format!("{:#}", read(&file).expect_err("refused"));
            assert!(error.contains(why) && !error.contains('\n'), "{error}");
        }
    }
}
