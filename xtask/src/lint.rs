//! `cargo xtask lint`: form, lints of host and eBPF code, licences, documentation.

use anyhow::Result;

use crate::packages::Purpose;
use crate::{command, ebpf, licences, setup};

/// All five, stopping at the first that complains.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Lint])?;
    println!("lint: form");
    command::run(
        "check the form (`cargo fmt` repairs it)",
        command::cargo().args(["fmt", "--all", "--check"]),
    )?;
    println!("lint: clippy, host");
    let mut clippy = command::cargo();
    clippy
        .args(["clippy", "--quiet", "--release", "--all-targets"])
        .args(HOST_CRATES)
        .args(["--", "-D", "warnings"]);
    command::run("lint the host crates", &mut clippy)?;
    println!("lint: clippy, eBPF");
    ebpf::lint()?;
    println!("lint: licences");
    licences::check()?;
    println!("lint: documentation");
    let mut doc = command::cargo();
    doc.args(["doc", "--quiet", "--release", "--no-deps"])
        .args(HOST_CRATES)
        .env("RUSTDOCFLAGS", "-D warnings");
    command::run("build the documentation", &mut doc)?;
    println!("lint: nothing to complain about");
    Ok(())
}

/// The eBPF crate compiles for its own target only.
const HOST_CRATES: [&str; 3] = ["--workspace", "--exclude", "dataplane-ebpf"];
