//! Instances whose network namespace is gone: found, and cleared away.
//!
//! Nothing tells that a namespace has ended, so an instance counts as a remainder only if no
//! namespace that can be seen has its cookie, and if nothing of it is in force whatever the truth:
//! every pinned link names interface 0, for its device is gone, and its rows, which are there to be
//! read, have no clsact filter of this boot, which only its own namespace could show. What is in
//! doubt is named, and left alone.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::attachment::Hook;
use crate::bpffs;
use crate::error::{Error, Result};
use crate::hook;
use crate::instance::{Directories, Instance};
use crate::netns::NetNs;
use crate::object::{self, Staging};
use crate::private_dir;
use crate::store::Store;
use crate::sys;
use crate::unmake::{remove_all_pins, unmake};

/// An instance that no namespace in sight has.
#[derive(Debug)]
pub struct Remainder {
    /// Where it lies.
    pub instance: Instance,
    /// Why it is left alone; `None`: nothing of it is in force.
    pub doubt: Option<Doubt>,
}

/// Why an instance may be in force though its namespace is not in sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A link of it is on the device of this number, in whatever namespace.
    Link(u32),
    /// Pins without a database: it may be another state directory's.
    NoDatabase,
    /// A database that cannot be read.
    Unreadable,
    /// Filters of clsact.
    Clsact,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(ifindex) => write!(f, "a link of it is still in force on ifindex {ifindex}"),
            Self::NoDatabase => f.write_str("its database is not below this --state-dir"),
            Self::Unreadable => f.write_str("its database cannot be read"),
            Self::Clsact => f.write_str("filters of clsact can be seen in there only"),
        }
    }
}

impl Remainder {
    /// What is wrong.
    pub fn problem(&self) -> String {
        format!("{}: its network namespace is gone", self.instance.pins.display())
    }

    /// What is in doubt, and what to do.
    pub fn advice(&self) -> Option<String> {
        let Instance { state, pins, .. } = &self.instance;
        let there = [pins, state].into_iter().filter(|dir| dir.exists());
        let there: Vec<String> = there.map(|dir| quoted(&dir.to_string_lossy())).collect();
        self.doubt.map(|doubt| {
            format!(
                "{}: its network namespace is not in sight, and {doubt}; if it is gone: rm -r {}",
                pins.display(),
                there.join(" ")
            )
        })
    }
}

/// What became of the remainders.
#[derive(Debug, Default)]
pub struct Cleared {
    /// Those that are cleared away.
    pub cleared: Vec<Remainder>,
    /// Pins in their directories that are not ours.
    pub left: Vec<PathBuf>,
    /// Those in doubt.
    pub doubtful: Vec<Remainder>,
    /// What kept others from being cleared away.
    pub errors: Vec<Error>,
}

/// All remainders of these directories. Changes nothing.
pub fn find(directories: &Directories) -> Result<Vec<Remainder>> {
    find_among(directories, |_any| true)
}

/// Those that are in no doubt. Does not look for the others, which takes a look at all processes.
pub fn find_sure(directories: &Directories) -> Result<Vec<Remainder>> {
    find_among(directories, |doubt| doubt.is_none())
}

fn find_among(
    directories: &Directories,
    is_wanted: impl Fn(Option<Doubt>) -> bool,
) -> Result<Vec<Remainder>> {
    let mut candidates = BTreeMap::new();
    for (cookie, instance) in Instance::others(directories)? {
        if !holds_ours(&instance)? {
            continue;
        }
        let doubt = doubt(&instance)?;
        if is_wanted(doubt) {
            candidates.insert(cookie, Remainder { instance, doubt });
        }
    }
    let gone = out_of_sight(candidates.keys().copied().collect())?;
    candidates.retain(|cookie, _| gone.contains(cookie));
    Ok(candidates.into_values().collect())
}

/// Clears away those that are in no doubt; goes on past errors.
pub fn clear(remainders: Vec<Remainder>) -> Cleared {
    let mut done = Cleared::default();
    for remainder in remainders {
        if remainder.doubt.is_some() {
            done.doubtful.push(remainder);
            continue;
        }
        match clear_one(&remainder.instance) {
            Ok(Some(left)) => {
                done.cleared.push(remainder);
                done.left.extend(left);
            }
            Ok(None) => {}
            Err(error) => done.errors.push(error),
        }
    }
    done
}

