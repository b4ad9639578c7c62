//! One thing over and over for a window, each time timed.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use super::number;
use crate::interrupt;

/// Times before the first one that counts.
const WARM_UP: usize = 200;
/// So many times between two looks for a signal.
const LOOK: u64 = 64;

/// How often a second, and nanoseconds of each.
pub(super) fn over_and_over(
    window: Duration,
    mut act: impl FnMut() -> Result<()>,
) -> Result<(f64, Histogram<u64>)> {
    for _ in 0..WARM_UP {
        act()?;
    }
    let mut times = Histogram::<u64>::new_with_max(10_000_000_000, 3)?;
    let start = Instant::now();
    let mut last = start;
    while last - start < window {
        if times.len().is_multiple_of(LOOK) {
            interrupt::check()?;
        }
        act()?;
        let now = Instant::now();
        times.saturating_record(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX));
        last = now;
    }
    Ok((number(times.len()) / (last - start).as_secs_f64(), times))
}
