//! What a packet pays for our programs: `BPF_PROG_TEST_RUN` over and over, in units of one hot
//! hash-map look-up.
//!
//! Time is the CPU time of the thread around the call, not the kernel's own figure, which is
//! whole nanoseconds and counts what other threads took.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;
use dataplane_tests::run::{CONTEXT, Skb};
use dataplane_tests::topology::Topology;
use dataplane_tests::udp::pin_to;
use rustix::time::{ClockId, clock_gettime};

use super::skb::{FRAME, GSO_PAYLOAD, frame, gso_packet};
use super::{Plan, way};
use crate::instance::Dpctl;
use crate::interrupt;
use crate::measure::{Rounds, number};
use crate::programs::{self, Lookup, NEXT};
use crate::progress::Progress;
use crate::report::{Bound, Cell, Table, Target};
use crate::sys;

/// Runs of one call: some ten milliseconds.
const REPEAT: u32 = 200_000;
/// Calls, a quarter of a second, that fill a queue which the coarse clock serves.
const FILL: u32 = 30;
/// The promise, in units, without and with a limit.
const COUNTERS: f64 = 2.0;
const LIMIT: f64 = 5.0;

/// A program and the packet it is run on, and what that took in each round.
struct Variant<'p> {
    name: &'static str,
    direction: Option<Direction>,
    allowed: Option<f64>,
    program: BorrowedFd<'p>,
    packet: Vec<u8>,
    context: [u8; CONTEXT],
    /// Calls before the one that is timed.
    warm_up: u32,
    ns: Rounds,
}

pub(super) fn estimate(plan: &Plan) -> Duration {
    Duration::from_millis(2000 + 750 * rounds(plan))
}

fn rounds(plan: &Plan) -> u64 {
    if plan.quick { 15 } else { 51 }
}

pub(super) fn run(plan: &Plan, progress: &mut Progress) -> Result<Table> {
    progress.step("packet: one packet through the programs over and over", estimate(plan));
    let topology = Topology::new(6);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth1")?;
    dpctl.run("attach --rate 1tbit veth2")?;
    dpctl.run("attach --rate 1kbit veth4")?;
    dpctl.run("attach --rate 1tbit --latency 50ms veth5")?;
    let open = |direction| {
        let pin = dpctl.program(direction)?;
        dataplane::sys::open_pin(&pin).with_context(|| format!("open {}", pin.display()))
    };
    let ours = [open(Direction::FromContainer)?, open(Direction::ToContainer)?];
    let veths = [1, 2, 3, 4, 5, 6].map(|number| topology.host_side(number).index());
    let empty = programs::empty().context("load the empty program")?;
    let lookup = Lookup::new(&veths).context("load the program that looks up")?;
    let (clock, random) = (programs::clock(), programs::random());
    let (clock, random) =
        (clock.context("load the clock's program")?, random.context("load the random one")?);
    let baseline = [empty.as_fd(), lookup.program(), lookup.program(), clock.as_fd(), random.as_fd()];
    let mut variants = variants(ours.each_ref().map(AsFd::as_fd), baseline, veths);

    topology.host.enter(|| {
        pin_to(0);
        // Half of what one CPU offers fits through. The short queue is full within a millisecond.
        for (accepts, latency, veth) in [(ACCEPTS, "101ms", "veth3"), (ACCEPTS_SHORT, "200us", "veth6")] {
            let free = variants.iter().find(|variant| variant.name == accepts).map_or(Ok(f64::NAN), time)?;
            let half = 1e3 * 8.0 * f64::from(FRAME) / free / 2.0;
            dpctl.run(&format!("attach --rate {half:.0}mbit --burst 3028 --latency {latency} {veth}"))?;
        }
        for _ in 0..rounds(plan) {
            for variant in &mut variants {
                interrupt::check()?;
                let ns = time(variant)?;
                variant.ns.push(ns);
            }
        }
        Ok::<_, anyhow::Error>(())
    })?;
    prove_premises(&dpctl)?;
    Ok(table(&variants))
}

const ACCEPTS: &str = "limit, accepted";
/// A queue too short for the coarse clock.
const ACCEPTS_SHORT: &str = "short limit, accepted";

