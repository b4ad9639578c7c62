//! `cargo xtask setup`: installs what is missing, says what and why first, and nothing twice.
//!
//! Packages come from the distribution; bpf-linker is built into target/tools, since it must fit
//! the compiler's LLVM and nobody packages it; rustfmt and clippy come from rustup.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::apt::suite::{Fit, Suite};
use crate::packages::{self, Package, Purpose};
use crate::toolchain::Toolchain;
use crate::{apt, command, interrupt, workspace};

/// The task: everything but the peers and what the lab measures beside ours, or everything.
pub(crate) fn run(peers: bool) -> Result<()> {
    let mut purposes = vec![Purpose::Build, Purpose::Run, Purpose::Lint, Purpose::Vm];
    if peers {
        purposes.extend([Purpose::Peers, Purpose::Lab]);
    }
    if ensure(&purposes)? {
        println!("setup: done");
    } else {
        println!("setup: nothing to do");
    }
    Ok(())
}

/// Installs what `purposes` lack; says nothing and is fast when that is nothing.
pub(crate) fn ensure(purposes: &[Purpose]) -> Result<bool> {
    if is_root() {
        apt::sweep()?;
    }
    let mut notes = Notes { log: workspace::target().join("setup.log"), begun: false };
    debian_packages(purposes, &mut notes)?;
    if purposes.contains(&Purpose::Build) {
        linker(&mut notes)?;
    }
    if purposes.contains(&Purpose::Lint) {
        rustup_components(&mut notes)?;
    }
    Ok(notes.begun)
}

