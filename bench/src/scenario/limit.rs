//! Traffic through every limiter, at rates and in both directions: `limit-tcp` and `limit-udp`.
//!
//! Each measurement has a bed of its own, newly built, since a kernel remembers how a connection
//! fared and begins the next one by it. Low rates cost next to nothing, so they run side by side,
//! each on its own bed. First it is proven that unlimited traffic exceeds the rates twice, and
//! that what passes a limiter arrives as it was sent.

pub(super) mod tcp;
pub(super) mod udp;

mod intact;
mod plan;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dataplane_common::direction::Direction;

use plan::{BASELINE, Item, items, limiters, limits, side_by_side};

use super::unfair::unfair;
use super::{Scenario, Scope};
use crate::bed::Bed;
use crate::interrupt;
use crate::load::Sample;
use crate::measure::number;
use crate::panics::caught;
use crate::results::{Metric, Parameters, Role, ScenarioResult, Skipped};
use crate::rounds::{Case, Pace, controls, interleave_groups};
use crate::variant::{self, Limit};
use crate::view::View;

/// Long enough for every default burst to pass and tbf's queue to fill, but at a rate that takes
/// seconds for thirty kilobytes.
const WARM_UP: Duration = Duration::from_secs(2);
const SLOW: u64 = 500_000;
/// Building and taking down a bed.
const BUILDING: Duration = Duration::from_millis(100);
/// Trying without a limit, and whether what passes is intact.
const BEFORE: Duration = Duration::from_secs(4);

const UNFAIR: [&str; 2] = [
    "Against htb: its queue of 1000 full frames is 12 s at 1 Mbit/s and longer below: the warm-up does \
     not fill it, and a longer one would show longer round trips.",
    "Senders and receivers run on any CPU: where the scheduler puts them moves what is offered at the \
     highest rates.",
];

/// What is sent through a limit.
pub(crate) trait Traffic: Sync {
    /// As `--only` takes it.
    fn name(&self) -> &'static str;

    /// One line for `dpbench list`.
    fn about(&self) -> &'static str;

    /// What one measurement yields, in this order.
    fn metrics(&self) -> Vec<Metric>;

    /// What a reader must hold against its figures.
    fn unfair(&self) -> &'static [&'static str];

    /// What it is measured with beside rate and direction.
    fn parameters(&self, scope: &Scope) -> Vec<Parameters>;

    /// What it offers, over the limit.
    fn offered_percent(&self) -> u64;

    /// How long it is measured at a rate, of what long measurements take.
    fn window(&self, long: Duration, bits_per_s: u64) -> Duration;

    /// Bits a second that pass without a limit, where it tries to exceed this one.
    fn free(&self, bed: &Bed, limit: Limit) -> Result<f64>;

    /// Measures all lines together.
    fn measure(&self, lines: &[Line<'_>], warm_up: Duration, window: Duration)
    -> Result<Vec<Result<Sample>>>;
}

/// One limit under traffic.
pub(crate) struct Line<'b> {
    bed: &'b Bed,
    limit: Limit,
    parameters: &'b Parameters,
}

/// Traffic as a scenario.
pub(crate) struct ThroughLimits<T>(pub(super) T);

impl<T: Traffic> Scenario for ThroughLimits<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn about(&self) -> &'static str {
        self.0.about()
    }

    fn estimate(&self, scope: &Scope) -> Duration {
        let all = variant::all();
        let items = items(&self.0.parameters(scope), &limiters(scope, &all), &limits(scope));
        let groups = self.groups(&items);
        let once = groups.iter().map(|group| {
            let (warm_up, window) = self.times(scope, &items, group);
            warm_up + window + BUILDING * u32::try_from(group.len()).unwrap_or(u32::MAX)
        });
        once.sum::<Duration>() * scope.long_rounds + BEFORE
    }

    fn run(&self, scope: &Scope, view: &mut View) -> Result<ScenarioResult> {
        let all = variant::all();
        let mut skipped = Vec::new();
        let mut limits = limits(scope);
        for direction in Direction::ALL {
            view.say(&format!("{}: without a limit, {}", self.name(), direction.name()));
            let free = self.free(scope, direction)?;
            limits.retain(|limit| {
                let holds = limit.direction != direction || free >= 2.0 * number(limit.bits_per_s);
                if !holds {
                    let Limit { bits_per_s, .. } = limit;
                    let way = direction.name();
                    let why =
                        format!("without a limit {free:.2e} bit/s pass {way}: too few to show this one");
                    skipped.push(Skipped { variant: format!("all, at {bits_per_s} bit/s"), why });
                }
                holds
            });
        }
        let mut usable = Vec::new();
        for (variant, role) in limiters(scope, &all) {
            interrupt::check()?;
            match caught(|| intact::prove(variant)).with_context(|| format!("try {}", variant.name())) {
                Ok(()) => usable.push((variant, role)),
                Err(_) if role == Role::Control => {}
                Err(error) => {
                    let why = format!("{error:#}");
                    skipped.push(Skipped { variant: variant.name().to_owned(), why });
                }
            }
        }
        let items = items(&self.0.parameters(scope), &usable, &limits);
        let cases: Vec<Case> = items.iter().map(Item::case).collect();
        let pace = Pace { rounds: scope.long_rounds, seed: scope.seed };
        let metrics = self.0.metrics();
        let groups = self.groups(&items);
        let cases = interleave_groups(&cases, &groups, &metrics, pace, view, |group| {
            let (warm_up, window) = self.times(scope, &items, group);
            let group: Vec<&Item<'_>> = group.iter().map(|number| &items[*number]).collect();
            self.measure(&group, warm_up, window)
        });
        Ok(ScenarioResult {
            name: self.name().to_owned(),
            about: self.about().to_owned(),
            metrics,
            baseline: BASELINE.to_owned(),
            unfair: unfair(&[self.0.unfair(), &UNFAIR].concat(), usable.iter().map(|(variant, _)| *variant)),
            controls: controls(&cases),
            cases,
            skipped,
        })
    }
}

