//! Commands of others: run, and on failure one line that says what was attempted.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::{interrupt, workspace};

/// `cargo`, without what the cargo that runs us left in the environment.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // CARGO_PKG_NAME and its like describe xtask; a build script that sees them rebuilds for nothing.
        let describes_xtask = text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_");
        // The library path of the rustup toolchain, which no other rustc must find.
        if describes_xtask || text == "LD_LIBRARY_PATH" {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs with our own input and output; `what` begins the error.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| unstartable(what, command))?;
    if !status.success() {
        bail!("{what}: {} failed ({status}); its messages are above", name(command));
    }
    Ok(())
}

/// Runs quietly, with all output appended to `log`; the last lines are shown on failure.
pub(crate) fn run_logged(what: &str, command: &mut Command, log: &Path) -> Result<()> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("open {}", log.display()))?;
    let copy = file.try_clone().context("duplicate the log's descriptor")?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .status()
        .with_context(|| unstartable(what, command))?;
    interrupt::check()?;
    if !status.success() {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        eprintln!("{}", last_lines(&text, 15));
        bail!("{what}: {} failed ({status}); all of it is in {}", name(command), workspace::relative(log));
    }
    Ok(())
}

/// Runs and returns what it said; its exit status is the caller's to judge.
pub(crate) fn output(what: &str, command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| unstartable(what, command))
}

/// Standard output of a command that must succeed.
pub(crate) fn stdout(what: &str, command: &mut Command) -> Result<String> {
    let output = output(what, command)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{what}: {}", stderr.lines().last().unwrap_or("failed without a message"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn name(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn unstartable(what: &str, command: &Command) -> String {
    format!("{what}: cannot start {}", name(command))
}

/// The end of a log.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_a_log_are_shown() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
