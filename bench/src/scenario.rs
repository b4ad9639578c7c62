//! What is measured: each scenario runs its cases and returns what it found.

mod own;
mod path;

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
pub(crate) struct Scope {
    /// The variants asked for, the baseline among them, that can run here.
    pub(crate) variants: Vec<Arc<dyn Variant>>,
    /// The variant that ratios are over.
    pub(crate) baseline: String,
    /// Values of N for variants that count something.
    pub(crate) sizes: Vec<u32>,
    /// Rounds of short measurements.
    pub(crate) rounds: u32,
    /// How long a short measurement takes.
    pub(crate) window: Duration,
    /// Of the bootstrap.
    pub(crate) seed: u64,
}

/// All that this build knows, in the order they run.
pub(crate) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(path::OverPaths(load::latency::Latency))]
}
