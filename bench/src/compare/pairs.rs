//! The cases that two runs have in common, figure by figure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::change::{Change, Controls, judge};
use crate::report::{parameters, path};
use crate::results::{CaseResult, Control, Metric, Parameters, Results, Role, ScenarioResult};

/// What two runs say of each other.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// Where they were not made alike: what, in A, in B.
    pub(super) differences: Vec<Difference>,
    /// What both have.
    pub(super) figures: Vec<Figure>,
    /// Cases of A that B has not.
    pub(super) only_a: Vec<String>,
    /// Cases of B that A has not.
    pub(super) only_b: Vec<String>,
}

/// Something about the runs themselves.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) what: String,
    pub(super) a: String,
    pub(super) b: String,
}

/// One metric of one case in both runs.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) scenario: String,
    pub(super) case: String,
    /// The same in two parts, for people: `nft-ports 1000`, and with what.
    #[serde(skip)]
    pub(super) path: String,
    #[serde(skip)]
    pub(super) with: String,
    pub(super) metric: Metric,
    /// Over the baseline of its own run; else as measured.
    pub(super) relative: bool,
    /// The median of A.
    pub(super) a: f64,
    /// The median of B.
    pub(super) b: f64,
    /// What it was over, in each run.
    pub(super) baseline: Option<Baseline>,
    pub(super) change: Change,
}

/// The baseline's own figure, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Baseline {
    pub(super) name: String,
    pub(super) a: f64,
    pub(super) b: f64,
}

/// Of a machine, what differs from run to run anyhow.
const FLEETING: [&str; 4] = ["date", "command", "load", "memory"];

/// Compares all that they have in common.
pub(super) fn compare(a: &Results, b: &Results, seed: u64) -> Comparison {
    let (cases_a, cases_b) = (cases(a), cases(b));
    let mut figures = Vec::new();
    for one in &a.scenarios {
        let Some(other) = b.scenarios.iter().find(|other| other.name == one.name) else { continue };
        for case in subjects(one) {
            if let Some(match_) = subjects(other).find(|other| name(other) == name(case)) {
                figures.extend(
                    one.metrics
                        .iter()
                        .filter_map(|metric| figure([one, other], [case, match_], metric, seed)),
                );
            }
        }
    }
    Comparison {
        differences: differences(a, b),
        figures,
        only_a: cases_a.difference(&cases_b).cloned().collect(),
        only_b: cases_b.difference(&cases_a).cloned().collect(),
    }
}

fn figure(
    scenarios: [&ScenarioResult; 2],
    cases: [&CaseResult; 2],
    metric: &Metric,
    seed: u64,
) -> Option<Figure> {
    // What was offered says nothing of who carried it.
    let higher_is_better = metric.higher_is_better.filter(|_| metric.has_ratio())?;
    let figures = [cases[0].figures.get(&metric.name)?, cases[1].figures.get(&metric.name)?];
    let baselines = [baseline(scenarios[0], cases[0]), baseline(scenarios[1], cases[1])];
    let mut relative = None;
    if let ([Some(one), Some(other)], true) = (baselines, scenarios[0].baseline == scenarios[1].baseline) {
        let of = [one.figures.get(&metric.name)?, other.figures.get(&metric.name)?];
        let medians = of.map(|figure| figure.value.median);
        let name = scenarios[0].baseline.clone();
        relative = Some((of, Baseline { name, a: medians[0], b: medians[1] }));
    }
    let rounds = |run: usize| -> Vec<f64> {
        let own = &figures[run].rounds;
        match &relative {
            Some((of, _)) => {
                let pairs = own.iter().zip(&of[run].rounds);
                pairs
                    .filter_map(|(own, its)| Some((*own)? / (*its)?))
                    .filter(|ratio| ratio.is_finite())
                    .collect()
            }
            None => own.iter().copied().flatten().collect(),
        }
    };
    let (a, b) = (rounds(0), rounds(1));
    let controls = [0, 1].map(|run| controls(scenarios[run], metric, &cases[run].parameters));
    let controls = Controls {
        off: controls[0].off.max(controls[1].off),
        inconclusive: controls[0].inconclusive || controls[1].inconclusive,
    };
    Some(Figure {
        scenario: scenarios[0].name.clone(),
        case: name(cases[0]),
        path: path(cases[0]),
        with: parameters(&cases[0].parameters),
        metric: metric.clone(),
        relative: relative.is_some(),
        a: crate::stats::median(&a),
        b: crate::stats::median(&b),
        change: judge(&a, &b, controls, higher_is_better, seed),
        baseline: relative.map(|(_, baseline)| baseline),
    })
}

/// Cases that say something of their own.
fn subjects(scenario: &ScenarioResult) -> impl Iterator<Item = &CaseResult> {
    scenario.cases.iter().filter(|case| case.role == Role::Subject)
}

fn baseline<'s>(scenario: &'s ScenarioResult, case: &CaseResult) -> Option<&'s CaseResult> {
    let is_it = |other: &&CaseResult| {
        let of_size = other.size.is_none() || other.size == case.size;
        other.role == Role::Baseline && other.parameters == case.parameters && of_size
    };
    scenario.cases.iter().find(is_it)
}

/// What is known of the noise: the worst of the controls, where there are several.
fn controls(scenario: &ScenarioResult, metric: &Metric, parameters: &Parameters) -> Controls {
    let is_it = |control: &&Control| control.metric == metric.name && control.parameters == *parameters;
    let off = |ratio: f64| (ratio - 1.0).abs().max((1.0 / ratio - 1.0).abs());
    scenario.controls.iter().filter(is_it).fold(Controls { off: 0.0, inconclusive: false }, |worst, one| {
        Controls {
            off: worst.off.max(off(one.ratio.median)),
            inconclusive: worst.inconclusive || one.inconclusive,
        }
    })
}

/// `nft-ports 1000, payload_bytes 64`.
fn name(case: &CaseResult) -> String {
    let size = case.size.map(|size| format!(" {size}")).unwrap_or_default();
    let parameters = case.parameters.iter().map(|(key, value)| match value.as_str() {
        Some(word) => format!(", {key} {word}"),
        None => format!(", {key} {value}"),
    });
    format!("{}{size}{}", case.variant, parameters.collect::<String>())
}

fn cases(results: &Results) -> BTreeSet<String> {
    let of = |scenario: &ScenarioResult| -> Vec<String> {
        subjects(scenario).map(|case| format!("{}: {}", scenario.name, name(case))).collect()
    };
    results.scenarios.iter().flat_map(of).collect()
}

fn differences(a: &Results, b: &Results) -> Vec<Difference> {
    let facts = |run: &Results| -> BTreeMap<String, String> {
        let mut facts = run.machine.clone();
        facts.retain(|name, _| !FLEETING.contains(&name.as_str()));
        facts.extend(run.settings.clone());
        facts.insert("quick".to_owned(), run.quick.to_string());
        facts.insert("complete".to_owned(), run.complete.to_string());
        facts.insert("tool".to_owned(), run.tool.clone());
        facts
    };
    let (a, b) = (facts(a), facts(b));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let fact = |of: &BTreeMap<String, String>, name: &String| of.get(name).cloned().unwrap_or_default();
    let both =
        names.into_iter().map(|name| Difference { what: name.clone(), a: fact(&a, name), b: fact(&b, name) });
    both.filter(|difference| difference.a != difference.b).collect()
}
