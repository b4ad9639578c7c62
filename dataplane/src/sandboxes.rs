//! Sandboxes: made, found, removed.
//!
//! A namespace of our own is held by a mount where `ip netns` looks, so that it outlives every
//! command. One of somebody else's is looked at and never held: it ends when its owner lets it go.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::thread;

use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};

use crate::attachment::State;
use crate::disconnect;
use crate::error::{Attempt, Error, Result};
use crate::files;
use crate::inside;
use crate::item::Item;
use crate::kernel::Kernel;
use crate::name::Name;
use crate::netns::NetNs;
use crate::networks::refuse_taken;
use crate::refused::Refused;
use crate::sandbox::{NAMESPACES, Place, Sandbox};
use crate::session::Session;
use crate::sys;

/// Makes a sandbox.
pub fn create(session: &mut Session, name: Name, place: Place) -> Result<Sandbox> {
    refuse_taken(session, &name)?;
    let boot_id = session.instance.boot_id.clone();
    let mut sandbox = Sandbox { name, boot_id, state: State::Creating, place, cookie: 0, made_files: false };
    match &sandbox.place {
        Place::Own => return create_own(session, sandbox),
        Place::At(path) => {
            let netns = NetNs::open_path(path, &path.display().to_string())?;
            sandbox.cookie = inside::cookie_of(&netns)?;
        }
        Place::Joined(other) => {
            let none = || Refused::None { name: other.to_string(), kind: "sandbox" };
            let joined = session.store.sandbox(other.as_str())?.ok_or_else(none)?;
            if let Place::Joined(further) = &joined.place {
                let why = format!("--join {other}: has joined {further} itself; join that");
                return Err(Refused::Cannot { name: sandbox.name.to_string(), why }.into());
            }
            sandbox.cookie = joined.cookie;
        }
    }
    sandbox.state = State::Ready;
    session.store.put_sandbox(&sandbox)?;
    Ok(sandbox)
}

fn create_own(session: &mut Session, mut sandbox: Sandbox) -> Result<Sandbox> {
    let path = own_path(&sandbox.name);
    if fs::symlink_metadata(&path).is_ok() {
        let (name, path) = (sandbox.name.to_string(), path.display().to_string());
        return Err(Refused::ForeignNamespace { name, path }.into());
    }
    // Made before its row is written, so that a command that was killed tells by the number which
    // namespace is ours. Until it is mounted, it ends with this process.
    let netns = new_namespace()?;
    sandbox.cookie = inside::cookie_of(&netns)?;
    sandbox.made_files = !files::dir(&sandbox.name).exists();
    session.store.put_sandbox(&sandbox)?;
    let made = hold(&netns, &path).and_then(|()| {
        if sandbox.made_files {
            files::make(&sandbox.name)?;
        }
        inside::run(&netns, |netlink| async move {
            Kernel::new(&netlink).make(&[Item::Up { device: "lo".to_owned() }]).await
        })
    });
    sandbox.state = State::Ready;
    match made.and_then(|()| session.store.put_sandbox(&sandbox)) {
        Ok(()) => Ok(sandbox),
        Err(error) => match unmake(session, &sandbox) {
            Ok(()) => Err(error),
            Err(more) => Err(Error::Several(vec![error, more])),
        },
    }
}

/// Makes the namespace of a sandbox anew, as after a reboot.
pub(crate) fn restore(session: &mut Session, sandbox: Sandbox) -> Result<()> {
    if sandbox.made_files {
        files::remove(&sandbox.name)?;
    }
    let boot_id = session.instance.boot_id.clone();
    create_own(session, Sandbox { boot_id, state: State::Creating, ..sandbox }).map(drop)
}

fn own_path(name: &Name) -> PathBuf {
    Path::new(NAMESPACES).join(name.as_str())
}

