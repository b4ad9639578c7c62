//! The real `dpctl`, with an instance of its own for each test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use dataplane_common::direction::Direction;
use rustix::mount::{UnmountFlags, unmount};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Output, run};
use crate::eventually::{DEADLINE, within};
use crate::leftovers::{Snapshot, files, mounts};
use crate::netns::{Namespace, PREFIX};

/// An instance of `dpctl` in one host namespace, with its own state and bpffs directories.
/// Reset on drop, and nothing may be left then.
#[derive(Debug)]
pub struct Dpctl<'n> {
    host: &'n Namespace,
    folder: TempDir,
    before: Snapshot,
}

/// What one direction of an attachment has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Frames that went on, each of a GSO packet's.
    pub packets: u64,
    /// Their bytes, as limits charge them.
    pub bytes: u64,
    /// Packets dropped at random, past the burst.
    pub dropped_limit_early: u64,
    /// Packets dropped past burst and latency.
    pub dropped_limit_full: u64,
    /// Packets that an endpoint may not send, or have.
    pub dropped_refused: u64,
    /// Bytes of all dropped packets.
    pub dropped_bytes: u64,
}

impl<'n> Dpctl<'n> {
    /// An instance for `host` that has done nothing yet.
    #[track_caller]
    pub fn new(host: &'n Namespace) -> Self {
        let folder = temporary_folder();
        let before = Snapshot::of(host, folder.path());
        Self { host, folder, before }
    }

    /// `--state-dir` of this instance.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// `--bpffs-dir` of this instance.
    pub fn bpffs_dir(&self) -> PathBuf {
        self.folder.path().join("bpf")
    }

    /// Where this instance has pinned the program or map `name`.
    #[track_caller]
    pub fn pin(&self, name: &str) -> PathBuf {
        let bpffs = self.bpffs_dir();
        let pins = files(&bpffs);
        let pin = pins.iter().find(|pin| pin.file_name().is_some_and(|last| last == name));
        pin.unwrap_or_else(|| panic!("no pin {name} among {pins:?}")).clone()
    }

    /// `dpctl` with the words of `line`, ready to run in the host.
    pub fn command(&self, line: &str) -> Command {
        let mut command = self.host.command(&binary().to_string_lossy());
        command.env_remove("DPCTL_STATE_DIR").env_remove("DPCTL_BPFFS_DIR");
        command.arg("--state-dir").arg(self.state_dir());
        command.arg("--bpffs-dir").arg(self.bpffs_dir());
        command.args(line.split_whitespace());
        command
    }

    /// `dpctl` with the words of `line`, whatever becomes of it.
    #[track_caller]
    pub fn try_run(&self, line: &str) -> Output {
        run(&mut self.command(line))
    }

    /// `dpctl` with the words of `line`; it must succeed.
    #[track_caller]
    pub fn run(&self, line: &str) -> Output {
        self.try_run(line).ok()
    }

    /// What `dpctl` with the words of `line` and `-o json` prints; it must succeed.
    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        self.run(&format!("{line} -o json")).json()
    }

    /// The row of `interface` in `dpctl ls`; null if it has none.
    #[track_caller]
    pub fn attachment(&self, interface: &str) -> Value {
        row(&self.json("ls"), interface)
    }

    /// What one direction of `interface` has counted.
    #[track_caller]
    pub fn stats(&self, interface: &str, direction: Direction) -> Stats {
        let row = row(&self.json("stats"), interface);
        let count = |key: &str| {
            let value = &row[direction.name()][key];
            value.as_u64().unwrap_or_else(|| panic!("no {}.{key} in {row}", direction.name()))
        };
        Stats {
            packets: count("packets"),
            bytes: count("bytes"),
            dropped_limit_early: count("dropped_limit_early"),
            dropped_limit_full: count("dropped_limit_full"),
            dropped_refused: count("dropped_refused"),
            dropped_bytes: count("dropped_bytes"),
        }
    }

    /// Resets the instance, which must succeed and leave nothing: the end of a test.
    #[track_caller]
    pub fn leaves_nothing(self) {
        drop(self);
    }

    fn reset(&self) -> Vec<String> {
        // What has made nothing has nothing to reset, on a kernel that it refuses for example.
        let anything = self.state_dir().exists() || self.bpffs_dir().exists();
        let reset = anything.then(|| self.try_run("reset --yes"));
        // Processes need a moment to go; so does a switch that another instance has set.
        let mut left = vec![];
        let _nothing = within(DEADLINE, || {
            left = Snapshot::of(self.host, self.folder.path()).since(&self.before);
            left.is_empty().then_some(())
        });
        if let Some(reset) = reset.filter(|reset| reset.code != 0) {
            left.insert(0, reset.to_string());
        }
        left
    }
}

impl Drop for Dpctl<'_> {
    fn drop(&mut self) {
        let left = self.reset();
        unmount_below(self.folder.path());
        if left.is_empty() {
            return;
        }
        let message = format!("left behind after `dpctl reset`:\n  {}", left.join("\n  "));
        // A second panic would end the whole run.
        assert!(thread::panicking(), "{message}");
        eprintln!("{message}");
    }
}

/// The binary under test.
#[track_caller]
pub fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/dpctl");
    let path = env::var_os("DPCTL").map_or(built, PathBuf::from);
    path.canonicalize().unwrap_or_else(|e| panic!("no dpctl at {} ({e}): cargo xtask build", path.display()))
}

/// A folder of this run under /tmp, short enough for the path of a Unix socket.
#[track_caller]
pub fn temporary_folder() -> TempDir {
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in("/tmp").expect("/tmp takes a folder")
}

/// Unmounts all that is mounted at or below `folder`, so that it can be removed.
pub fn unmount_below(folder: &Path) {
    for mount in mounts(folder).iter().rev() {
        let point = mount.trim_start_matches("mount ");
        if let Err(error) = unmount(point, UnmountFlags::DETACH) {
            eprintln!("unmount {point}: {error}");
        }
    }
}

fn row(rows: &Value, interface: &str) -> Value {
    let rows = rows.as_array().unwrap_or_else(|| panic!("a listing is an array, not {rows}"));
    rows.iter().find(|row| row["interface"] == interface).cloned().unwrap_or(Value::Null)
}
