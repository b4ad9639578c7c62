//! Measured against expected, within a stated tolerance.
#![expect(clippy::cast_precision_loss, reason = "what tests measure is far below 2^53")]

/// `measured` as a share of `expected`.
pub(crate) fn ratio(measured: f64, expected: u64) -> f64 {
    measured / expected as f64
}

/// Fails unless `measured` is within `tolerance` (0.01 is 1 %) of `expected`.
#[track_caller]
pub(crate) fn assert_within(tolerance: f64, measured: f64, expected: u64, what: &str) {
    let ratio = ratio(measured, expected);
    assert!(
        (ratio - 1.0).abs() <= tolerance,
        "{what}: {measured:.0} is {ratio:.4} of {expected}, more than {tolerance} off"
    );
}

/// As [`ratio`], for counts.
pub(crate) fn count_ratio(counted: u64, expected: u64) -> f64 {
    counted as f64 / expected as f64
}

/// As [`assert_within`], for counts.
#[track_caller]
pub(crate) fn assert_count_within(tolerance: f64, counted: u64, expected: u64, what: &str) {
    assert_within(tolerance, counted as f64, expected, what);
}
