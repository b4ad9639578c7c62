//! The load `replay`, where a capture was given.

use std::time::Duration;

use anyhow::{Context, Result};

use super::path::OverPaths;
use super::{Scenario, Scope};
use crate::load::replay::Replay;
use crate::results::ScenarioResult;
use crate::view::View;

/// The scenario `replay`.
pub(super) struct OfCapture;

impl Scenario for OfCapture {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn about(&self) -> &'static str {
        "the frames of a capture (--pcap FILE), from client to server in their own time"
    }

    fn lacks(&self, scope: &Scope) -> Option<&'static str> {
        scope
            .replay
            .is_none()
            .then_some("the scenario `replay` has no capture to play: give one with --pcap FILE")
    }

    fn estimate(&self, scope: &Scope) -> Duration {
        scope.replay.clone().map_or(Duration::ZERO, |replay| OverPaths(replay).estimate(scope))
    }

    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult> {
        let replay: Replay = scope.replay.clone().context("no capture was given")?;
        let left_out = replay.left_out();
        let mut result = OverPaths(replay).run(scope, view)?;
        result.skipped.extend(left_out);
        Ok(result)
    }
}
