//! `dpbench run`: the scenarios over the variants, and what came of it.
//!
//! What has finished is written after each scenario, so that a run which dies keeps it. A
//! scenario that fails costs itself alone. Refuses what it cannot do before it builds anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::effort::Effort;
use crate::folder::{Folder, REPORT, RESULTS};
use crate::instance::sweep;
use crate::lab::Lab;
use crate::load::replay;
use crate::machine::Machine;
use crate::names::chosen;
use crate::panics::caught;
use crate::report::{page, summary};
use crate::results::{Results, SCHEMA, ScenarioResult, Skipped};
use crate::scenario::{self, Scenario, Scope};
use crate::stdout::print;
use crate::usage::usage;
use crate::variant::{self, BASELINE, Tool, Variant};
use crate::view::View;
use crate::{interrupt, lookup};

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// These scenarios alone
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    only: Vec<String>,
    /// These variants alone, beside the baseline
    #[arg(long, value_name = "VARIANT", value_delimiter = ',')]
    variants: Vec<String>,
    /// Values of N for variants that count ports or containers [default: 1,100,1000,10000]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sizes: Vec<u32>,
    /// Rounds of each short measurement [default: 11]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// How long each short measurement takes, as 200ms or 2s [default: 500ms]
    #[arg(long, value_name = "TIME", value_parser = window)]
    window: Option<Duration>,
    /// Rounds of each long measurement, of flows through a limit [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    long_rounds: Option<u32>,
    /// How long each long measurement takes [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = window)]
    long_window: Option<Duration>,
    /// Fewer sizes and rounds, shorter: a minute that tells whether it works, not what it costs
    #[arg(long)]
    quick: bool,
    /// Topologies and scenarios of your own; docs/lab.md tells how to write them
    #[arg(long, value_name = "FILE.toml")]
    file: Option<PathBuf>,
    /// The folder that results.json and report.html go to [default: a dated one]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// What is printed at the end
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    replay: replay::Options,
    /// Of the random numbers that intervals are made with
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs: what results.json holds
    Json,
}

/// What will be done.
struct Plan {
    scenarios: Vec<Box<dyn Scenario>>,
    scope: Scope,
    /// Variants that cannot run here, and why.
    skipped: Vec<Skipped>,
}

/// What makes namespaces.
const TOOLS: [Tool; 2] =
    [Tool { program: "ip", package: "iproute2" }, Tool { program: "nsenter", package: "util-linux" }];

impl Run {
    pub(crate) fn run(&self) -> Result<()> {
        let plan = self.plan()?;
        ensure!(rustix::process::geteuid().is_root(), "measuring makes network namespaces: run it as root");
        for tool in &TOOLS {
            ensure!(tool.find().is_some(), "no {}: install {}", tool.program, tool.package);
        }
        let folder = Folder::claim(&self.out.clone().unwrap_or_else(dated))?;
        sweep();
        variant::sweep();
        let mut view = View::new(plan.estimates());
        for Skipped { variant, why } in &plan.skipped {
            view.say(&format!("{variant} is left out: {why}"));
        }
        let mut results = self.begin(&plan.scope);
        let failed = plan.measure(&mut results, &folder, &mut view)?;
        drop(view);
        results.finished = now();
        results.complete = failed.is_empty() && interrupt::check().is_ok();
        keep(&folder, &results)?;
        match self.output {
            Format::Table => print(&summary(&results))?,
            Format::Json => print(&(serde_json::to_string_pretty(&results)? + "\n"))?,
        }
        let path = folder.file(RESULTS);
        eprintln!("kept: {}, {}", path.display(), folder.file(REPORT).display());
        if interrupt::check().is_err() {
            let (finished, all) = (results.scenarios.len(), plan.scenarios.len());
            bail!("interrupted: {finished} of {all} scenarios have figures, kept in {}", path.display());
        }
        ensure!(failed.is_empty(), "failed: {}; the rest is kept in {}", failed.join("; "), path.display());
        Ok(())
    }

