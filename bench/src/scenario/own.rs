//! A load on terms of somebody's own: another name, parameters, pace, choice of variants and
//! baseline, as a lab file gives them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::path::OverPaths;
use super::{Scenario, Scope};
use crate::bed::Bed;
use crate::load::{Load, Sample};
use crate::results::{Metric, Parameters, ScenarioResult};
use crate::variant::Variant;
use crate::view::View;

/// What is asked of a load.
pub(crate) struct Terms {
    /// As `--only` takes it.
    pub(crate) name: String,
    /// One line.
    pub(crate) about: String,
    /// Sets of parameters in place of the load's own.
    pub(crate) parameters: Vec<Parameters>,
    /// The variants, the baseline among them.
    pub(crate) variants: Vec<Arc<dyn Variant>>,
    /// The name of the one that ratios are over.
    pub(crate) baseline: String,
    /// Rounds, where they are given.
    pub(crate) rounds: Option<u32>,
    /// The time of one measurement, where it is given.
    pub(crate) window: Option<Duration>,
}

/// The scenario.
pub(crate) struct Own {
    over: OverPaths<Renamed>,
    variants: Vec<Arc<dyn Variant>>,
    baseline: String,
    rounds: Option<u32>,
    window: Option<Duration>,
}

struct Renamed {
    load: Box<dyn Load>,
    name: String,
    about: String,
    parameters: Vec<Parameters>,
}

impl Own {
    /// This load on these terms.
    pub(crate) fn new(load: Box<dyn Load>, terms: Terms) -> Self {
        let Terms { name, about, parameters, variants, baseline, rounds, window } = terms;
        Self {
            over: OverPaths(Renamed { load, name, about, parameters }),
            variants,
            baseline,
            rounds,
            window,
        }
    }

    fn scope(&self, scope: &Scope) -> Scope {
        let Self { variants, baseline, rounds, window, .. } = self;
        let is_asked = |one: &&Arc<dyn Variant>| {
            one.name() == *baseline || scope.variants.iter().any(|other| other.name() == one.name())
        };
        Scope {
            variants: variants.iter().filter(is_asked).map(Arc::clone).collect(),
            baseline: baseline.clone(),
            rounds: rounds.unwrap_or(scope.rounds),
            window: window.unwrap_or(scope.window),
            ..scope.clone()
        }
    }
}

impl Scenario for Own {
    fn name(&self) -> &str {
        self.over.name()
    }

    fn about(&self) -> &str {
        self.over.about()
    }

    fn estimate(&self, scope: &Scope) -> Duration {
        self.over.estimate(&self.scope(scope))
    }

    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult> {
        self.over.run(&self.scope(scope), view)
    }
}

impl Load for Renamed {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn metrics(&self) -> Vec<Metric> {
        self.load.metrics()
    }

    fn parameters(&self) -> Vec<Parameters> {
        self.parameters.clone()
    }

    fn unfair(&self) -> &'static [&'static str] {
        self.load.unfair()
    }

    fn validate(&self, bed: &Bed, parameters: &Parameters) -> Result<()> {
        self.load.validate(bed, parameters)
    }

    fn measure(&self, bed: &Bed, parameters: &Parameters, window: Duration) -> Result<Sample> {
        self.load.measure(bed, parameters, window)
    }
}
