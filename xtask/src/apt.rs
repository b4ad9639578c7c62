//! `apt-get`, quietly: its output goes to a log, and no service is started.

pub(crate) mod suite;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, packages};
use suite::Suite;

/// Whether this is a system that `apt-get` looks after.
pub(crate) fn is_here() -> bool {
    packages::exists("apt-get")
}

/// Fetches the lists of packages.
pub(crate) fn update(log: &Path) -> Result<()> {
    command::run_logged("update the package lists", apt_get().arg("update"), log)
}

/// Whether the configured sources have `package`.
pub(crate) fn offers(package: &str) -> bool {
    let mut cache = Command::new("apt-cache");
    command::output("ask for a package", cache.args(["show", "--no-all-versions", package]))
        .is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}

/// Installs without recommendations; refuses to remove what is there, unless `replace`.
pub(crate) fn install(names: &[String], replace: bool, log: &Path) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let guard = NoServices::begin()?;
    let mut command = apt_get();
    command.args(["install", "--yes", "--no-install-recommends"]);
    if !replace {
        command.arg("--no-remove");
    }
    let installed = command::run_logged("install packages", command.args(names), log);
    guard.end().and(installed)
}

/// Whether an installation would take something else away.
pub(crate) fn removes_others(names: &[String]) -> Result<bool> {
    let mut rehearsal = apt_get();
    rehearsal.args(["install", "--simulate", "--no-install-recommends"]).args(names);
    let said = command::stdout("rehearse an installation", &mut rehearsal)?;
    Ok(said.lines().any(|line| line.starts_with("Remv ")))
}

/// Installs like [`install`], preferring what `suite` calls `release`.
pub(crate) fn install_from(suite: &Suite, release: &str, names: &[String], log: &Path) -> Result<()> {
    let guard = NoServices::begin()?;
    let mut command = apt_get();
    command.args(["install", "--yes", "--no-install-recommends", "--no-remove", "--target-release", release]);
    command.args(names).env("APT_CONFIG", suite.configuration());
    let installed = command::run_logged(&format!("install packages of {release}"), &mut command, log);
    guard.end().and(installed)
}

/// Removes the guard that a killed installation left.
pub(crate) fn sweep() -> Result<()> {
    if fs::read_to_string(POLICY).is_ok_and(|text| text.contains(MARK)) {
        fs::remove_file(POLICY).with_context(|| format!("remove {POLICY}"))?;
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // A fresh machine may be in its first unattended upgrade: wait for its lock.
    command.args(["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
    command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command
}

/// Debian's own switch against starting services during an installation: dockerd would write
/// firewall rules and a bridge into the root namespace. A switch that is there already is kept.
#[must_use]
struct NoServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";
const MARK: &str = "# Made by `cargo xtask setup` for the time of an installation; remove it if you find it.";

impl NoServices {
    fn begin() -> Result<Self> {
        sweep()?;
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        let what = || format!("write {POLICY}");
        fs::write(POLICY, format!("#!/bin/sh\n{MARK}\nexit 101\n")).with_context(what)?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)).with_context(what)?;
        Ok(Self { ours: true })
    }

    fn end(self) -> Result<()> {
        if self.ours { sweep() } else { Ok(()) }
    }
}

/// What Docker and Podman bring, as `systemctl` calls it.
const SERVICES: [&str; 8] = [
    "containerd.service",
    "docker.service",
    "docker.socket",
    "podman.service",
    "podman.socket",
    "podman-restart.service",
    "podman-auto-update.service",
    "podman-auto-update.timer",
];

/// Those that are not there, so that an installation which brings them may also disable them.
pub(crate) fn services_to_come() -> Vec<&'static str> {
    SERVICES.into_iter().filter(|service| !is_there(service)).collect()
}

fn is_there(service: &str) -> bool {
    ["/etc", "/usr/local/lib", "/usr/lib", "/lib"]
        .iter()
        .any(|folder| Path::new(folder).join("systemd/system").join(service).exists())
}

/// Keeps those of `services` that have come since from starting at the next boot.
pub(crate) fn disable(services: &[&str], log: &Path) -> Result<()> {
    let come: Vec<&&str> = services.iter().filter(|service| is_there(service)).collect();
    if come.is_empty() || !packages::exists("systemctl") {
        return Ok(());
    }
    let mut systemctl = Command::new("systemctl");
    command::run_logged("disable services", systemctl.arg("disable").args(come), log)
}

/// One line for systems without `apt-get`.
pub(crate) fn refuse(names: &[&str]) -> Result<()> {
    bail!(
        "set up: no apt-get here; install by hand what Debian calls {} (a rustup nightly with rust-src serves as \
         the compiler for eBPF)",
        names.join(", ")
    )
}
