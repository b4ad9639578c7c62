//! What a run found, as it is kept: `results.json`. docs/results.md has every key.
//!
//! Keys are added, never renamed or removed; [`SCHEMA`] grows when a reader must know.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The version of this shape.
pub(crate) const SCHEMA: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Name and version of what measured.
    pub(crate) tool: String,
    /// RFC 3339, UTC.
    pub(crate) started: String,
    /// RFC 3339, UTC.
    pub(crate) finished: String,
    /// False where the run was ended early: what finished is here.
    pub(crate) complete: bool,
    /// Made to see whether it works, not what it costs.
    pub(crate) quick: bool,
    /// Of the bootstrap's random numbers, and of the order in each round.
    pub(crate) seed: u64,
    /// How much was measured: rounds, windows, sizes, rates.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// The command as it was typed.
    pub(crate) command: Vec<String>,
    /// Where it was measured: kernel, CPU, mitigations, congestion control, commit.
    pub(crate) machine: BTreeMap<String, String>,
    /// In the order they ran.
    pub(crate) scenarios: Vec<ScenarioResult>,
}

impl Results {
    /// Whether JSON is a run's, of whatever schema.
    pub(crate) fn is_head(value: &Value) -> bool {
        let tool = value["tool"].as_str().unwrap_or_default();
        value["schema"].is_u64() && tool.starts_with("dpbench ")
    }
}

/// What one scenario found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScenarioResult {
    /// As `--only` takes it.
    pub(crate) name: String,
    /// One line.
    pub(crate) about: String,
    /// What each figure means.
    pub(crate) metrics: Vec<Metric>,
    /// The variant that ratios are over.
    pub(crate) baseline: String,
    /// What a reader must hold against the figures.
    pub(crate) unfair: Vec<String>,
    /// The baseline beside itself, one for each metric and set of parameters.
    pub(crate) controls: Vec<Control>,
    /// The cases, those of one set of parameters beside each other.
    pub(crate) cases: Vec<CaseResult>,
    /// What was asked for and could not be measured.
    pub(crate) skipped: Vec<Skipped>,
}

/// A thing that is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metric {
    /// A key, with its unit: `latency_p99_ns`.
    pub(crate) name: String,
    /// For people: `latency, p99`.
    pub(crate) title: String,
    /// For people: `us`, `Gbit/s`.
    pub(crate) unit: String,
    /// What a stored figure is divided by for that unit: 1000 from ns to us.
    pub(crate) per_unit: f64,
    /// Whether more is better; null where neither is, as of what was offered.
    pub(crate) higher_is_better: Option<bool>,
}

impl Metric {
    /// Whether one is told as a multiple of another. A share of what was lost is not: nothing lost
    /// beside nothing lost is no ratio, and one packet beside two is no difference.
    pub(crate) fn has_ratio(&self) -> bool {
        self.unit != "%"
    }
}

/// The baseline measured twice in each round: what it is off 1 is noise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Control {
    /// Of which metric.
    pub(crate) metric: String,
    /// With which parameters.
    pub(crate) parameters: Parameters,
    /// The second over the first.
    pub(crate) ratio: Interval,
    /// More than 3 % off: nothing beside it proves anything.
    pub(crate) inconclusive: bool,
}

/// What else a case was measured with: `payload_bytes`, `rate_bits_per_s`, `direction`.
pub(crate) type Parameters = BTreeMap<String, Value>;

/// One variant at one size with one set of parameters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CaseResult {
    /// The variant's name.
    pub(crate) variant: String,
    /// N, where the variant counts something.
    pub(crate) size: Option<u32>,
    /// What N counts.
    pub(crate) counts: Option<String>,
    /// The rest of what was given.
    pub(crate) parameters: Parameters,
    /// Subject, baseline, or the baseline once more.
    pub(crate) role: Role,
    /// Rounds measured, those left out included.
    pub(crate) rounds: u32,
    /// Rounds left out since others took CPU time meanwhile, or held it up.
    pub(crate) stolen_rounds: u32,
    /// Why it was given up, where it was.
    pub(crate) failed: Option<String>,
    /// By the metric's name.
    pub(crate) figures: BTreeMap<String, Figure>,
    /// Over all rounds, for scenarios that time single requests.
    pub(crate) latency: Option<Distribution>,
}

/// What a case is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Compared with the baseline.
    Subject,
    /// What the others are compared with.
    Baseline,
    /// The baseline again, built and measured for itself.
    Control,
}

/// One metric of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// By round; null where the round was left out.
    pub(crate) rounds: Vec<Option<f64>>,
    /// Median of the rounds, with its 95 % interval.
    pub(crate) value: Interval,
    /// Median of the ratios to the baseline, taken within each round; none for the baseline.
    pub(crate) ratio: Option<Interval>,
}

/// A median and where it lies with a probability of 95 %, by bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// The median.
    #[serde(deserialize_with = "or_null")]
    pub(crate) median: f64,
    /// Lower end.
    #[serde(deserialize_with = "or_null")]
    pub(crate) from: f64,
    /// Upper end.
    #[serde(deserialize_with = "or_null")]
    pub(crate) to: f64,
}

/// JSON has no word for "not a number": null stands for it where no round was left.
fn or_null<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(f64::NAN))
}

/// Times of single requests: so many of them in all, and at which share which time lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Distribution {
    /// Requests timed.
    pub(crate) count: u64,
    /// Shares from 0 to 1, rising.
    pub(crate) shares: Vec<f64>,
    /// Nanoseconds at each.
    pub(crate) ns: Vec<u64>,
}

/// Something that was asked for and is not here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Skipped {
    /// The variant, with its size.
    pub(crate) variant: String,
    /// One line: what is missing, and what to do.
    pub(crate) why: String,
}
