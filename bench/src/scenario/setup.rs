//! What it takes to set a container up and to take it down: one more where N - 1 are, and all of
//! them in the tool's quickest way. Whole processes, from their start to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::chores::{Named, VETH_PAIR, VethPair, crowds, of_variants, unfair_lines};
use super::{Scenario, Scope};
use crate::crowd::Crowd;
use crate::interrupt;
use crate::load::Sample;
use crate::panics::caught;
use crate::results::{CaseResult, Control, Metric, Parameters, Role, ScenarioResult};
use crate::rounds::{Case, Pace, controls, interleave};
use crate::stats::median;
use crate::variant::Chore;
use crate::view::View;

/// Containers that go and come back by themselves in a round.
const BY_THEMSELVES: u32 = 5;
/// All of them come and go in each: more take long, and show no more.
const MOST_ROUNDS: u32 = 7;
/// Making and removing a container of the crowd; what a chore takes for one, more or less.
const CONTAINER: Duration = Duration::from_millis(2);
const CHORE: Duration = Duration::from_millis(3);
const ALONE: Duration = Duration::from_millis(20);

/// The scenario `setup`.
pub(crate) struct Setup;

impl Scenario for Setup {
    fn name(&self) -> &'static str {
        "setup"
    }

    fn about(&self) -> &'static str {
        "set-up and tear-down of a container with N of them there"
    }

    fn estimate(&self, scope: &Scope) -> Duration {
        let once = |size: u32| CHORE * size + ALONE * 2 * BY_THEMSELVES;
        let of_size = |size: u32| {
            let chores = of_variants(scope, size, &mut Vec::new()).len() + 2;
            let chores = u32::try_from(chores).unwrap_or(u32::MAX);
            CONTAINER * size + once(size) * chores * rounds(scope)
        };
        crowds(scope, &mut Vec::new()).into_iter().map(of_size).sum()
    }

    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult> {
        let mut skipped = Vec::new();
        let metrics = metrics();
        let (mut cases, mut all_controls) = (Vec::new(), Vec::new());
        for size in crowds(scope, &mut skipped) {
            view.say(&format!("{}: {size} containers are made", self.name()));
            let crowd = match Crowd::new(size) {
                Ok(crowd) => Arc::new(crowd),
                // Ended early: what the smaller crowds have shown stays.
                Err(_) if interrupt::check().is_err() => break,
                Err(error) => return Err(error),
            };
            let rows = rows(&of_variants(scope, size, &mut skipped));
            let planned: Vec<Case> = rows.iter().map(|(role, (name, _))| case(name, *role, size)).collect();
            let pace = Pace { rounds: rounds(scope), seed: scope.seed };
            let measured = interleave(&planned, &metrics, pace, view, |number| {
                let (_, (_, chore)) = rows[number];
                let times = caught(|| times(&crowd, chore))?;
                Ok(Sample { figures: times.to_vec(), latency: None })
            });
            all_controls.extend(controls(&measured));
            cases.extend(measured);
        }
        sort(&mut cases);
        Ok(ScenarioResult {
            name: self.name().to_owned(),
            about: self.about().to_owned(),
            metrics,
            baseline: VETH_PAIR.to_owned(),
            unfair: unfair_lines(&UNFAIR, scope),
            controls: worst(all_controls),
            cases,
            skipped,
        })
    }
}

const UNFAIR: [&str; 4] = [
    "What is done differs: a limit, rules for a published port, a proxy. The baseline is what every \
     container needs anyway: one `ip link add` of a veth pair.",
    "One by one each is a process that starts and ends; all at once is the quickest way of each tool.",
    "The kernel removes one veth in tens of milliseconds, and a group of them in less than one each.",
    "The control is the one furthest off of those at every N.",
];

fn metrics() -> Vec<Metric> {
    let ms = |name: &str, title: &str| Metric {
        name: name.to_owned(),
        title: title.to_owned(),
        unit: "ms".to_owned(),
        per_unit: 1e6,
        higher_is_better: Some(false),
    };
    vec![
        ms("add_one_ns", "add one more"),
        ms("remove_one_ns", "remove one"),
        ms("add_all_ns", "add all, each"),
        ms("remove_all_ns", "remove all, each"),
    ]
}

