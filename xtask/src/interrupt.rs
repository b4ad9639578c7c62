//! Ctrl-C and its like become an error, so that what was begun is undone on the way out.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on the three signals no longer end the process; a second one does.
pub(crate) fn catch() -> Result<()> {
    if INTERRUPTED.get().is_some() {
        return Ok(());
    }
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

/// Lets `duration` pass; ends early with an error when a signal comes.
pub(crate) fn pause(duration: Duration) -> Result<()> {
    let end = Instant::now() + duration;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        step(left.min(STEP));
    }
}

/// Waits until `condition` holds; `what` begins the error when it takes longer than `deadline`.
pub(crate) fn until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + deadline;
    while !condition() {
        check()?;
        if Instant::now() >= end {
            bail!("{what}: not within {} s", deadline.as_secs());
        }
        step(STEP);
    }
    Ok(())
}

/// Waits for a child; kills it and returns an error when a signal or the deadline comes first.
pub(crate) fn wait(what: &str, child: &mut Child, deadline: Duration) -> Result<ExitStatus> {
    let mut status = None;
    let waited = until(what, deadline, || {
        status = child.try_wait().ok().flatten();
        status.is_some()
    });
    if let Err(error) = waited {
        // It may have ended by itself this instant; either way it is reaped.
        child.kill().ok();
        child.wait().ok();
        return Err(error);
    }
    status.with_context(|| format!("{what}: lost its exit status"))
}

const STEP: Duration = Duration::from_millis(10);

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of xtask that waits; all waits above have a deadline"
)]
fn step(duration: Duration) {
    std::thread::sleep(duration);
}
