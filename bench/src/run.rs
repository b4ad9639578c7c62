//! `dpbench run`: the scenarios over the variants, and what came of it.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::instance::sweep;
use crate::interrupt;
use crate::load::replay;
use crate::machine::Machine;
use crate::results::{Results, SCHEMA};
use crate::scenario::{self, Scenario, Scope};
use crate::variant::{self, BASELINE};
use crate::view::View;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// These scenarios alone
    #[arg(long, value_name = "SCENARIO", value_delimiter = ',')]
    only: Vec<String>,
    /// These variants alone, beside the baseline
    #[arg(long, value_name = "VARIANT", value_delimiter = ',')]
    variants: Vec<String>,
    /// Values of N for variants that count ports or containers
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 100, 1000, 10_000])]
    sizes: Vec<u32>,
    /// Rounds of each short measurement
    #[arg(long, value_name = "N", default_value_if("quick", "true", "3"), default_value_t = 11)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Fewer rounds and sizes, shorter: whether it works, not what it costs
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    replay: replay::Options,
    /// Of the random numbers that intervals are made with
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Run {
    pub(crate) fn run(&self) -> Result<()> {
        ensure!(rustix::process::geteuid().is_root(), "measuring makes network namespaces: run it as root");
        let scope = self.scope()?;
        let scenarios = chosen(scenario::all(), &self.only, "scenario", |scenario| scenario.name())?;
        let scenarios = self.ready(scenarios, &scope)?;
        sweep();
        let mut results = self.begin();
        let mut view = View::default();
        for scenario in &scenarios {
            if interrupt::check().is_err() {
                break;
            }
            results.scenarios.push(scenario.run(&scope, &mut view)?);
        }
        results.complete = interrupt::check().is_ok();
        results.finished = now();
        println!("{}", serde_json::to_string_pretty(&results)?);
        Ok(())
    }

    fn scope(&self) -> Result<Scope> {
        let mut wanted = self.variants.clone();
        if !wanted.is_empty() {
            wanted.push(BASELINE.to_owned());
        }
        Ok(Scope {
            variants: chosen(variant::all(), &wanted, "variant", |variant| variant.name())?,
            sizes: self.sizes.clone(),
            rounds: self.rounds,
            window: if self.quick { Duration::from_millis(100) } else { Duration::from_millis(500) },
            seed: self.seed,
            replay: self.replay.load()?,
        })
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

    fn begin(&self) -> Results {
        Results {
            schema: SCHEMA,
            tool: concat!("dpbench ", env!("CARGO_PKG_VERSION")).to_owned(),
            started: now(),
            finished: String::new(),
            complete: false,
            quick: self.quick,
            seed: self.seed,
            command: std::env::args().collect(),
            machine: Machine::look(&dataplane_tests::dpctl::binary()).facts(),
            scenarios: Vec::new(),
        }
    }
}

/// Those of `all` whose names are `wanted`, or all of them where none are.
fn chosen<T>(all: Vec<T>, wanted: &[String], what: &str, name: impl Fn(&T) -> &str) -> Result<Vec<T>> {
    if let Some(unknown) = wanted.iter().find(|wanted| all.iter().all(|one| name(one) != *wanted)) {
        let known: Vec<&str> = all.iter().map(&name).collect();
        bail!("no {what} `{unknown}`: there are {}", known.join(", "));
    }
    Ok(all
        .into_iter()
        .filter(|one| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name(one)))
        .collect())
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
