//! Lines on standard error: what runs now, and about how long all of it will take yet.

use std::time::Duration;

/// A run's work, as estimated beforehand.
#[derive(Debug)]
pub(crate) struct Progress {
    left: Duration,
}

impl Progress {
    /// For a run that takes about so long in all.
    pub(crate) fn new(whole: Duration) -> Self {
        Self { left: whole }
    }

    /// Says that `what` begins, which takes about `time`.
    pub(crate) fn step(&mut self, what: &str, time: Duration) {
        eprintln!("{what} ({} to go)", readable(self.left));
        self.left = self.left.saturating_sub(time);
    }
}

fn readable(time: Duration) -> String {
    match time.as_secs() {
        0..10 => "a few seconds".to_owned(),
        seconds @ 10..120 => format!("about {seconds} s"),
        seconds => format!("about {} min", seconds.div_ceil(60)),
    }
}
