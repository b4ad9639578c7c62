//! What runs now, what is left and for how long, on standard error: on a terminal three lines that
//! move, elsewhere a plain line now and then. Gone without a trace when it is dropped.

mod forecast;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

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
    lines: Option<Lines>,
}

/// On a terminal, from above.
#[derive(Debug)]
struct Lines {
    whole: ProgressBar,
    now: ProgressBar,
    later: ProgressBar,
}

impl View {
    /// For these scenarios, and how long each takes by its own estimate.
    pub(crate) fn new(plan: Vec<(String, Duration)>) -> Self {
        let lines = std::io::stderr().is_terminal().then(Lines::new);
        Self { forecast: Forecast::new(plan), started: Instant::now(), told: 0.0, lines }
    }

    /// The next scenario begins.
    pub(crate) fn begin(&mut self) {
        self.forecast.begin(self.started.elapsed());
        self.told = 0.0;
        if self.lines.is_none() {
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
        let done = self.forecast.done();
        if self.lines.is_none() && done >= self.told + STEP {
            self.told = done;
            let left = left(self.forecast.left(self.started.elapsed()));
            eprintln!("{}, round {} of {rounds}: {left}", self.forecast.heading(), round + 1);
        }
        self.draw(format!("round {} of {rounds}: {case}", round + 1));
    }

    fn draw(&self, line: String) {
        let Some(lines) = &self.lines else { return };
        let now = self.started.elapsed();
        lines.whole.set_position(self.forecast.thousandths(now));
        lines.whole.set_message(format!("{}, {}", self.forecast.heading(), left(self.forecast.left(now))));
        lines.now.set_message(line);
        lines.later.set_message(self.forecast.later());
    }
}

impl Lines {
    fn new() -> Self {
        let style = |template| {
            ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar())
        };
        let all = MultiProgress::new();
        let line =
            |template| all.add(ProgressBar::new(1000).with_style(style(template).progress_chars("=> ")));
        // A message is cut at the edge: a line that wraps would be drawn twice.
        Self {
            whole: line("[{bar:24}] {wide_msg}"),
            now: line("  now   {wide_msg}"),
            later: line("  then  {wide_msg}"),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        for line in self.lines.iter().flat_map(|lines| [&lines.later, &lines.now, &lines.whole]) {
            line.finish_and_clear();
        }
    }
}
