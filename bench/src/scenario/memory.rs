//! Kernel memory for each container, and that of the programs that a variant keeps running: what
//! all of them take, over their number, and what stays once it is undone.

mod meminfo;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::chores::{Named, VETH_PAIR, VethPair, crowds, of_variants, unfair_lines};
use super::{Scenario, Scope};
use crate::crowd::Crowd;
use crate::load::Sample;
use crate::measure::number;
use crate::panics::caught;
use crate::results::{Metric, Parameters, Role, ScenarioResult, Skipped};
use crate::rounds::{Case, Pace, controls, interleave};
use crate::variant::Chore;
use crate::view::View;

/// The containers themselves, in tables.
const BARE: &str = "container";
/// Fewer are within the noise of the machine.
const FEWEST: u32 = 100;
const MOST_ROUNDS: u32 = 6;
const CHORE: Duration = Duration::from_millis(3);
const SETTLING: Duration = Duration::from_secs(4);
/// Without the wait for what the kernel frees late.
const QUICK_SETTLING: Duration = Duration::from_millis(400);

/// The scenario `memory`.
pub(crate) struct Memory;

/// What is done and undone between two looks.
enum Thing<'v> {
    /// The crowd itself.
    Crowd,
    /// Work for each container of one that is there.
    Chore(&'v dyn Chore),
}

impl Scenario for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "kernel memory for each of N containers, and what stays after them"
    }

    fn estimate(&self, scope: &Scope) -> Duration {
        let count = count(scope, &mut Vec::new());
        let things = u32::try_from(of_variants(scope, count, &mut Vec::new()).len() + 3).unwrap_or(u32::MAX);
        let settling = if scope.quick { QUICK_SETTLING } else { SETTLING };
        (CHORE * count + settling) * things * rounds(scope)
    }

    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult> {
        let mut skipped = Vec::new();
        let count = count(scope, &mut skipped);
        let chores = of_variants(scope, count, &mut skipped);
        view.say(&format!("{}: {count} containers are made", self.name()));
        let crowd = Arc::new(Crowd::new(count)?);
        let rows = rows(&chores);
        let case = |(name, role, _): &(&str, Role, Thing<'_>)| {
            let size = Some((count, "containers".to_owned()));
            Case { variant: (*name).to_owned(), size, parameters: Parameters::new(), role: *role }
        };
        let cases: Vec<Case> = rows.iter().map(case).collect();
        let pace = Pace { rounds: rounds(scope), seed: scope.seed };
        let metrics = metrics();
        // A quick run does not tell what stays.
        let late = if scope.quick { Duration::ZERO } else { meminfo::FREED };
        let mut cases = interleave(&cases, &metrics, pace, view, |number| {
            let figures = caught(|| match rows[number].2 {
                Thing::Crowd => of_containers(count, late),
                Thing::Chore(chore) => of_chore(&crowd, chore, late),
            })?;
            Ok(Sample { figures: figures.map(|bytes| bytes / f64::from(count)).to_vec(), latency: None })
        });
        // Of what is nothing but noise with the baseline, no multiple is told.
        for (name, figure) in cases.iter_mut().flat_map(|case| &mut case.figures) {
            figure.ratio = figure.ratio.filter(|_| name == KERNEL);
        }
        Ok(ScenarioResult {
            name: self.name().to_owned(),
            about: self.about().to_owned(),
            metrics,
            baseline: BARE.to_owned(),
            unfair: unfair_lines(&UNFAIR, scope),
            controls: controls(&cases),
            cases,
            skipped,
        })
    }
}

const KERNEL: &str = "kernel_bytes";

