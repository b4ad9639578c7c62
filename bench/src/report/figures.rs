//! Which plots a scenario gets, by what varies in it: latencies of single requests a distribution,
//! a rate a line over it, several N a line over them, and everything else bars. A scenario that
//! this file has never heard of gets its plots too.

mod bars;
mod distribution;
mod over;

use std::collections::BTreeSet;

use bars::bars;
use distribution::distribution;
use over::{over_rates, over_sizes};

use crate::report::plot::axis::Axis;
use crate::report::plot::ink::Mark;
use crate::report::plot::{Plot, Point, Series};
use crate::report::wording::{parameters, title};
use crate::results::{
    CaseResult, Control, Figure, Interval, Metric, Parameters, Results, Role, ScenarioResult,
};

/// One plot with what stands under it.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    /// Of letters, digits and dashes; unlike any other of the page.
    pub(crate) id: String,
    /// What is seen.
    pub(crate) title: String,
    /// How to read it.
    pub(crate) caption: String,
    /// Where the baseline beside itself is off: it proves nothing.
    pub(crate) inconclusive: bool,
    /// The plot itself; none where nothing was measured.
    pub(crate) plot: Option<Plot>,
}

/// The parameter that limiters are drawn over.
const RATE: &str = "rate_bits_per_s";

/// How each variant of a run looks: the same in all its plots.
#[derive(Debug)]
pub(crate) struct Palette(Vec<String>);

impl Palette {
    /// In the order in which variants appear.
    pub(crate) fn of(results: &Results) -> Self {
        let mut names: Vec<String> = Vec::new();
        let cases = results.scenarios.iter().flat_map(|scenario| &scenario.cases);
        for case in cases.filter(|case| case.role == Role::Subject) {
            if !names.contains(&case.variant) {
                names.push(case.variant.clone());
            }
        }
        Self(names)
    }

    fn mark(&self, case: &CaseResult) -> Mark {
        let place = self.0.iter().position(|name| *name == case.variant);
        place.filter(|_| case.role == Role::Subject).map_or_else(Mark::baseline, Mark::nth)
    }
}

/// All plots of a scenario: distributions first, then metric after metric.
pub(crate) fn drawings(scenario: &ScenarioResult, palette: &Palette) -> Vec<Drawing> {
    let sets = sets(scenario);
    let mut drawings: Vec<Drawing> =
        sets.iter().filter_map(|set| distribution(scenario, set, palette)).collect();
    let rates: BTreeSet<u64> =
        sets.iter().filter_map(|set| set.get(RATE)?.as_f64()).map(f64::to_bits).collect();
    for metric in &scenario.metrics {
        if rates.len() > 1 {
            let mut rest: Vec<Parameters> = Vec::new();
            for set in &sets {
                let mut set = set.clone();
                set.remove(RATE);
                if !rest.contains(&set) {
                    rest.push(set);
                }
            }
            drawings.extend(rest.iter().map(|set| over_rates(scenario, metric, set, palette)));
        } else {
            for set in &sets {
                let cases = cases(scenario, metric, set);
                let sizes: BTreeSet<u32> =
                    cases.iter().filter_map(|(case, _)| case.size).filter(|n| *n > 0).collect();
                drawings.push(if sizes.len() > 1 {
                    over_sizes(scenario, metric, set, palette)
                } else {
                    bars(scenario, metric, set, palette)
                });
            }
        }
    }
    drawings
}

/// The sets of parameters of a scenario, in their order.
pub(crate) fn sets(scenario: &ScenarioResult) -> Vec<Parameters> {
    let mut sets: Vec<Parameters> = Vec::new();
    for case in &scenario.cases {
        if !sets.contains(&case.parameters) {
            sets.push(case.parameters.clone());
        }
    }
    sets
}

/// The baseline beside itself, of one metric with one set.
pub(crate) fn control<'s>(
    scenario: &'s ScenarioResult,
    metric: &Metric,
    set: &Parameters,
) -> Option<&'s Control> {
    scenario.controls.iter().find(|control| control.metric == metric.name && control.parameters == *set)
}

/// Whose figures can be drawn: of one metric with one set, the control left out.
fn cases<'s>(
    scenario: &'s ScenarioResult,
    metric: &Metric,
    set: &Parameters,
) -> Vec<(&'s CaseResult, &'s Figure)> {
    let with = |case: &&CaseResult| case.role != Role::Control && case.parameters == *set;
    let cases = scenario.cases.iter().filter(with);
    cases
        .filter_map(|case| Some((case, case.figures.get(&metric.name)?)))
        .filter(|(_, figure)| figure.value.median.is_finite())
        .collect()
}

