//! `dpbench list`: what there is, and whether it can run here.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::scenario::{self, Scenario};
use crate::stdout::print;
use crate::variant::{self, BASELINE, Variant};

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// With the topologies and scenarios of this file
    #[arg(long, value_name = "FILE.toml")]
    file: Option<PathBuf>,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs: one JSON object
    Json,
}

/// As wide as a terminal that nobody has widened.
const WIDTH: usize = 80;

impl List {
    pub(crate) fn run(&self) -> Result<()> {
        let mut variants: Vec<Arc<dyn Variant>> = variant::all().into_iter().map(Arc::from).collect();
        let mut scenarios = scenario::all();
        if let Some(path) = &self.file {
            let lab = Lab::read(path, &variants, scenario::all)?;
            variants.extend(lab.variants());
            scenarios.extend(lab.scenarios(&variants, true));
        }
        match self.output {
            Format::Table => print(&text(&scenarios, &variants)),
            Format::Json => print(&format!("{:#}\n", json(&scenarios, &variants))),
        }
    }
}

fn text(scenarios: &[Box<dyn Scenario>], variants: &[Arc<dyn Variant>]) -> String {
    let names = scenarios.iter().map(|one| one.name()).chain(variants.iter().map(|one| one.name()));
    let left = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = "scenarios\n".to_owned();
    for scenario in scenarios {
        text += &entry(scenario.name(), left, &[scenario.about().to_owned()]);
    }
    text += "\nvariants\n";
    for variant in variants {
        let mut lines = vec![variant.about().to_owned()];
        if variant.name() == BASELINE {
            lines.push("the baseline: ratios are over it".to_owned());
        }
        if let Some(counts) = variant.counts() {
            lines.push(match variant.largest() {
                u32::MAX => format!("N counts {counts}"),
                largest => format!("N counts {counts}, {largest} at most"),
            });
        }
        lines.extend(variant.chore().map(|chore| format!("set up by: {}", chore.about())));
        lines.extend(variant::lacks(&**variant).map(|why| format!("not here: {why}")));
        text += &entry(variant.name(), left, &lines);
    }
    text
}

/// A name, and beside it lines that are broken to the width.
fn entry(name: &str, left: usize, lines: &[String]) -> String {
    let room = WIDTH.saturating_sub(left + 4).max(20);
    let mut text = String::new();
    for (number, line) in lines.iter().flat_map(|line| broken(line, room)).enumerate() {
        let name = if number == 0 { name } else { "" };
        writeln!(text, "  {name:<left$}  {line}").ok();
    }
    text
}

fn broken(line: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last] += word;
        } else if lines[last].chars().count() + 1 + word.chars().count() <= room {
            lines[last].extend([" ", word]);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn json(scenarios: &[Box<dyn Scenario>], variants: &[Arc<dyn Variant>]) -> Value {
    let scenario = |one: &dyn Scenario| json!({ "name": one.name(), "about": one.about() });
    let variant = |one: &dyn Variant| {
        let largest = (one.largest() < u32::MAX).then(|| one.largest());
        let missing = one.needs().iter().filter(|tool| tool.find().is_none());
        let missing: Vec<_> =
            missing.map(|tool| json!({ "program": tool.program, "package": tool.package })).collect();
        json!({
            "name": one.name(), "about": one.about(), "baseline": one.name() == BASELINE,
            "counts": one.counts(), "largest": largest,
            "set_up_by": one.chore().map(|chore| chore.about().to_owned()), "limits": one.limiter().is_some(),
            "runs_here": missing.is_empty(), "missing": missing,
        })
    };
    json!({
        "scenarios": scenarios.iter().map(|one| scenario(&**one)).collect::<Vec<_>>(),
        "variants": variants.iter().map(|one| variant(&**one)).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(broken("one two  three", 7), ["one two", "three"]);
        assert_eq!(broken("one two  three", 6), ["one", "two", "three"]);
        assert_eq!(broken("a-word-that-is-too-long x", 8), ["a-word-that-is-too-long", "x"]);
        assert_eq!(broken("", 8), [""]);
    }

    #[test]
    fn the_list_of_this_build_fits_a_terminal() {
        let variants: Vec<Arc<dyn Variant>> = variant::all().into_iter().map(Arc::from).collect();
        let text = text(&scenario::all(), &variants);
        // A package's name or a path cannot be broken, and nothing else is that long.
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > WIDTH).collect();
        assert!(wide.is_empty(), "{wide:#?}");
    }
}
