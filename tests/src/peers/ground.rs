//! The ground that an engine stands on: a network and a mount namespace of its own, a folder
//! and a cgroup. What it mounts, and what it writes outside its folder, is gone with them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::command::{ends_within, pid};
use crate::dpctl::temporary_folder;
use crate::eventually::within;
use crate::leftovers::processes_with;
use crate::netns::Namespace;
use rustix::process::{Signal, kill_process};

/// Mounts in the private namespace: `$1` is the folder. /etc, /opt and /var can be written and
/// nothing of it stays; in /run, where namespaces, locks and sockets of the machine's own
/// engines are, this one finds nothing.
const MOUNTS: &str = r#"
set -e
mount -t tmpfs tmpfs "$1/private"
for tree in etc opt var; do
    mkdir -p "$1/private/$tree/upper" "$1/private/$tree/work"
    mount -t overlay -o "lowerdir=/$tree,upperdir=$1/private/$tree/upper,workdir=$1/private/$tree/work" overlay "/$tree"
done
mount -t tmpfs tmpfs /run
mkdir /run/netns
echo ready
exec cat >/dev/null
"#;

/// Namespaces, folder and cgroup of one engine; gone on drop, with every process in them.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) host: Namespace,
    folder: TempDir,
    /// Lives as long as its standard input is open, so it ends with this process too.
    keeper: Child,
}

impl Ground {
    #[track_caller]
    pub(super) fn new() -> Self {
        let host = Namespace::new();
        let folder = temporary_folder();
        fs::create_dir(folder.path().join("private")).expect("the folder is ours");
        let mut command = host.command("unshare");
        command.args(["--mount", "--propagation", "slave", "sh", "-c", MOUNTS, "sh"]).arg(folder.path());
        let mut keeper = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("start unshare: {e}"));
        let mut said = String::new();
        let stdout = keeper.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("a pipe can be read");
        assert_eq!(said, "ready\n", "a mount failed, see above");
        Self { host, folder, keeper }
    }

    /// The folder that is seen from outside too: for sockets and configuration.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A folder seen only by the engine, on a tmpfs.
    pub(super) fn private(&self, name: &str) -> PathBuf {
        self.folder().join("private").join(name)
    }

    /// The name of its cgroup, below the root of every hierarchy.
    pub(super) fn cgroup(&self) -> &str {
        self.host.name()
    }

    /// `program`, to be run on this ground.
    pub(super) fn command(&self, program: &str) -> Command {
        let of_keeper = |kind: &str| format!("/proc/{}/ns/{kind}", self.keeper.id());
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount={}", of_keeper("mnt"))).arg(format!("--net={}", of_keeper("net")));
        command.arg(program);
        command
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("wait for the keeper of {}: {error}", self.host.name());
        }
        let ours = || {
            let mut lines = processes_with(self.folder());
            lines.extend(
                self.host.processes().into_iter().map(|(pid, line)| format!("process {pid}: {line}")),
            );
            lines
        };
        let mut left = vec![];
        let _nothing = within(Duration::from_secs(10), || {
            left = ours();
            left.extend(remove_cgroups(self.cgroup()));
            left.is_empty().then_some(())
        });
        if !left.is_empty() {
            let message = format!("the engine left behind:\n  {}", left.join("\n  "));
            assert!(thread::panicking(), "{message}");
            eprintln!("{message}");
        }
    }
}

/// Asks `daemon` to end, insists if it does not, and waits for it.
pub(super) fn stop(daemon: &mut Child) {
    for signal in [Signal::TERM, Signal::KILL] {
        if let Err(error) = kill_process(pid(daemon), signal) {
            eprintln!("signal process {}: {error}", daemon.id());
        }
        if ends_within(daemon, Duration::from_secs(20)) {
            break;
        }
    }
    if let Err(error) = daemon.wait() {
        eprintln!("wait for process {}: {error}", daemon.id());
    }
}

/// Removes the cgroup of this name from every hierarchy; those that stay, and why.
fn remove_cgroups(name: &str) -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let groups = hierarchies.chain([root.to_owned()]).map(|hierarchy| hierarchy.join(name));
    groups.filter(|group| group.is_dir()).filter_map(|group| remove_tree(&group).err()).collect()
}

/// A cgroup's files cannot be removed and need not be; its folders can, the innermost first.
fn remove_tree(group: &Path) -> Result<(), String> {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group).map_err(|error| format!("cgroup {}: {error}", group.display()))
}
