//! Cases measured in turn, round after round, and what came of them.
//!
//! Rounds are interleaved, so that a busy minute of the machine meets all cases alike, each in an
//! order of its own. A ratio is taken within a round. A measurement during which CPU time
//! was stolen, or other work held it up, is left out and counted. A case that fails is given up and told; Ctrl-C ends the
//! rounds, and what they have measured stays.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::interrupt;
use crate::load::{HeldUp, Sample};
use crate::results::{CaseResult, Control, Distribution, Figure, Interval, Metric, Parameters, Role};
use crate::stats::interval;
use crate::stolen::CpuTime;
use crate::view::View;

/// The baseline beside itself may be so far off 1.
const QUIET: f64 = 0.03;
/// Places of a distribution: this many from 0 to 0.9, and as many for each further nine.
const PLACES: u32 = 20;
const NINES: i32 = 5;

/// Something to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The variant's name.
    pub(crate) variant: String,
    /// N, where the variant counts something, and what.
    pub(crate) size: Option<(u32, String)>,
    /// The rest.
    pub(crate) parameters: Parameters,
    /// What it is for.
    pub(crate) role: Role,
}

impl Case {
    /// For people: `nft-ports 1000, payload_bytes 64`.
    pub(crate) fn name(&self) -> String {
        let size = self.size.as_ref().map(|(size, _)| format!(" {size}")).unwrap_or_default();
        let parameters = self.parameters.iter().map(|(key, value)| format!(", {key} {value}"));
        format!("{}{size}{}", self.variant, parameters.collect::<String>())
    }
}

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// So often.
    pub(crate) rounds: u32,
    /// Of the bootstrap.
    pub(crate) seed: u64,
}

/// What the rounds of one case have yielded so far.
#[derive(Default)]
struct Record {
    samples: Vec<Option<Sample>>,
    failed: Option<String>,
    held_up: Option<String>,
}

/// Measures all cases in turn; `measure` is given the number of one.
pub(crate) fn interleave(
    cases: &[Case],
    metrics: &[Metric],
    pace: Pace,
    view: &mut View,
    mut measure: impl FnMut(usize) -> Result<Sample>,
) -> Vec<CaseResult> {
    let alone: Vec<Vec<usize>> = (0..cases.len()).map(|number| vec![number]).collect();
    interleave_groups(cases, &alone, metrics, pace, view, |group| {
        group.iter().map(|one| measure(*one)).collect()
    })
}

/// The same of groups of cases that are measured side by side: `measure` is given the numbers of
/// those of one group that have not failed, and returns a sample of each.
pub(crate) fn interleave_groups(
    cases: &[Case],
    groups: &[Vec<usize>],
    metrics: &[Metric],
    pace: Pace,
    view: &mut View,
    mut measure: impl FnMut(&[usize]) -> Vec<Result<Sample>>,
) -> Vec<CaseResult> {
    let mut records: Vec<Record> = cases.iter().map(|_| Record::default()).collect();
    'rounds: for round in 0..pace.rounds {
        for group in order(groups.len(), pace.seed, round).into_iter().map(|number| &groups[number]) {
            let alive: Vec<usize> =
                group.iter().copied().filter(|number| records[*number].failed.is_none()).collect();
            let Some(first) = alive.first() else { continue };
            let beside =
                if alive.len() > 1 { format!(" and {} beside it", alive.len() - 1) } else { String::new() };
            view.measuring(&format!("{}{beside}", cases[*first].name()), round, pace.rounds);
            if interrupt::check().is_err() {
                break 'rounds;
            }
            let before = CpuTime::now();
            let samples = measure(&alive);
            let stolen = CpuTime::now().was_stolen_since(&before);
            if interrupt::check().is_err() {
                break 'rounds;
            }
            for (number, sample) in alive.into_iter().zip(samples) {
                let record = &mut records[number];
                match sample {
                    Ok(sample) => record.samples.push((!stolen).then_some(sample)),
                    Err(error) if error.is::<HeldUp>() => {
                        record.samples.push(None);
                        record.held_up = Some(format!("{error:#}"));
                    }
                    Err(error) => record.failed = Some(format!("{error:#}")),
                }
            }
        }
    }
    conclude(cases, metrics, pace.seed, records)
}

