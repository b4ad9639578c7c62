//! A comparison for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::change::{FEWEST, UNCHANGED, Verdict};
use super::pairs::{Comparison, Figure};

/// So many names are told of what only one run has.
const NAMES: usize = 5;

/// What changed, then how much did not.
pub(super) fn table(comparison: &Comparison) -> String {
    let mut text = String::new();
    for difference in &comparison.differences {
        let said = |value: &str| if value.is_empty() { "not known".to_owned() } else { value.to_owned() };
        let (a, b) = (said(&difference.a), said(&difference.b));
        // Two long ones would not stand side by side.
        if difference.what.len() + a.len() + b.len() < 64 {
            writeln!(text, "{} differs: A {a}, B {b}", difference.what).ok();
        } else {
            writeln!(text, "{} differs:\n  A  {a}\n  B  {b}", difference.what).ok();
        }
    }
    if !comparison.differences.is_empty() {
        text.push('\n');
    }
    let changed: Vec<&Figure> = comparison.figures.iter().filter(|figure| is_changed(figure)).collect();
    let mut scenarios: Vec<&str> = changed.iter().map(|figure| figure.scenario.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let of_it = changed.iter().copied().filter(|figure| figure.scenario == scenario);
        let with: BTreeSet<&str> = of_it.clone().map(|figure| figure.with.as_str()).collect();
        for with in with {
            let figures: Vec<&Figure> = of_it.clone().filter(|figure| figure.with == with).collect();
            let head = if with.is_empty() { scenario.to_owned() } else { format!("{scenario}, {with}") };
            text += &scenario_table(&head, &figures);
        }
    }
    if changed.is_empty() {
        text += "nothing changed beyond noise\n";
    }
    text + &counts(comparison)
}

fn is_changed(figure: &Figure) -> bool {
    matches!(figure.change.verdict, Verdict::Better | Verdict::Worse)
}

fn scenario_table(scenario: &str, figures: &[&Figure]) -> String {
    let row = |figure: &&Figure| {
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        let ratio = figure.change.ratio;
        let per = if figure.relative { 1.0 } else { figure.metric.per_unit };
        let title = if figure.relative {
            figure.metric.title.clone()
        } else {
            format!("{}, {} *", figure.metric.title, figure.metric.unit)
        };
        let change = format!("{:+.1} %", percent(ratio.median));
        let interval = format!("{:+.1} to {:+.1}", percent(ratio.from), percent(ratio.to));
        let verdict = if figure.change.verdict == Verdict::Better { "better" } else { "worse" };
        let [a, b] = [figure.a, figure.b].map(|value| short(value / per));
        [figure.path.clone(), title, a, b, change, interval, verdict.to_owned()]
    };
    let head = ["case", "metric", "A", "B", "change", "99 % interval", ""].map(str::to_owned);
    let rows: Vec<[String; 7]> = [head].into_iter().chain(figures.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = format!("{scenario}\n");
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| match column {
            2..=5 => format!("  {cell:>width$}", width = widths[column]),
            _ => format!("  {cell:<width$}", width = widths[column]),
        });
        writeln!(text, "{}", cells.collect::<String>().trim_end()).ok();
    }
    let over: BTreeSet<String> = figures.iter().filter_map(|figure| baseline(figure)).collect();
    for line in over {
        writeln!(text, "  {line}").ok();
    }
    if figures.iter().any(|figure| !figure.relative) {
        text += "  * as measured: there is no baseline\n";
    }
    text + "\n"
}

/// What the figures are over, without which a ratio says little.
fn baseline(figure: &Figure) -> Option<String> {
    let baseline = figure.baseline.as_ref()?;
    let metric = &figure.metric;
    let [a, b] = [baseline.a, baseline.b].map(|value| short(value / metric.per_unit));
    Some(format!("over {}: {} {a} and {b} {}", baseline.name, metric.title, metric.unit))
}

/// Four digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.3}"),
        ..100.0 => format!("{value:.2}"),
        ..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn counts(comparison: &Comparison) -> String {
    let count = |verdict| comparison.figures.iter().filter(|one| one.change.verdict == verdict).count();
    let [better, worse, unchanged, inconclusive] =
        [Verdict::Better, Verdict::Worse, Verdict::Unchanged, Verdict::Inconclusive].map(count);
    let within = UNCHANGED * 100.0;
    let mut text = format!(
        "{better} better, {worse} worse, {unchanged} unchanged within {within} %, {inconclusive} inconclusive\n"
    );
    let reasons: BTreeSet<&str> = comparison.figures.iter().filter_map(|figure| figure.change.why).collect();
    for reason in reasons {
        let of = comparison.figures.iter().filter(|figure| figure.change.why == Some(reason)).count();
        let more =
            if reason == "too few rounds" { format!(" ({FEWEST} at the least)") } else { String::new() };
        writeln!(text, "  inconclusive since {reason}{more}: {of}").ok();
    }
    for (run, cases) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        if cases.is_empty() {
            continue;
        }
        writeln!(text, "only in {run}: {} cases", cases.len()).ok();
        for case in cases.iter().take(NAMES) {
            writeln!(text, "  {case}").ok();
        }
        if cases.len() > NAMES {
            writeln!(text, "  and {} more", cases.len() - NAMES).ok();
        }
    }
    text
}
