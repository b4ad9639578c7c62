//! `cargo xtask bench`: a fresh `dpctl`, then the crate `bench` with the arguments as given.

use anyhow::Result;

use crate::packages::Purpose;
use crate::{build, command, interrupt, setup, workspace};

/// `arguments` begin with the name of the benchmark.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    // The benchmark removes its namespaces on Ctrl-C, and we wait for that.
    interrupt::catch()?;
    setup::ensure(&[Purpose::Build, Purpose::Run, Purpose::Lab])?;
    build::run()?;
    let dpctl = workspace::other_dpctl()?.unwrap_or_else(workspace::dpctl);
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--release", "-p", "dataplane-bench", "--"]).args(arguments);
    command::run("run the benchmark", cargo.env("DPCTL", dpctl))
}
