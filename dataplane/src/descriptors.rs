//! Open files: as many as a command needs, or a refusal before it begins.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::{Error, Result};

/// What a command has open at the most, and some room.
pub const NEEDED: u64 = 64;

/// So many were allowed before; `None` is any number.
static BEFORE: OnceLock<Option<u64>> = OnceLock::new();

/// How many this process was allowed when it was started; `None` is any number.
pub fn allowed() -> Option<u64> {
    *BEFORE.get_or_init(|| getrlimit(Resource::Nofile).current)
}

/// Raises this process's own limit where it is too low; refuses where that is not allowed.
pub fn ensure() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let Some(allowed) = allowed().filter(|current| *current < NEEDED) else { return Ok(()) };
    let maximum = maximum.map(|maximum| maximum.max(NEEDED));
    setrlimit(Resource::Nofile, Rlimit { current: Some(NEEDED), maximum })
        .map_err(|_not_allowed| Error::TooFewFiles { allowed, needed: NEEDED })
}
