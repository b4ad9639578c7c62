//! Takes an instance away: its pins, its database, its directories, and the bpffs that was mounted
//! for it. The hooks must be off by then.
//!
//! Leaves what is not ours, and directories that hold something still.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bpffs;
use crate::error::{Attempt, Error, Result};
use crate::hook;
use crate::instance::Instance;
use crate::lockfile::LockFile;
use crate::object::{self, Staging};
use crate::private_dir;

/// Removes all of an instance whose lock is held; goes on past errors. Answers the pins that are
/// not ours.
pub fn unmake(instance: &Instance, lock: LockFile) -> Result<Vec<PathBuf>> {
    take_away(instance, lock, &private_dir::remove_if_empty)
}

/// Takes away what a first command has made before it failed, and gives its error back. Directories
/// go up to the `grounds` that they were made on.
pub fn undo(instance: &Instance, lock: LockFile, grounds: &[PathBuf], error: Error) -> Error {
    match take_away(instance, lock, &|dir| private_dir::remove_up_to(dir, grounds)) {
        Ok(_left) => error,
        Err(more) => Error::Several(vec![error, more]),
    }
}

fn take_away(instance: &Instance, lock: LockFile, remove_if_empty: &dyn Fn(&Path)) -> Result<Vec<PathBuf>> {
    let mut errors = Vec::new();
    let left = remove_all_pins(instance).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        errors.extend(remove_file(&instance.state.join(file)).err());
    }
    errors.extend(remove_file(&instance.lock_path()).err());
    drop(lock);
    // The directories may be the user's own, or hold other instances: only empty ones go.
    remove_if_empty(&instance.pins);
    if private_dir::is_empty(&instance.bpffs) {
        remove_if_empty(&instance.bpffs);
        errors.extend(bpffs::release(&instance.mount_record, &instance.boot_id).err());
        remove_if_empty(&instance.bpffs);
    }
    remove_if_empty(&instance.state);
    instance.mount_record.parent().iter().for_each(|dir| remove_if_empty(dir));
    Error::join(errors).map(|()| left)
}

/// Removes all pins of ours; goes on past errors. Answers those that are not.
pub(crate) fn remove_all_pins(instance: &Instance) -> Result<Vec<PathBuf>> {
    let mut errors = Vec::new();
    private_dir::remove_if_empty(&hook::link_dir(instance));
    let mut ours = vec![Staging::Load.dir(instance)];
    errors.extend(object::remove_pins(&ours[0]).err());
    // A set is whole, or under a name whose content any command throws away.
    let layout = object::layout_dir(instance);
    if let Err(error) = fs::rename(&layout, Staging::Load.dir(instance)) {
        tracing::debug!("{}: {error}", layout.display());
    }
    ours.extend([layout, Staging::Upgrade.dir(instance)]);
    ours.extend(object::other_layouts(instance)?);
    for dir in ours {
        errors.extend(object::remove_pins(&dir).err());
    }
    let mut left = Vec::new();
    for path in private_dir::entries(&instance.pins)? {
        // Other instances are their own.
        let is_instance = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("netns_"));
        if !is_instance && path != hook::link_dir(instance) && !private_dir::is_kernels_own(&path) {
            left.push(path);
        }
    }
    Error::join(errors).map(|()| left)
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).attempt(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
