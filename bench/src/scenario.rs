//! What is measured: each scenario runs its cases and returns what it found.

mod chores;
mod limit;
mod memory;
mod own;
mod path;
mod program;
mod replay;
mod setup;
mod unfair;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

pub(crate) use own::{Own, Terms};

use crate::load::{self, Load};
use crate::results::ScenarioResult;
use crate::variant::Variant;
use crate::view::View;

/// A question that is put to the variants.
pub(crate) trait Scenario {
    /// As `--only` takes it.
    fn name(&self) -> &str;

    /// One line for `dpbench list`.
    fn about(&self) -> &str;

    /// What it cannot run without and was not given: one line.
    fn lacks(&self, _scope: &Scope) -> Option<&'static str> {
        None
    }

    /// About how long it takes.
    fn estimate(&self, scope: &Scope) -> Duration;

    /// Builds, measures, takes down.
    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult>;

    /// The load that it puts on every path, where that is all that it does: a lab file may then
    /// use it with parameters of its own.
    fn into_load(self: Box<Self>) -> Option<Box<dyn Load>> {
        None
    }
}

/// What was asked for.
#[derive(Clone)]
pub(crate) struct Scope {
    /// The variants asked for, the baseline among them, that can run here.
    pub(crate) variants: Vec<Arc<dyn Variant>>,
    /// The variant that ratios are over.
    pub(crate) baseline: String,
    /// Values of N for variants that count something.
    pub(crate) sizes: Vec<u32>,
    /// Whether somebody typed them.
    pub(crate) sizes_are_typed: bool,
    /// Rounds of short measurements.
    pub(crate) rounds: u32,
    /// How long a short measurement takes.
    pub(crate) window: Duration,
    /// Rounds of long measurements: flows through limits.
    pub(crate) long_rounds: u32,
    /// How long one of those takes.
    pub(crate) long: Duration,
    /// Rates of limits, in bits a second.
    pub(crate) rates: Vec<u64>,
    /// Whether it works, not what it costs.
    pub(crate) quick: bool,
    /// Of the bootstrap.
    pub(crate) seed: u64,
    /// A capture to be played, where one was given.
    pub(crate) replay: Option<load::replay::Replay>,
}

impl Scope {
    /// Of nothing yet.
    pub(crate) fn nothing(seed: u64) -> Self {
        Self {
            variants: Vec::new(),
            baseline: String::new(),
            sizes: Vec::new(),
            sizes_are_typed: false,
            rounds: 0,
            window: Duration::ZERO,
            long_rounds: 0,
            long: Duration::ZERO,
            rates: Vec::new(),
            quick: false,
            seed,
            replay: None,
        }
    }

    /// How much is measured, by what the options are called.
    pub(crate) fn settings(&self) -> BTreeMap<String, String> {
        let list = |numbers: Vec<String>| numbers.join(",");
        let settings = [
            ("rounds", self.rounds.to_string()),
            ("window", format!("{:?}", self.window)),
            ("long rounds", self.long_rounds.to_string()),
            ("long window", format!("{:?}", self.long)),
            ("sizes", list(self.sizes.iter().map(u32::to_string).collect())),
            ("rates, bit/s", list(self.rates.iter().map(u64::to_string).collect())),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// All that this build knows, in the order they run.
pub(crate) fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(path::OverPaths(load::latency::Latency)),
        Box::new(path::OverPaths(load::crr::Connections)),
        Box::new(path::OverPaths(load::tcp::Throughput)),
        Box::new(path::OverPaths(load::udp::Datagrams)),
        Box::new(path::OverPaths(load::raw::Frames)),
        Box::new(path::OverPaths(load::per_packet::PerPacket)),
        Box::new(program::Program),
        Box::new(setup::Setup),
        Box::new(memory::Memory),
        Box::new(limit::ThroughLimits(limit::udp::Udp)),
        Box::new(limit::ThroughLimits(limit::tcp::Tcp)),
        Box::new(replay::OfCapture),
    ]
}
