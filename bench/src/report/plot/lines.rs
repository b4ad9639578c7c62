//! Lines, labelled where they end; on a phone in rows below.

use anyhow::Result;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, Color, LineSeries, PathElement, Polygon, Rectangle,
    SVGBackend,
};

use super::axis::Axis;
use super::ink::{At, FAINT, GRID, INK, Mark, PAPER, Shape, fitting, letters, text_at, width};
use super::spread::spread;
use super::{Area, FINE, Form, Point, Series, fine};

/// Letters of ticks and labels.
const SIZE: f64 = 12.0;
/// Between labels.
const GAP: f64 = 14.5;
/// Left of the plot, above it, below it.
const LEFT: f64 = 60.0;
const ABOVE: f64 = 30.0;
const BELOW: f64 = 42.0;
/// A row of the key on a phone.
const ROW: f64 = 19.0;
/// Of a marker.
const RADIUS: f64 = 3.2;

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// Shown so high.
pub(super) fn height(series: &[Series], form: Form) -> i32 {
    let labels = u32::try_from(series.len()).unwrap_or(0);
    let beside = ABOVE + BELOW + GAP * f64::from(labels);
    let height = match form {
        Form::Wide => beside.max(420.0),
        Form::Half => beside.max(330.0),
        Form::Narrow => 310.0 + key_height(series),
    };
    fine(height) / FINE
}

/// Draws all of it.
pub(super) fn draw(area: &Area<'_>, form: Form, [x, y]: [&Axis; 2], series: &[Series]) -> Result<()> {
    let (_, high) = area.dim_in_pixel();
    let high = f64::from(high) / f64::from(FINE);
    let key = if form == Form::Narrow { key_height(series) } else { 0.0 };
    let right = if form == Form::Narrow { 22.0 } else { label_room(series, form) };
    let mut builder = ChartBuilder::on(area);
    builder.margin_top(fine(ABOVE)).margin_right(fine(right)).margin_bottom(fine(key));
    builder.x_label_area_size(fine(BELOW)).y_label_area_size(fine(LEFT));
    let (wide, _) = area.dim_in_pixel();
    let wide = f64::from(wide) / f64::from(FINE);
    let mut chart = builder.build_cartesian_2d(legible(x, wide - right - LEFT), y.clone())?;
    chart
        .configure_mesh()
        .bold_line_style(GRID.stroke_width(FINE.unsigned_abs()))
        .axis_style(FAINT.stroke_width(FINE.unsigned_abs()))
        .set_all_tick_mark_size(fine(4.0))
        .label_style(letters(SIZE, FAINT))
        .draw()?;
    text_at(area, (8.0, 12.0), SIZE, INK, At::Left, &y.title)?;
    let middle = f64::midpoint(LEFT, wide - right);
    text_at(area, (middle, high - key - 8.0), SIZE, INK, At::Middle, &x.title)?;
    // What is compared with the rest lies above it.
    let mut order: Vec<&Series> = series.iter().collect();
    order.sort_by_key(|one| one.mark.heavy);
    for one in order {
        line(&mut chart, x, one)?;
    }
    if form == Form::Narrow {
        draw_key(area, series, high - key + 4.0)
    } else {
        labels(area, &chart, x, series, wide - right)
    }
}

/// The same with no label that would cover the one before it.
fn legible(x: &Axis, room: f64) -> Axis {
    let mut axis = x.clone();
    axis.ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = f64::NEG_INFINITY;
    for (place, label) in &mut axis.ticks {
        let middle = (*place - x.ends.0) / (x.ends.1 - x.ends.0) * room;
        let half = width(label, SIZE) / 2.0;
        if middle - half < free {
            label.clear();
        } else {
            free = middle + half + 4.0;
        }
    }
    axis
}

fn line(chart: &mut Chart<'_, '_>, x: &Axis, series: &Series) -> Result<()> {
    let Mark { colour, heavy, .. } = series.mark;
    let thick = colour.stroke_width(if heavy { 22 } else { 15 });
    let thin = colour.stroke_width(10);
    if series.level {
        let Point { y, span, .. } = series.points[0];
        let band = [(x.ends.0, span.0), (x.ends.1, span.1)];
        chart.draw_series([Rectangle::new(band, colour.mix(0.14).filled())])?;
        chart.draw_series([PathElement::new([(x.ends.0, y), (x.ends.1, y)], thick)])?;
        let area = chart.plotting_area().strip_coord_spec();
        let (left, top) = area.get_base_pixel();
        let (x, y) = chart.backend_coord(&(x.ends.1, y));
        return marker(&area, (x - left - 40, y - top), series.mark);
    }
    chart.draw_series(LineSeries::new(series.points.iter().map(|point| (point.x, point.y)), thick))?;
    let area = chart.plotting_area().strip_coord_spec();
    let (left, top) = area.get_base_pixel();
    for point in series.points.iter().step_by(series.every) {
        let at = |y: f64| {
            let (x, y) = chart.backend_coord(&(point.x, y));
            (x - left, y - top)
        };
        let (from, to) = (at(point.span.0), at(point.span.1));
        if from != to {
            let ends = [from, to].map(|(x, y)| PathElement::new([(x - 30, y), (x + 30, y)], thin));
            area.draw(&PathElement::new([from, to], thin))?;
            for end in &ends {
                area.draw(end)?;
            }
        }
        marker(&area, at(point.y), series.mark)?;
    }
    Ok(())
}

