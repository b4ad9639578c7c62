//! A lock on a file that its holder may remove.
//!
//! Whoever waited for a file that is removed meanwhile holds the lock of a name that nobody
//! else will find; so after the wait the name must still lead to the same file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Held until it is dropped, or its process ends however it ends.
#[derive(Debug)]
#[must_use]
pub struct LockFile {
    file: File,
}

impl LockFile {
    /// Takes the lock, makes the file if there is none, and waits for whoever holds it.
    pub fn take(path: &Path) -> io::Result<Self> {
        loop {
            let file = open(path, true)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                tracing::info!("{}: waiting for another dpctl", path.display());
                flock(&file, FlockOperation::LockExclusive)?;
            }
            if leads_to(path, &file) {
                return Ok(Self { file });
            }
        }
    }

    /// Takes the lock of a file that is there, and waits for whoever holds it; `None` where there
    /// is none, or none any more.
    pub fn take_existing(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = match open(path, false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            flock(&file, FlockOperation::LockExclusive)?;
            if leads_to(path, &file) {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Takes the lock of a file that is there; `None` where somebody holds it, or there is none.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = match open(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
            Ok(()) => Ok(leads_to(path, &file).then_some(Self { file })),
        }
    }

    /// The locked file, which may have content.
    pub fn file(&self) -> &File {
        &self.file
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    // A symbolic link is somebody's trap, and would never lead to what is locked.
    let flags = libc::O_NOFOLLOW;
    OpenOptions::new()
        .create(create)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
}

fn leads_to(path: &Path, file: &File) -> bool {
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(named), Ok(held)) => id(named) == id(held),
        _ => false,
    }
}
