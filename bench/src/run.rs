//! `dpbench run`: the scenarios over the variants, and what came of it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::instance::sweep;
use crate::interrupt;
use crate::machine::Machine;
use crate::results::{Results, SCHEMA};
use crate::retell::keep;
use crate::scenario::{self, Scope};
use crate::summary::summary;
use crate::variant::{self, BASELINE};
use crate::view::View;

/// Rates of limits, in bits a second.
const RATES: [u64; 5] = [128_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
const QUICK_RATES: [u64; 2] = [1_000_000, 10_000_000];

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
    /// Rounds of each long measurement, of flows through a limit
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    long_rounds: u32,
    /// Seconds that each long measurement takes
    #[arg(long, value_name = "S", default_value_if("quick", "true", "1"), default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Fewer rounds and sizes, shorter: whether it works, not what it costs
    #[arg(long)]
    quick: bool,
    /// The folder for results.json and report.html
    #[arg(short, long, value_name = "DIR", default_value = "dpbench-run")]
    output: PathBuf,
    /// Of the random numbers that intervals are made with
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Run {
    pub(crate) fn run(&self) -> Result<()> {
        ensure!(rustix::process::geteuid().is_root(), "measuring makes network namespaces: run it as root");
        let scope = self.scope()?;
        let scenarios = chosen(scenario::all(), &self.only, "scenario", |scenario| scenario.name())?;
        sweep();
        variant::sweep();
        let mut results = self.begin();
        let plan = scenarios.iter().map(|one| (one.name().to_owned(), one.estimate(&scope))).collect();
        let mut view = View::new(plan);
        for scenario in &scenarios {
            if interrupt::check().is_err() {
                break;
            }
            view.begin();
            results.scenarios.push(scenario.run(&scope, &mut view)?);
        }
        results.complete = interrupt::check().is_ok();
        results.finished = now();
        drop(view);
        let kept = keep(&results, &self.output);
        print!("{}", summary(&results));
        let [json, html] = kept?;
        println!("\nkept: {}, {}", json.display(), html.display());
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
            long_rounds: self.long_rounds,
            long: Duration::from_secs(self.seconds),
            rates: if self.quick { QUICK_RATES.to_vec() } else { RATES.to_vec() },
            quick: self.quick,
            seed: self.seed,
        })
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
