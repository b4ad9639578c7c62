//! The figures of one metric in digits, with their baseline in the first row of each group.

use std::fmt::Write as _;

use anyhow::Result;

use crate::report::figures::{control, sets};
use crate::report::markup::escaped;
use crate::report::remarks::verdict;
use crate::report::wording::{self, decimals, number, parameters, ratio, span};
use crate::results::{CaseResult, Figure, Metric, Parameters, Role, ScenarioResult};

/// Tables up to this length stand open.
const SHORT: usize = 16;

/// Appends it.
pub(super) fn table(html: &mut String, scenario: &ScenarioResult, metric: &Metric) -> Result<()> {
    let rows = scenario.cases.iter().filter(|case| case.figures.contains_key(&metric.name)).count();
    if rows == 0 {
        return Ok(());
    }
    let figures = scenario.cases.iter().filter_map(|case| case.figures.get(&metric.name));
    let digits = decimals(figures.map(|figure| figure.value.median / metric.per_unit));
    let title = escaped(&wording::title(metric));
    let open = if rows <= SHORT { " open" } else { "" };
    writeln!(
        html,
        "<details{open}>\n<summary>{title} <span>{rows} rows</span></summary>\n<div class=\"scroll\">\n<table>\n\
         <thead><tr><th scope=\"col\">variant</th><th class=\"n\" scope=\"col\">N</th><th class=\"n\" scope=\"col\">{title}</th>\
         <th class=\"n\" scope=\"col\">95 % interval</th><th class=\"n\" scope=\"col\">over {}</th>\
         <th class=\"n\" scope=\"col\">95 % interval</th><th class=\"n\" scope=\"col\">rounds</th>\
         <th class=\"n\" scope=\"col\">left out</th></tr></thead>",
        escaped(&scenario.baseline),
    )?;
    for set in sets(scenario) {
        group(html, scenario, metric, &set, digits)?;
    }
    html.push_str("</table>\n</div>\n</details>\n");
    Ok(())
}

fn group(
    html: &mut String,
    scenario: &ScenarioResult,
    metric: &Metric,
    set: &Parameters,
    digits: usize,
) -> Result<()> {
    let control = control(scenario, metric, set);
    let off = control.is_some_and(|control| control.inconclusive);
    html.push_str(if off { "<tbody class=\"off\">\n" } else { "<tbody>\n" });
    if !set.is_empty() {
        writeln!(
            html,
            "<tr class=\"group\"><th colspan=\"8\" scope=\"rowgroup\">{}</th></tr>",
            escaped(&parameters(set))
        )?;
    }
    let mut cases: Vec<&CaseResult> = scenario.cases.iter().filter(|case| case.parameters == *set).collect();
    cases.sort_by_key(|case| match case.role {
        Role::Baseline => 0,
        Role::Control => 1,
        Role::Subject => 2,
    });
    for case in cases {
        if let Some(figure) = case.figures.get(&metric.name) {
            row(html, case, figure, metric, digits, off)?;
        }
    }
    if let Some(control) = control {
        writeln!(
            html,
            "<tr class=\"control\"><td colspan=\"8\">{} measured beside itself: {}</td></tr>",
            escaped(&scenario.baseline),
            escaped(&verdict(control))
        )?;
    }
    html.push_str("</tbody>\n");
    Ok(())
}

fn row(
    html: &mut String,
    case: &CaseResult,
    figure: &Figure,
    metric: &Metric,
    digits: usize,
    off: bool,
) -> Result<()> {
    let role = wording::role(case.role);
    let tag = if role.is_empty() { String::new() } else { format!(" <em>{role}</em>") };
    let show = |value: f64| number(value / metric.per_unit, digits);
    // A ratio that proves nothing is marked in its own cell, also where it is copied from.
    let doubt = if off && figure.ratio.is_some_and(|over| over.median.is_finite()) { "?" } else { "" };
    let (over, within) = figure
        .ratio
        .as_ref()
        .map_or_else(Default::default, |over| (format!("{}{doubt}", ratio(over.median)), span(over, ratio)));
    let given_up = if case.failed.is_some() { " <em>given up</em>" } else { "" };
    write!(html, "<tr class=\"{role}\"><th scope=\"row\">{}{tag}{given_up}</th>", escaped(&case.variant))?;
    let size = case.size.map(|size| number(f64::from(size), 0)).unwrap_or_default();
    let cells = [
        size,
        show(figure.value.median),
        span(&figure.value, show),
        over,
        within,
        case.rounds.to_string(),
        case.stolen_rounds.to_string(),
    ];
    for cell in cells {
        write!(html, "<td class=\"n\">{cell}</td>")?;
    }
    html.push_str("</tr>\n");
    Ok(())
}
