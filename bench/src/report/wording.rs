//! Figures and parameters as people read them: three digits that mean something, and a unit.

use serde_json::Value;

use crate::results::{CaseResult, Interval, Metric, Parameters, Role};

/// Decimals that show three digits of the smallest of these, and that all of them are given.
pub(crate) fn decimals(figures: impl Iterator<Item = f64>) -> usize {
    let smallest = figures.map(f64::abs).filter(|figure| figure.is_finite() && *figure > 0.0);
    match smallest.fold(f64::INFINITY, f64::min) {
        ..0.1 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    }
}

/// `12,345.6`; a dash for what is not a number.
pub(crate) fn number(figure: f64, decimals: usize) -> String {
    if !figure.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{figure:.decimals$}");
    let (whole, rest) = text.find('.').map_or((&*text, ""), |point| text.split_at(point));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

/// A number by itself, as on an axis: no more digits than it has.
pub(crate) fn short(figure: f64) -> String {
    let text = number(figure, decimals(std::iter::once(figure)));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `0.776`, `12.3`: a ratio of any size.
pub(crate) fn ratio(ratio: f64) -> String {
    let decimals = match ratio.abs() {
        ..0.1 => 4,
        ..10.0 => 3,
        ..100.0 => 1,
        _ => 0,
    };
    number(ratio, decimals)
}

/// `0.770 to 0.783`.
pub(crate) fn span(interval: &Interval, show: impl Fn(f64) -> String) -> String {
    if interval.median.is_finite() && interval.from.is_nan() {
        "too few rounds".to_owned()
    } else if interval.median.is_finite() {
        format!("{} to {}", show(interval.from), show(interval.to))
    } else {
        "-".to_owned()
    }
}

/// `latency, p99 (us)`.
pub(crate) fn title(metric: &Metric) -> String {
    let unit = if metric.unit.is_empty() { String::new() } else { format!(" ({})", metric.unit) };
    format!("{}{unit}", if metric.title.is_empty() { &metric.name } else { &metric.title })
}

/// `nft-ports 1,000`.
pub(crate) fn path(case: &CaseResult) -> String {
    let size = case.size.map(|size| format!(" {}", number(f64::from(size), 0)));
    format!("{}{}", case.variant, size.unwrap_or_default())
}

/// `baseline` or `control`, or nothing.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Subject => "",
        Role::Baseline => "baseline",
        Role::Control => "control",
    }
}

/// `10 Mbit/s, from container, 8 flows`; nothing where there are none.
pub(crate) fn parameters(parameters: &Parameters) -> String {
    let all: Vec<String> = parameters.iter().map(|(key, value)| parameter(key, value)).collect();
    all.join(", ")
}

fn parameter(key: &str, value: &Value) -> String {
    let plain = value.as_str().map_or_else(|| value.to_string(), |text| text.replace('_', " "));
    let count = value.as_f64();
    match (key, count) {
        ("direction" | "congestion" | "state", _) => plain,
        (_, Some(count)) if key.ends_with("_bits_per_s") => rate(count),
        (_, Some(count)) if key.ends_with("_bytes") => format!("{} bytes", number(count, 0)),
        ("flows", Some(1.0)) => "1 flow".to_owned(),
        ("flows", Some(_)) => format!("{plain} flows"),
        _ => format!("{} {plain}", key.replace('_', " ")),
    }
}

/// `10 Mbit/s`.
pub(crate) fn rate(bits_per_s: f64) -> String {
    let (by, unit) = match bits_per_s {
        ..1e3 => (1.0, "bit/s"),
        ..1e6 => (1e3, "kbit/s"),
        ..1e9 => (1e6, "Mbit/s"),
        _ => (1e9, "Gbit/s"),
    };
    format!("{} {unit}", short(bits_per_s / by))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_three_digits_that_mean_something() {
        assert_eq!(number(1_234_567.0, 0), "1,234,567");
        assert_eq!(number(-1234.5, 1), "-1,234.5");
        assert_eq!(number(f64::NAN, 1), "-");
        assert_eq!([0.05, 5.0, 50.0, 500.0].map(|figure| decimals([1e9, figure].into_iter())), [3, 2, 1, 0]);
        assert_eq!([0.5, 20.0, 2000.0].map(short), ["0.5", "20", "2,000"]);
        assert_eq!([0.00512, 0.7761, 12.345, 1234.0].map(ratio), ["0.0051", "0.776", "12.3", "1,234"]);
    }

    #[test]
    fn parameters_read_as_words() {
        let set = Parameters::from([
            ("rate_bits_per_s".to_owned(), json!(10_000_000)),
            ("direction".to_owned(), json!("from_container")),
            ("flows".to_owned(), json!(8)),
            ("payload_bytes".to_owned(), json!(1400)),
            ("of_theirs".to_owned(), json!("x")),
        ]);
        assert_eq!(parameters(&set), "from container, 8 flows, of theirs x, 1,400 bytes, 10 Mbit/s");
    }
}
