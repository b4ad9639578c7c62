//! What listings print: rows for programs, and the way to standard output.
//!
//! docs/json.md has every key; keys are added, never renamed or removed.

use std::io::{ErrorKind, Write};

use serde::Serialize;

use dataplane_common::counters::Counters;
use dataplane_common::direction::Direction;
use dataplane_common::limit::Shape;

use crate::attachment::Attachment;
use crate::error::{Attempt, Result};

/// An attachment.
#[derive(Debug, Serialize)]
pub struct AttachmentRow {
    pub(super) interface: String,
    ifindex: u32,
    mac: String,
    hook: &'static str,
    order: &'static str,
    from_container: Option<LimitRow>,
    to_container: Option<LimitRow>,
}

/// A limit in force.
#[derive(Clone, Debug, Serialize)]
pub struct LimitRow {
    pub(super) rate_bits_per_s: u64,
    burst_bytes: u64,
    latency_ns: u64,
}

/// The counters of an attachment.
#[derive(Debug, Serialize)]
pub struct StatsRow {
    pub(super) interface: String,
    pub(super) ifindex: u32,
    from_container: CountersRow,
    to_container: CountersRow,
}

/// The counters of one direction.
#[derive(Debug, Serialize)]
pub struct CountersRow {
    packets: u64,
    bytes: u64,
    dropped_limit_early: u64,
    dropped_limit_full: u64,
    dropped_refused: u64,
    dropped_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    packets_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_per_s: Option<f64>,
}

impl AttachmentRow {
    pub(super) fn new(attachment: &Attachment) -> Self {
        let limit = |direction| attachment.limits.of(direction).map(LimitRow::from);
        Self {
            interface: attachment.interface.clone(),
            ifindex: attachment.ifindex,
            mac: attachment.mac.to_string(),
            hook: attachment.hook.name(),
            order: attachment.order.name(),
            from_container: limit(Direction::FromContainer),
            to_container: limit(Direction::ToContainer),
        }
    }
}

impl From<Shape> for LimitRow {
    fn from(shape: Shape) -> Self {
        Self {
            rate_bits_per_s: shape.rate.bits_per_s(),
            burst_bytes: shape.burst.bytes(),
            latency_ns: shape.latency.ns(),
        }
    }
}

/// What passed in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    pub(super) packets_per_s: f64,
    pub(super) bits_per_s: f64,
}

impl StatsRow {
    pub(super) fn new(attachment: &Attachment, counters: [Counters; 2], pace: [Option<Pace>; 2]) -> Self {
        let row =
            |direction: Direction| CountersRow::new(counters[direction.index()], pace[direction.index()]);
        Self {
            interface: attachment.interface.clone(),
            ifindex: attachment.ifindex,
            from_container: row(Direction::FromContainer),
            to_container: row(Direction::ToContainer),
        }
    }
}

impl CountersRow {
    fn new(counters: Counters, pace: Option<Pace>) -> Self {
        Self {
            packets: counters.packets,
            bytes: counters.bytes,
            dropped_limit_early: counters.dropped_early,
            dropped_limit_full: counters.dropped_full,
            dropped_refused: counters.dropped_refused,
            dropped_bytes: counters.dropped_bytes,
            packets_per_s: pace.map(|pace| pace.packets_per_s),
            bits_per_s: pace.map(|pace| pace.bits_per_s),
        }
    }
}

/// Rows as one JSON array.
pub fn json(rows: &[impl Serialize]) -> Result<String> {
    let text = serde_json::to_string_pretty(rows).map_err(std::io::Error::from);
    text.map(|text| text + "\n").attempt(|| "write JSON".to_owned())
}

/// Writes to standard output. A reader that has had enough is no error.
pub fn print(text: &str) -> Result<()> {
    print_on(text).map(drop)
}

/// Writes to standard output; answers whether anybody still reads.
pub fn print_on(text: &str) -> Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).attempt(|| "write to standard output".to_owned()),
    }
}

/// One line on standard error. Nobody is left to be told that it could not be written.
pub fn tell(text: &str) {
    let line = format!("dpctl: {text}\n");
    drop(std::io::stderr().lock().write_all(line.as_bytes()));
}