fn rounds(scope: &Scope) -> u32 {
    scope.rounds.min(MOST_ROUNDS)
}

/// The kernel's own work twice, and that of the variants.
fn rows<'v>(chores: &[Named<'v>]) -> Vec<(Role, Named<'v>)> {
    let kernel: Named<'v> = (VETH_PAIR, &VethPair);
    let subjects = chores.iter().map(|chore| (Role::Subject, *chore));
    [(Role::Baseline, kernel), (Role::Control, kernel)].into_iter().chain(subjects).collect()
}

fn case(variant: &str, role: Role, size: u32) -> Case {
    let size = Some((size, "containers".to_owned()));
    Case { variant: variant.to_owned(), size, parameters: Parameters::new(), role }
}

/// All come, some go and come back by themselves, all go: nanoseconds each, as [`metrics`].
fn times(crowd: &Arc<Crowd>, chore: &dyn Chore) -> Result<[f64; 4]> {
    let count = crowd.count();
    let mut work = chore.begin(crowd)?;
    let all_came = timed(|| work.add_all(1..=count))?;
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for place in 0..BY_THEMSELVES {
        interrupt::check()?;
        // Spread over the crowd: what stands last is found last.
        let number = 1 + place * (count - 1) / (BY_THEMSELVES - 1);
        went.push(timed(|| work.remove(number))?);
        came.push(timed(|| work.add(number))?);
    }
    let all_went = timed(|| work.remove_all(1..=count))?;
    let each = f64::from(count);
    Ok([median(&came), median(&went), all_came / each, all_went / each])
}

fn timed(act: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    act()?;
    Ok(1e9 * start.elapsed().as_secs_f64())
}

/// The rows of one variant beside each other, in their order otherwise.
fn sort(cases: &mut [CaseResult]) {
    let mut order: Vec<(String, Role)> = Vec::new();
    for case in cases.iter() {
        let key = (case.variant.clone(), case.role);
        if !order.contains(&key) {
            order.push(key);
        }
    }
    cases.sort_by_key(|case| {
        order.iter().position(|(name, role)| (name, *role) == (&case.variant, case.role))
    });
}

/// One of each metric: a run is no better than its worst.
pub(super) fn worst(controls: Vec<Control>) -> Vec<Control> {
    let off = |control: &Control| (control.ratio.median - 1.0).abs();
    let mut kept: Vec<Control> = Vec::new();
    for control in controls {
        match kept.iter_mut().find(|other| other.metric == control.metric) {
            None => kept.push(control),
            // Not a number is the worst.
            Some(other) if off(&control).total_cmp(&off(other)).is_gt() => *other = control,
            Some(_) => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Interval;

    #[test]
    fn of_each_metric_the_control_furthest_off_is_kept() {
        let control = |metric: &str, median: f64| Control {
            metric: metric.to_owned(),
            parameters: Parameters::new(),
            ratio: Interval { median, from: median, to: median },
            inconclusive: false,
        };
        let all = [("a", 1.01), ("b", 1.0), ("a", 0.9), ("b", f64::NAN), ("a", 1.05)];
        let kept = worst(all.iter().map(|(metric, median)| control(metric, *median)).collect());
        let kept: Vec<_> =
            kept.iter().map(|control| (control.metric.as_str(), control.ratio.median)).collect();
        assert_eq!(kept.len(), 2);
        assert!(kept[0] == ("a", 0.9) && kept[1].1.is_nan(), "{kept:?}");
    }

    #[test]
    fn the_kernels_own_work_is_timed_and_undone() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: making namespaces needs root");
            return;
        }
        let crowd = Arc::new(Crowd::new(3).expect("a crowd"));
        let times = times(&crowd, &VethPair).expect("times");
        assert!(times.iter().all(|time| *time > 0.0), "{times:?}");
        assert_eq!(crowd.host.ip("-br link show type veth").stdout.lines().count(), 3);
    }
}
