//! What is measured: each scenario runs its cases and returns what it found.

mod path;
mod replay;

use std::time::Duration;

use anyhow::Result;

use crate::load;
use crate::results::ScenarioResult;
use crate::variant::Variant;
use crate::view::View;

/// A question that is put to the variants.
pub(crate) trait Scenario {
    /// As `--only` takes it.
    fn name(&self) -> &'static str;

    /// One line for `dpbench list`.
    fn about(&self) -> &'static str;

    /// What it cannot run without and was not given: one line.
    fn lacks(&self, _scope: &Scope) -> Option<&'static str> {
        None
    }

    /// About how long it takes.
    fn estimate(&self, scope: &Scope) -> Duration;

    /// Builds, measures, takes down.
    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult>;
}

/// What was asked for.
pub(crate) struct Scope {
    /// The variants asked for, the baseline among them, that can run here.
    pub(crate) variants: Vec<Box<dyn Variant>>,
    /// Values of N for variants that count something.
    pub(crate) sizes: Vec<u32>,
    /// Rounds of short measurements.
    pub(crate) rounds: u32,
    /// How long a short measurement takes.
    pub(crate) window: Duration,
    /// Of the bootstrap.
    pub(crate) seed: u64,
    /// A capture to be played, where one was given.
    pub(crate) replay: Option<load::replay::Replay>,
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
        Box::new(replay::OfCapture),
    ]
}
