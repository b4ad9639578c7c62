//! The page in a real browser, at desktop and phone width: no script error, no empty plot, no text
//! that is cut off or too small.

use std::fs;
use std::path::Path;
use std::process::Command;

use dataplane_tests::command::run;
use dataplane_tests::skip;

use super::page;
use crate::report::figures::{Palette, drawings};
use crate::report::markup::escaped;
use crate::report::plot::{Form, Plot, Series};
use crate::report::specimen;
use crate::results::Results;

const INSPECT: &str = include_str!("inspect.js");
const WIDTHS: [u32; 2] = [1280, 390];

#[test]
fn a_browser_shows_every_plot() {
    let Some(chromium) = chromium() else {
        skip!("no chromium: install the Debian package chromium");
    };
    let html = page(&specimen::run()).expect("a page");
    let plots = html.matches("<figure").count();
    for width in WIDTHS {
        let (wrong, seen) = inspect(chromium, &html, width);
        assert!(wrong.is_empty(), "at {width} pixels:\n{wrong}");
        assert_eq!(seen, format!("{plots} at {width}"), "plots seen");
    }
}

#[test]
fn what_is_broken_is_noticed() {
    let Some(chromium) = chromium() else {
        skip!("no chromium: install the Debian package chromium");
    };
    let mut run = specimen::run();
    run.scenarios.retain(|scenario| scenario.name == "crr");
    let html = page(&run).expect("a page");
    let emptied = html.replace(&wide(&run, |_| {}), &wide(&run, |line| line.points.clear()));
    assert_ne!(emptied, html);
    let broken = [
        (
            "error: Uncaught ReferenceError",
            html.replace("</main>", "<script>no_such_thing();</script></main>"),
        ),
        ("crr-connections-per-s: the plot is empty", emptied),
        ("is cut off", html.replace("<text ", "<text transform=\"translate(2000)\" ")),
        ("pixels wide in a window", html.replace("<main>", "<main><div style=\"width: 5000px\">wide</div>")),
        ("2 plots are shown at once", html.replace("figure svg.narrow { display: none; }", "")),
    ];
    for (what, html) in broken {
        let (wrong, _) = inspect(chromium, &html, WIDTHS[0]);
        assert!(wrong.contains(what), "not noticed: {what}; but:\n{wrong}");
    }
}

/// The first plot of a run, after something is done to its lines.
fn wide(run: &Results, change: impl Fn(&mut Series)) -> String {
    let drawing = drawings(&run.scenarios[0], &Palette::of(run)).swap_remove(0);
    let Some(mut plot) = drawing.plot else { panic!("a plot") };
    let Plot::Lines { series, .. } = &mut plot else { panic!("lines") };
    for line in series.iter_mut() {
        change(line);
        line.level &= !line.points.is_empty();
    }
    plot.svg(Form::Wide, &drawing.title, None).expect("drawn")
}

/// Where it is; none where it may be missing.
fn chromium() -> Option<&'static str> {
    let there =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| Path::new(path).exists());
    let required = std::env::var_os("DATAPLANE_PEERS").is_some_and(|value| value == "required");
    assert!(there.is_some() || !required, "no chromium, and DATAPLANE_PEERS=required");
    there
}

/// What is wrong with a page, and how many plots were seen.
fn inspect(chromium: &str, html: &str, width: u32) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("page.html");
    let html = html.replacen("<head>", &format!("<head>\n<script>\n{INSPECT}</script>"), 1);
    let frame = format!(
        "<iframe srcdoc=\"{}\" width={width} height=2000 style=\"border: 0\"></iframe>",
        escaped(&html)
    );
    fs::write(&file, format!("<!doctype html>\n<body>{frame}</body>\n")).expect("written");
    let output = run(Command::new(chromium)
        // Root has no sandbox here, and the page is our own.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--dump-dom"])
        .arg("--window-size=1400,2100")
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", file.display())))
    .ok();
    let of = |id: &str| {
        let text = output.stdout.split_once(&format!("<pre id=\"{id}\">")).map(|(_, rest)| rest);
        let text = text.unwrap_or_else(|| panic!("the page never loaded:\n{}", output.stderr));
        text.split("</pre>").next().unwrap_or_default().to_owned()
    };
    (of("wrong"), of("plots"))
}