/// Whether we may install packages, load programs and make namespaces.
pub(crate) fn is_root() -> bool {
    // The owner of our own process entry is the effective user.
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// What is said to the user, one line each, and the file with the rest.
struct Notes {
    log: PathBuf,
    begun: bool,
}

impl Notes {
    fn say(&mut self, name: &str, why: &str) -> Result<()> {
        if !self.begun {
            self.begun = true;
            interrupt::catch()?;
            fs::create_dir_all(workspace::target()).context("set up: create target")?;
            println!("setup: installing, with the details in {}", workspace::relative(&self.log));
        }
        println!("  {name:<27} {why}");
        Ok(())
    }
}

fn debian_packages(purposes: &[Purpose], notes: &mut Notes) -> Result<()> {
    let mut missing = packages::missing(purposes, Toolchain::installed(), packages::exists);
    if missing.is_empty() {
        return Ok(());
    }
    refuse_unless_able(&missing.iter().map(|package| package.name).collect::<Vec<_>>())?;
    for package in &missing {
        notes.say(package.name, package.why)?;
    }
    let log = &notes.log;
    apt::update(log)?;
    let core = "libstd-rust-web-dev-bpf";
    if missing.iter().any(|package| package.name == core) && !apt::offers(core) {
        bail!(
            "set up: this distribution has no {core}; `rustup toolchain install nightly --component rust-src` \
             and bpf-linker on PATH do instead (untested)"
        );
    }
    refuse_other_rustc(&missing)?;
    let services = apt::services_to_come();
    // busybox-static takes the place of busybox, and can do all that it can; nothing else goes.
    let (replacing, adding): (Vec<_>, Vec<_>) = missing
        .iter()
        .map(|package| package.name.to_owned())
        .filter(|name| name != QEMU)
        .partition(|name| name == "busybox-static");
    let mut installed = apt::install(&adding, false, log).and_then(|()| apt::install(&replacing, true, log));
    if missing.iter().any(|package| package.name == QEMU) {
        installed = installed.and_then(|()| install_emulator(&[QEMU.to_owned()], log));
    }
    let disabled = apt::disable(&services, log);
    installed.and(disabled)?;
    missing = packages::missing(purposes, Toolchain::installed(), packages::exists);
    if let Some(package) = missing.first() {
        bail!(
            "set up: {} is installed, yet what proves it is not there; see {}",
            package.name,
            workspace::relative(log)
        );
    }
    Ok(())
}

const QEMU: &str = "qemu-system-x86";

/// Who has qemu-utils of the backports cannot have QEMU of the release itself beside it.
fn install_emulator(names: &[String], log: &Path) -> Result<()> {
    if !apt::removes_others(names)? {
        return apt::install(names, false, log);
    }
    let release = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.context("set up: this Debian has no name in /etc/os-release")?.trim_matches('"');
    let backports = format!("{name}-backports");
    let folder = workspace::target().join("backports");
    let suites = Suite::fetch(&format!("{name} {backports}"), &folder, Fit::Machine, log)?;
    let installed = apt::install_from(&suites, &backports, names, log);
    fs::remove_dir_all(&folder).with_context(|| format!("remove {}", workspace::relative(&folder)))?;
    installed
}

/// Debian's own rustc is too old and conflicts with the one we need; whose it is, is not ours to judge.
fn refuse_other_rustc(missing: &[Package]) -> Result<()> {
    let compiler = missing.iter().any(|package| package.name == "libstd-rust-web-dev-bpf");
    if compiler
        && Path::new("/usr/share/doc/rustc").exists()
        && !Path::new("/usr/share/doc/rustc-web").exists()
    {
        bail!("set up: Debian's rustc is in the way of rustc-web; `apt-get remove rustc`, then again");
    }
    Ok(())
}

/// bpf-linker reads the bitcode that rustc writes, so both must be of one LLVM.
fn linker(notes: &mut Notes) -> Result<()> {
    let Some(toolchain) = Toolchain::installed() else {
        bail!("set up: there is still no compiler for eBPF; see {}", workspace::relative(&notes.log));
    };
    if toolchain == Toolchain::Nightly {
        let mut linker = std::process::Command::new(toolchain.linker());
        if command::output("look for bpf-linker", linker.arg("--version")).is_err() {
            bail!("set up: a nightly needs a bpf-linker of its LLVM on PATH; its releases have ready ones");
        }
        return Ok(());
    }
    let major = toolchain.llvm_major()?;
    let root = workspace::target().join("tools");
    let record = fs::read_to_string(root.join(".crates2.json")).unwrap_or_default();
    if toolchain.linker().exists() && is_built_for(&record, major) {
        return Ok(());
    }
    let (llvm, proof) = packages::llvm(major);
    if !packages::exists(&proof) {
        refuse_unless_able(&[&llvm])?;
        notes.say(&llvm, "the LLVM of that compiler; bpf-linker is built on it")?;
        apt::update(&notes.log)?;
        apt::install(&[llvm], false, &notes.log)?;
    }
    fs::create_dir_all(&root).with_context(|| format!("create {}", root.display()))?;
    let name = format!("bpf-linker {LINKER_VERSION}");
    notes.say(&name, "links the eBPF object; built from source in about a minute")?;
    let mut cargo = command::cargo();
    cargo.args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--force"]);
    cargo.args(["--no-default-features", "--features", &format!("llvm-{major}"), "--root"]).arg(&root);
    cargo.env("LLVM_PREFIX", format!("/usr/lib/llvm-{major}"));
    command::run_logged("build bpf-linker", &mut cargo, &notes.log)
}

const LINKER_VERSION: &str = "0.13.0";

/// Whether cargo's own record of installed binaries has our version with that LLVM.
fn is_built_for(record: &str, llvm: u32) -> bool {
    let Ok(record) = serde_json::from_str::<serde_json::Value>(record) else { return false };
    let Some(installs) = record["installs"].as_object() else { return false };
    let name = format!("bpf-linker {LINKER_VERSION} ");
    let feature = format!("llvm-{llvm}");
    installs.iter().any(|(key, install)| {
        let features = install["features"].as_array();
        key.starts_with(&name) && features.is_some_and(|list| list.iter().any(|one| one == feature.as_str()))
    })
}

/// A minimal rustup profile has neither of the two.
fn rustup_components(notes: &mut Notes) -> Result<()> {
    // Cargo says where it lies; the other tools of its toolchain lie beside it.
    let folder =
        std::env::var_os("CARGO").map(PathBuf::from).and_then(|cargo| Some(cargo.parent()?.to_owned()));
    let has = |tool: &str| folder.as_ref().is_none_or(|folder| folder.join(tool).exists());
    let mut missing = Vec::new();
    for (tool, component) in [("cargo-clippy", "clippy"), ("rustfmt", "rustfmt")] {
        if !has(tool) {
            missing.push(component);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    notes.say(&missing.join(", "), "lint with them; from rustup")?;
    let mut rustup = std::process::Command::new("rustup");
    command::run_logged("add rustup components", rustup.args(["component", "add"]).args(&missing), &notes.log)
}

/// Can we, and may we.
fn refuse_unless_able(names: &[&str]) -> Result<()> {
    if !apt::is_here() {
        return apt::refuse(names);
    }
    if !is_root() {
        bail!("set up: {} missing, and only root may install; run the same as root", names.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"installs":{"bpf-linker 0.13.0 (registry+x)":{"features":["llvm-22"]}}}"#;

    #[test]
    fn a_linker_of_another_llvm_is_built_anew() {
        assert!(is_built_for(RECORD, 22));
        assert!(!is_built_for(RECORD, 23));
    }

    #[test]
    fn a_linker_of_another_version_is_built_anew() {
        assert!(!is_built_for(&RECORD.replace("0.13.0", "0.12.9"), 22));
    }

    #[test]
    fn a_broken_record_counts_as_none() {
        assert!(!is_built_for("", 22));
        assert!(!is_built_for(r#"{"installs":[]}"#, 22));
    }
}
