//! A bar for work of more than a second, on a terminal only.

use std::cell::OnceCell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

/// Counts towards a total.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: usize,
    started: Instant,
    visible: bool,
    bar: OnceCell<ProgressBar>,
}

impl Progress {
    /// For `total` interfaces.
    pub fn new(what: &'static str, total: usize) -> Self {
        let visible = std::io::stderr().is_terminal();
        Self { what, total, started: Instant::now(), visible, bar: OnceCell::new() }
    }

    /// `done` of them are done.
    pub fn set(&self, done: usize) {
        if !self.visible || self.started.elapsed() < PATIENCE {
            return;
        }
        self.bar.get_or_init(|| self.draw()).set_position(done as u64);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }

    fn draw(&self) -> ProgressBar {
        let template = format!("{} {{bar:30}} {{pos}} of {{len}} interfaces, {{eta}} to go", self.what);
        let style =
            ProgressStyle::with_template(&template).unwrap_or_else(|_wrong| ProgressStyle::default_bar());
        ProgressBar::new(self.total as u64).with_style(style)
    }
}