    /// Judges all that was typed.
    fn plan(&self) -> Result<Plan> {
        let mut variants: Vec<Arc<dyn Variant>> = variant::all().into_iter().map(Arc::from).collect();
        let mut scenarios = scenario::all();
        if let Some(path) = &self.file {
            let paced = !self.quick && self.rounds.is_none() && self.window.is_none();
            let lab = Lab::read(path, &variants, scenario::all)?;
            variants.extend(lab.variants());
            let own = lab.scenarios(&variants, paced);
            // A file that has scenarios is run for them.
            if self.only.is_empty() && !own.is_empty() {
                scenarios.clear();
            }
            scenarios.extend(own);
        }
        let scenarios = chosen(scenarios, &self.only, "scenario", |scenario| scenario.name())?;
        let mut wanted = self.variants.clone();
        if !wanted.is_empty() {
            wanted.push(BASELINE.to_owned());
        }
        let mut skipped = Vec::new();
        let mut can_run = Vec::new();
        for variant in chosen(variants, &wanted, "variant", |variant| variant.name())? {
            match variant::lacks(&*variant) {
                None => can_run.push(variant),
                Some(why) if self.variants.iter().any(|named| named == variant.name()) => {
                    bail!("{} cannot run here: {why}", variant.name())
                }
                Some(why) => skipped.push(Skipped { variant: variant.name().to_owned(), why }),
            }
        }
        let mut scope = Scope {
            variants: can_run,
            baseline: BASELINE.to_owned(),
            sizes_are_typed: !self.sizes.is_empty(),
            replay: self.replay.load()?,
            ..Scope::nothing(self.seed)
        };
        let scenarios = self.ready(scenarios, &scope)?;
        let effort = Effort {
            sizes: self.sizes.clone(),
            rounds: self.rounds,
            window: self.window,
            long_rounds: self.long_rounds,
            long_window: self.long_window,
            quick: self.quick,
        };
        effort.apply(&mut scope, |scope| scenarios.iter().map(|one| one.estimate(scope)).sum());
        Ok(Plan { scenarios, scope, skipped })
    }

    /// Those that have what they need. One that was asked for by name must have it.
    fn ready(&self, mut all: Vec<Box<dyn Scenario>>, scope: &Scope) -> Result<Vec<Box<dyn Scenario>>> {
        for scenario in all.extract_if(.., |scenario| scenario.lacks(scope).is_some()) {
            let why = scenario.lacks(scope).unwrap_or_default();
            ensure!(self.only.iter().all(|name| name != scenario.name()), "{why}");
            eprintln!("{why}");
        }
        Ok(all)
    }

    fn begin(&self, scope: &Scope) -> Results {
        Results {
            schema: SCHEMA,
            tool: concat!("dpbench ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: now(),
            finished: String::new(),
            complete: false,
            quick: self.quick,
            seed: self.seed,
            settings: scope.settings(),
            command: std::env::args().collect(),
            machine: Machine::look(&lookup::dpctl().unwrap_or_default()).facts(),
            scenarios: Vec::new(),
        }
    }
}

impl Plan {
    /// What each scenario takes by its own estimate.
    fn estimates(&self) -> Vec<(String, Duration)> {
        self.scenarios.iter().map(|one| (one.name().to_owned(), one.estimate(&self.scope))).collect()
    }

    /// Runs the scenarios and keeps each as it ends; returns which failed, and why.
    fn measure(&self, results: &mut Results, folder: &Folder, view: &mut View) -> Result<Vec<String>> {
        let mut failed = Vec::new();
        for scenario in &self.scenarios {
            if interrupt::check().is_err() {
                break;
            }
            view.begin();
            let done = caught(|| scenario.run(&self.scope, view));
            let interrupted = interrupt::check().is_err();
            let mut result = match done {
                Ok(result) => result,
                // What was under way when the signal came fails of it.
                Err(_) if interrupted => break,
                Err(error) => {
                    let why = format!("{}: {error:#}", scenario.name());
                    view.say(&why);
                    failed.push(why);
                    nothing(&**scenario, &self.scope, &format!("{error:#}"))
                }
            };
            result.skipped.extend(self.skipped.iter().cloned());
            if interrupted {
                result.cases.retain(|case| case.rounds > case.stolen_rounds);
                if result.cases.is_empty() {
                    break;
                }
            }
            results.scenarios.push(result);
            results.finished = now();
            keep(folder, results)?;
        }
        Ok(failed)
    }
}

/// Everything that a run leaves, as far as it has come.
fn keep(folder: &Folder, results: &Results) -> Result<()> {
    // The figures first: they cannot be had again.
    folder.write(RESULTS, &(serde_json::to_string_pretty(results).context("write JSON")? + "\n"))?;
    folder.write(REPORT, &page(results)?)
}

/// A scenario of which nothing is known but why.
fn nothing(scenario: &dyn Scenario, scope: &Scope, why: &str) -> ScenarioResult {
    ScenarioResult {
        name: scenario.name().to_owned(),
        about: scenario.about().to_owned(),
        metrics: Vec::new(),
        baseline: scope.baseline.clone(),
        unfair: Vec::new(),
        controls: Vec::new(),
        cases: Vec::new(),
        skipped: vec![Skipped { variant: "all".to_owned(), why: why.to_owned() }],
    }
}

fn window(text: &str) -> Result<Duration> {
    let time = humantime::parse_duration(text).map_err(|error| usage(format!("{error}: try 200ms or 2s")))?;
    let allowed = Duration::from_millis(10)..=Duration::from_mins(10);
    ensure!(allowed.contains(&time), "a window is from 10ms to 10min");
    Ok(time)
}

fn dated() -> PathBuf {
    let date = now().replace(':', "").replace('T', "-");
    PathBuf::from(format!("dpbench-{}", date.trim_end_matches('Z')))
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