fn drawing(scenario: &ScenarioResult, metric: &Metric, set: &Parameters, plot: Option<Plot>) -> Drawing {
    let better = match metric.higher_is_better {
        Some(true) => "More is better. ",
        Some(false) => "Less is better. ",
        None => "",
    };
    let line = if matches!(plot, Some(Plot::Bars { .. })) { "dashed" } else { "heavy" };
    let control = control(scenario, metric, set);
    let inconclusive = control.is_some_and(|control| control.inconclusive);
    Drawing {
        id: id(scenario, &metric.name, set),
        title: among(&title(&Metric { unit: String::new(), ..metric.clone() }), set),
        caption: format!(
            "{better}Medians with 95 % intervals; {line} line: {}, the baseline.",
            scenario.baseline
        ),
        inconclusive,
        plot,
    }
}

fn series(
    case: &CaseResult,
    points: &[(f64, Interval)],
    level: bool,
    [x, y]: [&Axis; 2],
    palette: &Palette,
) -> Series {
    let mut points: Vec<Point> = points
        .iter()
        .map(|(at, figure)| Point {
            x: x.place(*at),
            y: y.place(figure.median),
            span: (y.place(figure.from), y.place(figure.to)),
        })
        .collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    Series { name: case.variant.clone(), mark: palette.mark(case), points, level, every: 1 }
}

fn over<'i>(metric: &Metric, figures: impl Iterator<Item = &'i Interval>) -> Axis {
    let all: Vec<f64> = figures.flat_map(|figure| [figure.median, figure.from, figure.to]).collect();
    Axis::of(&title(metric), &all)
}

fn shown(figure: Interval, metric: &Metric) -> Interval {
    let by = |of: f64| of / metric.per_unit;
    // Too few rounds for an interval: the mark stands alone.
    let or_median = |end: f64| by(if end.is_nan() { figure.median } else { end });
    Interval { median: by(figure.median), from: or_median(figure.from), to: or_median(figure.to) }
}

fn among(title: &str, set: &Parameters) -> String {
    let mut title = title.to_owned();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if set.is_empty() { title } else { format!("{title}: {}", parameters(set)) }
}

/// For links and file names.
fn id(scenario: &ScenarioResult, what: &str, set: &Parameters) -> String {
    let text = format!("{} {what} {}", scenario.name, parameters(set)).to_lowercase();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::specimen;

    fn kinds(name: &str) -> String {
        let run = specimen::run();
        let scenario = run.scenarios.iter().find(|scenario| scenario.name == name).expect("a scenario");
        let drawings = drawings(scenario, &Palette::of(&run));
        let kind = |drawing: &Drawing| match &drawing.plot {
            Some(Plot::Lines { x, .. }) => x.title.clone(),
            Some(Plot::Bars { .. }) => "bars".to_owned(),
            None => "nothing".to_owned(),
        };
        drawings.iter().map(kind).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_varies_chooses_the_plot() {
        assert_eq!(kinds("rr"), format!("round trip (us){}", "; N: containers or ports".repeat(4)));
        assert_eq!(kinds("udp"), ["bars"; 6].join("; "));
        assert_eq!(kinds("limit-tcp"), ["rate of the limit"; 12].join("; "));
        assert_eq!(kinds("program"), "bars");
    }

    #[test]
    fn a_case_that_failed_is_not_drawn() {
        let run = specimen::run();
        let udp = run.scenarios.iter().find(|scenario| scenario.name == "udp").expect("a scenario");
        let drawings = drawings(udp, &Palette::of(&run));
        let Some(Plot::Bars { bars, .. }) = &drawings[0].plot else { panic!("bars") };
        let drawn = udp.cases.iter().filter(|case| case.parameters == udp.cases[0].parameters).count();
        assert!(bars.iter().all(|bar| bar.value.is_finite()), "{bars:?}");
        assert!(bars.len() < drawn && !bars.is_empty());
    }

    #[test]
    fn an_n_of_zero_has_no_place_on_a_logarithm() {
        let mut run = specimen::run();
        run.scenarios.retain(|scenario| scenario.name == "crr");
        for case in run.scenarios[0].cases.iter_mut().filter(|case| case.size == Some(1)) {
            case.size = Some(0);
        }
        let drawings = drawings(&run.scenarios[0], &Palette::of(&run));
        let Some(Plot::Lines { x, series, .. }) = &drawings[0].plot else { panic!("lines") };
        assert!(x.ends.0.is_finite() && x.ticks.len() == 3, "{x:?}");
        assert!(series.iter().all(|line| line.points.iter().all(|point| point.x.is_finite())));
    }

    #[test]
    fn every_plot_has_a_name_of_its_own() {
        let run = specimen::run();
        let palette = Palette::of(&run);
        let ids: Vec<String> = run
            .scenarios
            .iter()
            .flat_map(|scenario| drawings(scenario, &palette))
            .map(|drawing| drawing.id)
            .collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
    }
}
