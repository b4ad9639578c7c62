//! UDP at twice the limit: how exactly the limit is delivered, beside `tc tbf`.
//!
//! It goes from box to box, so that it is counted where it enters the other box, past the
//! limit in either direction. Proves first that without a limit twice as much arrives, and then
//! that `dpctl` was offered twice as much. `tbf` may slow down a sender on the same machine, so
//! what it was offered is told, not demanded.

use std::time::Duration;

use anyhow::{Result, ensure};
use dataplane_common::direction::Direction;
use dataplane_tests::topology::Topology;

use super::limiter::{Limiter, groups, rates};
use super::{Plan, rate, way};
use crate::attach::progress::Progress;
use crate::attach::table::{Bound, Cell, Table, Target};
use crate::instance::Dpctl;
use crate::measure::number;
use crate::offers::{Line, Passed, send};

/// How far off the limit delivery may be.
const TOLERANCE_PERCENT: f64 = 1.0;
/// Long enough for every default queue to fill at twice its rate.
const WARM_UP: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(10);
/// Without a limit, after as much time to begin.
const PREMISE: Duration = Duration::from_secs(1);
const AROUND: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug)]
struct Case {
    bits_per_s: u64,
    direction: Direction,
    limiter: Limiter,
}

/// Shares of the limit.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    offered: f64,
    delivered: f64,
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
    (2 * PREMISE + WARM_UP + window(plan) + AROUND) * u32::try_from(groups).unwrap_or(u32::MAX)
}

pub(super) fn run(plan: &Plan, progress: &mut Progress) -> Result<Table> {
    let mut results = Vec::new();
    for group in groups(&cases(plan), |case| case.bits_per_s) {
        let highest = group.iter().map(|case| case.bits_per_s).max().unwrap_or(0);
        let what = format!("udp: {} at {}", group.len(), rate(highest));
        progress.step(&what, 2 * PREMISE + WARM_UP + window(plan) + AROUND);
        results.extend(measure(&group, window(plan))?);
    }
    Ok(table(plan, &results))
}

/// A sender, the receiver, and the limit between them.
struct Limited<'t> {
    case: Case,
    line: Line<'t>,
}

impl Limited<'_> {
    fn ensure(&self, holds: bool, what: &str, bits_per_s: f64) -> Result<()> {
        let Case { bits_per_s: limit, direction, limiter } = self.case;
        let (rate, way, name) = (rate(limit), way(direction), limiter.name());
        let share = bits_per_s / number(limit);
        ensure!(holds, "udp, {rate}, {way}, {name}: {what} {share:.2} of the limit, not twice it");
        Ok(())
    }
}

fn measure(group: &[Case], window: Duration) -> Result<Vec<(Case, Outcome)>> {
    let topology = Topology::new(u8::try_from(2 * group.len())?);
    let dpctl = Dpctl::new(&topology.host);
    let limited = |(number, case): (u8, &Case)| {
        let (from, to) = match case.direction {
            Direction::FromContainer => (number, number + 1),
            Direction::ToContainer => (number + 1, number),
        };
        let (from, to) = (topology.sandbox(from), topology.sandbox(to));
        let line = Line::new(&from.namespace, to.inside(), to.address(), case.bits_per_s);
        Limited { case: *case, line }
    };
    let limited: Vec<Limited<'_>> = (1..).step_by(2).zip(group).map(limited).collect();
    let lines: Vec<&Line<'_>> = limited.iter().map(|limited| &limited.line).collect();
    for (limited, free) in limited.iter().zip(send(&lines, PREMISE, PREMISE)?) {
        let holds = free.arrived >= 2.0 * number(limited.case.bits_per_s);
        limited.ensure(holds, "without a limit there arrives", free.arrived)?;
    }
    for (number, Limited { case, .. }) in (1..).step_by(2).zip(&limited) {
        case.limiter.limit(&dpctl, &topology, number, (case.bits_per_s, case.direction))?;
    }
    let mut outcomes = Vec::new();
    for (limited, Passed { sent, arrived }) in limited.iter().zip(send(&lines, WARM_UP, window)?) {
        let limit = number(limited.case.bits_per_s);
        let is_ours = limited.case.limiter == Limiter::Dpctl;
        limited.ensure(sent >= 2.0 * limit || !is_ours, "the sender managed", sent)?;
        outcomes.push((limited.case, Outcome { offered: sent / limit, delivered: arrived / limit }));
    }
    Ok(outcomes)
}

fn table(plan: &Plan, results: &[(Case, Outcome)]) -> Table {
    let mut rows = Vec::new();
    let mut worst = (0.0, String::new());
    for pair in results.chunks(Limiter::ALL.len()) {
        let [(case, ours), (_, tbf)] = pair else { continue };
        let (rate, way) = (rate(case.bits_per_s), way(case.direction));
        rows.push(vec![
            Cell::text(&rate),
            Cell::text(way),
            Cell::Figure(ours.delivered, 4),
            Cell::Figure(tbf.delivered, 4),
            Cell::Figure(ours.delivered / tbf.delivered, 3),
            Cell::Figure(ours.offered, 2),
            Cell::Figure(tbf.offered, 2),
        ]);
        let off = 100.0 * (ours.delivered - 1.0).abs();
        if off >= worst.0 {
            worst = (off, format!("{rate}, {way}"));
        }
    }
    let what = format!("dpctl at its furthest from the limit ({}), %:", worst.1);
    Table {
        name: "udp",
        title: format!(
            "UDP offered at twice the limit and more, share of the limit delivered, {} s each",
            window(plan).as_secs()
        ),
        head: vec!["rate", "direction", "dpctl", "tbf", "dpctl/tbf", "offered", "to tbf"],
        rows,
        notes: vec![
            "Whole frames, by the receiver's interface counters. Without the limit twice of it arrives."
                .to_owned(),
            "Offered: what the sender managed. At high rates tbf's work leaves it less of the CPU."
                .to_owned(),
        ],
        targets: vec![Target { what, figure: worst.0, bound: Bound::AtMost(TOLERANCE_PERCENT) }],
    }
}
