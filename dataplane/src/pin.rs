//! Pins of ours: opened by name, and only if they are root's own.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Attempt, Error, Result};
use crate::sys;

/// What a pin is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A map.
    Map,
    /// A program.
    Program,
}

impl Kind {
    /// Where /proc/self/fd leads to.
    const fn target(self) -> &'static str {
        match self {
            Self::Map => "anon_inode:bpf-map",
            Self::Program => "anon_inode:bpf-prog",
        }
    }
}

/// Opens a pin of root's; another's, a symbolic link, or another kind of object is refused.
pub fn open_own_pin(path: &Path, kind: Kind, wanted: &str) -> Result<OwnedFd> {
    let foreign = |found: &str| Error::ForeignPin {
        path: path.to_owned(),
        found: found.to_owned(),
        wanted: wanted.to_owned(),
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => return Err(foreign("a symbolic link")),
        Ok(metadata) if metadata.uid() != rustix::process::geteuid().as_raw() => {
            return Err(foreign("another user's"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::Bpffs {
                path: path.to_owned(),
                problem: "the pin is missing; run: dpctl reconcile".to_owned(),
            });
        }
        Err(error) => return Err(error).attempt(|| format!("examine {}", path.display())),
    }
    let fd = sys::open_pin(path).map_err(|source| match source.raw_os_error() {
        Some(libc::EINVAL | libc::EACCES | libc::EPERM) => foreign("not a bpf object"),
        _ => Error::Io { call: format!("open {}", path.display()), source },
    })?;
    // Asked for its properties, a program answers with numbers that a map could have.
    let target = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let target = target.attempt(|| format!("examine {}", path.display()))?;
    if target == Path::new(kind.target()) { Ok(fd) } else { Err(foreign("another kind of object")) }
}