/// The order of one round: drawn anew for each, so that no case always follows the same one, and
/// the control is as far from the baseline as anybody.
fn order(count: usize, seed: u64, round: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    fastrand::Rng::with_seed(seed ^ (u64::from(round) << 32)).shuffle(&mut order);
    order
}

/// The baseline beside itself, as the results have it.
pub(crate) fn controls(cases: &[CaseResult]) -> Vec<Control> {
    let controls = cases.iter().filter(|case| case.role == Role::Control);
    let of_case = |case: &CaseResult| {
        let parameters = case.parameters.clone();
        let figures: Vec<_> =
            case.figures.iter().map(|(name, figure)| (name.clone(), figure.ratio)).collect();
        figures.into_iter().filter_map(move |(metric, ratio)| {
            let (ratio, parameters) = (ratio?, parameters.clone());
            // Not a number is no proof either.
            let off = (ratio.median - 1.0).abs();
            let inconclusive = off.is_nan() || off > QUIET;
            Some(Control { metric, parameters, ratio, inconclusive })
        })
    };
    controls.flat_map(of_case).chain(missing(cases)).collect()
}

/// A baseline whose control could not be measured proves as little as one that is off.
fn missing(cases: &[CaseResult]) -> impl Iterator<Item = Control> {
    let alone = |baseline: &&CaseResult| {
        let beside = |case: &CaseResult| {
            case.role == Role::Control
                && (&case.parameters, case.size) == (&baseline.parameters, baseline.size)
        };
        baseline.role == Role::Baseline && !cases.iter().any(beside)
    };
    let of_case = |baseline: &CaseResult| {
        let parameters = baseline.parameters.clone();
        let names: Vec<String> = baseline.figures.keys().cloned().collect();
        let ratio = Interval { median: f64::NAN, from: f64::NAN, to: f64::NAN };
        names.into_iter().map(move |metric| Control {
            metric,
            parameters: parameters.clone(),
            ratio,
            inconclusive: true,
        })
    };
    cases.iter().filter(alone).flat_map(of_case)
}

fn conclude(cases: &[Case], metrics: &[Metric], seed: u64, records: Vec<Record>) -> Vec<CaseResult> {
    let columns = |record: &Record| -> Vec<Vec<Option<f64>>> {
        let column =
            |metric| record.samples.iter().map(|sample| Some(sample.as_ref()?.figures[metric])).collect();
        (0..metrics.len()).map(column).collect()
    };
    let figures: Vec<_> = records.iter().map(columns).collect();
    let baseline = |case: &Case| {
        let with = |other: &Case| other.role == Role::Baseline && other.parameters == case.parameters;
        cases.iter().position(with).filter(|_| case.role != Role::Baseline)
    };
    let mut results = Vec::with_capacity(cases.len());
    for (number, (case, record)) in cases.iter().zip(records).enumerate() {
        let figure = |metric: usize| {
            let rounds = figures[number][metric].clone();
            let measured: Vec<f64> = rounds.iter().copied().flatten().collect();
            let comparable = baseline(case).filter(|_| metrics[metric].has_ratio());
            let ratio = comparable.map(|baseline| ratio(&rounds, &figures[baseline][metric], seed));
            Figure { value: interval(&measured, seed), rounds, ratio }
        };
        let names = metrics.iter().map(|metric| metric.name.clone());
        let figures: BTreeMap<_, _> =
            names.enumerate().map(|(metric, name)| (name, figure(metric))).collect();
        let nothing = record.samples.iter().all(Option::is_none);
        let stolen = record.samples.iter().filter(|sample| sample.is_none()).count();
        results.push(CaseResult {
            variant: case.variant.clone(),
            size: case.size.as_ref().map(|(size, _)| *size),
            counts: case.size.as_ref().map(|(_, counts)| counts.clone()),
            parameters: case.parameters.clone(),
            role: case.role,
            rounds: u32::try_from(record.samples.len()).unwrap_or(u32::MAX),
            stolen_rounds: u32::try_from(stolen).unwrap_or(u32::MAX),
            failed: record.failed.or(record.held_up.filter(|_| nothing)),
            figures,
            latency: distribution(&record.samples),
        });
    }
    results
}

