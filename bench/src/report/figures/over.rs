//! A figure over what varies: the rate of a limit, or N. One line for each variant.

use std::collections::BTreeSet;

use super::{Drawing, Palette, RATE, cases, control, drawing, over, series, sets, shown};
use crate::report::plot::Plot;
use crate::report::plot::axis::Axis;
use crate::report::wording::{path, rate, short};
use crate::results::{CaseResult, Interval, Metric, Parameters, ScenarioResult};

pub(super) fn over_rates(
    scenario: &ScenarioResult,
    metric: &Metric,
    rest: &Parameters,
    palette: &Palette,
) -> Drawing {
    let mut lines: Vec<(&CaseResult, Vec<(f64, Interval)>)> = Vec::new();
    let mut inconclusive = Vec::new();
    for set in sets(scenario) {
        let Some(bits_per_s) = set.get(RATE).and_then(serde_json::Value::as_f64) else { continue };
        let mut others = set.clone();
        others.remove(RATE);
        if others != *rest {
            continue;
        }
        if control(scenario, metric, &set).is_some_and(|control| control.inconclusive) {
            inconclusive.push(rate(bits_per_s));
        }
        for (case, figure) in cases(scenario, metric, &set) {
            let point = (bits_per_s, shown(figure.value, metric));
            match lines.iter_mut().find(|(other, _)| path(other) == path(case) && other.role == case.role) {
                Some((_, points)) => points.push(point),
                None => lines.push((case, vec![point])),
            }
        }
    }
    let of_rates: Vec<f64> =
        lines.iter().flat_map(|(_, points)| points.iter().map(|(rate, _)| *rate)).collect();
    let plot = (!of_rates.is_empty()).then(|| {
        let x = Axis::at("rate of the limit", &of_rates, rate);
        let y = over(metric, lines.iter().flat_map(|(_, points)| points.iter().map(|(_, figure)| figure)));
        let series =
            lines.iter().map(|(case, points)| series(case, points, false, [&x, &y], palette)).collect();
        Plot::Lines { x, y, series }
    });
    let mut drawing = drawing(scenario, metric, rest, plot);
    drawing.inconclusive = !inconclusive.is_empty();
    if drawing.inconclusive {
        drawing.caption = format!("At {}: inconclusive. {}", inconclusive.join(", "), drawing.caption);
    }
    drawing
}

pub(super) fn over_sizes(
    scenario: &ScenarioResult,
    metric: &Metric,
    set: &Parameters,
    palette: &Palette,
) -> Drawing {
    let mut cases = cases(scenario, metric, set);
    // No place on a logarithmic axis; the table has it.
    cases.retain(|(case, _)| case.size != Some(0));
    let sizes: Vec<f64> = cases.iter().filter_map(|(case, _)| case.size).map(f64::from).collect();
    let counted: BTreeSet<&str> = cases.iter().filter_map(|(case, _)| case.counts.as_deref()).collect();
    let counted: Vec<&str> = counted.into_iter().collect();
    let x = Axis::at(&format!("N: {}", counted.join(" or ")), &sizes, short);
    let figures: Vec<Interval> = cases.iter().map(|(_, figure)| shown(figure.value, metric)).collect();
    let y = over(metric, figures.iter());
    let mut lines: Vec<(&CaseResult, Vec<(f64, Interval)>)> = Vec::new();
    for ((case, _), figure) in cases.iter().zip(&figures) {
        let point = (f64::from(case.size.unwrap_or(1)), *figure);
        match lines.iter_mut().find(|(other, _)| other.variant == case.variant && other.role == case.role) {
            Some((_, points)) => points.push(point),
            None => lines.push((case, vec![point])),
        }
    }
    let series =
        lines.iter().map(|(case, points)| series(case, points, case.size.is_none(), [&x, &y], palette));
    let series = series.collect();
    let mut drawing = drawing(scenario, metric, set, Some(Plot::Lines { x, y, series }));
    drawing.caption.push_str(" Level lines have no N.");
    drawing
}
