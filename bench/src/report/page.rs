//! The report: one HTML file with everything inside it, no scripts and nothing from a network.

#[cfg(test)]
mod browser;
mod table;

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::report::figures::{Drawing, Palette, drawings};
use crate::report::markup::escaped;
use crate::report::plot::Form;
use crate::report::remarks::{left_out, remarks};
use crate::results::{Results, ScenarioResult};

const STYLE: &str = include_str!("page/style.css");
/// Facts that decide what figures mean, in this order; the rest follows.
const FIRST: [&str; 8] =
    ["kernel", "cpu", "mitigations", "tcp default", "tcp", "offloads", "commit", "dpctl"];

/// The whole page.
pub(crate) fn page(results: &Results) -> Result<String> {
    let palette = Palette::of(results);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Packet paths, {}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>Packet paths</h1>\n<p class=\"when\">{}</p>\n",
        escaped(date(results)),
        escaped(&format!("{}, {} to {}", results.tool, results.started, results.finished)),
    );
    for remark in remarks(results) {
        let (word, rest) = remark.split_once(": ").unwrap_or((&remark, ""));
        writeln!(html, "<p class=\"banner\"><strong>{}:</strong> {}</p>", escaped(word), escaped(rest))?;
    }
    facts(&mut html, results)?;
    contents(&mut html, results)?;
    html.push_str("</header>\n<main>\n");
    for scenario in &results.scenarios {
        section(&mut html, scenario, &palette)
            .with_context(|| format!("draw scenario `{}`", scenario.name))?;
    }
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(html)
}

/// Every plot of a run by itself: its name, and the SVG.
pub(crate) fn plots(results: &Results) -> Result<Vec<(String, String)>> {
    let palette = Palette::of(results);
    let all = results.scenarios.iter().flat_map(|scenario| drawings(scenario, &palette));
    let drawn = all.filter_map(|drawing| {
        let plot = drawing.plot?;
        let svg = plot.svg(Form::Wide, &drawing.title, Some(&drawing.title));
        Some(svg.map(|svg| (drawing.id, svg)))
    });
    drawn.collect()
}

fn facts(html: &mut String, results: &Results) -> Result<()> {
    let place = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    let mut facts: Vec<(&str, String)> =
        results.machine.iter().map(|(key, value)| (&**key, value.clone())).collect();
    facts.retain(|(key, _)| *key != "command" && *key != "date");
    facts.sort_by_key(|(key, _)| place(key));
    facts.push(("command", results.command.join(" ")));
    facts.push(("seed", results.seed.to_string()));
    facts.extend(results.settings.iter().map(|(key, value)| (&**key, value.clone())));
    html.push_str("<dl class=\"facts\">\n");
    for (key, value) in facts {
        writeln!(
            html,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escaped(&key.replace('_', " ")),
            escaped(&value)
        )?;
    }
    html.push_str(
        "</dl>\n<p class=\"about\">Cases run in turn in each round. A ratio is taken within a round, over the \
         baseline of the same round; the median over the rounds stands here with its 95 % interval \
         (bootstrap). The baseline measured beside itself is the control: where that ratio is more than \
         3 % off 1, the figures beside it are inconclusive.</p>\n",
    );
    Ok(())
}

fn contents(html: &mut String, results: &Results) -> Result<()> {
    html.push_str("<nav><ol>\n");
    for scenario in &results.scenarios {
        let name = escaped(&scenario.name);
        writeln!(html, "<li><a href=\"#{name}\">{name}</a></li>")?;
    }
    html.push_str("</ol></nav>\n");
    Ok(())
}

fn section(html: &mut String, scenario: &ScenarioResult, palette: &Palette) -> Result<()> {
    let name = escaped(&scenario.name);
    writeln!(
        html,
        "<section id=\"{name}\">\n<h2>{name}</h2>\n<p class=\"about\">{}</p>",
        escaped(&scenario.about)
    )?;
    let drawings = drawings(scenario, palette);
    let alone = drawings.len() == 1;
    html.push_str("<div class=\"plots\">\n");
    for drawing in &drawings {
        let wide = alone || drawing.id.contains("-distribution");
        figure(html, drawing, if wide { Form::Wide } else { Form::Half })?;
    }
    html.push_str("</div>\n");
    for metric in &scenario.metrics {
        table::table(html, scenario, metric)?;
    }
    html.push_str("<div class=\"notes\">\n");
    if !scenario.unfair.is_empty() {
        html.push_str("<h3>What is unfair</h3>\n<ul>\n");
        for line in &scenario.unfair {
            writeln!(html, "<li>{}</li>", escaped(line))?;
        }
        html.push_str("</ul>\n");
    }
    let failed = scenario.cases.iter().filter_map(|case| {
        let why = case.failed.as_ref()?;
        Some((crate::report::wording::path(case), crate::report::wording::parameters(&case.parameters), why))
    });
    let failed = failed.map(|(path, with, why)| {
        (if with.is_empty() { path } else { format!("{path}, {with}") }, format!("given up: {why}"))
    });
    let skipped = scenario.skipped.iter().map(|one| (one.variant.clone(), one.why.clone()));
    let missing: Vec<(String, String)> = failed.chain(skipped).collect();
    if !missing.is_empty() {
        html.push_str("<h3>What is not here</h3>\n<ul>\n");
        for (what, why) in missing {
            writeln!(html, "<li><b>{}</b>: {}</li>", escaped(&what), escaped(&why))?;
        }
        html.push_str("</ul>\n");
    }
    writeln!(html, "<p>{}</p>\n</div>\n</section>", escaped(&left_out(scenario)))?;
    Ok(())
}

fn figure(html: &mut String, drawing: &Drawing, form: Form) -> Result<()> {
    let of = if form == Form::Wide { "one" } else { "two" };
    writeln!(
        html,
        "<figure id=\"{}\" class=\"{of}\">\n<h3>{}</h3>",
        escaped(&drawing.id),
        escaped(&drawing.title)
    )?;
    match &drawing.plot {
        Some(plot) => {
            for form in [form, Form::Narrow] {
                writeln!(html, "{}", plot.svg(form, &drawing.title, None)?)?;
            }
        }
        None => html.push_str("<p class=\"nothing\">Nothing was measured.</p>\n"),
    }
    let mark = if drawing.inconclusive { "<strong class=\"off\">inconclusive</strong> " } else { "" };
    writeln!(html, "<figcaption>{mark}{}</figcaption>\n</figure>", escaped(&drawing.caption))?;
    Ok(())
}

fn date(results: &Results) -> &str {
    results.started.split('T').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::specimen;

    #[test]
    fn everything_is_inside_the_page() {
        let html = page(&specimen::run()).expect("a page").replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "<script", "<link", "<img", "@import", "url(", "src="] {
            assert!(!html.contains(outside), "the page has {outside}");
        }
    }

    #[test]
    fn words_of_a_machine_are_no_markup() {
        let html = page(&specimen::run()).expect("a page");
        assert!(html.contains("Retbleed &lt;not&gt; affected &amp; &quot;more&quot;"));
    }

    #[test]
    fn a_plot_by_itself_is_svg_with_its_title() {
        let plots = plots(&specimen::run()).expect("plots");
        let (_, svg) = plots.iter().find(|(name, _)| name == "crr-connections-per-s").expect("a plot");
        assert!(
            svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>") && svg.contains("\nConnections\n"),
            "{svg}"
        );
    }
}