/// A namespace that nothing holds but the answer.
fn new_namespace() -> Result<NetNs> {
    let made = thread::scope(|scope| {
        let inner = scope.spawn(|| {
            sys::enter_new_network_namespace()?;
            File::open("/proc/thread-self/ns/net")
        });
        inner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let file = made.attempt(|| "make a network namespace".to_owned())?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    NetNs::open_path(Path::new(&path), "a new one")
}

/// Mounts a namespace where `ip netns` looks. The directory is shared, as `ip netns` makes it, so
/// that a namespace that is unmounted here does not live on in somebody's private mounts.
fn hold(netns: &NetNs, path: &Path) -> Result<()> {
    share()?;
    let call = || format!("mount the namespace on {}", path.display());
    OpenOptions::new().write(true).create_new(true).open(path).attempt(call)?;
    let source = format!("/proc/self/fd/{}", netns.as_fd().as_raw_fd());
    mount_bind(source, path).attempt(call)
}

fn share() -> Result<()> {
    let dir = Path::new(NAMESPACES);
    let call = || format!("prepare {NAMESPACES}");
    fs::create_dir_all(dir).attempt(call)?;
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    if mount_change(dir, shared).is_ok() {
        return Ok(());
    }
    mount_bind(dir, dir).attempt(call)?;
    mount_change(dir, shared).attempt(call)
}

/// Removes sandboxes, with their endpoints.
pub async fn remove(session: &mut Session, sandboxes: &[Sandbox]) -> Result<()> {
    let names: Vec<&str> = sandboxes.iter().map(|sandbox| sandbox.name.as_str()).collect();
    let mut endpoints = Vec::new();
    for name in &names {
        endpoints.extend(session.store.endpoints_of_sandbox(name)?);
    }
    session.store.mark_removing(&[], &names, &endpoints)?;
    disconnect::unmake(session, &endpoints).await?;
    sandboxes.iter().try_for_each(|sandbox| unmake(session, sandbox))
}

/// Takes away what there is of a sandbox, and forgets it.
pub(crate) fn unmake(session: &mut Session, sandbox: &Sandbox) -> Result<()> {
    if sandbox.place == Place::Own {
        let path = own_path(&sandbox.name);
        if sandbox.boot_id == session.instance.boot_id {
            let_go(&path, sandbox.cookie)?;
        }
        if sandbox.made_files {
            files::remove(&sandbox.name)?;
        }
    }
    session.store.remove_sandbox(sandbox.name.as_str())
}

/// Unmounts our namespace; another's that has its name stays.
fn let_go(path: &Path, cookie: u64) -> Result<()> {
    match NetNs::open_path(path, &path.display().to_string()) {
        Ok(netns) => {
            if inside::cookie_of(&netns)? != cookie {
                return Ok(());
            }
            drop(netns);
            unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
                .attempt(|| format!("unmount {}", path.display()))?;
        }
        // Before it was mounted, or after it was unmounted, it is an empty file.
        Err(Error::NoHostSide { .. }) => {
            let is_empty_file =
                fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
            if !is_empty_file {
                return Ok(());
            }
        }
        Err(error) => return Err(error),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).attempt(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// How many processes live in a sandbox's namespace.
pub fn count_alive(sandbox: &Sandbox) -> Result<usize> {
    let netns = match inside::open(sandbox) {
        Err(Error::NoHostSide { .. }) => return Ok(0),
        other => other?,
    };
    let label = netns.label()?;
    let processes = fs::read_dir("/proc").attempt(|| "list the processes".to_owned())?;
    let is_inside = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
            && fs::read_link(entry.path().join("ns/net")).is_ok_and(|link| link.as_os_str() == label.as_str())
    };
    Ok(processes.flatten().filter(is_inside).count())
}

/// Whether a sandbox's namespace is there.
pub fn is_alive(sandbox: &Sandbox) -> Result<bool> {
    match inside::open(sandbox) {
        Ok(_) => Ok(true),
        Err(Error::NoHostSide { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
