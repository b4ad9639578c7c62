//! One veth, attached in every way: whole processes beside the kernel's own two calls.

use std::time::Duration;

use anyhow::{Result, ensure};
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;
use dataplane_tests::topology::Topology;

use super::Plan;
use crate::attach::progress::Progress;
use crate::attach::switch::Switch;
use crate::attach::table::{Bound, Cell, Table, Target};
use crate::instance::Dpctl;
use crate::interrupt;
use crate::measure::{Rounds, timed};
use crate::rivals::{Naive, Tbf};

/// The promise: the whole process over the kernel's two link creations, and, where
/// nothing is loaded yet, over one of them.
const WARM: f64 = 1.5;
const COLD: f64 = 16.0;

const TEN_MBIT: u64 = 10_000_000;

/// What each way took in one round.
struct Round {
    links: Duration,
    links_off: Duration,
    start: Duration,
    cold: Duration,
    warm: Duration,
    warm_off: Duration,
    clsact: Duration,
    clsact_off: Duration,
    tbf: Duration,
}

pub(super) fn estimate(plan: &Plan) -> Duration {
    Duration::from_millis(1000 + 700 * rounds(plan) as u64)
}

fn rounds(plan: &Plan) -> usize {
    if plan.quick { 15 } else { 31 }
}

pub(super) fn run(plan: &Plan, progress: &mut Progress) -> Result<Table> {
    progress.step("single: one veth in every way, in turn", estimate(plan));
    let mut counted = Vec::new();
    let switch = Switch::read()?;
    while counted.len() < rounds(plan) {
        interrupt::check()?;
        switch.wait_until_back()?;
        let round = round()?;
        if switch.is_back()? {
            counted.push(round);
        }
    }
    Ok(table(&counted))
}

/// Every way once, each on a veth of its own, the first in a fresh instance.
fn round() -> Result<Round> {
    let topology = Topology::new(4);
    let dpctl = Dpctl::new(&topology.host);
    let time = |line: &str| timed(&mut dpctl.command(line));

    let cold = time("attach --rate 10mbit veth1")?;
    let naive = Naive::new(&dpctl)?;
    let index = [topology.host_side(2).index()];
    let links = topology.host.enter(|| naive.attach(&index))?;
    let warm = time("attach --rate 10mbit veth3")?;
    let clsact = time("attach --rate 10mbit --hook clsact veth4")?;
    prove_attached(&dpctl, &[("veth1", "tcx"), ("veth3", "tcx"), ("veth4", "clsact")])?;
    let links_off = topology.host.enter(|| naive.detach(&index))?;
    let warm_off = time("detach veth3")?;
    let clsact_off = time("detach veth4")?;
    prove_attached(&dpctl, &[("veth1", "tcx")])?;
    let start = time("--version")?;
    let tbf = Tbf { bits_per_s: TEN_MBIT }.add(&topology.host, "veth2")?;
    Ok(Round { links, links_off, start, cold, warm, warm_off, clsact, clsact_off, tbf })
}

/// What was timed was done: these are attached by these hooks, and no others.
fn prove_attached(dpctl: &Dpctl<&Namespace>, expected: &[(&str, &str)]) -> Result<()> {
    let rows = dpctl.rows("ls")?;
    let as_expected = rows.len() == expected.len()
        && rows.iter().zip(expected).all(|(row, (interface, hook))| {
            row["interface"] == *interface
                && row["hook"] == *hook
                && Direction::ALL.iter().all(|of| row[of.name()]["rate_bits_per_s"] == TEN_MBIT)
        });
    ensure!(as_expected, "single: dpctl ls has {rows:?}, not {expected:?} at 10 Mbit");
    Ok(())
}

fn table(rounds: &[Round]) -> Table {
    let of = |pick: fn(&Round) -> Duration| Rounds::of_ms(rounds.iter().map(pick));
    let links = of(|round| round.links);
    let one_link = of(|round| round.links / 2);
    let links_off = of(|round| round.links_off);
    let row = |what: &str, time: &Rounds, baseline: &Rounds| {
        let ratio = time.over(baseline);
        let (low, high) = ratio.interval();
        let figures = [time.median(), baseline.median(), ratio.median(), low, high];
        let cells = figures.into_iter().map(|figure| Cell::Figure(figure, 2));
        [Cell::text(what)].into_iter().chain(cells).collect()
    };
    let (warm, cold) = (of(|round| round.warm), of(|round| round.cold));
    let target = |what: &str, figure: &Rounds, most| Target {
        what: what.to_owned(),
        figure: figure.median(),
        bound: Bound::AtMost(most),
    };
    Table {
        name: "single",
        title: "one veth: a whole process, over the kernel's two link creations in the same round".to_owned(),
        head: vec!["what", "ms", "kernel, ms", "ratio", "from", "to (95 %)"],
        rows: vec![
            row("two link creations, pinned", &links, &links),
            row("dpctl attach, warm", &warm, &links),
            row("dpctl attach, warm, clsact", &of(|round| round.clsact), &links),
            row("dpctl attach, cold (over one link creation)", &cold, &one_link),
            row("dpctl --version: a process, nothing done", &of(|round| round.start), &links),
            row("tc qdisc add tbf (one direction)", &of(|round| round.tbf), &links),
            row("two links detached", &links_off, &links_off),
            row("dpctl detach", &of(|round| round.warm_off), &links_off),
            row("dpctl detach, clsact", &of(|round| round.clsact_off), &links_off),
        ],
        notes: vec![
            "Against dpctl: the kernel's calls are made by a process that runs already.".to_owned(),
            "Cold: no database, no pins, no bpffs mounted.".to_owned(),
        ],
        targets: vec![
            target("warm attach over two link creations", &warm.over(&links), WARM),
            target("cold attach over one link creation", &cold.over(&one_link), COLD),
        ],
    }
}
