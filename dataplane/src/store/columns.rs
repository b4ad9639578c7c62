//! What several tables have in common: limits, states, specs, and the answer to what makes no sense.

use rusqlite::Row;

use dataplane_common::limit::Shape;
use dataplane_common::rate::Rate;
use dataplane_common::size::Bytes;
use dataplane_common::time::Nanos;

use crate::attachment::State;

pub(super) type Columns = (Option<u64>, Option<u64>, Option<u64>);

pub(super) fn columns(shape: Option<Shape>) -> Columns {
    match shape {
        Some(shape) => (Some(shape.rate.bits_per_s()), Some(shape.burst.bytes()), Some(shape.latency.ns())),
        None => (None, None, None),
    }
}

pub(super) fn shape(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Shape>> {
    let Some(rate) = row.get::<_, Option<u64>>(first)? else { return Ok(None) };
    let rate = Rate::from_bits_per_s(rate).ok_or(rusqlite::Error::IntegralValueOutOfRange(first, 0))?;
    let burst = Bytes::from_bytes(row.get(first + 1)?);
    Ok(Some(Shape { rate, burst, latency: Nanos::from_ns(row.get(first + 2)?) }))
}

pub(super) fn makes_no_sense(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Text)
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    State::from_name(&row.get::<_, String>(column)?).ok_or_else(|| makes_no_sense(column))
}

/// A spec as text. Plain data, with strings for keys, always has one.
pub(super) fn json(spec: &impl serde::Serialize) -> String {
    serde_json::to_string(spec).unwrap_or_default()
}
