//! Thousands of veths in one command, beside links made one after another and `tc tbf`.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dataplane_tests::netns::Namespace;

use super::Plan;
use super::veths::Veths;
use crate::attach::pins::{Pace, Watch};
use crate::attach::progress::Progress;
use crate::attach::switch::{self, Switch};
use crate::attach::table::{Bound, Cell, Table, Target};
use crate::instance::Dpctl;
use crate::interrupt;
use crate::measure::Rounds;
use crate::rivals::{Naive, Tbf};

/// The promise: so many times faster than link by link, and no slower at the end.
const FASTER: f64 = 150.0;
const LAST_OVER_FIRST: f64 = 1.3;

/// Veths that are attached link by link: tens of milliseconds each, whatever comes after.
const SAMPLE: usize = 50;
/// Veths of one `tc -batch`.
const BATCH_SAMPLE: usize = 1000;
/// Veths of `tc` as users run it.
const TC_SAMPLE: usize = 10;
const TEN_MBIT: u64 = 10_000_000;

const NAMES: &str = "names";

/// Milliseconds a veth, of each round.
#[derive(Default)]
struct Times {
    naive: Rounds,
    naive_off: Rounds,
    attach: Ours,
    detach: Ours,
    tbf: Rounds,
    tbf_batch: Rounds,
}

#[derive(Default)]
struct Ours {
    time: Rounds,
    cpu: Rounds,
    /// Last tenth of the veths over the first.
    slope: Rounds,
}

pub(super) fn estimate(plan: &Plan) -> Duration {
    making(plan) + round_time(plan) * rounds(plan) + removing(plan)
}

fn making(plan: &Plan) -> Duration {
    Duration::from_micros(1300) * plan.veths
}

fn round_time(plan: &Plan) -> Duration {
    Duration::from_secs(4) + Duration::from_micros(600) * plan.veths
}

fn removing(plan: &Plan) -> Duration {
    Duration::from_micros(400) * plan.veths
}

fn rounds(plan: &Plan) -> u32 {
    if plan.quick { 3 } else { 7 }
}

pub(super) fn run(plan: &Plan, progress: &mut Progress) -> Result<Table> {
    progress.step(&format!("mass: {} veths are made", plan.veths), making(plan));
    let veths = Veths::new(plan.veths)?;
    let dpctl = Dpctl::new(&veths.host);
    fs::write(dpctl.folder().join(NAMES), veths.names.join("\n")).context("write the names")?;
    // Afterwards programs and maps are pinned, and there is a directory of links to watch.
    dpctl.run(&format!("attach {}", veths.names[0]))?;
    dpctl.run("detach --all")?;

    let mut times = Times::default();
    let switch = Switch::read()?;
    for number in 1..=rounds(plan) {
        progress.step(&format!("mass: round {number} of {}", rounds(plan)), round_time(plan));
        let (on, off) = link_by_link(&dpctl, &veths, &switch)?;
        times.naive.push_ms(on);
        times.naive_off.push_ms(off);
        round(&dpctl, &veths, &mut times)?;
        switch.wait_until_back()?;
    }
    progress.step("mass: the veths are removed", removing(plan));
    drop(dpctl);
    veths.remove();
    Ok(table(plan, &times, &switch))
}

/// What a veth takes link by link, to attach and to detach; the mean of a sample.
fn link_by_link(dpctl: &Dpctl<&Namespace>, veths: &Veths, switch: &Switch) -> Result<(Duration, Duration)> {
    let naive = Naive::new(dpctl)?;
    let (mut on, mut off, mut counted) = (Duration::ZERO, Duration::ZERO, 0);
    for ifindex in veths.indices(2 * SAMPLE)? {
        switch.wait_until_back()?;
        let one = [ifindex];
        let (attached, detached) = veths.host.enter(|| (naive.attach(&one), naive.detach(&one)));
        let (attached, detached) = (attached?, detached?);
        if switch.is_back()? {
            on += attached;
            off += detached;
            counted += 1;
        }
        if counted == SAMPLE {
            break;
        }
    }
    ensure!(
        counted > 0,
        "somebody else sets {} all the time: measure when the machine is quiet",
        switch::PATH
    );
    Ok((each(on, counted), each(off, counted)))
}

fn round(dpctl: &Dpctl<&Namespace>, veths: &Veths, times: &mut Times) -> Result<()> {
    let Veths { host, names, .. } = veths;
    times.attach.push(&ours(dpctl, "attach --rate 10mbit --stdin")?, names.len())?;
    ensure!(dpctl.rows("ls")?.len() == names.len(), "dpctl ls has not all that was attached");
    times.detach.push(&ours(dpctl, "detach --all")?, names.len())?;
    ensure!(dpctl.rows("ls")?.is_empty(), "dpctl ls still has some of what was detached");

    let tbf = Tbf { bits_per_s: TEN_MBIT };
    let mut one_by_one = Duration::ZERO;
    for name in &names[..TC_SAMPLE] {
        interrupt::check()?;
        one_by_one += tbf.add(host, name)?;
    }
    times.tbf.push_ms(each(one_by_one, TC_SAMPLE));
    Tbf::remove_all(host, &names[..TC_SAMPLE], dpctl.folder())?;
    let sample = &names[..BATCH_SAMPLE.min(names.len())];
    times.tbf_batch.push_ms(each(tbf.add_all(host, sample, dpctl.folder())?, sample.len()));
    Tbf::remove_all(host, sample, dpctl.folder())?;
    Ok(())
}

