//! The two namespaces, the veth between them, and folders for `dpctl`.
//!
//! ```text
//!   "host"                        "container"
//!   veth-demo 10.111.0.1  ------  eth0 10.111.0.2
//!   dpctl attaches here
//! ```
//!
//! A namespace lives as long as the process that holds it, and that ends with us: no names, no
//! mounts, nothing left to find even after a SIGKILL. Only the bpffs that `dpctl` mounts could
//! stay; the next demo sweeps it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{command, interrupt, workspace};

/// The host side of the veth.
pub(super) const VETH: &str = "veth-demo";
/// The address of the host side.
pub(super) const HOST: &str = "10.111.0.1";

pub(super) struct Lab {
    pub(super) host: Namespace,
    pub(super) container: Namespace,
    folder: PathBuf,
}

impl Lab {
    pub(super) fn new() -> Result<Self> {
        let (host, container) = (Namespace::new()?, Namespace::new()?);
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("demo: create {}", folder.display()))?;
        let lab = Self { host, container, folder };
        let peer = lab.container.pid();
        lab.host.ip(&["link", "add", VETH, "type", "veth", "peer", "name", "eth0", "netns", &peer])?;
        for (namespace, interface, address) in
            [(&lab.host, VETH, HOST), (&lab.container, "eth0", "10.111.0.2")]
        {
            namespace.ip(&["address", "add", &format!("{address}/24"), "dev", interface])?;
            namespace.ip(&["link", "set", interface, "up"])?;
        }
        Ok(lab)
    }

    /// Shows the command as a user would type it, and runs it.
    pub(super) fn dpctl(&self, arguments: &[&str]) -> Result<()> {
        println!("\n# dpctl {}", arguments.join(" "));
        let mut dpctl = self.dpctl_command();
        command::run("demo", dpctl.args(arguments))?;
        println!();
        interrupt::check()
    }

    /// Undoes everything; goes on past an error and reports the first.
    pub(super) fn remove(&mut self) -> Result<()> {
        // Not through `interrupt`: this must run to its end after a signal.
        let reset = if self.folder.join("state").exists() {
            let mut dpctl = self.dpctl_command();
            let output = command::output("demo: reset", dpctl.args(["reset", "--yes"]));
            output.and_then(|output| {
                if !output.status.success() {
                    bail!("demo: reset: {}", String::from_utf8_lossy(&output.stderr).trim());
                }
                Ok(())
            })
        } else {
            Ok(())
        };
        self.host.end();
        self.container.end();
        reset.and(remove_folder(&self.folder))
    }

    fn dpctl_command(&self) -> Command {
        // Not `ip netns exec`: it hides the mounts, and takes a bpffs mounted inside with it.
        let mut dpctl = self.host.enter(workspace::dpctl());
        dpctl
            .env("DPCTL_STATE_DIR", self.folder.join("state"))
            .env("DPCTL_BPFFS_DIR", self.folder.join("bpf"));
        dpctl
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.folder.exists() {
            self.remove().ok();
        }
    }
}

/// One network namespace, held by a sleeping process.
pub(super) struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new() -> Result<Self> {
        let mut holder = Command::new("setpriv");
        holder.args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]);
        // A group of its own: Ctrl-C on the terminal must not take the namespace before the reset.
        holder.process_group(0).stdin(Stdio::null());
        let namespace = Self { holder: holder.spawn().context("demo: start a namespace")? };
        let entry = format!("/proc/{}/ns/net", namespace.pid());
        let ours = fs::read_link("/proc/self/ns/net").context("demo: read our own namespace")?;
        interrupt::until("demo: start a namespace", Duration::from_secs(5), || {
            fs::read_link(&entry).is_ok_and(|its| its != ours)
        })?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub(super) fn pid(&self) -> String {
        self.holder.id().to_string()
    }

    /// A command that runs inside and ends with us.
    pub(super) fn enter(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter"]).arg(format!("--net=/proc/{}/ns/net", self.pid()));
        command.arg(program.as_ref());
        command
    }

    /// A file below /proc/net, as seen inside.
    pub(super) fn proc_net(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/net/{name}", self.pid());
        fs::read_to_string(&path).with_context(|| format!("demo: read {path}"))
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        let what = format!("demo: ip {}", arguments.join(" "));
        command::stdout(&what, self.enter("ip").args(arguments)).map(drop)
    }

    fn end(&mut self) {
        // An error means that it has ended already.
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.end();
    }
}

const FOLDER: &str = "dataplane-demo-";

/// Removes what demos left that were killed.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_string_lossy().strip_prefix(FOLDER).map(str::to_owned);
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // The next one tries again.
            remove_folder(&entry.path()).ok();
        }
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("demo: read the mounts")?;
    for mount in mounts_below(&mounts, folder) {
        command::stdout("demo: unmount", Command::new("umount").arg(mount))?;
    }
    fs::remove_dir_all(folder).with_context(|| format!("demo: remove {}", folder.display()))
}

/// Mount points inside `folder`, the innermost first.
fn mounts_below<'a>(mounts: &'a str, folder: &Path) -> Vec<&'a str> {
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<&str> = points.filter(|point| Path::new(point).starts_with(folder)).collect();
    below.reverse();
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_inside_the_folder_are_unmounted_innermost_first() {
        let mounts = "proc /proc proc rw 0 0\nbpf /tmp/d-1/bpf bpf rw 0 0\nx /tmp/d-1/bpf/in x rw 0 0\nbpf /tmp/d-12 bpf rw 0 0\n";
        assert_eq!(mounts_below(mounts, Path::new("/tmp/d-1")), ["/tmp/d-1/bpf/in", "/tmp/d-1/bpf"]);
    }
}
