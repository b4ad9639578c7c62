//! A load over every path, each path built once, measured in turn.

use std::time::Duration;

use anyhow::{Result, bail};

use super::unfair::unfair;
use super::{Scenario, Scope};
use crate::bed::Bed;
use crate::interrupt;
use crate::load::Load;
use crate::panics::caught;
use crate::results::{Role, ScenarioResult, Skipped};
use crate::rounds::{Case, Pace, controls, interleave};
use crate::variant::{Variant, refusal};
use crate::view::View;

/// Sockets, connecting, looking at counters.
const AROUND: Duration = Duration::from_millis(20);
/// Building, validating and taking down one path.
const BUILDING: Duration = Duration::from_millis(60);

/// A load as a scenario.
pub(crate) struct OverPaths<L>(pub(super) L);

/// One path with its name in tables.
struct Path<'s> {
    variant: &'s dyn Variant,
    size: Option<u32>,
    role: Role,
}

impl<L: Load + 'static> Scenario for OverPaths<L> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn about(&self) -> &str {
        self.0.about()
    }

    fn estimate(&self, scope: &Scope) -> Duration {
        let sets = u32::try_from(self.0.parameters().len()).unwrap_or(u32::MAX);
        let measuring = (self.0.takes(scope.window) + AROUND) * scope.rounds * sets;
        let of_path = |path: Path<'_>| {
            let each = path.variant.each_takes();
            match path.size.unwrap_or(1) {
                size if size > path.variant.largest() => Duration::ZERO,
                size => BUILDING + each * size + measuring,
            }
        };
        paths(scope).into_iter().map(of_path).sum()
    }

    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult> {
        let load = &self.0;
        let mut skipped = Vec::new();
        let mut beds: Vec<(Path<'_>, Bed)> = Vec::new();
        for path in paths(scope) {
            interrupt::check()?;
            view.say(&format!("{}: {} is built", load.name(), path.name()));
            match caught(|| build(load, &path)) {
                Ok(bed) => beds.push((path, bed)),
                Err(error) => {
                    skipped.push(Skipped { variant: path.name(), why: format!("{error:#}") });
                }
            }
        }
        let mut cases = Vec::new();
        let mut on = Vec::new();
        for parameters in load.parameters() {
            for (path, bed) in &beds {
                cases.push(Case { parameters: parameters.clone(), ..path.case() });
                on.push((bed, parameters.clone()));
            }
        }
        let pace = Pace { rounds: scope.rounds, seed: scope.seed };
        let metrics = load.metrics();
        let cases = interleave(&cases, &metrics, pace, view, |number| {
            let (bed, parameters) = &on[number];
            caught(|| load.measure(bed, parameters, scope.window))
        });
        Ok(ScenarioResult {
            name: load.name().to_owned(),
            about: load.about().to_owned(),
            metrics,
            baseline: scope.baseline.clone(),
            unfair: unfair(load.unfair(), beds.iter().map(|(path, _)| path.variant)),
            controls: controls(&cases),
            cases,
            skipped,
        })
    }

    fn into_load(self: Box<Self>) -> Option<Box<dyn Load>> {
        Some(Box::new(self.0))
    }
}

impl Path<'_> {
    fn name(&self) -> String {
        match self.size {
            Some(size) => format!("{} {size}", self.variant.name()),
            None => self.variant.name().to_owned(),
        }
    }

    fn case(&self) -> Case {
        let counts = self.variant.counts().unwrap_or_default();
        Case {
            variant: self.variant.name().to_owned(),
            size: self.size.map(|size| (size, counts.to_owned())),
            parameters: crate::results::Parameters::new(),
            role: self.role,
        }
    }
}

/// Each variant, at each size where it counts something; the baseline twice.
fn paths(scope: &Scope) -> Vec<Path<'_>> {
    let mut paths = Vec::new();
    for variant in &scope.variants {
        let variant: &dyn Variant = &**variant;
        let path = |size, role| Path { variant, size, role };
        if variant.name() == scope.baseline {
            paths.extend([path(None, Role::Baseline), path(None, Role::Control)]);
        } else if variant.counts().is_some() {
            paths.extend(scope.sizes.iter().map(|size| path(Some(*size), Role::Subject)));
        } else {
            paths.push(path(None, Role::Subject));
        }
    }
    paths
}

/// Builds a path and proves that what is sent arrives.
fn build(load: &impl Load, path: &Path<'_>) -> Result<Bed> {
    let size = path.size.unwrap_or(1);
    if let Some(why) = refusal(path.variant, size) {
        bail!(why);
    }
    let bed = path.variant.build(size)?;
    for parameters in load.parameters() {
        load.validate(&bed, &parameters)?;
    }
    Ok(bed)
}