impl Ours {
    fn push(&mut self, pace: &Pace, veths: usize) -> Result<()> {
        self.time.push_ms(each(pace.whole, veths));
        self.cpu.push_ms(each(pace.cpu, veths));
        self.slope.push(pace.last_tenth_over_first(u32::try_from(2 * veths)?)?);
        Ok(())
    }
}

fn each(time: Duration, count: usize) -> Duration {
    time / u32::try_from(count).unwrap_or(u32::MAX)
}

/// `dpctl` with all names on its standard input, and how it got on.
fn ours(dpctl: &Dpctl<&Namespace>, line: &str) -> Result<Pace> {
    let names = File::open(dpctl.folder().join(NAMES)).context("open the names")?;
    let watch = Watch::new(&dpctl.links()?)?;
    let mut command = dpctl.command(line);
    command.stdin(names).stdout(Stdio::null()).process_group(0);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("start dpctl {line}"))?;
    watch.until_end(start, &mut child).with_context(|| format!("dpctl {line}"))
}

fn table(plan: &Plan, times: &Times, switch: &Switch) -> Table {
    let Times { naive, naive_off, attach, detach, tbf, tbf_batch } = times;
    let none = Rounds::default();
    let row = |what: &str, time: &Rounds, naive: &Rounds, (cpu, slope): (&Rounds, &Rounds)| {
        let faster = naive.over(time);
        let (low, high) = faster.interval();
        vec![
            Cell::text(what),
            Cell::Figure(time.median() * 1e3, 0),
            Cell::Figure(cpu.median() * 1e3, 0),
            Cell::Figure(time.median() * f64::from(plan.veths) / 1e3, 2),
            Cell::Figure(naive.median() * 1e3, 0),
            Cell::Figure(faster.median(), 1),
            Cell::Figure(low, 1),
            Cell::Figure(high, 1),
            Cell::Figure(slope.median(), 2),
        ]
    };
    let unwatched = (&none, &none);
    let (attached, detached) = ((&attach.cpu, &attach.slope), (&detach.cpu, &detach.slope));
    let rows = vec![
        row("link by link", naive, naive, unwatched),
        row("dpctl attach --rate 10mbit --stdin", &attach.time, naive, attached),
        row("tc qdisc add tbf, one by one", tbf, naive, unwatched),
        row("tc -batch, tbf", tbf_batch, naive, unwatched),
        row("link by link, detach", naive_off, naive_off, unwatched),
        row("dpctl detach --all", &detach.time, naive_off, detached),
    ];
    let target =
        |what: &str, figure: &Rounds, bound| Target { what: what.to_owned(), figure: figure.median(), bound };
    let faster = "times faster than link by link:";
    Table {
        name: "mass",
        title: format!("{} veths in one command, over links made one after another", plan.veths),
        head: [
            ["what", "us a veth", "of it CPU"],
            ["all, s", "link by link", "times faster"],
            ["from", "to (95 %)", "last/first"],
        ]
        .concat(),
        rows,
        notes: notes(plan, switch),
        targets: vec![
            target(&format!("attach, {faster}"), &naive.over(&attach.time), Bound::AtLeast(FASTER)),
            target(&format!("detach, {faster}"), &naive_off.over(&detach.time), Bound::AtLeast(FASTER)),
            target("attach, last tenth over first:", &attach.slope, Bound::AtMost(LAST_OVER_FIRST)),
            target("detach, last tenth over first:", &detach.slope, Bound::AtMost(LAST_OVER_FIRST)),
        ],
    }
}

fn notes(plan: &Plan, switch: &Switch) -> Vec<String> {
    let all = plan.veths;
    let mut notes = vec![
        format!("Of the {all}, link by link does {SAMPLE}, tc one by one {TC_SAMPLE}, tc -batch {BATCH_SAMPLE} (at most)."),
        "dpctl: the whole process, two directions. tbf: one, all that it has; each tc lists all interfaces first.".to_owned(),
        "Last/first: the last tenth of the veths over the first, by when the pins of their links came or went.".to_owned(),
        format!("{} was {} before and after every command.", switch::PATH, switch.value()),
    ];
    if switch.value() != "0" {
        notes.push("INCONCLUSIVE: with that switch on, link by link is as fast.".to_owned());
    }
    notes
}
