//! A network namespace of a test's own, gone when its guard is.
//!
//! It has a name under /run/netns, so that `ip -n NAME` finds it while a test hangs. Commands
//! enter it by `nsenter --net`, never by `ip netns exec`, which hides bpffs and the cgroups.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::command::{Output, run, run_with_input};

/// Every namespace's name begins with this; the process id and a number follow.
pub const PREFIX: &str = "dpt-";
const FOLDER: &str = "/run/netns";

/// A namespace; removed on drop.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: File,
    is_own: bool,
}

impl Namespace {
    /// A fresh namespace with its loopback up.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making one changes the machine: it should be seen")]
    pub fn new() -> Self {
        static SWEEP: Once = Once::new();
        assert!(rustix::process::geteuid().is_root(), "topology tests make namespaces: run them as root");
        SWEEP.call_once(remove_those_of_dead_runs);
        let name = unique_name();
        run(Command::new("ip").args(["netns", "add", &name])).ok();
        let mut namespace = Self::named(&name);
        namespace.is_own = true;
        namespace.ip("link set lo up");
        namespace
    }

    /// One that is there, and stays there.
    #[track_caller]
    pub fn named(name: &str) -> Self {
        let path = Path::new(FOLDER).join(name);
        let handle = File::open(&path).unwrap_or_else(|e| panic!("open {}: {e}", path.display()));
        Self { name: name.to_owned(), handle, is_own: false }
    }

    /// The name, as `ip -n` takes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// The inode that /proc/PID/ns/net shows for a process in this namespace.
    pub fn inode(&self) -> u64 {
        self.handle.metadata().map_or(0, |of| of.ino())
    }

    /// Does `act` inside, on a thread of its own. A socket made inside stays inside.
    #[track_caller]
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(self.handle.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap_or_else(|e| panic!("enter {}: {e}", self.name));
                act()
            });
            inside.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
        })
    }

    /// `program`, to be run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg(program);
        command
    }

    /// Runs the words of `line` inside; it must succeed.
    #[track_caller]
    pub fn run(&self, line: &str) -> Output {
        self.try_run(line).ok()
    }

    /// Runs the words of `line` inside, whatever becomes of it.
    #[track_caller]
    pub fn try_run(&self, line: &str) -> Output {
        let mut words = line.split_whitespace();
        run(self.command(words.next().expect("a command")).args(words))
    }

    /// `ip -n NAME` with the words of `line`; it must succeed.
    #[track_caller]
    pub fn ip(&self, line: &str) -> Output {
        run(Command::new("ip").args(["-n", &self.name]).args(line.split_whitespace())).ok()
    }

    /// Several `ip` commands, one a line, in one process.
    #[track_caller]
    pub fn ip_batch(&self, lines: &str) {
        run_with_input(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines.as_bytes()).ok();
    }

    /// Sets a variable of /proc/sys/net, named as below that folder.
    #[track_caller]
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.enter(|| fs::write(&path, value)).unwrap_or_else(|e| panic!("write {value} to {path}: {e}"));
    }

    /// Ids and command lines of the processes inside.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let ours = format!("net:[{}]", self.inode());
        processes()
            .filter(|pid| {
                fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|at| at.as_os_str() == ours.as_str())
            })
            .map(|pid| (pid, command_line(pid)))
            .collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.is_own {
            delete(&self.name);
        }
    }
}

/// A name that no other namespace has, and that tells whose it is.
pub fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Ids of all processes.
pub fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The command line of a process; empty for one that has ended.
pub fn command_line(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned()
}

/// A run that was killed leaves its namespaces; their names tell whose they are.
fn remove_those_of_dead_runs() {
    for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            delete(&name);
            // Files of a sandbox lie beside it.
            let _none = fs::remove_dir_all(Path::new("/etc/netns").join(&name));
        }
    }
}

fn delete(name: &str) {
    let deleted = run(Command::new("ip").args(["netns", "del", name]));
    if deleted.code != 0 {
        eprintln!("{deleted}");
    }
}
