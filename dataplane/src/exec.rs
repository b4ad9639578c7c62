//! Exec: becomes a command in a sandbox, as `ip netns exec` does, with the sandbox's own files and
//! name, and without hiding what the host has mounted below /sys.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_change,
    move_mount, open_tree,
};

use crate::error::{Attempt, Error, Result};
use crate::files;
use crate::inside;
use crate::name::Name;
use crate::sandbox::Sandbox;
use crate::sys;

/// The command was found, and could not be run.
const NOT_RUN: u8 = 126;
/// There is no such command.
const NOT_FOUND: u8 = 127;

/// Becomes the command; answers only what kept it from that, with the exit code for it.
pub fn exec(sandbox: &Sandbox, command: &[OsString]) -> Result<(Error, u8)> {
    let netns = inside::open(sandbox)?;
    netns.enter()?;
    sys::enter_new_mounts_and_name().attempt(|| "make private mounts".to_owned())?;
    // What is mounted here shall not show outside.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .attempt(|| "make mounts private".to_owned())?;
    show_own_sys()?;
    show_own_files(&sandbox.name)?;
    rustix::system::sethostname(sandbox.name.as_str().as_bytes())
        .attempt(|| "set the host name".to_owned())?;
    let [program, arguments @ ..] = command else {
        return Err(Error::Usage("exec: which command?".to_owned()));
    };
    let error = Command::new(program).args(arguments).exec();
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN };
    Ok((Error::Io { call: format!("exec {}", program.to_string_lossy()), source: error }, code))
}

/// Mounts the /sys of this namespace, whose devices it shows, and puts back what was mounted below
/// the old one: bpffs, cgroups and the like.
fn show_own_sys() -> Result<()> {
    let sys = Path::new("/sys");
    let mut kept: Vec<(PathBuf, OwnedFd)> = Vec::new();
    for point in mounts_below(sys)? {
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        match open_tree(CWD, &point, flags) {
            Ok(tree) => kept.push((point, tree)),
            Err(errno) => tracing::debug!("{}: {errno}", point.display()),
        }
    }
    mount("sysfs", sys, "sysfs", MountFlags::empty(), None).attempt(|| "mount /sys".to_owned())?;
    for (point, tree) in kept {
        let moved = move_mount(tree, "", CWD, &point, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
        if let Err(errno) = moved {
            tracing::debug!("{}: {errno}", point.display());
        }
    }
    Ok(())
}

/// The mount points directly below a directory's own mount: what is mounted below those comes with
/// them.
fn mounts_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").attempt(|| "list the mounts".to_owned())?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut below: Vec<PathBuf> = points.filter(|point| point.starts_with(dir) && point != dir).collect();
    below.sort();
    below.dedup_by(|next, first| next.starts_with(first));
    Ok(below)
}

/// Mounts the sandbox's files over those in /etc, where both are there.
fn show_own_files(name: &Name) -> Result<()> {
    for file in fs::read_dir(files::dir(name)).into_iter().flatten().flatten() {
        let target = Path::new("/etc").join(file.file_name());
        if target.exists() {
            mount_bind(file.path(), &target).attempt(|| format!("mount {}", target.display()))?;
        }
    }
    Ok(())
}
