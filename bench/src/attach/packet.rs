//! What a packet pays for our programs: `BPF_PROG_TEST_RUN` over and over, in units of one hot
//! hash-map look-up.

use std::time::Duration;

use anyhow::Result;

use super::{Plan, way};
use crate::attach::progress::Progress;
use crate::attach::table::{Bound, Cell, Table, Target};
use crate::interrupt;
use crate::measure::Rounds;
use crate::skb::FRAME;
use crate::test_runs::{EMPTY, LOOKUP, REPEAT, is_limited, names, with_all};

/// The promise, in units, without and with a limit.
const COUNTERS: f64 = 2.0;
const LIMIT: f64 = 5.0;

pub(super) fn estimate(plan: &Plan) -> Duration {
    Duration::from_millis(2000 + 750 * rounds(plan))
}

fn rounds(plan: &Plan) -> u64 {
    if plan.quick { 15 } else { 51 }
}

pub(super) fn run(plan: &Plan, progress: &mut Progress) -> Result<Table> {
    progress.step("packet: one packet through the programs over and over", estimate(plan));
    let times = with_all(|runs| {
        let mut times = vec![Rounds::default(); runs.len()];
        for _ in 0..rounds(plan) {
            for (run, times) in runs.iter().zip(&mut times) {
                interrupt::check()?;
                times.push(run.time()?);
            }
        }
        Ok(times)
    })?;
    Ok(table(&times))
}

fn table(times: &[Rounds]) -> Table {
    let empty = &times[EMPTY];
    let unit = times[LOOKUP].with(empty, |lookup, empty| lookup - empty);
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for ((name, direction), ns) in names().into_iter().zip(times) {
        let over = ns.with(empty, |ns, empty| ns - empty);
        let units = over.over(&unit);
        let (low, high) = units.interval();
        let way = direction.map_or("", way);
        rows.push(vec![
            Cell::text(name),
            Cell::text(way),
            Cell::Figure(ns.median(), 1),
            Cell::Figure(over.median(), 1),
            Cell::Figure(units.median(), 2),
            Cell::Figure(low, 2),
            Cell::Figure(high, 2),
        ]);
        if direction.is_some() {
            let allowed = if is_limited(name) { LIMIT } else { COUNTERS };
            let what = format!("{name}, {way}: units");
            targets.push(Target { what, figure: units.median(), bound: Bound::AtMost(allowed) });
        }
    }
    Table {
        name: "packet",
        title: "one packet through a program, over an empty program, in units of one hot hash-map look-up"
            .to_owned(),
        head: vec!["program", "direction", "ns", "ns over empty", "units", "from", "to (95 %)"],
        rows,
        notes: vec![
            format!(
                "CPU time of {REPEAT} runs by BPF_PROG_TEST_RUN a round, {FRAME}-byte frames; median of the rounds."
            ),
            "`one look-up again` is the control: what it is off 1 is noise.".to_owned(),
            "A short limit is one with a latency below 100 ms: it reads the exact clock.".to_owned(),
        ],
        targets,
    }
}
