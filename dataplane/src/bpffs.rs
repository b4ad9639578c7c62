//! The bpffs that holds the pins: found, or mounted and remembered.
//!
//! Refuses a mount that would vanish with the caller's own mount namespace.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statfs};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::error::{Attempt, Error, Result};
use crate::lockfile::LockFile;
use crate::private_dir;

const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Where systemd and everybody else mounts it.
const STANDARD: &str = "/sys/fs/bpf";

/// Refuses a directory that [`prepare`] cannot or should not use; changes nothing.
pub fn judge(dir: &Path) -> Result<()> {
    refuse_private(dir)?;
    private_dir::judge(dir)?;
    if !on_bpffs(dir) && !private_dir::is_empty(dir) {
        let problem = "no bpffs, and not empty; choose an empty directory, or one on a bpffs".to_owned();
        return Err(Error::Bpffs { path: dir.to_owned(), problem });
    }
    Ok(())
}

/// Makes `dir` a directory on a bpffs that only root may enter. If it lies on none, one is
/// mounted on it (or, for directories below /sys/fs/bpf, there), and `record` says so.
pub fn prepare(dir: &Path, record: &Path, boot_id: &str) -> Result<()> {
    if !on_bpffs(dir) {
        let lock = LockFile::take(record).attempt(|| format!("lock {}", record.display()))?;
        // Another instance may have mounted it meanwhile.
        if !on_bpffs(dir) {
            mount_for(dir, &lock, boot_id)?;
        }
    }
    let unwritable = |error: &dyn std::fmt::Display| Error::Bpffs {
        path: dir.to_owned(),
        problem: format!(
            "cannot be written to ({error}); mount a bpffs read-write, or choose another --bpffs-dir"
        ),
    };
    private_dir::make(dir).map_err(|error| unwritable(&error))?;
    access(dir, Access::WRITE_OK).map_err(|errno| unwritable(&errno))
}

/// Whether `dir`, or the nearest directory above it that exists, is on a bpffs.
pub fn on_bpffs(dir: &Path) -> bool {
    statfs(existing(dir)).is_ok_and(|fs| fs.f_type == BPF_FS_MAGIC)
}

/// Unmounts what [`prepare`] mounted, unless somebody has pins there.
pub fn release(record: &Path, boot_id: &str) -> Result<()> {
    let taken = LockFile::try_take(record).attempt(|| format!("lock {}", record.display()))?;
    let Some(lock) = taken else { return Ok(()) };
    let mut text = String::new();
    lock.file().read_to_string(&mut text).attempt(|| format!("read {}", record.display()))?;
    let (boot, point) = text.split_once(' ').unwrap_or_default();
    let point = PathBuf::from(point);
    // A mount ends with its boot; what is there now is somebody else's.
    if boot != boot_id {
        return fs::remove_file(record).attempt(|| format!("remove {}", record.display()));
    }
    if !private_dir::is_empty(&point) {
        return Ok(());
    }
    if is_mount_point(&point) && on_bpffs(&point) {
        unmount(&point, UnmountFlags::NOFOLLOW).attempt(|| format!("unmount {}", point.display()))?;
    }
    fs::remove_file(record).attempt(|| format!("remove {}", record.display()))
}

fn mount_for(dir: &Path, record: &LockFile, boot_id: &str) -> Result<()> {
    let point = if dir.starts_with(STANDARD) { Path::new(STANDARD) } else { dir };
    if point == dir {
        private_dir::make(dir)?;
    }
    // Recorded first: a record without a mount is harmless, a mount without a record stays for ever.
    let text = [boot_id.as_bytes(), b" ", point.as_os_str().as_encoded_bytes()].concat();
    let written = record.file().set_len(0).and_then(|()| record.file().write_all(&text));
    written.attempt(|| format!("record the mount of {}", point.display()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("bpffs", point, "bpf", flags, c"mode=0700").map_err(|errno| Error::Bpffs {
        path: point.to_owned(),
        problem: format!(
            "no bpffs there, and mounting one failed ({errno}); run: mount -t bpf bpffs {}",
            point.display()
        ),
    })
}

/// Refuses a directory that is not the machine's own: what is pinned or mounted there ends with
/// this mount namespace. The machine's is that of pid 1 or, where we may not look at that, of the
/// first of our ancestors that we may look at.
pub fn refuse_private(dir: &Path) -> Result<()> {
    let dir = existing(dir);
    let Some(reference) = reference_process() else { return Ok(()) };
    let theirs = PathBuf::from(format!("/proc/{reference}/root")).join(dir.strip_prefix("/").unwrap_or(dir));
    let private = Error::PrivateMounts { path: dir.to_owned() };
    match (fs::metadata(dir), fs::metadata(theirs)) {
        (Ok(ours), Ok(theirs)) if (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()) => Err(private),
        (Ok(_), Err(_)) => Err(private),
        // Mounting is for everybody only where the mounts are shared.
        _ if !on_bpffs(dir) && mount_namespace(&reference) != mount_namespace("self") => Err(private),
        _ => Ok(()),
    }
}

/// Pid 1, or the first of our ancestors, whose mounts can be looked at.
fn reference_process() -> Option<String> {
    let mut pid = "self".to_owned();
    let mut readable = None;
    while let Some(parent) = parent(&pid).filter(|parent| parent != "0") {
        if mount_namespace(&parent).is_some() {
            readable = Some(parent.clone());
        }
        pid = parent;
    }
    if mount_namespace("1").is_some() { Some("1".to_owned()) } else { readable }
}

fn parent(pid: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")).map(|parent| parent.trim().to_owned())
}

fn mount_namespace(process: &str) -> Option<(u64, u64)> {
    fs::metadata(format!("/proc/{process}/ns/mnt")).map(|m| (m.dev(), m.ino())).ok()
}

fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|m| m.dev()).ok();
    path.parent().is_some_and(|parent| device(parent) != device(path))
}

fn existing(path: &Path) -> &Path {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"))
}
