//! `cargo xtask bench`: a fresh `dpctl`, then the crate `bench` with the arguments as given.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages::Purpose;
use crate::{build, command, interrupt, setup, workspace};

/// `arguments` are a command of `dpbench` with its own; without a command they are those of
/// `run`, which is then kept in a dated folder of target/bench.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    // The benchmark removes its namespaces on Ctrl-C, and we wait for that.
    interrupt::catch()?;
    setup::ensure(&[Purpose::Build, Purpose::Run, Purpose::Lab])?;
    build::run()?;
    let dpctl = workspace::other_dpctl()?.unwrap_or_else(workspace::dpctl);
    let bench = workspace::root().join("target/bench");
    fs::create_dir_all(&bench).with_context(|| format!("make {}", bench.display()))?;
    let out = bench.join(now()?).display().to_string();
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--release", "-p", "dataplane-bench", "--"]).args(words(arguments, &out));
    command::run("run the benchmark", cargo.env("DPCTL", dpctl))
}

/// A second as a folder's name; an earlier run is what the next is compared with.
fn now() -> Result<String> {
    let date = Command::new("date").args(["-u", "+%F-%H%M%S"]).output().context("ask for the date")?;
    Ok(String::from_utf8_lossy(&date.stdout).trim().to_owned())
}

fn words(arguments: &[String], out: &str) -> Vec<String> {
    if arguments.first().is_some_and(|first| !first.starts_with('-')) {
        return arguments.to_vec();
    }
    let is_out = |word: &String| word == "--out" || word.starts_with("--out=");
    let out: &[&str] = if arguments.iter().any(is_out) { &[] } else { &["--out", out] };
    let run = ["run"].iter().chain(out).map(|word| (*word).to_owned());
    run.chain(arguments.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn without_a_command_it_is_a_run_kept_in_target() {
        for (typed, expected) in [
            ("", "run --out T"),
            ("--quick", "run --out T --quick"),
            ("--only rr", "run --out T --only rr"),
            ("--quick --out mine", "run --quick --out mine"),
            ("--out=mine", "run --out=mine"),
            ("attach --quick", "attach --quick"),
            ("run --quick", "run --quick"),
            ("list", "list"),
        ] {
            let arguments: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            assert_eq!(words(&arguments, "T").join(" "), expected);
        }
    }
}
