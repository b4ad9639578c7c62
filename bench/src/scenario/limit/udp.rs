//! UDP offered at twice a limit and more: how exactly the limit is delivered.

use std::time::Duration;

use anyhow::Result;
use dataplane_common::direction::Direction;

use super::{Traffic, share};
use crate::bed::{Bed, CLIENT, SERVER};
use crate::load::Sample;
use crate::measure::number;
use crate::offers::{self, OFFERED_PERCENT, Passed};
use crate::results::{Metric, Parameters};
use crate::scenario::Scope;
use crate::variant::Limit;

/// Above, a third of the time shows as many frames as anybody needs.
const SLOW: u64 = 10_000_000;

/// The scenario `limit-udp`.
pub(crate) struct Udp;

impl Traffic for Udp {
    fn name(&self) -> &'static str {
        "limit-udp"
    }

    fn about(&self) -> &'static str {
        "UDP offered at twice a limit and more: the share of the limit that is delivered"
    }

    fn metrics(&self) -> Vec<Metric> {
        // Nearest to 1 is best of what is delivered; what is offered is no merit.
        vec![
            share("delivered_share", "delivered", "limit", None),
            share("offered_share", "offered", "limit", None),
        ]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[
            "Whole frames by the receiver's interface counters; nearest to 1 is best, not most.",
            "Offered is what the sender managed: a queue on the sender's own machine may slow it down.",
            "At 128 kbit a frame more or less in the window is 1 %.",
        ]
    }

    fn parameters(&self, _scope: &Scope) -> Vec<Parameters> {
        vec![Parameters::new()]
    }

    fn offered_percent(&self) -> u64 {
        OFFERED_PERCENT
    }

    fn window(&self, long: Duration, bits_per_s: u64) -> Duration {
        if bits_per_s <= SLOW { long } else { long * 3 / 10 }
    }

    fn free(&self, bed: &Bed, limit: Limit) -> Result<f64> {
        let time = Duration::from_secs(1);
        let passed = offers::send(&[&line(bed, limit)], time, time)?;
        Ok(passed.iter().map(|passed| passed.arrived).sum())
    }

    fn measure(
        &self,
        lines: &[super::Line<'_>],
        warm_up: Duration,
        window: Duration,
    ) -> Result<Vec<Result<Sample>>> {
        let offered: Vec<offers::Line<'_>> = lines.iter().map(|of| line(of.bed, of.limit)).collect();
        let passed = offers::send(&offered.iter().collect::<Vec<_>>(), warm_up, window)?;
        let sample = |(line, passed): (&super::Line<'_>, Passed)| {
            let limit = number(line.limit.bits_per_s);
            Ok(Sample { figures: vec![passed.arrived / limit, passed.sent / limit], latency: None })
        };
        Ok(lines.iter().zip(passed).map(sample).collect())
    }
}

fn line(bed: &Bed, limit: Limit) -> offers::Line<'_> {
    match limit.direction {
        Direction::FromContainer => {
            offers::Line::new(&bed.server, bed.client_side(), CLIENT.into(), limit.bits_per_s)
        }
        Direction::ToContainer => {
            offers::Line::new(&bed.client, bed.server_side(), SERVER.into(), limit.bits_per_s)
        }
    }
}
