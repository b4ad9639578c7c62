//! Ctrl-C and its like become an error, so that what was set up is taken down on the way out.
//! The only file that waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on the three signals no longer end the process; a second one does.
pub(crate) fn catch() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: the first signal finds the flag down, a second one finds it up.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))
            .context("catch signals")?;
        signal_hook::flag::register(signal, Arc::clone(flag)).context("catch signals")?;
    }
    Ok(())
}

/// An error once a signal has come.
pub(crate) fn check() -> Result<()> {
    if INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
        bail!("interrupted");
    }
    Ok(())
}

/// Lets the window of a measurement pass; ends early with an error when a signal comes.
pub(crate) fn pause(window: Duration) -> Result<()> {
    let end = Instant::now() + window;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(Duration::from_millis(50)));
    }
}

/// The time between two looks at something that goes on by itself.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that waits")]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}