/// Answers the pins that are not ours; `None` where it turned out to be in use.
fn clear_one(instance: &Instance) -> Result<Option<Vec<PathBuf>>> {
    bpffs::refuse_private(&instance.bpffs)?;
    // Looked at again under its lock: whoever holds that is in its namespace.
    let lock = if instance.lock_path().exists() { instance.try_lock()? } else { Some(instance.lock()?) };
    let Some(lock) = lock else { return Ok(None) };
    if doubt(instance)?.is_some() {
        return Ok(None);
    }
    let hook::Pinned { links, others: mut left } = hook::pinned(instance)?;
    let mut errors = Vec::new();
    for (_, pin) in links {
        match hook::detach_link(&pin) {
            Err(Error::ForeignPin { path, .. }) => left.push(path),
            other => errors.extend(other.err()),
        }
    }
    Error::join(errors)?;
    // As long as pins are left, so is the database that says that they are in no doubt.
    remove_all_pins(instance)?;
    left.extend(unmake(instance, lock)?);
    Ok(Some(left))
}

/// Whether there is anything to take away: others' pins are not, nor what they lie in.
fn holds_ours(instance: &Instance) -> Result<bool> {
    let links = hook::link_dir(instance);
    let is_ours = |dir: &Path| {
        let entries = [private_dir::entries(dir)?, private_dir::entries(&links)?].concat();
        Ok::<_, Error>(dir.exists() && entries.iter().all(|entry| *entry == links))
    };
    Ok(instance.database().exists()
        || instance.lock_path().exists()
        || has_pins(instance)?
        || is_ours(&instance.state)?
        || is_ours(&instance.pins)?)
}

fn has_pins(instance: &Instance) -> Result<bool> {
    let staging = [Staging::Load, Staging::Upgrade].map(|staging| staging.dir(instance));
    Ok(!hook::pinned(instance)?.links.is_empty()
        || object::layout_dir(instance).exists()
        || staging.iter().any(|dir| dir.exists())
        || !object::other_layouts(instance)?.is_empty())
}

fn doubt(instance: &Instance) -> Result<Option<Doubt>> {
    for (_, pin) in hook::pinned(instance)?.links {
        if let Some(ifindex) = hook::device_of(&pin)? {
            return Ok(Some(Doubt::Link(ifindex)));
        }
    }
    if !instance.database().exists() {
        return Ok(has_pins(instance)?.then_some(Doubt::NoDatabase));
    }
    let Ok(rows) = Store::peek(&instance.database()) else { return Ok(Some(Doubt::Unreadable)) };
    let is_clsact = rows.iter().any(|row| row.hook == Hook::Clsact && row.boot_id == instance.boot_id);
    Ok(is_clsact.then_some(Doubt::Clsact))
}

/// Those of the cookies that no network namespace has which has a name, a process or thread, a
/// mount, or an open file.
fn out_of_sight(mut cookies: HashSet<u64>) -> Result<HashSet<u64>> {
    let mut seen = HashSet::new();
    // Most are in use: once all were seen, the rest is not looked at.
    let mut places = if cookies.is_empty() { None } else { Some(places()) }.into_iter().flatten();
    while !cookies.is_empty()
        && let Some((label, path)) = places.next()
    {
        if seen.contains(&label) {
            continue;
        }
        if let Some(cookie) = cookie_of(&label, &path)? {
            cookies.remove(&cookie);
            seen.insert(label);
        }
    }
    Ok(cookies)
}

