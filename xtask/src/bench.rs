//! `cargo xtask bench`: a fresh `dpctl`, then the crate `bench` with the arguments as given.

use anyhow::Result;

use crate::packages::Purpose;
use crate::{build, command, setup, workspace};

/// `arguments` begin with the name of the benchmark.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Run])?;
    build::run()?;
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--release", "-p", "dataplane-bench", "--"]).args(arguments);
    command::run("run the benchmark", cargo.env("DPCTL", workspace::dpctl()))
}