impl<T: Traffic> ThroughLimits<T> {
    fn free(&self, scope: &Scope, direction: Direction) -> Result<f64> {
        let bits_per_s = scope.rates.iter().copied().max().unwrap_or(0);
        self.0.free(&Bed::routed(), Limit { bits_per_s, direction })
    }

    /// Neighbours that together offer little.
    fn groups(&self, items: &[Item<'_>]) -> Vec<Vec<usize>> {
        let offered: Vec<u64> =
            items.iter().map(|item| item.limit.bits_per_s / 100 * self.0.offered_percent()).collect();
        side_by_side(&offered)
    }

    /// Warm-up and window of a group.
    fn times(&self, scope: &Scope, items: &[Item<'_>], group: &[usize]) -> (Duration, Duration) {
        let lowest = group.iter().map(|number| items[*number].limit.bits_per_s).min().unwrap_or(0);
        let window = self.0.window(scope.long, lowest);
        (if lowest <= SLOW { 2 * WARM_UP } else { WARM_UP }, window)
    }

    fn measure(&self, group: &[&Item<'_>], warm_up: Duration, window: Duration) -> Vec<Result<Sample>> {
        let beds: Vec<Result<Bed>> = group.iter().map(|item| caught(|| item.build())).collect();
        let built = group.iter().zip(&beds).filter_map(|(item, bed)| {
            Some(Line { bed: bed.as_ref().ok()?, limit: item.limit, parameters: &item.parameters })
        });
        let lines: Vec<Line<'_>> = built.collect();
        let mut samples = match caught(|| self.0.measure(&lines, warm_up, window)) {
            Ok(samples) => samples.into_iter(),
            Err(error) => {
                let failed = lines.iter().map(|_| Err(anyhow!("{error:#}")));
                failed.collect::<Vec<_>>().into_iter()
            }
        };
        drop(lines);
        let of_bed = |bed: Result<Bed>| bed.and_then(|_| samples.next().context("nothing was measured")?);
        beds.into_iter().map(of_bed).collect()
    }
}

/// A share of a whole that all are measured by, so that one may be told as a multiple of another.
fn share(name: &str, title: &str, whole: &str, higher_is_better: Option<bool>) -> Metric {
    Metric {
        name: name.to_owned(),
        title: title.to_owned(),
        unit: format!("of {whole}"),
        per_unit: 1.0,
        higher_is_better,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A second at a rate that costs nothing, through the kernel's own limiter.
    fn through_tbf<T: Traffic>(traffic: T) -> Vec<Vec<f64>> {
        let scope = Scope {
            variants: variant::all().into_iter().map(Arc::from).collect(),
            rounds: 1,
            window: Duration::from_secs(1),
            long_rounds: 1,
            long: Duration::from_secs(1),
            rates: vec![1_000_000],
            quick: true,
            ..Scope::nothing(1)
        };
        let all = variant::all();
        let limiters: Vec<_> = limiters(&scope, &all).into_iter().take(1).collect();
        let limits = limits(&scope);
        let through = ThroughLimits(traffic);
        let items = items(&through.0.parameters(&scope), &limiters, &limits);
        assert_eq!((items.len(), through.groups(&items)), (2, vec![vec![0, 1]]));
        let (warm_up, window) = (Duration::from_secs(1), Duration::from_secs(1));
        let samples = through.measure(&items.iter().collect::<Vec<_>>(), warm_up, window);
        samples.into_iter().map(|sample| sample.expect("a sample").figures).collect()
    }

    #[test]
    fn both_kinds_of_traffic_are_held_to_a_limit_in_both_directions() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: making namespaces needs root");
            return;
        }
        for figures in through_tbf(udp::Udp) {
            let [delivered, offered] = figures[..] else { panic!("{figures:?}") };
            assert!((0.5..1.5).contains(&delivered), "delivered {delivered}");
            assert!(offered > 0.5, "offered {offered}");
        }
        for figures in through_tbf(tcp::Tcp) {
            let [goodput, round_trip_ns, again, fairness] = figures[..] else { panic!("{figures:?}") };
            assert!((0.2..2.0).contains(&goodput), "goodput {goodput}");
            assert!(round_trip_ns > 1e5, "no queue: {round_trip_ns} ns");
            assert!((0.0..1.0).contains(&again), "again {again}");
            assert!((0.12..=1.0).contains(&fairness), "fairness {fairness}");
        }
    }
}
