//! How much is measured: sizes, rounds, windows, as typed, or as fits a quick run's minute.

use std::time::Duration;

use crate::scenario::Scope;

/// What a quick run may take.
const MINUTE: Duration = Duration::from_mins(1);
/// Rates of limits, in bits a second.
const RATES: [u64; 5] = [128_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
const QUICK_RATES: [u64; 2] = [1_000_000, 10_000_000];
/// Values of N.
const SIZES: [u32; 4] = [1, 100, 1000, 10_000];

/// As many as an interval needs.
const FEWEST_ROUNDS: u32 = 6;

/// From the most to the least that a quick run does: sizes, rounds, milliseconds.
const QUICK: [(&[u32], u32, u64); 6] = [
    (&SIZES, 3, 100),
    (&[1, 1000], 3, 100),
    (&[1000], 3, 100),
    (&[100], 3, 50),
    (&[100], 2, 30),
    (&[100], 1, 20),
];

/// What was typed of it.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    /// Empty for what is usual.
    pub(crate) sizes: Vec<u32>,
    /// None for what is usual.
    pub(crate) rounds: Option<u32>,
    /// None for what is usual.
    pub(crate) window: Option<Duration>,
    /// Rounds of long measurements, none for what is usual.
    pub(crate) long_rounds: Option<u32>,
    /// None for what is usual.
    pub(crate) long_window: Option<Duration>,
    /// As much as a minute takes.
    pub(crate) quick: bool,
}

impl Effort {
    /// Sets it in `scope`; `cost` is about what a scope takes.
    pub(crate) fn apply(&self, scope: &mut Scope, cost: impl Fn(&Scope) -> Duration) {
        if !self.quick {
            return self.set(scope, &SIZES, 11, Duration::from_millis(500));
        }
        for (sizes, rounds, window) in QUICK {
            self.set(scope, sizes, rounds, Duration::from_millis(window));
            if cost(scope) <= MINUTE {
                return;
            }
        }
    }

    fn set(&self, scope: &mut Scope, sizes: &[u32], rounds: u32, window: Duration) {
        scope.sizes = if self.sizes.is_empty() { sizes.to_vec() } else { self.sizes.clone() };
        scope.sizes.sort_unstable();
        scope.sizes.dedup();
        scope.rounds = self.rounds.unwrap_or(rounds);
        scope.window = self.window.unwrap_or(window);
        let (rates, long): (&[u64], u64) = if self.quick { (&QUICK_RATES, 1) } else { (&RATES, 10) };
        scope.rates = rates.to_vec();
        scope.long_rounds = self.long_rounds.unwrap_or(if self.quick { 1 } else { FEWEST_ROUNDS });
        scope.long = self.long_window.unwrap_or(Duration::from_secs(long));
        scope.quick = self.quick;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::nothing(1)
    }

    #[test]
    fn sizes_are_sorted_and_each_counts_once() {
        let mut scope = scope();
        let effort = Effort { sizes: vec![7, 1, 7, 3], rounds: Some(2), ..Effort::default() };
        effort.apply(&mut scope, |_| Duration::MAX);
        assert_eq!((&scope.sizes[..], scope.rounds), (&[1, 3, 7][..], 2));
    }

    #[test]
    fn a_quick_run_does_what_fits_a_minute() {
        let quick = Effort { quick: true, ..Effort::default() };
        let rounds = |each: u64| {
            let mut scope = scope();
            quick.apply(&mut scope, |scope| scope.rounds * Duration::from_secs(each));
            scope.rounds
        };
        assert_eq!([rounds(1), rounds(20), rounds(25), rounds(60), rounds(999)], [3, 3, 2, 1, 1]);
    }

    #[test]
    fn what_was_typed_stays_in_a_quick_run() {
        let mut scope = scope();
        let effort = Effort { rounds: Some(9), quick: true, ..Effort::default() };
        effort.apply(&mut scope, |_| Duration::MAX);
        assert_eq!(scope.rounds, 9);
    }
}
