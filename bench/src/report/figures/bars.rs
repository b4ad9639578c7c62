//! One figure for each case, from zero.

use super::{Drawing, Palette, cases, drawing, shown};
use crate::report::plot::axis::Axis;
use crate::report::plot::{Bar, Plot};
use crate::report::wording::{decimals, number, path, title};
use crate::results::{Interval, Metric, Parameters, Role, ScenarioResult};

pub(super) fn bars(
    scenario: &ScenarioResult,
    metric: &Metric,
    set: &Parameters,
    palette: &Palette,
) -> Drawing {
    let mut cases = cases(scenario, metric, set);
    // What the others are compared with, above them.
    cases.sort_by_key(|(case, _)| case.role != Role::Baseline);
    let figures: Vec<Interval> = cases.iter().map(|(_, figure)| shown(figure.value, metric)).collect();
    let all: Vec<f64> = figures.iter().flat_map(|figure| [figure.median, figure.from, figure.to]).collect();
    let (least, most) =
        all.iter().fold((f64::INFINITY, 0.0f64), |(least, most), one| (least.min(*one), most.max(*one)));
    // The shortest of the bars would not be seen.
    let far = least > 0.0 && most / least > 200.0;
    let axis = if far { Axis::log(&title(metric), &all) } else { Axis::from_zero(&title(metric), &all) };
    let digits = decimals(figures.iter().map(|figure| figure.median));
    let bars: Vec<Bar> = cases
        .iter()
        .zip(&figures)
        .map(|((case, _), figure)| Bar {
            name: path(case),
            mark: palette.mark(case),
            value: axis.place(figure.median),
            span: (axis.place(figure.from), axis.place(figure.to)),
            label: number(figure.median, digits),
        })
        .collect();
    drawing(scenario, metric, set, (!bars.is_empty()).then_some(Plot::Bars { axis, bars }))
}
