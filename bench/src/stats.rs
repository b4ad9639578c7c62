//! From the figures of many rounds to one with an interval. Pure: the seed is an argument.

use crate::results::Interval;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 2000;
/// Of fewer figures even the widest interval, from the least to the most, is none of 95 %:
/// five hold the true median between them 15 times in 16.
pub(crate) const FEWEST: usize = 6;

/// The middle one; not a number where there is none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    of_sorted(&sorted)
}

/// The median and its 95 % interval by the percentile bootstrap (Efron 1979): the medians of
/// resamples drawn with replacement, less the 2.5 % at either end. No interval, which is "not a
/// number" at both ends, of fewer than [`FEWEST`].
pub(crate) fn interval(figures: &[f64], seed: u64) -> Interval {
    if figures.len() < FEWEST {
        return Interval { median: median(figures), from: f64::NAN, to: f64::NAN };
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut resample = vec![0.0; figures.len()];
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            resample.fill_with(|| figures[random.usize(..figures.len())]);
            resample.sort_by(f64::total_cmp);
            of_sorted(&resample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    Interval { median: median(figures), from: medians[tail], to: medians[RESAMPLES - 1 - tail] }
}

fn of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_one() {
        assert_eq!(median(&[3.0, 100.0, 1.0]).to_bits(), 3.0f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]).to_bits(), 3.0f64.to_bits());
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn interval_holds_the_median_and_leaves_strays_out() {
        let mut figures: Vec<f64> = (0..31).map(f64::from).collect();
        figures[30] = 1e9;
        let Interval { median, from, to } = interval(&figures, 7);
        assert!(from < median && median < to && to < 1e9, "{from} {median} {to}");
    }

    #[test]
    fn few_figures_have_a_median_and_no_interval() {
        let of = |count: usize| interval(&vec![7.0; count], 7);
        for count in 1..FEWEST {
            let Interval { median, from, to } = of(count);
            assert_eq!(median.to_bits(), 7.0f64.to_bits());
            assert!(from.is_nan() && to.is_nan(), "{count}: {from} to {to}");
        }
        assert_eq!(of(FEWEST).to.to_bits(), 7.0f64.to_bits());
        assert!(of(0).median.is_nan());
    }

    #[test]
    fn interval_repeats_with_its_seed() {
        let figures: Vec<f64> = (0..9).map(|n| f64::from(n * n)).collect();
        assert_eq!(interval(&figures, 1), interval(&figures, 1));
    }

    #[test]
    fn interval_covers_the_true_median_about_95_times_in_100() {
        let mut random = fastrand::Rng::with_seed(42);
        let covered = (0..400)
            .filter(|seed| {
                let figures: Vec<f64> = (0..15).map(|_| random.f64()).collect();
                let Interval { from, to, .. } = interval(&figures, *seed);
                (from..=to).contains(&0.5)
            })
            .count();
        assert!((360..=400).contains(&covered), "{covered} of 400");
    }
}
