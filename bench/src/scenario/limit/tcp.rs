//! TCP as fast as it goes through a limit: what arrives, how long a round trip takes meanwhile,
//! what is sent again, and how fairly flows share.

use std::slice;
use std::time::Duration;

use anyhow::{Result, ensure};
use dataplane_common::direction::Direction;
use dataplane_tests::tcp::{Connected, Flows};
use serde_json::json;

use super::{Line, Traffic, share};
use crate::bed::{Bed, CLIENT, SERVER};
use crate::flows::{self, CONGESTION, IDEAL, Outcome};
use crate::load::Sample;
use crate::measure::number;
use crate::results::{Metric, Parameters};
use crate::scenario::Scope;
use crate::variant::Limit;

/// From here on one at a time, and a shorter time shows as many packets.
const FAST: u64 = 1_000_000_000;

/// The scenario `limit-tcp`.
pub(crate) struct Tcp;

impl Traffic for Tcp {
    fn name(&self) -> &'static str {
        "limit-tcp"
    }

    fn about(&self) -> &'static str {
        "TCP through a limit: goodput, round trips under load, segments sent again"
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![
            share("goodput_share", "goodput", "ideal", Some(true)),
            Metric {
                name: "round_trip_ns".to_owned(),
                title: "RTT under load, median".to_owned(),
                unit: "ms".to_owned(),
                per_unit: 1e6,
                higher_is_better: Some(false),
            },
            Metric {
                name: "sent_again_share".to_owned(),
                title: "segments sent again".to_owned(),
                unit: "%".to_owned(),
                per_unit: 0.01,
                higher_is_better: Some(false),
            },
            Metric {
                name: "fairness".to_owned(),
                title: "fairness (Jain)".to_owned(),
                unit: String::new(),
                per_unit: 1.0,
                higher_is_better: Some(true),
            },
        ]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[
            "The ideal is 1448/1514 of the rate: payload of full frames. A burst lets more through at first.",
            "Fairness is Jain's index: 1 if all flows got the same, one over their number if one got all.",
            "Both ends share one machine and a round trip is below a millisecond: hard for a limiter \
             without a queue, and not a real uplink.",
            "Up to 100 Mbit several run side by side on beds of their own; above, one at a time.",
        ]
    }

    fn parameters(&self, scope: &Scope) -> Vec<Parameters> {
        let flows: &[u32] = if scope.quick { &[8] } else { &[1, 8] };
        let set = |flows: &u32| {
            let congestion = ("congestion".to_owned(), json!(CONGESTION));
            [("flows".to_owned(), json!(flows)), congestion].into_iter().collect()
        };
        flows.iter().map(set).collect()
    }

    fn offered_percent(&self) -> u64 {
        100
    }

    fn window(&self, long: Duration, bits_per_s: u64) -> Duration {
        if bits_per_s < FAST { long } else { long * 3 / 5 }
    }

    fn free(&self, bed: &Bed, limit: Limit) -> Result<f64> {
        let flows = connect(bed, limit.direction, 1);
        let time = Duration::from_millis(500);
        let outcomes = flows::measure(slice::from_ref(&flows), time, 2 * time)?;
        Ok(outcomes.iter().map(|outcome| outcome.bits_per_s).sum())
    }

    fn measure(
        &self,
        lines: &[Line<'_>],
        warm_up: Duration,
        window: Duration,
    ) -> Result<Vec<Result<Sample>>> {
        let connected: Vec<Connected> = lines
            .iter()
            .map(|line| connect(line.bed, line.limit.direction, flows(line.parameters)))
            .collect();
        let outcomes = flows::measure(&connected, warm_up, window)?;
        Ok(lines.iter().zip(outcomes).map(|(line, outcome)| sample(line.limit, &outcome)).collect())
    }
}

fn sample(limit: Limit, outcome: &Outcome) -> Result<Sample> {
    ensure!(outcome.bits_per_s > 0.0, "nothing arrived while it was measured");
    let goodput = outcome.bits_per_s / (number(limit.bits_per_s) * IDEAL);
    let (round_trip, again) = (1e6 * outcome.round_trip_ms, outcome.percent_again / 100.0);
    Ok(Sample { figures: vec![goodput, round_trip, again, outcome.fairness], latency: None })
}

fn flows(parameters: &Parameters) -> usize {
    let flows = parameters.get("flows").and_then(serde_json::Value::as_u64);
    flows.and_then(|flows| usize::try_from(flows).ok()).unwrap_or(1)
}

fn connect(bed: &Bed, direction: Direction, count: usize) -> Connected {
    let (from, to, address) = match direction {
        Direction::FromContainer => (&bed.server, &bed.client, CLIENT),
        Direction::ToContainer => (&bed.client, &bed.server, SERVER),
    };
    Flows { from, to, address: address.into(), count, congestion: CONGESTION }.connect()
}
