//! Open files: as many as a command needs, or a refusal before it begins.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::{Error, Result};

/// What a command has open at the most, and some room.
pub const NEEDED: u64 = 64;

/// Raises this process's own limit where it is too low; refuses where that is not allowed.
pub fn ensure() -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(allowed) = current.filter(|current| *current < NEEDED) else { return Ok(()) };
    let maximum = maximum.map(|maximum| maximum.max(NEEDED));
    setrlimit(Resource::Nofile, Rlimit { current: Some(NEEDED), maximum })
        .map_err(|_not_allowed| Error::TooFewFiles { allowed, needed: NEEDED })
}
