//! Colours and letters. The colours are Okabe and Ito's, darkened where they would be faint on
//! paper: people who see few colours tell them apart. After the last one they come again, hollow.

use anyhow::Result;
use plotters::prelude::{Color, IntoFont, RGBColor, Text, TextStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Area, fine};

/// Words and the baseline.
pub(crate) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// Words that matter less.
pub(crate) const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6e);
/// Lines of the grid.
pub(crate) const GRID: RGBColor = RGBColor(0xe2, 0xe5, 0xe9);
/// What it stands on.
pub(crate) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xb8, 0x55, 0x8c),
    RGBColor(0x3b, 0xa0, 0xd8),
    RGBColor(0xc9, 0x8a, 0x00),
    RGBColor(0x7a, 0x1f, 0x4f),
    RGBColor(0x6b, 0x7a, 0x00),
];

/// How one variant looks in all plots of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Of line, bar and label.
    pub(crate) colour: RGBColor,
    /// Of the marker.
    pub(crate) shape: Shape,
    /// Only its outline.
    pub(crate) hollow: bool,
    /// Drawn heavier.
    pub(crate) heavy: bool,
}

/// Of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Round.
    Disc,
    /// With a corner above.
    Triangle,
    /// With four corners.
    Square,
}

impl Mark {
    /// Of variant `number`.
    pub(crate) fn nth(number: usize) -> Self {
        let shape = [Shape::Disc, Shape::Triangle, Shape::Square][number % 3];
        let hollow = number / COLOURS.len() % 2 == 1;
        Self { colour: COLOURS[number % COLOURS.len()], shape, hollow, heavy: false }
    }

    /// Of what the others are compared with.
    pub(crate) fn baseline() -> Self {
        Self { colour: INK, shape: Shape::Disc, hollow: false, heavy: true }
    }
}

/// Which part of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Its beginning.
    Left,
    /// Its middle.
    Middle,
    /// Its end.
    Right,
}

/// Writes; the place is in shown pixels, at the middle of the letters' height.
pub(super) fn text_at(
    area: &Area<'_>,
    (x, y): (f64, f64),
    size: f64,
    colour: RGBColor,
    at: At,
    text: &str,
) -> Result<()> {
    let horizontal = match at {
        At::Left => HPos::Left,
        At::Middle => HPos::Center,
        At::Right => HPos::Right,
    };
    let style = letters(size, colour).pos(Pos::new(horizontal, VPos::Center));
    area.draw(&Text::new(text.to_owned(), (fine(x), fine(y)), style))?;
    Ok(())
}

/// A font of the page's own family.
pub(super) fn letters(size: f64, colour: RGBColor) -> TextStyle<'static> {
    // Plotters writes letters smaller by this than it was asked to.
    let size = fine(size * 1.24);
    TextStyle { color: colour.to_backend_color(), ..("sans-serif", size).into_font().into() }
}

/// About how wide a text is, in shown pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let letters = u32::try_from(text.chars().count()).unwrap_or(0);
    0.56 * size * f64::from(letters)
}

/// As much of a text as has room: its beginning and its end, since names often differ there alone.
pub(super) fn fitting(text: &str, size: f64, room: f64) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut kept = letters.len();
    while kept > 2 && width(text, size) > room {
        kept -= 1;
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let short: String =
            letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect();
        if width(&short, size) <= room {
            return short;
        }
    }
    text.to_owned()
}