fn variants<'p>(
    ours: [BorrowedFd<'p>; 2],
    baseline: [BorrowedFd<'p>; 5],
    [counters, accepts, ramp, full, accepts_short, ramp_short]: [u32; 6],
) -> Vec<Variant<'p>> {
    let variant = |name, direction, allowed, program, ifindex| {
        let (packet, context) = (frame(), Skb { ifindex, ..Skb::default() }.context());
        Variant { name, direction, allowed, program, packet, context, warm_up: 0, ns: Rounds::default() }
    };
    let names =
        ["empty program", "one look-up", "one look-up again", "one clock reading", "one random number"];
    let mut variants: Vec<Variant<'p>> = names
        .iter()
        .zip(baseline)
        .map(|(name, program)| variant(*name, None, None, program, counters))
        .collect();
    for direction in Direction::ALL {
        let program = ours[direction.index()];
        let own = |name, allowed, ifindex| variant(name, Some(direction), allowed, program, ifindex);
        variants.extend([
            own("counters only", Some(COUNTERS), counters),
            own(ACCEPTS, Some(LIMIT), accepts),
            Variant { warm_up: FILL, ..own("limit, half dropped at random", Some(LIMIT), ramp) },
            own("limit, all dropped", Some(LIMIT), full),
            Variant {
                packet: gso_packet(),
                context: Skb { ifindex: accepts, gso_size: GSO_PAYLOAD, ..Skb::default() }.context(),
                ..own("limit, accepted, GSO packet", Some(LIMIT), accepts)
            },
            own(ACCEPTS_SHORT, Some(LIMIT), accepts_short),
            own("short limit, half dropped at random", Some(LIMIT), ramp_short),
        ]);
    }
    variants
}

/// CPU time of one run, in nanoseconds.
fn time(variant: &Variant<'_>) -> Result<f64> {
    for _ in 0..variant.warm_up {
        sys::test_run(variant.program, &variant.packet, &variant.context, REPEAT)
            .with_context(|| format!("run {}", variant.name))?;
    }
    let before = cpu_ns();
    let verdict = sys::test_run(variant.program, &variant.packet, &variant.context, REPEAT)
        .with_context(|| format!("run {}", variant.name))?;
    let ns = cpu_ns() - before;
    ensure!(variant.direction.is_some() || verdict == NEXT, "{}: its key is missing", variant.name);
    Ok(ns / f64::from(REPEAT))
}

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    number((time.tv_sec * 1_000_000_000 + time.tv_nsec).cast_unsigned())
}

/// Each veth did what its row says; a row of something else would look just as good.
fn prove_premises(dpctl: &Dpctl<&Namespace>) -> Result<()> {
    for direction in Direction::ALL {
        let of_all = |veth: &str, reason: &str| -> Result<f64> {
            let dropped = dpctl.counted(veth, direction, reason)?;
            let passed = dpctl.counted(veth, direction, "packets")?;
            Ok(number(dropped) / number(dropped + passed))
        };
        let way = way(direction);
        let (early, full) = ("dropped_limit_early", "dropped_limit_full");
        ensure!(
            of_all("veth1", full)? + of_all("veth2", early)? + of_all("veth2", full)? < 1e-3,
            "{way}: 1tbit dropped packets"
        );
        ensure!(of_all("veth5", early)? + of_all("veth5", full)? < 1e-3, "{way}: 1tbit dropped packets");
        for veth in ["veth3", "veth6"] {
            let ramp = of_all(veth, early)?;
            ensure!((0.2..0.8).contains(&ramp), "{way}: {ramp:.2} dropped at random, not about a half");
        }
        ensure!(of_all("veth4", full)? > 0.99, "{way}: 1kbit let packets through");
    }
    Ok(())
}

fn table(variants: &[Variant<'_>]) -> Table {
    let empty = &variants[0].ns;
    let unit = variants[1].ns.with(empty, |lookup, empty| lookup - empty);
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for variant in variants {
        let over = variant.ns.with(empty, |ns, empty| ns - empty);
        let units = over.over(&unit);
        let (low, high) = units.interval();
        let way = variant.direction.map_or("", way);
        rows.push(vec![
            Cell::text(variant.name),
            Cell::text(way),
            Cell::Figure(variant.ns.median(), 1),
            Cell::Figure(over.median(), 1),
            Cell::Figure(units.median(), 2),
            Cell::Figure(low, 2),
            Cell::Figure(high, 2),
        ]);
        if let Some(allowed) = variant.allowed {
            let what = format!("{}, {way}: units", variant.name);
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