/// The cookie of the namespace at a path, if it is there still and for us to see.
fn cookie_of(label: &str, path: &Path) -> Result<Option<u64>> {
    let netns = match NetNs::open_path(path, &path.display().to_string()) {
        Ok(netns) if netns.label()? == label => netns,
        // Too few descriptors hide nothing.
        Err(Error::Io { call, source })
            if matches!(source.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) =>
        {
            return Err(Error::Io { call, source });
        }
        _ => return Ok(None),
    };
    let read = || {
        sys::netns_cookie().map_err(|source| Error::Io { call: "read a namespace cookie".to_owned(), source })
    };
    match netns.run(read) {
        // A namespace of another kind.
        Err(Error::NoHostSide { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// The kernel's numbers for namespaces, and little else.
const NAMESPACES: RangeInclusive<u64> = 0xf000_0000..=0xffff_ffff;

/// Where network namespaces can be opened, each with how links show it; most are there many times.
/// Only links are read to find them: a file on a server that is gone would not let us look.
fn places() -> impl Iterator<Item = (String, PathBuf)> {
    let mut tables = HashSet::new();
    let is_process = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
    };
    let processes = list(Path::new("/proc")).into_iter().filter(is_process);
    std::iter::once(PathBuf::from("/proc/self")).chain(processes).flat_map(move |process| {
        // Each mount namespace once, as that process sees it.
        let is_new = fs::read_link(process.join("ns/mnt")).is_ok_and(|of| tables.insert(of));
        let table = if is_new { fs::read(process.join("mountinfo")).unwrap_or_default() } else { Vec::new() };
        let mounted = mounted(&String::from_utf8_lossy(&table));
        let root = process.join("root");
        let mounts = mounted.into_iter().map(move |(label, point)| (label, root.join(point)));
        let tasks = list(&process.join("task")).into_iter().map(|task| task.join("ns/net"));
        let links = tasks.chain(list(&process.join("fd"))).filter_map(|path| Some((label_of(&path)?, path)));
        mounts.chain(links)
    })
}

/// The namespace that a link of a process leads to, told without following it.
fn label_of(path: &Path) -> Option<String> {
    let link = fs::read_link(path).ok()?.to_string_lossy().into_owned();
    if is_label(&link) {
        return Some(link);
    }
    // A file that was opened by a name that is gone: the root of a mount that is nowhere.
    let (process, number) = (path.parent()?.parent()?, path.file_name()?);
    let info = (link == "/").then(|| fs::read_to_string(process.join("fdinfo").join(number)))?.ok()?;
    let inode: u64 = info.lines().find_map(|line| line.strip_prefix("ino:"))?.trim().parse().ok()?;
    NAMESPACES.contains(&inode).then(|| format!("net:[{inode}]"))
}

/// The network namespaces in a table of mounts, and their places below the root.
fn mounted(table: &str) -> Vec<(String, String)> {
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let label = fields.next().filter(|root| is_label(root))?;
        Some((label.to_owned(), plain(fields.next()?).trim_start_matches('/').to_owned()))
    });
    mounts.collect()
}

fn is_label(label: &str) -> bool {
    label.starts_with("net:[")
}

/// A path as it is, for one where a table has blanks and the like by number.
fn plain(field: &str) -> String {
    let numbered = [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", r"\")];
    numbered.iter().fold(field.to_owned(), |path, (number, is)| path.replace(number, is))
}

fn list(folder: &Path) -> Vec<PathBuf> {
    private_dir::entries(folder).unwrap_or_default()
}

/// As a shell takes it for one word.
fn quoted(path: &str) -> String {
    if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:,=@%".contains(&byte)) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted("/sys/fs/bpf/dataplane/netns_4711"), "/sys/fs/bpf/dataplane/netns_4711");
        assert_eq!(quoted("/srv/a b"), "'/srv/a b'");
        assert_eq!(quoted("/srv/it's; rm"), r"'/srv/it'\''s; rm'");
    }

    #[test]
    fn namespaces_are_found_among_mounts() {
        let table = "25 1 0:5 / /proc rw - proc proc rw\n\
                     36 35 0:4 net:[4026532281] /run/netns/a\\040b rw shared:1 - nsfs nsfs rw\n\
                     37 35 0:4 mnt:[4026532282] /run/mnt rw shared:1 - nsfs nsfs rw\n";
        assert_eq!(mounted(table), [("net:[4026532281]".to_owned(), "run/netns/a b".to_owned())]);
    }
}