fn ratio(rounds: &[Option<f64>], baseline: &[Option<f64>], seed: u64) -> Interval {
    // Nothing beside nothing is as much; something beside nothing has no ratio.
    let within = |(ours, theirs): (&Option<f64>, &Option<f64>)| match ((*ours)?, (*theirs)?) {
        (0.0, 0.0) => Some(1.0),
        (ours, theirs) => Some(ours / theirs).filter(|ratio| !ratio.is_infinite()),
    };
    let ratios: Vec<f64> = rounds.iter().zip(baseline).filter_map(within).collect();
    interval(&ratios, seed)
}

fn distribution(samples: &[Option<Sample>]) -> Option<Distribution> {
    let mut all = samples.iter().flatten().filter_map(|sample| sample.latency.as_ref());
    let mut sum = all.next()?.clone();
    for other in all {
        sum.add(other).ok()?;
    }
    let decade = |nines: i32| {
        let step = 0.9 * 10f64.powi(-nines) / f64::from(PLACES);
        (0..PLACES).map(move |place| 1.0 - 10f64.powi(-nines) + step * f64::from(place))
    };
    let shares: Vec<f64> = (0..NINES).flat_map(decade).collect();
    let ns = shares.iter().map(|share| sum.value_at_quantile(*share)).collect();
    Some(Distribution { count: sum.len(), shares, ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric() -> Metric {
        let name = "packets_per_s".to_owned();
        Metric {
            name,
            title: String::new(),
            unit: String::new(),
            per_unit: 1.0,
            higher_is_better: Some(true),
        }
    }

    fn case(variant: &str, role: Role) -> Case {
        Case { variant: variant.to_owned(), size: None, parameters: Parameters::new(), role }
    }

    fn measured(figures: &[&[Option<f64>]], roles: &[Role]) -> Vec<CaseResult> {
        let cases: Vec<Case> = roles.iter().map(|role| case("x", *role)).collect();
        let sample =
            |figure: &Option<f64>| figure.map(|figure| Sample { figures: vec![figure], latency: None });
        let records = figures
            .iter()
            .map(|of| Record { samples: of.iter().map(sample).collect(), ..Record::default() })
            .collect();
        conclude(&cases, &[metric()], 1, records)
    }

    #[test]
    fn each_round_has_all_cases_in_an_order_of_its_own() {
        let rounds: Vec<Vec<usize>> = (0..9).map(|round| order(20, 1, round)).collect();
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        }
        // Neighbours in one round are mostly none in another.
        let place = |round: &Vec<usize>, case| round.iter().position(|one| *one == case);
        let apart = |round: &&Vec<usize>| place(round, 0) < place(round, 1);
        let before = rounds.iter().filter(apart).count();
        assert!((1..9).contains(&before), "0 stands before 1 in {before} of 9");
        assert_eq!(order(20, 1, 3), rounds[3], "the seed gives the same again");
    }

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        let figures = [1.0, 10.0, 100.0, 3.0, 7.0, 2.0];
        let (one, double) = (figures.map(Some), figures.map(|figure| Some(2.0 * figure)));
        let results = measured(&[&one, &double], &[Role::Baseline, Role::Subject]);
        let ratio = results[1].figures["packets_per_s"].ratio.expect("a ratio");
        assert_eq!((ratio.median, ratio.from, ratio.to), (2.0, 2.0, 2.0));
        assert!(results[0].figures["packets_per_s"].ratio.is_none(), "the baseline has none");
    }

    #[test]
    fn nothing_beside_nothing_is_as_much_and_something_has_no_ratio() {
        let (one, other) = ([0.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0, 7.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let rounds: [&[Option<f64>]; 2] = [&one.map(Some), &other.map(Some)];
        let ratio = measured(&rounds, &[Role::Baseline, Role::Subject])[1].figures["packets_per_s"].ratio;
        assert_eq!(ratio.map(|ratio| (ratio.from, ratio.to)), Some((1.0, 1.0)));
    }

    #[test]
    fn a_group_is_measured_at_once_without_those_that_failed() {
        let cases = vec![case("x", Role::Subject); 3];
        let mut asked = Vec::new();
        let pace = Pace { rounds: 2, seed: 1 };
        let groups = [vec![0, 2], vec![1]];
        let results =
            interleave_groups(&cases, &groups, &[metric()], pace, &mut View::new(Vec::new()), |group| {
                asked.push(group.to_vec());
                let sample = |number: &usize| match number {
                    2 => anyhow::bail!("no"),
                    _ => Ok(Sample { figures: vec![1.0], latency: None }),
                };
                group.iter().map(sample).collect()
            });
        // In whatever order each round has them.
        asked[..2].sort();
        asked[2..].sort();
        assert_eq!(asked, [vec![0, 2], vec![1], vec![0], vec![1]]);
        assert_eq!(results.iter().map(|case| case.rounds).collect::<Vec<_>>(), [2, 2, 0]);
        assert_eq!(results[2].failed.as_deref(), Some("no"));
    }

    #[test]
    fn a_stolen_round_is_left_out_and_counted() {
        let rounds: [&[Option<f64>]; 2] = [&[Some(1.0), None, Some(1.0)], &[Some(3.0), Some(9.0), Some(3.0)]];
        let results = measured(&rounds, &[Role::Baseline, Role::Subject]);
        assert_eq!((results[0].rounds, results[0].stolen_rounds), (3, 1));
        assert_eq!(results[1].figures["packets_per_s"].ratio.map(|ratio| ratio.median), Some(3.0));
    }

    #[test]
    fn a_control_more_than_three_percent_off_proves_nothing() {
        let off = |figure| {
            let rounds: [&[Option<f64>]; 2] = [&[Some(1.0)], &[Some(figure)]];
            controls(&measured(&rounds, &[Role::Baseline, Role::Control]))[0].inconclusive
        };
        assert!(!off(1.02) && !off(0.98) && off(1.04) && off(0.96) && off(f64::NAN));
    }

    #[test]
    fn a_case_that_was_always_held_up_says_so() {
        let case = case("x", Role::Subject);
        let record = |samples| Record { samples, held_up: Some("held up".to_owned()), failed: None };
        let sample = Sample { figures: vec![1.0], latency: None };
        let failed = |samples| {
            conclude(std::slice::from_ref(&case), &[metric()], 1, vec![record(samples)])[0].failed.clone()
        };
        assert_eq!(failed(vec![None, None]).as_deref(), Some("held up"));
        assert_eq!(failed(vec![None, Some(sample)]), None);
    }

    #[test]
    fn a_share_has_no_ratio() {
        let share = Metric { unit: "%".to_owned(), ..metric() };
        let cases = [Role::Baseline, Role::Control].map(|role| case("x", role));
        let none = |_: &Case| {
            let samples = vec![Some(Sample { figures: vec![0.0], latency: None })];
            Record { samples, ..Record::default() }
        };
        let results = conclude(&cases, &[share], 1, cases.iter().map(none).collect());
        assert!(results[1].figures["packets_per_s"].ratio.is_none() && controls(&results).is_empty());
    }
}
