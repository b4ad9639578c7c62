//! An instance of the real `dpctl` for one namespace, with directories of its own.

use std::fs;
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use dataplane::instance::{Directories, Instance};
use dataplane::{hook, object};
use dataplane_common::direction::Direction;
use dataplane_tests::command::run;
use dataplane_tests::dpctl::{temporary_folder, unmount_below};
use dataplane_tests::leftovers::{files, mounts};
use dataplane_tests::netns::{Namespace, PREFIX};
use serde_json::Value;
use tempfile::TempDir;

use crate::{lookup, strays};

/// The instance, which borrows or shares its namespace; reset on drop.
#[derive(Debug)]
pub(crate) struct Dpctl<H: Deref<Target = Namespace>> {
    host: H,
    binary: PathBuf,
    folder: TempDir,
}

impl<H: Deref<Target = Namespace>> Dpctl<H> {
    /// An instance that has done nothing yet.
    pub(crate) fn new(host: H) -> Self {
        // Whoever has no `dpctl` was told so before anything was built.
        let binary = lookup::dpctl().unwrap_or_else(|error| panic!("{error:#}"));
        Self { host, binary, folder: temporary_folder() }
    }

    /// `dpctl` with the words of `line`, ready to run.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["-n", self.host.name()]).arg("--state-dir").arg(self.state());
        command.arg("--bpffs-dir").arg(self.bpffs()).args(line.split_whitespace());
        command
    }

    /// Runs `dpctl` with the words of `line`, which must succeed; returns what it printed.
    pub(crate) fn run(&self, line: &str) -> Result<String> {
        let output = run(&mut self.command(line));
        if output.code != 0 {
            bail!("dpctl {line}: {}", output.stderr.trim());
        }
        Ok(output.stdout)
    }

    /// The rows of a listing.
    pub(crate) fn rows(&self, line: &str) -> Result<Vec<Value>> {
        let text = self.run(&format!("{line} -o json"))?;
        serde_json::from_str(&text).with_context(|| format!("dpctl {line} -o json: not a list"))
    }

    /// What one direction of an interface has counted, by `dpctl stats`: of `key`.
    pub(crate) fn counted(&self, interface: &str, direction: Direction, key: &str) -> Result<u64> {
        let rows = self.rows("stats")?;
        let row = rows.iter().find(|row| row["interface"] == interface);
        let value = row.and_then(|row| row[direction.name()][key].as_u64());
        value.with_context(|| format!("dpctl stats has no {key} {} for {interface}", direction.name()))
    }

    /// The folder of this instance, for files that go with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the program of a direction is pinned.
    pub(crate) fn program(&self, direction: Direction) -> Result<PathBuf> {
        Ok(object::layout_dir(&self.instance()?).join(direction.name()))
    }

    /// Where the links are pinned.
    pub(crate) fn links(&self) -> Result<PathBuf> {
        Ok(hook::link_dir(&self.instance()?))
    }

    /// A folder on the instance's bpffs for the pins of somebody else. Remove it before the end.
    pub(crate) fn foreign_pins(&self) -> Result<PathBuf> {
        let folder = self.bpffs().join("rival");
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(folder)
    }

    fn instance(&self) -> Result<Instance> {
        let directories = Directories { state: self.state(), bpffs: self.bpffs() };
        self.host.enter(|| Instance::find(&directories)).context("find the instance")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn bpffs(&self) -> PathBuf {
        self.folder.path().join("bpf")
    }
}

/// Ends the processes of runs that were killed, removes their folders and what is mounted there.
/// Their namespaces go when the first one is made.
pub(crate) fn sweep() {
    strays::sweep();
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_string_lossy()
            .strip_prefix(PREFIX)
            .and_then(|rest| Some(rest.split_once('-')?.0.to_owned()));
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            unmount_below(&entry.path());
            // Another run may be sweeping as well.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

impl<H: Deref<Target = Namespace>> Drop for Dpctl<H> {
    fn drop(&mut self) {
        let reset = self.command("reset --yes").stdin(Stdio::null()).process_group(0).output();
        match reset {
            Ok(output) if output.status.success() => {}
            other => eprintln!("dpctl reset: {other:?}"),
        }
        let mut left = mounts(self.folder.path());
        left.extend(files(&self.bpffs()).iter().map(|pin| format!("pin {}", pin.display())));
        if !left.is_empty() {
            eprintln!("dpctl reset left: {}", left.join(", "));
        }
        unmount_below(self.folder.path());
    }
}
