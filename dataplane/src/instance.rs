//! One instance of the dataplane: where its pins and its database lie, and who may change them.
//!
//! There is one a network namespace: the machine's first at the root of the two directories,
//! others below, by namespace cookie. A command that changes something holds the instance's
//! lock from before it reads until after it has written, so a row that is found unfinished
//! under the lock belongs to a command that was killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::bpffs;
use crate::error::{Attempt, Error, Result};
use crate::sys;

/// The two directories as asked for.
#[derive(Clone, Debug)]
pub struct Directories {
    /// Holds the database and the lock.
    pub state: PathBuf,
    /// Holds the pins.
    pub bpffs: PathBuf,
}

/// The cookie of the namespace that the machine booted with.
const FIRST_COOKIE: u64 = 1;

/// One instance's directories and identity.
#[derive(Debug)]
pub struct Instance {
    /// Holds the database and the lock; exists once [`Instance::prepare`] ran.
    pub state: PathBuf,
    /// Holds the pins; exists once [`Instance::prepare`] ran.
    pub pins: PathBuf,
    /// The asked-for directory that the pins are below: a bpffs is mounted for it if need be.
    pub bpffs: PathBuf,
    /// Says where we mounted a bpffs; all instances of the two directories share the mount.
    pub mount_record: PathBuf,
    /// Which boot this is.
    pub boot_id: String,
}

/// Held while an instance is changed; freed by the kernel when its process ends.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    #[expect(dead_code, reason = "the lock lives as long as the descriptor")]
    file: File,
}

impl Instance {
    /// The instance of this process's network namespace. Changes nothing.
    pub fn find(directories: &Directories) -> Result<Self> {
        let cookie = sys::netns_cookie().attempt(|| "read the namespace cookie".to_owned())?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .attempt(|| "read the boot id".to_owned())?;
        let Directories { state, bpffs } = directories;
        let absolute = |path: &Path| std::path::absolute(path).attempt(|| format!("{}", path.display()));
        let (state, bpffs) = (absolute(state)?, absolute(bpffs)?);
        let mount_record = state.join("mounted");
        let (state, pins) = if cookie == FIRST_COOKIE {
            (state, bpffs.clone())
        } else {
            (state.join(format!("netns_{cookie}")), bpffs.join(format!("netns_{cookie}")))
        };
        Ok(Self { state, pins, bpffs, mount_record, boot_id: boot_id.trim().to_owned() })
    }

    /// Makes the directories, mounts a bpffs if there is none, and takes the lock.
    pub fn prepare(&self) -> Result<Lock> {
        private_dir(&self.state)?;
        let lock = self.lock()?;
        bpffs::prepare(&self.bpffs, &self.mount_record)?;
        if self.pins != self.bpffs {
            private_dir(&self.pins)?;
        }
        Ok(lock)
    }

    /// Takes the lock, waiting for whoever holds it.
    pub fn lock(&self) -> Result<Lock> {
        let file = self.open_lock()?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            tracing::info!("waiting for another dpctl");
            rustix::fs::flock(&file, FlockOperation::LockExclusive)
                .attempt(|| format!("lock {}", self.state.display()))?;
        }
        Ok(Lock { file })
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<Lock> {
        let file = self.open_lock().ok()?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Lock { file })
    }

    fn open_lock(&self) -> Result<File> {
        let path = self.state.join("lock");
        fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .attempt(|| format!("open {}", path.display()))
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.state.join("state.db")
    }

    /// Whether anything was ever made here.
    pub fn exists(&self) -> bool {
        self.database().exists() || self.pins.join("links").exists()
    }
}

/// Makes a directory that only root may enter, or makes an existing one so.
pub(crate) fn private_dir(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.attempt(|| format!("make {}", path.display()))?;
    let metadata = fs::symlink_metadata(path).attempt(|| format!("examine {}", path.display()))?;
    if !metadata.is_dir() {
        return Err(Error::Io {
            call: format!("make {}", path.display()),
            source: io::Error::from(io::ErrorKind::NotADirectory),
        });
    }
    if metadata.mode() & 0o777 != 0o700 {
        rustix::fs::chmod(path, rustix::fs::Mode::RWXU)
            .attempt(|| format!("close {} to others", path.display()))?;
    }
    Ok(())
}