/// At a place in fine pixels.
pub(super) fn marker(area: &Area<'_>, (x, y): (i32, i32), mark: Mark) -> Result<()> {
    let inside = if mark.hollow { PAPER } else { mark.colour };
    let r = fine(RADIUS);
    let corners = match mark.shape {
        Shape::Disc => {
            area.draw(&Circle::new((x, y), r, inside.filled()))?;
            area.draw(&Circle::new((x, y), r, mark.colour.stroke_width(14)))?;
            return Ok(());
        }
        Shape::Triangle => vec![(x, y - r * 5 / 4), (x + r * 5 / 4, y + r), (x - r * 5 / 4, y + r)],
        Shape::Square => vec![(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
    };
    let closed: Vec<_> = corners.iter().chain(&corners[..1]).copied().collect();
    area.draw(&Polygon::new(corners, inside.filled()))?;
    area.draw(&PathElement::new(closed, mark.colour.stroke_width(14)))?;
    Ok(())
}

fn labels(area: &Area<'_>, chart: &Chart<'_, '_>, x: &Axis, series: &[Series], edge: f64) -> Result<()> {
    let (left, top) = area.get_base_pixel();
    let ends: Vec<(f64, f64)> = series
        .iter()
        .filter_map(|one| one.points.last().map(|last| (if one.level { x.ends.1 } else { last.x }, last.y)))
        .map(|end| chart.backend_coord(&end))
        .map(|(x, y)| (f64::from(x - left) / f64::from(FINE), f64::from(y - top) / f64::from(FINE)))
        .collect();
    let (_, high) = area.dim_in_pixel();
    let bottom = f64::from(high) / f64::from(FINE) - BELOW;
    let together = series.iter().all(|one| one.every > 1);
    let wanted = ends.iter().map(|(x, y)| if together { ABOVE + x / 1e3 } else { *y });
    let places =
        spread(&wanted.collect::<Vec<f64>>(), GAP, (if together { ABOVE + GAP } else { ABOVE }, bottom));
    for ((one, (x, y)), place) in series.iter().zip(ends).zip(places) {
        let leader = [(x + 5.0, y), (edge + 4.0, y), (edge + 14.0, place), (edge + 18.0, place)];
        let leader = leader.map(|(x, y)| (fine(x), fine(y)));
        let skip = usize::from(x + 5.0 > edge);
        if !together {
            area.draw(&PathElement::new(&leader[skip..], one.mark.colour.mix(0.55).stroke_width(8)))?;
        }
        marker(area, (fine(edge + 24.0), fine(place)), one.mark)?;
        let room = (f64::from(area.dim_in_pixel().0) / f64::from(FINE)) - edge - 32.0;
        text_at(area, (edge + 32.0, place), SIZE, INK, At::Left, &fitting(&one.name, SIZE, room))?;
    }
    Ok(())
}

fn label_room(series: &[Series], form: Form) -> f64 {
    let widest = series.iter().map(|one| width(&one.name, SIZE)).fold(0.0, f64::max);
    (widest + 36.0).min(if form == Form::Wide { 320.0 } else { 196.0 })
}

/// Two names in a row where they are short.
fn columns(series: &[Series]) -> usize {
    let widest = series.iter().map(|one| width(&one.name, SIZE)).fold(0.0, f64::max);
    if widest < 145.0 { 2 } else { 1 }
}

fn key_height(series: &[Series]) -> f64 {
    let rows = series.len().div_ceil(columns(series));
    8.0 + ROW * f64::from(u32::try_from(rows).unwrap_or(0))
}

fn draw_key(area: &Area<'_>, series: &[Series], top: f64) -> Result<()> {
    let columns = columns(series);
    for (number, one) in series.iter().enumerate() {
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(0));
        let x = 8.0 + 172.0 * count(number % columns);
        let y = top + ROW * (count(number / columns) + 0.5);
        let stroke = one.mark.colour.stroke_width(if one.mark.heavy { 22 } else { 15 });
        area.draw(&PathElement::new([(fine(x), fine(y)), (fine(x + 20.0), fine(y))], stroke))?;
        marker(area, (fine(x + 10.0), fine(y)), one.mark)?;
        text_at(area, (x + 28.0, y), SIZE, INK, At::Left, &fitting(&one.name, SIZE, 310.0))?;
    }
    Ok(())
}
