//! An axis: what it measures, from where to where, and what stands at its ticks. Places on it are
//! logarithms where it is logarithmic, and counts of nines for shares of requests.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::Ranged;

use crate::report::wording::{number, short};

/// An axis of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// With its unit.
    pub(crate) title: String,
    /// The lowest place and the highest.
    pub(crate) ends: (f64, f64),
    /// Places, and what stands there.
    pub(crate) ticks: Vec<(f64, String)>,
    scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
}

/// Figures that differ by more than this stand on a logarithmic axis.
const WIDE: f64 = 12.0;
/// About so many ticks.
const TICKS: f64 = 5.0;
/// Shares of requests as far as plots show them.
const NINES: [&str; 6] = ["0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"];

impl Axis {
    /// For figures of any kind, from zero where they are not far above it.
    pub(crate) fn of(title: &str, figures: &[f64]) -> Self {
        let (least, most) = ends(figures);
        if least > 0.0 && most / least > WIDE {
            Self::log(title, figures)
        } else {
            Self::linear(title, figures, least < 0.6 * most)
        }
    }

    /// For bars, which begin at zero or lie.
    pub(crate) fn from_zero(title: &str, figures: &[f64]) -> Self {
        Self::linear(title, figures, true)
    }

    /// Logarithmic; figures above zero.
    pub(crate) fn log(title: &str, figures: &[f64]) -> Self {
        let (least, most) = ends(figures);
        let (from, to) = (least.log10() - 0.06, most.log10() + 0.06);
        let decades = (whole(from) - 1)..=(whole(to) + 1);
        let steps: &[f64] = match to - from {
            ..0.7 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
            ..2.3 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let figures = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
        let ticks = figures.map(|figure| (figure.log10(), short(figure)));
        let ticks = ticks.filter(|(place, _)| (from..=to).contains(place)).collect();
        Self { title: title.to_owned(), ends: (from, to), ticks, scale: Scale::Log }
    }

    /// Logarithmic, with ticks at these figures and no others.
    pub(crate) fn at(title: &str, figures: &[f64], show: impl Fn(f64) -> String) -> Self {
        let mut figures = figures.to_vec();
        figures.sort_by(f64::total_cmp);
        figures.dedup();
        let (least, most) = ends(&figures);
        let margin = 0.04 * (most / least).log10().max(0.5);
        Self {
            title: title.to_owned(),
            ends: (least.log10() - margin, most.log10() + margin),
            ticks: figures.iter().map(|figure| (figure.log10(), show(*figure))).collect(),
            scale: Scale::Log,
        }
    }

    /// Shares of requests, each nine as far from the next.
    pub(crate) fn shares(title: &str, most: f64) -> Self {
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for (nines, label) in NINES.iter().enumerate() {
            let place = f64::from(u32::try_from(nines).unwrap_or(0));
            ticks.push((place, (*label).to_owned()));
        }
        ticks.push((0.5f64.log10().abs(), "50 %".to_owned()));
        ticks.retain(|(place, _)| *place <= most + 0.01);
        Self { title: title.to_owned(), ends: (0.0, most), ticks, scale: Scale::Linear }
    }

    /// Where a figure lies.
    pub(crate) fn place(&self, figure: f64) -> f64 {
        let place = if self.scale == Scale::Log { figure.log10() } else { figure };
        // The lower end of an interval may be zero, which has no logarithm.
        if place.is_nan() { place } else { place.clamp(self.ends.0, self.ends.1) }
    }

    /// Whether lengths along it mean something.
    pub(crate) fn is_log(&self) -> bool {
        self.scale == Scale::Log
    }

    fn linear(title: &str, figures: &[f64], zero: bool) -> Self {
        let (least, most) = ends(figures);
        let (least, most) = if zero { (least.min(0.0), most.max(0.0)) } else { (least, most) };
        // A single figure has some room around it.
        let (least, most) = if most > least {
            (least, most)
        } else if zero {
            (least, most + 1.0)
        } else {
            (least - 0.5 * least.abs().max(1.0), most + 0.5 * most.abs().max(1.0))
        };
        let size = most - least;
        let rough = size / TICKS;
        let decade = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * decade).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let digits = (0..6).find(|digits| is_whole(step * 10f64.powi(*digits))).unwrap_or(6);
        let digits = usize::try_from(digits).unwrap_or(0);
        let from = if zero && least >= 0.0 { 0.0 } else { least - 0.08 * size };
        let to = most + 0.06 * size;
        let ticks = (whole(from / step)..=whole(to / step) + 1).map(|n| f64::from(n) * step);
        let ticks = ticks
            .filter(|tick| (from..=to).contains(tick))
            .map(|tick| (tick, number(tick, digits)))
            .collect();
        Self { title: title.to_owned(), ends: (from, to), ticks, scale: Scale::Linear }
    }
}

/// As plotters asks for it.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (place - self.ends.0) / (self.ends.1 - self.ends.0);
        from + whole(share * f64::from(to - from) + 0.5)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Lines of the grid at ticks alone.
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.iter().map(|(place, _)| *place).collect()
        }
    }

    fn range(&self) -> Range<f64> {
        self.ends.0..self.ends.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| (tick - place).abs() < 1e-9);
        tick.map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

fn ends(figures: &[f64]) -> (f64, f64) {
    let finite = figures.iter().copied().filter(|figure| figure.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), figure| {
        (least.min(figure), most.max(figure))
    })
}

fn is_whole(number: f64) -> bool {
    (number - number.round()).abs() < 1e-6
}

#[expect(clippy::cast_possible_truncation, reason = "a tick's number or a decade")]
fn whole(number: f64) -> i32 {
    number.floor() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| &**label).collect()
    }

    #[test]
    fn figures_far_apart_stand_on_a_logarithmic_axis() {
        let far = Axis::of("", &[20.0, 30_000.0]);
        assert!(far.is_log());
        assert_eq!(labels(&far), ["100", "1,000", "10,000"]);
        assert!(!Axis::of("", &[0.0, 30_000.0]).is_log(), "zero has no logarithm");
    }

    #[test]
    fn bars_begin_at_zero() {
        let axis = Axis::from_zero("", &[97.0, 100.0]);
        assert_eq!((axis.ends.0, labels(&axis)), (0.0, vec!["0", "20", "40", "60", "80", "100"]));
    }

    #[test]
    fn nothing_at_all_stands_at_zero() {
        assert_eq!(labels(&Axis::from_zero("", &[0.0, 0.0])), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }

    #[test]
    fn ticks_say_where_they_are() {
        let axis = Axis::of("", &[0.915, 1.02]);
        assert_eq!(labels(&axis), ["0.925", "0.950", "0.975", "1.000", "1.025"]);
        assert_eq!(labels(&Axis::of("", &[0.0, 30.0])), ["0", "10", "20", "30"]);
    }

    #[test]
    fn a_single_figure_has_an_axis() {
        for axis in [Axis::of("", &[7.0]), Axis::at("", &[100.0], short), Axis::from_zero("", &[0.0])] {
            assert!(axis.ends.0 < axis.ends.1 && !axis.ticks.is_empty(), "{axis:?}");
        }
    }
}
