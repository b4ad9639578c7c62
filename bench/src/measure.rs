//! From figures of many rounds to the one that stands for them.
//!
//! What is compared runs in turn within each round, so that a busy minute of the machine meets
//! both; a ratio is taken within a round and the median over the rounds. A round that another
//! tenant spoiled then moves the median by one place, not by its size.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// One figure a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds the next round's figure.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Adds the next round's time, in milliseconds.
    pub(crate) fn push_ms(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1e3);
    }

    /// Times, in milliseconds.
    pub(crate) fn of_ms(times: impl Iterator<Item = Duration>) -> Self {
        let mut rounds = Self::default();
        times.for_each(|time| rounds.push_ms(time));
        rounds
    }

    /// A figure of two or more of each round.
    pub(crate) fn with(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| combine(*a, *b)).collect())
    }

    /// The ratio to another's figure, round by round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        self.with(other, |a, b| a / b)
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// Where the true median lies with a probability of 95 %, whatever the distribution: from
    /// 0.98 sqrt(n) places below the middle to as many above, rounded outwards.
    pub(crate) fn interval(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let Some(last) = sorted.len().checked_sub(1) else { return (f64::NAN, f64::NAN) };
        let away = (1..=last).find(|places| places * places * 100 >= 96 * sorted.len()).unwrap_or(last);
        let low = (last / 2).saturating_sub(away);
        (sorted[low], sorted[last - low])
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "53 bits are enough for what a run counts")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// The time of a whole process that must succeed, from its start to its end.
pub(crate) fn timed(command: &mut Command) -> Result<Duration> {
    let program = command.get_program().to_string_lossy().into_owned();
    // A group of its own: Ctrl-C is for us, and we take down what it has set up.
    command.stdin(Stdio::null()).process_group(0);
    let start = Instant::now();
    let output = command.output().with_context(|| format!("start {program}"))?;
    let time = start.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{program}: {}: {said}", output.status);
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(figures: &[f64]) -> Rounds {
        Rounds(figures.to_vec())
    }

    #[test]
    fn median_is_the_middle_one() {
        assert_eq!(rounds(&[3.0, 100.0, 1.0]).median().to_bits(), 3.0f64.to_bits());
        assert_eq!(rounds(&[4.0, 1.0, 2.0, 100.0]).median().to_bits(), 3.0f64.to_bits());
        assert!(rounds(&[]).median().is_nan());
    }

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        let (slow, fast) = (rounds(&[10.0, 30.0, 20.0]), rounds(&[5.0, 10.0, 10.0]));
        assert_eq!(slow.over(&fast).0, [2.0, 3.0, 2.0]);
    }

    #[test]
    fn interval_holds_the_median_and_leaves_strays_out() {
        let mut figures: Vec<f64> = (0..31).map(f64::from).collect();
        figures[30] = 1e9;
        let (low, high) = rounds(&figures).interval();
        assert!(low < 15.0 && 15.0 < high && high < 1e9, "{low} to {high}");
        let (low, high) = rounds(&[7.0]).interval();
        assert!((low - 7.0).abs() < 1e-9 && (high - 7.0).abs() < 1e-9);
    }
}
