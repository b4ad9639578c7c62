//! What runs now, what is left and for how long, on standard error: on a terminal two lines that
//! move, elsewhere a plain line now and then. Gone without a trace when it is dropped.

mod forecast;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use forecast::{Forecast, left};

/// A file gets a line each time so much more of a scenario is done.
const STEP: f64 = 0.1;

/// The view of one run.
#[derive(Debug)]
pub(crate) struct View {
    forecast: Forecast,
    started: Instant,
    /// Done of the scenario when the last plain line was written.
    told: f64,
    /// None where standard error is no terminal.
    bar: Option<ProgressBar>,
}

impl View {
    /// For these scenarios, and how long each takes by its own estimate.
    pub(crate) fn new(plan: Vec<(String, Duration)>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            // Three columns to spare: a line that wraps is drawn twice.
            let template = "{bar:24} {prefix}\n{wide_msg}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar());
            let bar = ProgressBar::new(1000).with_style(style.progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { forecast: Forecast::new(plan), started: Instant::now(), told: 0.0, bar }
    }

    /// The next scenario begins.
    pub(crate) fn begin(&mut self) {
        self.forecast.begin(self.started.elapsed());
        self.told = 0.0;
        if self.bar.is_none() {
            eprintln!("{}: {}", self.forecast.heading(), left(self.forecast.left(self.started.elapsed())));
        }
        self.draw(String::new());
    }

    /// What is done before anything is measured.
    pub(crate) fn say(&mut self, line: &str) {
        self.draw(line.to_owned());
    }

    /// A case is measured, in this round of so many.
    pub(crate) fn measuring(&mut self, case: &str, round: u32, rounds: u32) {
        self.forecast.measuring(round, rounds, self.started.elapsed());
        let line = format!("round {} of {rounds}: {case}", round + 1);
        let done = self.forecast.done();
        if self.bar.is_none() && done >= self.told + STEP {
            self.told = done;
            let left = left(self.forecast.left(self.started.elapsed()));
            eprintln!("{}, round {} of {rounds}: {left}", self.forecast.heading(), round + 1);
        }
        self.draw(line);
    }

    fn draw(&self, line: String) {
        let Some(bar) = &self.bar else { return };
        let now = self.started.elapsed();
        bar.set_position(self.forecast.thousandths(now));
        bar.set_prefix(format!("{}, {}", self.forecast.heading(), left(self.forecast.left(now))));
        bar.set_message(line);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
