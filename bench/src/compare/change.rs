//! Whether a figure has changed. Pure: the seed is an argument.
//!
//! Both runs have a figure for each round. Rounds are drawn again from each, with replacement,
//! and the median of B's over that of A's taken, many times; what is left of those ratios
//! without the half percent at either end is the interval: of hundreds of figures that are
//! compared at once, 95 % would call a dozen changed that are not.
//!
//! That is the noise within a run. Between runs everything is built anew, and what that does
//! the control shows, which is the baseline built twice: the interval must miss 1 by more than
//! the controls of either run are off it.

use serde::Serialize;

use crate::results::Interval;
use crate::stats::median;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 4000;
/// Rounds that each run must have: the interval of fewer says nothing.
pub(super) const FEWEST: usize = 5;
/// "Unchanged" needs an interval within this: a wider one may hide a change.
pub(super) const UNCHANGED: f64 = 0.05;

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Changed beyond noise, in the good direction.
    Better,
    /// Changed beyond noise, in the bad direction.
    Worse,
    /// The interval is narrow and about 1.
    Unchanged,
    /// Nothing can be said.
    Inconclusive,
}

/// A figure's change, B over A.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    /// B over A, with its 99 % interval; null where there is none.
    pub(super) ratio: Interval,
    /// What that means.
    pub(super) verdict: Verdict,
    /// Why nothing can be said.
    pub(super) why: Option<&'static str>,
}

/// What the controls of both runs say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controls {
    /// The most that one of them is off 1.
    pub(super) off: f64,
    /// One of them was inconclusive.
    pub(super) inconclusive: bool,
}

/// Judges the rounds of A and B.
pub(super) fn judge(a: &[f64], b: &[f64], controls: Controls, higher_is_better: bool, seed: u64) -> Change {
    let ratio = ratio(a, b, seed);
    let beyond = 1.0 + controls.off;
    let within = 1.0 + UNCHANGED;
    let inconclusive = |why| (Verdict::Inconclusive, Some(why));
    let direction = |up: bool| if up == higher_is_better { Verdict::Better } else { Verdict::Worse };
    let (verdict, why) = if a.len() < FEWEST || b.len() < FEWEST {
        inconclusive("too few rounds")
    } else if ![ratio.median, ratio.from, ratio.to].iter().all(|end| end.is_finite() && *end > 0.0) {
        inconclusive("a figure of zero")
    } else if controls.inconclusive {
        inconclusive("a control is off")
    } else if ratio.from > beyond {
        (direction(true), None)
    } else if ratio.to < 1.0 / beyond {
        (direction(false), None)
    } else if ratio.from > 1.0 / within && ratio.to < within {
        (Verdict::Unchanged, None)
    } else {
        inconclusive("too much noise")
    };
    Change { ratio, verdict, why }
}

fn ratio(a: &[f64], b: &[f64], seed: u64) -> Interval {
    if a.is_empty() || b.is_empty() {
        return Interval { median: f64::NAN, from: f64::NAN, to: f64::NAN };
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut draw = |figures: &[f64]| -> f64 {
        let drawn: Vec<f64> = figures.iter().map(|_| figures[random.usize(..figures.len())]).collect();
        median(&drawn)
    };
    let mut ratios: Vec<f64> = (0..RESAMPLES).map(|_| draw(b) / draw(a)).collect();
    ratios.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 200;
    Interval { median: median(b) / median(a), from: ratios[tail], to: ratios[RESAMPLES - 1 - tail] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Controls = Controls { off: 0.01, inconclusive: false };

    /// Rounds about `center`, so far off at the most.
    fn rounds(center: f64, noise: f64, random: &mut fastrand::Rng) -> Vec<f64> {
        (0..11).map(|_| center * (1.0 + noise * (2.0 * random.f64() - 1.0))).collect()
    }

    fn verdict(change: f64, noise: f64, controls: Controls, higher_is_better: bool) -> Verdict {
        let mut random = fastrand::Rng::with_seed(3);
        let (a, b) = (rounds(1.3, noise, &mut random), rounds(1.3 * change, noise, &mut random));
        judge(&a, &b, controls, higher_is_better, 1).verdict
    }

    #[test]
    fn a_change_has_the_direction_of_its_metric() {
        assert_eq!(verdict(1.1, 0.01, QUIET, true), Verdict::Better);
        assert_eq!(verdict(1.1, 0.01, QUIET, false), Verdict::Worse);
        assert_eq!(verdict(0.9, 0.01, QUIET, true), Verdict::Worse);
        assert_eq!(verdict(0.9, 0.01, QUIET, false), Verdict::Better);
    }

    #[test]
    fn what_the_controls_are_off_is_no_change() {
        let off = |off| verdict(1.02, 0.001, Controls { off, inconclusive: false }, true);
        assert_eq!((off(0.0), off(0.025)), (Verdict::Better, Verdict::Unchanged));
        let control = Controls { off: 0.04, inconclusive: true };
        assert_eq!(verdict(2.0, 0.001, control, true), Verdict::Inconclusive);
    }

    #[test]
    fn noise_is_neither_a_change_nor_the_lack_of_one() {
        assert_eq!(verdict(1.0, 0.01, QUIET, true), Verdict::Unchanged);
        assert_eq!(verdict(1.0, 0.5, QUIET, true), Verdict::Inconclusive);
    }

    #[test]
    fn few_rounds_and_zeros_say_nothing() {
        let why = |a: &[f64], b: &[f64]| judge(a, b, QUIET, true, 1).why;
        assert_eq!(why(&[1.0; 4], &[2.0; 9]), Some("too few rounds"));
        assert_eq!(why(&[], &[2.0; 9]), Some("too few rounds"));
        assert_eq!(why(&[0.0; 9], &[0.0; 9]), Some("a figure of zero"));
        assert_eq!(why(&[1.0; 9], &[0.0; 9]), Some("a figure of zero"));
    }

    #[test]
    fn the_same_measured_twice_is_rarely_a_change() {
        let mut random = fastrand::Rng::with_seed(11);
        let none = Controls { off: 0.0, inconclusive: false };
        let changed = (0..500)
            .map(|seed| {
                let (a, b) = (rounds(1.0, 0.03, &mut random), rounds(1.0, 0.03, &mut random));
                judge(&a, &b, none, true, seed).verdict
            })
            .filter(|verdict| matches!(verdict, Verdict::Better | Verdict::Worse))
            .count();
        assert!(changed <= 15, "{changed} of 500");
    }
}
