//! Waiting: for a condition, with a deadline. The only file that may sleep.
#![expect(clippy::disallowed_methods, reason = "waiting is this file's subject")]

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything on a busy machine; a condition that takes longer will not come.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Returns when `holds` does, and fails naming `what` if it does not within [`DEADLINE`].
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    eventually_get(what, || holds().then_some(()));
}

/// The first value that `probe` finds; fails naming `what` if there is none within [`DEADLINE`].
#[track_caller]
pub fn eventually_get<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, probe).unwrap_or_else(|| panic!("waited {DEADLINE:?} in vain: {what}"))
}

/// The first value that `probe` finds within `deadline`. It is asked once at the least.
pub fn within<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    let mut interval = Duration::from_millis(1);
    loop {
        let asked = Instant::now();
        if let Some(found) = probe() {
            return Some(found);
        }
        if asked >= end {
            return None;
        }
        thread::sleep(interval);
        interval = (interval * 2).min(Duration::from_millis(50));
    }
}

/// Lets time pass where time itself is the subject: a window of a measurement, the pace of a
/// sender. Never to wait for something to happen.
pub fn pass(time: Duration) {
    thread::sleep(time);
}
