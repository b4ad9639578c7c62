//! `/sys/kernel/rcu_expedited`, which decides what a link costs: watched, never set.
//!
//! Any `dpctl` on the machine that attaches or detaches links sets it for that time, and makes
//! the kernel's own way fast for everybody. What was measured meanwhile does not count.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::interrupt;

/// Where it lies.
pub(crate) const PATH: &str = "/sys/kernel/rcu_expedited";

/// Its value at the start of a measurement.
#[derive(Debug)]
pub(crate) struct Switch(String);

impl Switch {
    /// As it is now.
    pub(crate) fn read() -> Result<Self> {
        value().map(Self)
    }

    /// The value that was read.
    pub(crate) fn value(&self) -> &str {
        &self.0
    }

    /// Whether it is as it was.
    pub(crate) fn is_back(&self) -> Result<bool> {
        Ok(value()? == self.0)
    }

    /// Waits until it is. Our own `dpctl` sets it back before it ends; somebody else's may take
    /// some seconds.
    pub(crate) fn wait_until_back(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.is_back()? {
            interrupt::check()?;
            ensure!(Instant::now() < end, "{PATH} was {} and is not any more", self.0);
            interrupt::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn value() -> Result<String> {
    let value = fs::read_to_string(PATH).with_context(|| format!("read {PATH}"))?;
    Ok(value.trim().to_owned())
}
