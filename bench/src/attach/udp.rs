//! UDP at twice the limit: how exactly the limit is delivered, beside `tc tbf`.
//!
//! It goes from box to box, so that it is counted where it enters the other box, past the
//! limit in either direction.

use std::time::Duration;

use anyhow::Result;
use dataplane_common::direction::Direction;
use dataplane_tests::meter::Interface;
use dataplane_tests::topology::Topology;
use dataplane_tests::udp::{Offer, Sink};

use super::limiter::{Limiter, groups, rates};
use super::{Plan, rate, way};
use crate::interrupt;
use crate::lab::Dpctl;
use crate::measure::number;
use crate::progress::Progress;
use crate::report::{Bound, Cell, Table, Target};

/// How far off the limit delivery may be.
const TOLERANCE_PERCENT: f64 = 1.0;
/// Long enough for every default queue to fill at twice its rate.
const WARM_UP: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(10);
const AROUND: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug)]
struct Case {
    bits_per_s: u64,
    direction: Direction,
    limiter: Limiter,
}

fn cases(plan: &Plan) -> Vec<Case> {
    let mut cases = Vec::new();
    for bits_per_s in rates(plan) {
        for direction in Direction::ALL {
            cases.extend(Limiter::ALL.map(|limiter| Case { bits_per_s: *bits_per_s, direction, limiter }));
        }
    }
    cases
}

fn window(plan: &Plan) -> Duration {
    plan.window.min(LONGEST)
}

pub(super) fn estimate(plan: &Plan) -> Duration {
    let groups = groups(&cases(plan), |case| case.bits_per_s).len();
    (WARM_UP + window(plan) + AROUND) * u32::try_from(groups).unwrap_or(u32::MAX)
}

pub(super) fn run(plan: &Plan, progress: &mut Progress) -> Result<Table> {
    let mut results = Vec::new();
    for group in groups(&cases(plan), |case| case.bits_per_s) {
        let highest = group.iter().map(|case| case.bits_per_s).max().unwrap_or(0);
        let what = format!("udp: {} at {}", group.len(), rate(highest));
        progress.step(&what, WARM_UP + window(plan) + AROUND);
        results.extend(measure(&group, window(plan))?);
    }
    Ok(table(plan, &results))
}

/// The share of its limit that each case delivers.
fn measure(group: &[Case], window: Duration) -> Result<Vec<(Case, f64)>> {
    let topology = Topology::new(u8::try_from(2 * group.len())?);
    let dpctl = Dpctl::new(&topology.host);
    let mut lines: Vec<(Interface<'_>, Sink)> = Vec::new();
    let mut offers = Vec::new();
    for (number, case) in (1..).step_by(2).zip(group) {
        case.limiter.limit(&dpctl, &topology, number, (case.bits_per_s, case.direction))?;
        let (from, to) = match case.direction {
            Direction::FromContainer => (number, number + 1),
            Direction::ToContainer => (number + 1, number),
        };
        let (from, to) = (topology.sandbox(from), topology.sandbox(to));
        let sink = Sink::new(&to.namespace, to.address());
        offers.push(Offer::new(&from.namespace, &sink).at(2 * case.bits_per_s));
        lines.push((to.inside(), sink));
    }
    let senders: Vec<_> = offers.into_iter().map(Offer::start).collect();
    interrupt::pause(WARM_UP)?;
    let read = || lines.iter().map(|(interface, _)| interface.read()).collect::<Vec<_>>();
    let before = read();
    interrupt::pause(window)?;
    let arrived: Vec<f64> =
        read().iter().zip(&before).map(|(after, before)| after.since(before).bits_per_s()).collect();
    drop(senders);
    let share = |(case, bits_per_s): (&Case, f64)| (*case, bits_per_s / number(case.bits_per_s));
    Ok(group.iter().zip(arrived).map(share).collect())
}

fn table(plan: &Plan, results: &[(Case, f64)]) -> Table {
    let mut rows = Vec::new();
    let mut worst = (0.0, String::new());
    for pair in results.chunks(Limiter::ALL.len()) {
        let [(case, ours), (_, tbf)] = pair else { continue };
        let (rate, way) = (rate(case.bits_per_s), way(case.direction));
        rows.push(vec![
            Cell::text(&rate),
            Cell::text(way),
            Cell::Figure(*ours, 4),
            Cell::Figure(*tbf, 4),
            Cell::Figure(ours / tbf, 3),
        ]);
        let off = 100.0 * (ours - 1.0).abs();
        if off >= worst.0 {
            worst = (off, format!("{rate}, {way}"));
        }
    }
    let what = format!("dpctl at its furthest from the limit ({}), %:", worst.1);
    Table {
        name: "udp",
        title: format!(
            "UDP offered at twice the limit, share of the limit delivered, {} s each",
            window(plan).as_secs()
        ),
        head: vec!["rate", "direction", "dpctl", "tbf", "dpctl/tbf"],
        rows,
        notes: vec!["Whole frames, by the receiver's interface counters.".to_owned()],
        targets: vec![Target { what, figure: worst.0, bound: Bound::AtMost(TOLERANCE_PERCENT) }],
    }
}
