//! Directories that only root may enter.
//!
//! Refuses what is there and no directory, what is another user's, and to close a directory that is
//! open to others and holds something: it is then for something else as well.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use crate::error::{Attempt, Error, Result};

/// Makes such a directory. One that is there is closed to others if it is empty.
pub fn make(path: &Path) -> Result<()> {
    judge(path)?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| {
        if source.kind() == io::ErrorKind::NotADirectory {
            no_directory(path)
        } else {
            Error::CannotMake { path: path.to_owned(), source }
        }
    })?;
    if is_closed(path) {
        return Ok(());
    }
    rustix::fs::chmod(path, Mode::RWXU).attempt(|| format!("close {} to others", path.display()))
}

/// Refuses what [`make`] would; changes nothing.
pub fn judge(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_dir() => Err(Error::NotDirectory { path: path.to_owned() }),
        Ok(metadata) if metadata.uid() != rustix::process::geteuid().as_raw() => {
            Err(Error::OthersDirectory { path: path.to_owned(), uid: metadata.uid() })
        }
        Ok(metadata) if !is_closed(path) && !is_empty(path) => {
            Err(Error::OpenDirectory { path: path.to_owned(), mode: metadata.mode() & 0o7777 })
        }
        _ => Ok(()),
    }
}

fn is_closed(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir() && metadata.mode() & 0o777 == 0o700)
}

/// What is in a directory; nothing, if there is none. One that cannot be read is an error: what is
/// in it would be taken for gone.
pub fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(no_directory(path));
        }
        other => other.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()),
    };
    entries.attempt(|| format!("list {}", path.display()))
}

/// It is none, or what it is said to be below.
fn no_directory(path: &Path) -> Error {
    let wrong = path.ancestors().find(|above| above.exists()).unwrap_or(path);
    Error::NotDirectory { path: wrong.to_owned() }
}

/// Removes a directory if nothing is in it.
pub fn remove_if_empty(path: &Path) {
    if let Err(error) = fs::remove_dir(path) {
        tracing::debug!("{}: {error}", path.display());
    }
}

/// The nearest directory at or above a path that is there.
pub fn ground(path: &Path) -> PathBuf {
    path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Removes a directory, and those above it up to one of `grounds`, as far as nothing is in them.
pub fn remove_up_to(path: &Path, grounds: &[PathBuf]) {
    let is_ground = |dir: &Path| grounds.iter().any(|ground| ground == dir);
    path.ancestors().take_while(|dir| !is_ground(dir)).for_each(remove_if_empty);
}

/// Whether a directory holds nothing but the kernel's own files.
pub fn is_empty(path: &Path) -> bool {
    entries(path).is_ok_and(|entries| entries.iter().all(|path| is_kernels_own(path)))
}

/// `maps.debug` and `progs.debug` at a bpffs root, which cannot be removed.
pub fn is_kernels_own(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "debug")
}
