//! Instances whose network namespace is gone: found, and cleared away.
//!
//! Nothing tells that a namespace has ended, so an instance counts as a remainder only if no
//! namespace that can be seen has its cookie, and if nothing of it is in force whatever the truth:
//! every pinned link names interface 0, for its device is gone, and no row is a clsact filter of
//! this boot, which only its own namespace could show. What is in doubt is named, and left alone.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::attachment::Hook;
use crate::bpffs;
use crate::error::{Error, Result};
use crate::hook;
use crate::instance::{Directories, Instance};
use crate::lockfile::LockFile;
use crate::netns::NetNs;
use crate::private_dir;
use crate::store::Store;
use crate::sys;
use crate::unmake::unmake;

/// An instance that no namespace in sight has.
#[derive(Debug)]
pub struct Remainder {
    /// Where it lies.
    pub instance: Instance,
    /// Why it is left alone; `None`: nothing of it is in force.
    pub doubt: Option<&'static str>,
}

impl Remainder {
    /// What is wrong.
    pub fn problem(&self) -> String {
        format!("{}: its network namespace is gone", self.instance.pins.display())
    }

    /// What is in doubt, and what to do.
    pub fn advice(&self) -> Option<String> {
        let Instance { state, pins, .. } = &self.instance;
        let remove = format!("rm -r {} {}", pins.display(), state.display());
        self.doubt.map(|doubt| {
            format!(
                "{}: its network namespace is not in sight, and {doubt}; if it is gone: {remove}",
                pins.display()
            )
        })
    }
}

/// All remainders of these directories. Changes nothing.
pub fn find(directories: &Directories) -> Result<Vec<Remainder>> {
    let mut candidates = Vec::new();
    for (cookie, instance) in Instance::others(directories)? {
        // Most are in use, and the first link says so.
        if !has_live_link(&instance)? {
            candidates.push((cookie, instance));
        }
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let seen = cookies_in_sight()?;
    candidates.retain(|(cookie, _)| !seen.contains(cookie));
    let remainders = candidates.into_iter().map(|(_, instance)| {
        let doubt = doubt(&instance);
        Remainder { instance, doubt }
    });
    Ok(remainders.collect())
}

/// Clears away those that are in no doubt; goes on past errors. Answers what it cleared away.
pub fn clear(directories: &Directories) -> Result<Vec<Remainder>> {
    let mut errors = Vec::new();
    let mut cleared = Vec::new();
    for remainder in find(directories)? {
        if remainder.doubt.is_some() {
            continue;
        }
        match clear_one(&remainder.instance) {
            Ok(true) => cleared.push(remainder),
            Ok(false) => {}
            Err(error) => errors.push(error),
        }
    }
    Error::join(errors).map(|()| cleared)
}

fn clear_one(instance: &Instance) -> Result<bool> {
    bpffs::refuse_private(&instance.bpffs)?;
    // Looked at again under its lock: whoever holds that is in its namespace.
    let lock: LockFile = if instance.state.exists() {
        match instance.try_lock() {
            Some(lock) => lock,
            None if instance.lock_path().exists() => return Ok(false),
            None => instance.lock()?,
        }
    } else {
        instance.lock()?
    };
    if has_live_link(instance)? || doubt(instance).is_some() {
        return Ok(false);
    }
    let mut errors = Vec::new();
    for (_, pin) in hook::pinned(instance)?.links {
        match hook::detach_link(&pin) {
            // Not ours: it stays, and its directory with it.
            Err(Error::ForeignPin { .. }) => {}
            other => errors.extend(other.err()),
        }
    }
    Error::join(errors)?;
    unmake(instance, lock, &[]).map(|_left| true)
}

fn has_live_link(instance: &Instance) -> Result<bool> {
    for (_, pin) in hook::pinned(instance)?.links {
        if hook::is_live(&pin)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn doubt(instance: &Instance) -> Option<&'static str> {
    if !instance.database().exists() {
        return None;
    }
    let Ok(rows) = Store::open(&instance.database()).and_then(|store| store.attachments()) else {
        return Some("its database cannot be read");
    };
    let is_clsact = rows.iter().any(|row| row.hook == Hook::Clsact && row.boot_id == instance.boot_id);
    is_clsact.then_some("filters of clsact can be seen in there only")
}

/// The cookies of all network namespaces that have a name, a process or thread, a mount, or an
/// open file.
fn cookies_in_sight() -> Result<HashSet<u64>> {
    let read = || {
        sys::netns_cookie().map_err(|source| Error::Io { call: "read a namespace cookie".to_owned(), source })
    };
    let mut cookies = HashSet::new();
    for path in namespaces_in_sight() {
        // Gone since it was listed, or not for us to see.
        let Ok(file) = File::open(&path) else { continue };
        match NetNs::from_file(file, &path.display().to_string()).and_then(|netns| netns.run(read)) {
            Ok(cookie) => {
                cookies.insert(cookie);
            }
            // A namespace of another kind.
            Err(Error::NoHostSide { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(cookies)
}

/// Files that are namespaces, each once.
fn namespaces_in_sight() -> Vec<PathBuf> {
    let mut paths = list(Path::new("/run/netns"));
    let mut mounts = HashSet::new();
    for process in list(Path::new("/proc")) {
        if !process.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        {
            continue;
        }
        paths.extend(list(&process.join("task")).into_iter().map(|task| task.join("ns/net")));
        paths.extend(list(&process.join("fd")));
        // Each mount namespace once, as that process sees it.
        let of = fs::metadata(process.join("ns/mnt")).map(|metadata| metadata.ino());
        if of.is_ok_and(|of| mounts.insert(of)) {
            let table = fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
            let points = table.lines().filter(|line| line.contains(" - nsfs "));
            let points = points.filter_map(|line| line.split(' ').nth(4));
            paths.extend(points.map(|point| process.join("root").join(point.trim_start_matches('/'))));
        }
    }
    // All of them lie on one file system of the kernel's own.
    let nsfs = fs::metadata("/proc/self/ns/net").map(|metadata| metadata.dev()).ok();
    let mut seen = HashSet::new();
    paths.retain(|path| {
        let found = fs::metadata(path).ok().filter(|metadata| Some(metadata.dev()) == nsfs);
        found.is_some_and(|metadata| seen.insert(metadata.ino()))
    });
    paths
}

fn list(folder: &Path) -> Vec<PathBuf> {
    private_dir::entries(folder).unwrap_or_default()
}
