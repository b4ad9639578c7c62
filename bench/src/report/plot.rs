//! One plot as SVG, drawn by plotters; knows nothing of scenarios.
//!
//! Plotters counts in whole pixels, which makes curves jagged: everything is drawn ten times as
//! large, and the view box shrinks it again.

pub(crate) mod axis;
pub(crate) mod ink;

mod bars;
mod lines;
mod spread;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend};

use crate::report::markup::escaped;
use axis::Axis;
use ink::{INK, Mark, PAPER, text_at};

/// How much larger than it is shown.
const FINE: i32 = 10;

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Plot {
    /// Figures over something that varies.
    Lines {
        /// What varies.
        x: Axis,
        /// What was measured.
        y: Axis,
        /// One for each variant.
        series: Vec<Series>,
    },
    /// One figure for each.
    Bars {
        /// What was measured.
        axis: Axis,
        /// From above.
        bars: Vec<Bar>,
    },
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// As it is labelled.
    pub(crate) name: String,
    /// How it looks.
    pub(crate) mark: Mark,
    /// From left to right, not empty.
    pub(crate) points: Vec<Point>,
    /// One figure that holds whatever x is: the line goes through the whole plot.
    pub(crate) level: bool,
    /// So many points apart is a marker. More than one: a curve, whose end says where it belongs
    /// among the others by its place from the left.
    pub(crate) every: usize,
}

/// A figure with its interval, as the axes count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Where.
    pub(crate) x: f64,
    /// The figure.
    pub(crate) y: f64,
    /// The ends of its interval.
    pub(crate) span: (f64, f64),
}

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// Beside it.
    pub(crate) name: String,
    /// How it looks.
    pub(crate) mark: Mark,
    /// As the axis counts.
    pub(crate) value: f64,
    /// The ends of its interval.
    pub(crate) span: (f64, f64),
    /// The figure in digits.
    pub(crate) label: String,
}

/// Where it is to be read. Text has the same size in each, so that it is legible in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Over the whole width of a page.
    Wide,
    /// Two beside each other.
    Half,
    /// On a phone.
    Narrow,
}

impl Form {
    /// Shown so wide.
    fn width(self) -> i32 {
        match self {
            Self::Wide => 1080,
            Self::Half => 528,
            Self::Narrow => 350,
        }
    }
}

impl Plot {
    /// As an `<svg>` element; with its title inside where it has to stand for itself.
    pub(crate) fn svg(&self, form: Form, name: &str, title: Option<&str>) -> Result<String> {
        let top = if title.is_some() { 30 } else { 0 };
        let (width, height) = (form.width(), top + self.height(form));
        let mut svg = String::new();
        {
            let size = (unsigned(width * FINE), unsigned(height * FINE));
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            if let Some(title) = title {
                root.fill(&PAPER)?;
                text_at(&root, (8.0, 19.0), 15.0, INK, ink::At::Left, title)?;
            }
            let (_, area) = root.split_vertically(top * FINE);
            self.draw(&area, form)?;
            root.present()?;
        }
        let open = format!(
            "<svg class=\"{}\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"system-ui, sans-serif\" xmlns=\"http://www.w3.org/2000/svg\">",
            format!("{form:?}").to_lowercase(),
            escaped(name),
            width * FINE,
            height * FINE,
        );
        // The element that plotters opens has a fixed size and no view box.
        let inside = svg.find('>').map_or("", |end| &svg[end + 1..]);
        Ok(format!(
            "{open}{}",
            inside.replace(" font-family=\"sans-serif\"", "").replace(" opacity=\"1\"", "")
        ))
    }

    fn height(&self, form: Form) -> i32 {
        match self {
            Self::Lines { series, .. } => lines::height(series, form),
            Self::Bars { bars, .. } => bars::height(bars.len(), form),
        }
    }

    fn draw(&self, area: &Area<'_>, form: Form) -> Result<()> {
        match self {
            Self::Lines { x, y, series } => lines::draw(area, form, [x, y], series),
            Self::Bars { axis, bars } => bars::draw(area, form, axis, bars),
        }
    }
}

/// Where plotters draws.
type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

fn unsigned(size: i32) -> u32 {
    u32::try_from(size).unwrap_or(0)
}

/// Of a place in shown pixels.
#[expect(clippy::cast_possible_truncation, reason = "a page is some thousand pixels large")]
fn fine(shown: f64) -> i32 {
    (shown * f64::from(FINE)).round() as i32
}
