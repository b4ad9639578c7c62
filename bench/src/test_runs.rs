//! Our programs and what they are measured against, each run on one packet over and over by
//! `BPF_PROG_TEST_RUN`, with proof that packets met what the rows say.
//!
//! Time is the CPU time of the thread around the call, not the kernel's own figure, which is
//! whole nanoseconds and counts what other threads took.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result, ensure};
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;
use dataplane_tests::run::{CONTEXT, Skb};
use dataplane_tests::topology::Topology;
use dataplane_tests::udp::pin_to;
use rustix::time::{ClockId, clock_gettime};

use crate::instance::Dpctl;
use crate::interrupt;
use crate::measure::number;
use crate::programs::{self, Lookup, NEXT};
use crate::skb::{FRAME, GSO_PAYLOAD, frame, gso_packet};
use crate::sys;

/// Runs of one call: some ten milliseconds.
pub(crate) const REPEAT: u32 = 200_000;
/// Calls, a quarter of a second, that fill a queue which the coarse clock serves.
const FILL: u32 = 30;

/// The first three: the floor, the unit, and the unit again.
pub(crate) const EMPTY: usize = 0;
pub(crate) const LOOKUP: usize = 1;
pub(crate) const LOOKUP_AGAIN: usize = 2;
const BASELINES: [&str; 5] =
    ["empty program", "one look-up", "one look-up again", "one clock reading", "one random number"];

const COUNTERS: &str = "counters only";
const ACCEPTS: &str = "limit, accepted";
const RAMP: &str = "limit, half dropped at random";
const FULL: &str = "limit, all dropped";
const ACCEPTS_GSO: &str = "limit, accepted, GSO packet";
/// A queue too short for the coarse clock.
const ACCEPTS_SHORT: &str = "short limit, accepted";
const RAMP_SHORT: &str = "short limit, half dropped at random";
const OURS: [&str; 7] = [COUNTERS, ACCEPTS, RAMP, FULL, ACCEPTS_GSO, ACCEPTS_SHORT, RAMP_SHORT];

/// A program and the packet it is run on.
pub(crate) struct TestRun<'p> {
    pub(crate) name: &'static str,
    /// Of our own programs: which of the two.
    pub(crate) direction: Option<Direction>,
    program: BorrowedFd<'p>,
    packet: Vec<u8>,
    context: [u8; CONTEXT],
    /// Calls before the one that is timed.
    warm_up: u32,
}

/// Names and directions, in their order; the baselines first.
pub(crate) fn names() -> Vec<(&'static str, Option<Direction>)> {
    let baselines = BASELINES.map(|name| (name, None));
    let ours = Direction::ALL.into_iter().flat_map(|way| OURS.map(|name| (name, Some(way))));
    baselines.into_iter().chain(ours).collect()
}

/// What a row of ours does, without a limit or with one.
pub(crate) fn is_limited(name: &str) -> bool {
    name != COUNTERS
}

/// Lets `act` run them, on CPU 0, and proves afterwards that each veth did what its rows say.
pub(crate) fn with_all<T: Send>(act: impl FnOnce(&[TestRun<'_>]) -> Result<T> + Send) -> Result<T> {
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
    let clock = programs::clock().context("load the clock's program")?;
    let random = programs::random().context("load the random one")?;
    let baseline = [empty.as_fd(), lookup.program(), lookup.program(), clock.as_fd(), random.as_fd()];
    let runs = all(ours.each_ref().map(AsFd::as_fd), baseline, veths);
    let done = topology.host.enter(|| {
        pin_to(0);
        // Half of what one CPU offers fits through. The short queue is full within a millisecond.
        for (accepts, latency, veth) in [(ACCEPTS, "101ms", "veth3"), (ACCEPTS_SHORT, "200us", "veth6")] {
            let free = runs.iter().find(|run| run.name == accepts).map_or(Ok(f64::NAN), TestRun::time)?;
            let half = 1e3 * 8.0 * f64::from(FRAME) / free / 2.0;
            dpctl.run(&format!("attach --rate {half:.0}mbit --burst 3028 --latency {latency} {veth}"))?;
        }
        act(&runs)
    })?;
    // Ended early, some have met no packet.
    if interrupt::check().is_ok() {
        prove_premises(&dpctl)?;
    }
    Ok(done)
}

fn all<'p>(
    ours: [BorrowedFd<'p>; 2],
    baseline: [BorrowedFd<'p>; 5],
    [counters, accepts, ramp, full, accepts_short, ramp_short]: [u32; 6],
) -> Vec<TestRun<'p>> {
    let run = |(name, direction): (&'static str, Option<Direction>), program| {
        let (ifindex, warm_up, gso_size) = match name {
            ACCEPTS => (accepts, 0, 0),
            RAMP => (ramp, FILL, 0),
            FULL => (full, 0, 0),
            ACCEPTS_GSO => (accepts, 0, GSO_PAYLOAD),
            ACCEPTS_SHORT => (accepts_short, 0, 0),
            RAMP_SHORT => (ramp_short, 0, 0),
            _ => (counters, 0, 0),
        };
        let packet = if gso_size > 0 { gso_packet() } else { frame() };
        let context = Skb { ifindex, gso_size, ..Skb::default() }.context();
        TestRun { name, direction, program, packet, context, warm_up }
    };
    let ours = ours.into_iter().flat_map(|program| OURS.map(|_| program));
    let programs = baseline.into_iter().chain(ours);
    names().into_iter().zip(programs).map(|(named, program)| run(named, program)).collect()
}

impl TestRun<'_> {
    /// CPU time of one run, in nanoseconds.
    pub(crate) fn time(&self) -> Result<f64> {
        let run = || {
            sys::test_run(self.program, &self.packet, &self.context, REPEAT)
                .with_context(|| format!("run {}", self.name))
        };
        for _ in 0..self.warm_up {
            run()?;
        }
        let before = cpu_ns();
        let verdict = run()?;
        let ns = cpu_ns() - before;
        ensure!(self.direction.is_some() || verdict == NEXT, "{}: its key is missing", self.name);
        Ok(ns / f64::from(REPEAT))
    }
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
        let way = direction.name();
        let (early, full) = ("dropped_limit_early", "dropped_limit_full");
        ensure!(
            of_all("veth1", full)? + of_all("veth2", early)? + of_all("veth2", full)? < 1e-3,
            "{way}: 1tbit dropped packets"
        );
        ensure!(of_all("veth5", early)? + of_all("veth5", full)? < 1e-3, "{way}: 1tbit dropped packets");
        for veth in ["veth3", "veth6"] {
            let ramp = of_all(veth, early)?;
            ensure!(
                (0.2..0.8).contains(&ramp),
                "{way}: {ramp:.2} dropped at random, not about a half: measure when the machine is quiet"
            );
        }
        ensure!(of_all("veth4", full)? > 0.99, "{way}: 1kbit let packets through");
    }
    Ok(())
}
