//! Bars, lying, each with its name, its figure and its interval; on a logarithmic axis, where the
//! length of a bar would mean nothing, a marker instead.

use anyhow::Result;
use plotters::prelude::{Color, PathElement, Rectangle};

use super::axis::Axis;
use super::ink::{At, FAINT, GRID, INK, fitting, text_at, width};
use super::lines::marker;
use super::{Area, Bar, FINE, Form, fine};

const SIZE: f64 = 12.0;
const ABOVE: f64 = 8.0;
const BELOW: f64 = 44.0;

/// Shown so high.
pub(super) fn height(bars: usize, form: Form) -> i32 {
    let bars = f64::from(u32::try_from(bars).unwrap_or(0));
    fine(ABOVE + BELOW + bars * row(form)) / FINE
}

/// Draws all of it.
pub(super) fn draw(area: &Area<'_>, form: Form, axis: &Axis, bars: &[Bar]) -> Result<()> {
    let (wide, high) = area.dim_in_pixel();
    let (wide, high) = (f64::from(wide) / f64::from(FINE), f64::from(high) / f64::from(FINE));
    let widest = |text: fn(&Bar) -> &str| bars.iter().map(|bar| width(text(bar), SIZE)).fold(0.0, f64::max);
    let names = widest(|bar| &bar.name).min(if form == Form::Wide { 300.0 } else { 190.0 });
    // On a phone names stand above their bars.
    let left = if form == Form::Narrow { 10.0 } else { names + 16.0 };
    let right = wide - widest(|bar| &bar.label) - 16.0;
    let at = |place: f64| left + (place - axis.ends.0) / (axis.ends.1 - axis.ends.0) * (right - left);
    let bottom = high - BELOW;
    for (place, label) in &axis.ticks {
        let x = fine(at(*place));
        area.draw(&PathElement::new([(x, fine(ABOVE)), (x, fine(bottom))], GRID.stroke_width(10)))?;
        text_at(area, (at(*place), bottom + 12.0), SIZE, FAINT, At::Middle, label)?;
    }
    text_at(area, (f64::midpoint(left, right), high - 9.0), SIZE, INK, At::Middle, &axis.title)?;
    for baseline in bars.iter().filter(|bar| bar.mark.heavy) {
        dashes(area, at(baseline.value), bottom)?;
    }
    for (number, bar) in bars.iter().enumerate() {
        let top = ABOVE + row(form) * f64::from(u32::try_from(number).unwrap_or(0));
        let (name, thick, middle) = match form {
            Form::Narrow => ((10.0, top + 9.0), 10.0, top + 24.0),
            Form::Wide | Form::Half => ((left - 8.0, top + row(form) / 2.0), 12.0, top + row(form) / 2.0),
        };
        let (side, room) = if form == Form::Narrow { (At::Left, right) } else { (At::Right, names) };
        text_at(area, name, SIZE, INK, side, &fitting(&bar.name, SIZE, room + 4.0))?;
        draw_bar(area, axis, bar, at, (middle, thick))?;
        text_at(area, (wide - 6.0, middle), SIZE, INK, At::Right, &bar.label)?;
    }
    Ok(())
}

fn draw_bar(
    area: &Area<'_>,
    axis: &Axis,
    bar: &Bar,
    at: impl Fn(f64) -> f64,
    (y, thick): (f64, f64),
) -> Result<()> {
    if axis.is_log() {
        marker(area, (fine(at(bar.value)), fine(y)), bar.mark)?;
    } else {
        let corners = [(fine(at(0.0)), fine(y - thick / 2.0)), (fine(at(bar.value)), fine(y + thick / 2.0))];
        area.draw(&Rectangle::new(
            corners,
            bar.mark.colour.mix(if bar.mark.heavy { 0.45 } else { 0.75 }).filled(),
        ))?;
    }
    let (from, to) = (fine(at(bar.span.0)), fine(at(bar.span.1)));
    if from != to {
        let stroke = INK.stroke_width(11);
        area.draw(&PathElement::new([(from, fine(y)), (to, fine(y))], stroke))?;
        for x in [from, to] {
            area.draw(&PathElement::new([(x, fine(y - 3.0)), (x, fine(y + 3.0))], stroke))?;
        }
    }
    Ok(())
}

/// Down the whole plot.
fn dashes(area: &Area<'_>, x: f64, bottom: f64) -> Result<()> {
    let mut y = ABOVE;
    while y < bottom {
        let ends = [(fine(x), fine(y)), (fine(x), fine((y + 4.0).min(bottom)))];
        area.draw(&PathElement::new(ends, INK.mix(0.6).stroke_width(10)))?;
        y += 8.0;
    }
    Ok(())
}

fn row(form: Form) -> f64 {
    if form == Form::Narrow { 36.0 } else { 22.0 }
}
