//! Times of single requests: one curve for each variant.

use super::{Drawing, Palette, among, id};
use crate::report::plot::axis::Axis;
use crate::report::plot::{Plot, Point, Series};
use crate::report::wording::path;
use crate::results::{CaseResult, Distribution, Parameters, Role, ScenarioResult};

pub(super) fn distribution(
    scenario: &ScenarioResult,
    set: &Parameters,
    palette: &Palette,
) -> Option<Drawing> {
    let with = |case: &&CaseResult| case.role != Role::Control && case.parameters == *set;
    let measured = scenario
        .cases
        .iter()
        .filter(with)
        .filter(|case| case.latency.as_ref().is_some_and(|times| times.count > 0));
    // Of a variant that counts something, the curve of its largest N stands for all.
    let mut curves: Vec<&CaseResult> = Vec::new();
    for case in measured {
        match curves.iter_mut().find(|other| other.variant == case.variant && other.role == case.role) {
            Some(other) if other.size < case.size => *other = case,
            Some(_) => {}
            None => curves.push(case),
        }
    }
    let all: Vec<f64> = curves
        .iter()
        .filter_map(|case| case.latency.as_ref())
        .flat_map(|times| &times.ns)
        .map(|ns| micros(*ns))
        .filter(|us| *us > 0.0)
        .collect();
    if all.is_empty() {
        return None;
    }
    let reaches = curves.iter().filter_map(|case| case.latency.as_ref()).map(reach);
    let highest = reaches.fold(1.0, f64::max);
    let (x, y) = (Axis::log("round trip (us)", &all), Axis::shares("requests that took no longer", highest));
    let series = curves.into_iter().filter_map(|case| {
        let times = case.latency.as_ref()?;
        let points: Vec<Point> = times
            .shares
            .iter()
            .zip(&times.ns)
            .filter(|(share, ns)| **ns > 0 && nines(**share) <= reach(times) + 1e-9)
            .map(|(share, ns)| {
                let y = nines(*share).min(highest);
                Point { x: x.place(micros(*ns)), y, span: (y, y) }
            })
            .collect();
        let every = points.len().div_ceil(5).max(2);
        (!points.is_empty()).then(|| Series {
            name: path(case),
            mark: palette.mark(case),
            points,
            level: false,
            every,
        })
    });
    let series = series.collect();
    Some(Drawing {
        id: id(scenario, "distribution", set),
        title: among("Distribution of round trips", set),
        caption: "Over all rounds; of variants that count something, the largest N. Further left is better."
            .to_owned(),
        inconclusive: scenario
            .controls
            .iter()
            .any(|control| control.parameters == *set && control.inconclusive),
        plot: Some(Plot::Lines { x, y, series }),
    })
}

/// As far as a curve means something: past it lies less than one request.
fn reach(times: &Distribution) -> f64 {
    let last = times.shares.last().map_or(0.0, |share| nines(*share));
    last.min(micros(times.count).log10() + 3.0)
}

/// 1 for 90 %, 2 for 99 %.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

#[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are months")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}
