//! `cargo xtask build`: the eBPF object, then `dpctl` with that object inside.

use anyhow::Result;

use crate::packages::Purpose;
use crate::{command, ebpf, setup, workspace};

/// Leaves the release binary at target/release/dpctl.
pub(crate) fn run() -> Result<()> {
    setup::ensure(&[Purpose::Build])?;
    ebpf::run()?;
    let mut cargo = command::cargo();
    cargo.args(["build", "--release", "-p", "dataplane", "--bin", "dpctl"]);
    command::run("build dpctl", &mut cargo)?;
    println!("built {}", workspace::relative(&workspace::dpctl()));
    Ok(())
}
