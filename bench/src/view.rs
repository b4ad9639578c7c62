//! What runs now and what is left, on standard error.

/// The view of one run.
#[derive(Debug, Default)]
pub(crate) struct View {}

impl View {
    /// A line that stays.
    pub(crate) fn say(&mut self, line: &str) {
        eprintln!("{line}");
    }

    /// A case is measured, in this round of so many.
    pub(crate) fn measuring(&mut self, case: &str, round: u32, rounds: u32) {
        eprintln!("{} {}/{rounds}", case, round + 1);
    }
}