const UNFAIR: [&str; 4] = [
    "Growth of Slab, Percpu, VmallocUsed and page tables in /proc/meminfo, which count whole pages for \
     the whole machine: its other work moves them by some hundred KiB, that over N for each container.",
    "What comes once for a host, such as maps of a fixed size, is in it, over N.",
    "Read once two readings 100 ms apart agree within 32 KiB; after removal up to 7 s later (not in a quick run), since \
     the kernel frees some things late. What stays is often kept for the next use.",
    "Programs: the proportional set of those that are kept running on the host, beside what the kernel holds \
     for them.",
];

fn metrics() -> Vec<Metric> {
    let kib = |name: &str, title: &str| Metric {
        name: name.to_owned(),
        title: title.to_owned(),
        unit: "KiB".to_owned(),
        per_unit: 1024.0,
        higher_is_better: Some(false),
    };
    vec![
        kib(KERNEL, "kernel, each"),
        kib("kernel_left_bytes", "left after removal, each"),
        kib("programs_bytes", "programs, each"),
    ]
}

fn rounds(scope: &Scope) -> u32 {
    if scope.quick { 1 } else { scope.rounds.min(MOST_ROUNDS) }
}

fn count(scope: &Scope, skipped: &mut Vec<Skipped>) -> u32 {
    let asked = crowds(scope, skipped).into_iter().max().unwrap_or(FEWEST).max(FEWEST);
    if scope.quick && !scope.sizes_are_typed { FEWEST } else { asked }
}

/// The bare containers twice, a veth more for each, and the variants.
fn rows<'v>(chores: &[Named<'v>]) -> Vec<(&'v str, Role, Thing<'v>)> {
    let mut rows = vec![
        (BARE, Role::Baseline, Thing::Crowd),
        (BARE, Role::Control, Thing::Crowd),
        (VETH_PAIR, Role::Subject, Thing::Chore(&VethPair)),
    ];
    rows.extend(chores.iter().map(|(name, chore)| (*name, Role::Subject, Thing::Chore(*chore))));
    rows
}

/// Bytes as [`metrics`] lists them, of all together.
fn of_containers(count: u32, late: Duration) -> Result<[f64; 3]> {
    let before = meminfo::settled()?;
    let crowd = Crowd::new(count)?;
    let with = meminfo::settled()?;
    drop(crowd);
    let after = meminfo::settled_near(before, late)?;
    Ok([grown(before, with), grown(before, after), 0.0])
}

fn of_chore(crowd: &Arc<Crowd>, chore: &dyn Chore, late: Duration) -> Result<[f64; 3]> {
    let before = meminfo::settled()?;
    let mut work = chore.begin(crowd)?;
    work.add_all(1..=crowd.count())?;
    let with = meminfo::settled()?;
    let programs = meminfo::programs(&crowd.host);
    work.remove_all(1..=crowd.count())?;
    drop(work);
    let after = meminfo::settled_near(before, late)?;
    Ok([grown(before, with), grown(before, after), number(programs)])
}

/// Less is less than nothing.
fn grown(before: u64, after: u64) -> f64 {
    number(after) - number(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::HeldUp;

    #[test]
    fn veths_of_a_known_least_size_are_found_and_gone_afterwards() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: making namespaces needs root");
            return;
        }
        let crowd = Arc::new(Crowd::new(200).expect("a crowd"));
        // Two devices of some 2.5 KiB and their queues: 200 pairs are a MiB at the very least.
        let least = 200.0 * 5.0 * 1024.0;
        let mut seen = Vec::new();
        // Others give memory back, or take some, at any time.
        let mut held_up = 0;
        let found = (0..10).any(|_| {
            let figures = match of_chore(&crowd, &VethPair, meminfo::FREED) {
                Err(error) if error.is::<HeldUp>() => {
                    held_up += 1;
                    return false;
                }
                figures => figures.expect("figures"),
            };
            seen.push(figures);
            let [with, left, programs] = figures;
            (least..20.0 * least).contains(&with) && left.abs() < with / 2.0 && programs < 1.0
        });
        assert!(found || held_up > 7, "kernel, left, programs: {seen:?}");
    }
}
