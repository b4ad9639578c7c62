//! The bpffs that holds the pins: found, or mounted and remembered.
//!
//! Refuses a mount that would vanish with the caller's own mount namespace.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::error::{Attempt, Error, Result};
use crate::instance::private_dir;

const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Where systemd and everybody else mounts it.
const STANDARD: &str = "/sys/fs/bpf";

/// Makes `dir` a directory on a bpffs that only root may enter. If it lies on none, one is
/// mounted on it (or, for directories below /sys/fs/bpf, there), and `record` says so.
pub fn prepare(dir: &Path, record: &Path) -> Result<()> {
    refuse_private(dir)?;
    if !on_bpffs(dir) {
        let point = if dir.starts_with(STANDARD) { Path::new(STANDARD) } else { dir };
        if point == dir {
            private_dir(dir)?;
        }
        mount_at(point, record)?;
    }
    private_dir(dir).map_err(|error| Error::Bpffs {
        path: dir.to_owned(),
        problem: format!(
            "cannot be written to ({error}); mount a bpffs read-write, or choose another --bpffs-dir"
        ),
    })
}

/// Whether `dir`, or the nearest directory above it that exists, is on a bpffs.
pub fn on_bpffs(dir: &Path) -> bool {
    statfs(existing(dir)).is_ok_and(|fs| fs.f_type == BPF_FS_MAGIC)
}

/// Unmounts what [`prepare`] mounted.
pub fn release(record: &Path) -> Result<Option<PathBuf>> {
    let Ok(point) = fs::read_to_string(record) else { return Ok(None) };
    let point = PathBuf::from(point);
    if is_mount_point(&point) && on_bpffs(&point) {
        unmount(&point, UnmountFlags::NOFOLLOW).attempt(|| format!("unmount {}", point.display()))?;
    }
    fs::remove_file(record).attempt(|| format!("remove {}", record.display()))?;
    Ok(Some(point))
}

fn mount_at(point: &Path, record: &Path) -> Result<()> {
    // Recorded first: a record without a mount is harmless, a mount without a record stays for ever.
    fs::write(record, point.as_os_str().as_encoded_bytes())
        .attempt(|| format!("write {}", record.display()))?;
    mount("bpffs", point, "bpf", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, c"mode=0700")
        .map_err(|errno| Error::Bpffs {
            path: point.to_owned(),
            problem: format!(
                "no bpffs there, and mounting one failed ({errno}); run: mount -t bpf bpffs {}",
                point.display()
            ),
        })
}

/// Refuses a directory that is not the same one for pid 1: what is pinned or mounted there ends
/// with this mount namespace.
pub fn refuse_private(dir: &Path) -> Result<()> {
    let dir = existing(dir);
    let theirs = Path::new("/proc/1/root").join(dir.strip_prefix("/").unwrap_or(dir));
    let private = Error::PrivateMounts { path: dir.to_owned() };
    match (fs::metadata(dir), fs::metadata(theirs)) {
        (Ok(ours), Ok(theirs)) if (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()) => Err(private),
        // Mounting is for everybody only where the mounts are shared with pid 1.
        (Ok(_), Ok(_)) if !on_bpffs(dir) && !same_mount_namespace() => Err(private),
        _ => Ok(()),
    }
}

fn same_mount_namespace() -> bool {
    let id = |process: &str| fs::metadata(format!("/proc/{process}/ns/mnt")).map(|m| (m.dev(), m.ino())).ok();
    id("1").is_none_or(|first| id("self") == Some(first))
}

fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|m| m.dev()).ok();
    path.parent().is_some_and(|parent| device(parent) != device(path))
}

fn existing(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}
