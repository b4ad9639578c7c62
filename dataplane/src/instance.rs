//! One instance of the dataplane: where its pins and its database lie, and who may change them.
//!
//! There is one a network namespace: the machine's first at the root of the two directories,
//! others below, by namespace cookie. A command that changes something holds the instance's
//! lock from before it reads until after it has written, so a row that is found unfinished
//! under the lock belongs to a command that was killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bpffs;
use crate::error::{Attempt, Error, Result};
use crate::lockfile::LockFile;
use crate::private_dir;
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

/// So often a bpffs may vanish before the pins have their directory.
const TRIES: usize = 100;

/// One instance's directories and identity.
#[derive(Debug)]
pub struct Instance {
    /// Holds the database and the lock; exists once [`Instance::lock`] ran.
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

impl Instance {
    /// The instance of this process's network namespace. Changes nothing.
    pub fn find(directories: &Directories) -> Result<Self> {
        let cookie = sys::netns_cookie().map_err(|source| match source.raw_os_error() {
            Some(libc::ENOPROTOOPT) => Error::lacking("netns cookies", "5.14"),
            _ => Error::Io { call: "read the namespace cookie".to_owned(), source },
        })?;
        Self::at(directories, cookie, &boot_id()?)
    }

    /// The instances of other network namespaces in these directories, and their cookies.
    pub fn others(directories: &Directories) -> Result<Vec<(u64, Self)>> {
        let own = Self::find(directories)?;
        let root = own.mount_record.parent().unwrap_or(Path::new("/"));
        let mut cookies: Vec<u64> = Vec::new();
        for dir in [root, &own.bpffs] {
            let names = private_dir::entries(dir)?;
            let dirs = names.iter().filter(|path| path.is_dir());
            cookies.extend(dirs.filter_map(|path| cookie_in(path.file_name()?.to_str()?)));
        }
        cookies.sort_unstable();
        cookies.dedup();
        let instances =
            cookies.into_iter().map(|cookie| Ok((cookie, Self::at(directories, cookie, &own.boot_id)?)));
        let others: Result<Vec<_>> = instances.collect();
        others.map(|others| others.into_iter().filter(|(_, other)| other.pins != own.pins).collect())
    }

    fn at(directories: &Directories, cookie: u64, boot_id: &str) -> Result<Self> {
        let Directories { state, bpffs } = directories;
        let absolute = |path: &Path| std::path::absolute(path).attempt(|| format!("{}", path.display()));
        let (state, bpffs) = (absolute(state)?, absolute(bpffs)?);
        let mount_record = state.join("mounted");
        let (state, pins) = if cookie == FIRST_COOKIE {
            (state, bpffs.clone())
        } else {
            (state.join(format!("netns_{cookie}")), bpffs.join(format!("netns_{cookie}")))
        };
        Ok(Self { state, pins, bpffs, mount_record, boot_id: boot_id.to_owned() })
    }

    /// Makes the directory of the pins, and mounts a bpffs if there is none; under the lock.
    pub fn prepare(&self) -> Result<()> {
        for _ in 0..TRIES {
            bpffs::prepare(&self.bpffs, &self.mount_record, &self.boot_id)?;
            // An instance that is taken away may just unmount: not while this is held.
            let _record = LockFile::take_existing(&self.mount_record)
                .attempt(|| format!("lock {}", self.mount_record.display()))?;
            private_dir::make(&self.pins)?;
            if bpffs::on_bpffs(&self.pins) {
                return Ok(());
            }
            private_dir::remove_if_empty(&self.pins);
        }
        let problem = "not on the bpffs that it is below; unmount what is there".to_owned();
        Err(Error::Bpffs { path: self.pins.clone(), problem })
    }

    /// Takes the lock, waiting for whoever holds it; makes the directory of the state.
    pub fn lock(&self) -> Result<LockFile> {
        self.lock_on_grounds().map(|(lock, _grounds)| lock)
    }

    /// As [`lock`](Self::lock), with the grounds that all its directories are made on: an undo
    /// takes them away up to there.
    pub fn lock_on_grounds(&self) -> Result<(LockFile, Vec<PathBuf>)> {
        let path = self.lock_path();
        loop {
            let [state, shared] = self.state_dirs();
            let grounds = [state, shared, &self.pins, &self.bpffs].map(private_dir::ground).to_vec();
            match self.try_take_lock(&path) {
                // A reset or an undo removed the directory before the lock was taken.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Ok(lock) => return Ok((lock, grounds)),
                Err(error) => {
                    self.state_dirs().iter().for_each(|dir| private_dir::remove_up_to(dir, &grounds));
                    return Err(error);
                }
            }
        }
    }

    fn try_take_lock(&self, path: &Path) -> Result<LockFile> {
        // The one that all instances share first: it is closed to others as well.
        self.state_dirs().iter().rev().try_for_each(|dir| private_dir::make(dir))?;
        LockFile::take(path).attempt(|| format!("lock {}", path.display()))
    }

    /// The directory of its state, and that of all instances; they may be the same.
    fn state_dirs(&self) -> [&Path; 2] {
        [&self.state, self.mount_record.parent().unwrap_or(&self.state)]
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Result<Option<LockFile>> {
        let path = self.lock_path();
        LockFile::try_take(&path).attempt(|| format!("lock {}", path.display()))
    }

    /// The file whose lock is the instance's.
    pub fn lock_path(&self) -> PathBuf {
        self.state.join("lock")
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

/// Which boot this is.
pub fn boot_id() -> Result<String> {
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    boot_id.map(|text| text.trim().to_owned()).attempt(|| "read the boot id".to_owned())
}

/// The cookie in the name of an instance's directory, as it is written there.
fn cookie_in(name: &str) -> Option<u64> {
    let cookie: u64 = name.strip_prefix("netns_")?.parse().ok()?;
    (cookie != FIRST_COOKIE && name == format!("netns_{cookie}")).then_some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_instance_is_called_has_a_cookie() {
        assert_eq!(cookie_in("netns_4711"), Some(4711));
        for other in ["netns_1", "netns_+7", "netns_007", "netns_", "netns_x", "links", "netns_-7"] {
            assert_eq!(cookie_in(other), None, "{other}");
        }
    }
}
