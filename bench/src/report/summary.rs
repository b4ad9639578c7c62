//! What a run found, as a table for the terminal: 80 columns, unless a name is longer than most.

use std::fmt::Write as _;

use crate::report::figures::{control, sets};
use crate::report::remarks::{left_out, remarks, verdict};
use crate::report::wording::{decimals, number, parameters, ratio, span, title};
use crate::results::{CaseResult, Figure, Metric, Parameters, Results, Role, ScenarioResult};

/// Lines of text are broken to fit.
const WIDE: usize = 78;

/// The whole run.
pub(crate) fn summary(results: &Results) -> String {
    let mut text = String::new();
    for (key, value) in results.machine.iter().chain(&results.settings) {
        paragraph(&mut text, &format!("{key:<15} "), value);
    }
    for scenario in &results.scenarios {
        of_scenario(&mut text, scenario);
    }
    let remarks = remarks(results);
    if !remarks.is_empty() {
        text.push('\n');
    }
    for remark in remarks {
        paragraph(&mut text, "", &remark);
    }
    text
}

fn of_scenario(text: &mut String, scenario: &ScenarioResult) {
    text.push('\n');
    paragraph(text, "", &format!("{}: {}", scenario.name, scenario.about));
    for metric in &scenario.metrics {
        for set in sets(scenario) {
            block(text, scenario, metric, &set);
        }
    }
    text.push('\n');
    for line in &scenario.unfair {
        paragraph(text, "  unfair: ", line);
    }
    for case in &scenario.cases {
        if let Some(why) = &case.failed {
            let with = parameters(&case.parameters);
            let with = if with.is_empty() { with } else { format!(", {with}") };
            paragraph(text, "  given up: ", &format!("{}{with}: {why}", crate::report::wording::path(case)));
        }
    }
    for skipped in &scenario.skipped {
        paragraph(text, "  skipped: ", &format!("{}: {}", skipped.variant, skipped.why));
    }
    paragraph(text, "  ", &left_out(scenario));
}

fn block(text: &mut String, scenario: &ScenarioResult, metric: &Metric, set: &Parameters) {
    let mut rows: Vec<(&CaseResult, &Figure)> = scenario
        .cases
        .iter()
        .filter(|case| case.parameters == *set)
        .filter_map(|case| Some((case, case.figures.get(&metric.name)?)))
        .collect();
    if rows.is_empty() {
        return;
    }
    // A ratio stands below what it is over.
    rows.sort_by_key(|(case, _)| case.role != Role::Baseline);
    let control = control(scenario, metric, set);
    let off = control.is_some_and(|control| control.inconclusive);
    let digits = decimals(rows.iter().map(|(_, figure)| figure.value.median / metric.per_unit));
    let with = if set.is_empty() { String::new() } else { format!(", {}", parameters(set)) };
    let names = rows.iter().map(|(case, _)| case.variant.chars().count()).max().unwrap_or(0).max(22);
    let over = format!("over {}", scenario.baseline);
    // Writing to a String cannot fail.
    writeln!(text, "\n  {}{with}", title(metric)).ok();
    writeln!(text, "  {:names$} {:>8} {:>12}  {over:>12}  95 % interval", "", "N", "median").ok();
    for (case, figure) in rows {
        let size = case.size.map(|size| number(f64::from(size), 0)).unwrap_or_default();
        let role = crate::report::wording::role(case.role);
        let name = [case.variant.as_str(), role].join(if role.is_empty() { "" } else { ", " });
        let median = number(figure.value.median / metric.per_unit, digits);
        let doubted = off && case.role == Role::Subject && has_ratio(figure);
        let (over, within) = match &figure.ratio {
            Some(over) if doubted => (format!("{}?", ratio(over.median)), "inconclusive".to_owned()),
            Some(over) => (ratio(over.median), span(over, ratio)),
            None => Default::default(),
        };
        let line = format!("  {name:names$} {size:>8} {median:>12}  {over:>12}  {within}");
        writeln!(text, "{}", line.trim_end()).ok();
    }
    if let Some(control) = control {
        writeln!(text, "  {} beside itself: {}", scenario.baseline, verdict(control)).ok();
    }
}

/// Whether there is a ratio that could be doubted.
fn has_ratio(figure: &Figure) -> bool {
    figure.ratio.is_some_and(|over| over.median.is_finite())
}

/// Broken between words; what follows the first line stands below the words of it.
fn paragraph(text: &mut String, head: &str, words: &str) {
    let indent = " ".repeat(head.len());
    let mut line = head.to_owned();
    for word in words.split_whitespace() {
        if line.len() > head.len() && line.chars().count() + word.chars().count() >= WIDE {
            writeln!(text, "{}", line.trim_end()).ok();
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    writeln!(text, "{}", line.trim_end()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::specimen;

    fn of(name: &str) -> String {
        let mut run = specimen::run();
        run.scenarios.retain(|scenario| scenario.name == name);
        summary(&run)
    }

    #[test]
    fn the_baseline_stands_above_its_ratios() {
        let text = of("crr");
        let lines: Vec<&str> =
            text.lines().skip_while(|line| !line.starts_with("  connections (k/s)")).collect();
        assert!(lines[1].contains("over routing"), "{text}");
        assert!(lines[2].starts_with("  routing") && lines[2].contains("baseline"), "{text}");
        assert!(
            lines.iter().any(|line| line.starts_with("  routing beside itself: 1.004 (0.994 to 1.013)")),
            "{text}"
        );
    }

    #[test]
    fn a_ratio_beside_a_noisy_control_is_marked() {
        let text = of("udp");
        let marked = text.lines().filter(|line| line.ends_with("  inconclusive")).count();
        assert_eq!(marked, 2 * 11, "two metrics at 64 bytes, twelve variants, one given up: {text}");
        assert!(text.contains("1.052 (1.010 to 1.090): inconclusive, more than 3 % off"));
    }

    #[test]
    fn what_is_not_there_is_told() {
        assert!(of("rr").contains("  skipped: docker-proxy: no program"));
        assert!(of("udp").contains("  given up: "), "{}", of("udp"));
        assert!(of("udp").contains("41 of 451 measurements left out"), "{}", of("udp"));
        assert!(of("udp").contains("\nIncomplete: "));
    }

    #[test]
    fn lines_fit_a_terminal() {
        let mut run = specimen::run();
        for scenario in &mut run.scenarios {
            scenario.cases.retain(|case| case.variant != specimen::LONG);
        }
        let text = summary(&run);
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{long:#?}");
    }
}
