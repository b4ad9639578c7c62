//! Traffic of our own over a bed, and what is measured of it, one file each.
//!
//! docs/lab.md tells how to add one: a file here, and a line in [`crate::scenario::all`].

pub(crate) mod crr;
pub(crate) mod latency;
pub(crate) mod per_packet;
pub(crate) mod raw;
pub(crate) mod replay;
pub(crate) mod tcp;
pub(crate) mod udp;

mod batch;
mod cpu;
mod datagram;
mod frame;
mod metric;
mod stream;
mod timed;
mod wire;

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

pub(crate) use self::cpu::HeldUp;
use crate::bed::Bed;
use crate::measure::number;
use crate::results::{Metric, Parameters};

/// A kind of traffic. Each measurement opens its own sockets and closes them.
pub(crate) trait Load: Sync {
    /// As `--only` takes it.
    fn name(&self) -> &str;

    /// One line for `dpbench list`.
    fn about(&self) -> &str;

    /// What one measurement yields, in this order.
    fn metrics(&self) -> Vec<Metric>;

    /// What it is measured with, one set a row; one empty set where there is no choice.
    fn parameters(&self) -> Vec<Parameters> {
        vec![Parameters::new()]
    }

    /// The numbers that a lab file may give a parameter; none where it must stay one of those above.
    fn range(&self, _parameter: &str) -> Option<RangeInclusive<u64>> {
        None
    }

    /// What a reader must hold against its figures.
    fn unfair(&self) -> &'static [&'static str] {
        &[]
    }

    /// How long a measurement of about `window` takes.
    fn takes(&self, window: Duration) -> Duration {
        window
    }

    /// Sends a little and compares what arrives byte for byte; before anything is timed.
    fn validate(&self, bed: &Bed, parameters: &Parameters) -> Result<()>;

    /// Measures for about so long.
    fn measure(&self, bed: &Bed, parameters: &Parameters, window: Duration) -> Result<Sample>;
}

/// What one measurement yielded.
#[derive(Debug)]
pub(crate) struct Sample {
    /// As [`Load::metrics`] lists them.
    pub(crate) figures: Vec<f64>,
    /// Nanoseconds of single requests, where they were timed.
    pub(crate) latency: Option<Histogram<u64>>,
}

/// What does not answer within this time is broken.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
