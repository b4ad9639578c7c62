//! What a packet pays for our programs, in units of one hot look-up in a hash map.

use std::time::Duration;

use anyhow::Result;
use dataplane_common::direction::Direction;

use super::{Scenario, Scope};
use crate::load::Sample;
use crate::lookup;
use crate::panics::caught;
use crate::results::{Metric, Parameters, Role, ScenarioResult};
use crate::rounds::{Case, Pace, controls, interleave};
use crate::test_runs::{EMPTY, LOOKUP, LOOKUP_AGAIN, names, with_all};
use crate::view::View;

/// One program and the empty one, each run for some ten milliseconds, some after filling queues.
const ONCE: Duration = Duration::from_millis(60);
const BUILDING: Duration = Duration::from_millis(500);
const BASELINE: &str = "one look-up";

/// The scenario `program`.
pub(crate) struct Program;

impl Scenario for Program {
    fn name(&self) -> &'static str {
        "program"
    }

    fn about(&self) -> &'static str {
        "one packet through a program by BPF_PROG_TEST_RUN, over an empty program"
    }

    fn lacks(&self, _scope: &Scope) -> Option<&'static str> {
        lookup::dpctl().is_err().then_some(
            "the scenario `program` has no dpctl to run: put it beside dpbench or in PATH, or name it in DPCTL",
        )
    }

    fn estimate(&self, scope: &Scope) -> Duration {
        BUILDING + ONCE * u32::try_from(names().len()).unwrap_or(u32::MAX) * scope.rounds
    }

    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult> {
        let cases = cases();
        let metrics = vec![Metric {
            name: "over_empty_ns".to_owned(),
            title: "over an empty program".to_owned(),
            unit: "ns".to_owned(),
            per_unit: 1.0,
            higher_is_better: Some(false),
        }];
        let pace = Pace { rounds: scope.rounds, seed: scope.seed };
        let cases = with_all(|runs| {
            Ok(interleave(&cases, &metrics, pace, view, |number| {
                // The floor drifts with the clock of the CPU: taken beside each.
                let over = caught(|| {
                    let empty = runs[EMPTY].time()?;
                    Ok(runs[number + LOOKUP].time()? - empty)
                })?;
                Ok(Sample { figures: vec![over], latency: None })
            }))
        })?;
        Ok(ScenarioResult {
            name: self.name().to_owned(),
            about: self.about().to_owned(),
            metrics,
            baseline: BASELINE.to_owned(),
            unfair: UNFAIR.map(str::to_owned).to_vec(),
            controls: controls(&cases),
            cases,
            skipped: Vec::new(),
        })
    }
}

const UNFAIR: [&str; 3] = [
    "For dpctl: one packet, one CPU, no contention, every map entry in the first cache; a real packet \
     pays for what its neighbours evicted. The unit is as hot.",
    "The baseline is one hot look-up in a hash map of the kind, size and content of ours.",
    "A short limit is one with a latency below 100 ms: it reads the exact clock.",
];

/// All but the empty program, in the order of [`names`].
fn cases() -> Vec<Case> {
    let case = |(place, (name, direction)): (usize, (&str, Option<Direction>))| {
        let role = match place {
            LOOKUP => Role::Baseline,
            LOOKUP_AGAIN => Role::Control,
            _ => Role::Subject,
        };
        let variant = match (role, direction) {
            (Role::Control, _) => BASELINE.to_owned(),
            (_, Some(direction)) => format!("{name}, {}", direction.name().replace('_', " ")),
            (_, None) => name.to_owned(),
        };
        Case { variant, size: None, parameters: Parameters::new(), role }
    };
    names().into_iter().enumerate().skip(LOOKUP).map(case).collect()
}
