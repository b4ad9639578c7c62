//! What loads measure, in the units that people read.

use crate::results::Metric;

/// More is better: `k/s`, `M/s`.
pub(super) fn rate(name: &str, title: &str, unit: &str, per_unit: f64) -> Metric {
    metric(name, title, unit, per_unit, true)
}

/// Nanoseconds, told in microseconds.
pub(super) fn time(name: &str, title: &str) -> Metric {
    metric(name, title, "us", 1e3, false)
}

/// A share of something that should not be, told in %.
pub(super) fn share(name: &str, title: &str) -> Metric {
    metric(name, title, "%", 0.01, false)
}

pub(super) fn metric(
    name: &str,
    title: &str,
    unit: &str,
    per_unit: f64,
    higher_is_better: impl Into<Option<bool>>,
) -> Metric {
    Metric {
        name: name.to_owned(),
        title: title.to_owned(),
        unit: unit.to_owned(),
        per_unit,
        higher_is_better: higher_is_better.into(),
    }
}
