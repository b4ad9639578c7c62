//! TCP through the default limit, beside `tc tbf` at the same rate.
//!
//! It goes from box to box: a sender on the host itself would be told of each packet that is
//! dropped on its way to the container, which no sender behind a wire is.
//!
//! Low rates cost next to nothing, so they run side by side, each on a veth and a box of its
//! own; above that one at a time.

use std::time::Duration;

use anyhow::{Result, ensure};
use dataplane_common::direction::Direction;
use dataplane_tests::tcp::{Connected, Flows};
use dataplane_tests::topology::Topology;

use super::limiter::{LOW_RATE, Limiter, groups, rates};
use super::{Plan, rate, way};
use crate::attach::progress::Progress;
use crate::attach::table::{Bound, Cell, Table, Target};
use crate::flows::{self, CONGESTION, IDEAL, Outcome};
use crate::instance::Dpctl;
use crate::measure::number;

/// The promise, as a share of the ideal.
const GOODPUT: f64 = 0.85;
/// The first window of a flow fills the queue at whatever speed: no part of a steady state.
const WARM_UP: Duration = Duration::from_secs(2);
/// Connecting, attaching, taking down.
const AROUND: Duration = Duration::from_millis(1500);

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Case {
    bits_per_s: u64,
    direction: Direction,
    flows: usize,
    limiter: Limiter,
}

impl Case {
    fn line(&self) -> String {
        let Self { bits_per_s, direction, flows, .. } = self;
        format!(
            "{}, {}, {flows} flow{}",
            rate(*bits_per_s),
            way(*direction),
            if *flows == 1 { "" } else { "s" }
        )
    }

    fn share_of_ideal(&self, outcome: &Outcome) -> f64 {
        outcome.bits_per_s / (number(self.bits_per_s) * IDEAL)
    }
}

/// What stands beside each other stands next to each other.
fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for bits_per_s in rates(plan) {
        for direction in Direction::ALL {
            for flows in [1, 8] {
                cases.extend(Limiter::ALL.map(|limiter| Case {
                    bits_per_s: *bits_per_s,
                    direction,
                    flows,
                    limiter,
                }));
            }
        }
    }
    cases
}

pub(super) fn estimate(plan: &Plan) -> Duration {
    let groups = groups(&cases(plan), |case| case.bits_per_s).len();
    free_time() + (WARM_UP + plan.window + AROUND) * u32::try_from(groups).unwrap_or(u32::MAX)
}

fn free_time() -> Duration {
    2 * (WARM_UP + AROUND)
}

pub(super) fn run(plan: &Plan, progress: &mut Progress) -> Result<Table> {
    progress.step("goodput: without a limit", free_time());
    let [from, to] = Direction::ALL.map(unlimited);
    let free = [from?, to?];
    let highest = number(rates(plan).iter().copied().max().unwrap_or(0));
    let least = free[0].min(free[1]);
    ensure!(
        least > 2.0 * highest,
        "without a limit {least:.2e} bit/s pass: too few to show one of {highest:.2e}"
    );
    let mut results: Vec<(Case, Outcome)> = Vec::new();
    for group in groups(&cases(plan), |case| case.bits_per_s) {
        let what = match group.as_slice() {
            [case] => format!("{}, {}", case.line(), case.limiter.name()),
            several => format!("{} up to {} side by side", several.len(), rate(LOW_RATE)),
        };
        progress.step(&format!("goodput: {what}"), WARM_UP + plan.window + AROUND);
        results.extend(measure(&group, plan.window)?);
    }
    Ok(table(plan, &results, free))
}

/// Flows between box `number`, the container, and the box after it.
fn connect(topology: &Topology, number: u8, direction: Direction, count: usize) -> Connected {
    let (from, to) = match direction {
        Direction::FromContainer => (number, number + 1),
        Direction::ToContainer => (number + 1, number),
    };
    let (from, to) = (topology.sandbox(from), topology.sandbox(to));
    let (from, to, address) = (&from.namespace, &to.namespace, to.address());
    Flows { from, to, address, count, congestion: CONGESTION }.connect()
}

/// What one flow gets without a limit.
fn unlimited(direction: Direction) -> Result<f64> {
    let topology = Topology::new(2);
    let flows = connect(&topology, 1, direction, 1);
    let outcome = flows::measure(&[flows], Duration::from_millis(500), WARM_UP)?;
    Ok(outcome[0].bits_per_s)
}

fn measure(group: &[Case], window: Duration) -> Result<Vec<(Case, Outcome)>> {
    let topology = Topology::new(u8::try_from(2 * group.len())?);
    let dpctl = Dpctl::new(&topology.host);
    let mut flows = Vec::new();
    for (number, case) in (1..).step_by(2).zip(group) {
        case.limiter.limit(&dpctl, &topology, number, (case.bits_per_s, case.direction))?;
        flows.push(connect(&topology, number, case.direction, case.flows));
    }
    let outcomes = flows::measure(&flows, WARM_UP, window)?;
    Ok(group.iter().copied().zip(outcomes).collect())
}

fn table(plan: &Plan, results: &[(Case, Outcome)], free: [f64; 2]) -> Table {
    let mut rows = Vec::new();
    let mut worst: Option<(f64, String)> = None;
    for pair in results.chunks(Limiter::ALL.len()) {
        let [(case, ours), (_, tbf)] = pair else { continue };
        let share = case.share_of_ideal(ours);
        if worst.as_ref().is_none_or(|(least, _)| share < *least) {
            worst = Some((share, case.line()));
        }
        rows.push(vec![
            Cell::text(rate(case.bits_per_s)),
            Cell::text(way(case.direction)),
            Cell::text(case.flows.to_string()),
            Cell::Figure(share, 3),
            Cell::Figure(case.share_of_ideal(tbf), 3),
            Cell::Figure(ours.bits_per_s / tbf.bits_per_s, 2),
            Cell::Figure(ours.round_trip_ms, 2),
            Cell::Figure(tbf.round_trip_ms, 2),
            Cell::Figure(ours.percent_again, 1),
            Cell::Figure(tbf.percent_again, 1),
            Cell::Figure(ours.fairness, 2),
            Cell::Figure(tbf.fairness, 2),
        ]);
    }
    let target = |(figure, line)| Target {
        what: format!("dpctl's least share of the ideal ({line})"),
        figure,
        bound: Bound::AtLeast(GOODPUT),
    };
    Table {
        name: "goodput",
        title: format!("TCP ({CONGESTION}) through the default limit beside tc tbf, {} s each", plan.window.as_secs()),
        head: vec![
            "rate", "direction", "flows", "dpctl", "tbf", "dpctl/tbf", "RTT ms", "tbf RTT", "again %", "tbf again",
            "Jain", "tbf Jain",
        ],
        rows,
        notes: vec![
            format!("dpctl, tbf: payload at the readers, over the ideal of {IDEAL:.3} of the rate. RTT: the senders' own, median."),
            "Again: segments sent again. Jain: 1 if all flows got the same. In tbf's favour: from the container".to_owned(),
            "its queue is inside the container, where the sender feels it and a tenant could remove it.".to_owned(),
            format!("Up to {} all run side by side, above one at a time.", rate(LOW_RATE)),
            format!("Without a limit one flow gets {:.1} Gbit/s from and {:.1} Gbit/s to the container.", free[0] / 1e9, free[1] / 1e9),
        ],
        targets: worst.map(target).into_iter().collect(),
    }
}
