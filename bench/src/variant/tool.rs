//! Runs programs of somebody else's inside a namespace; one that fails is one line.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use dataplane_tests::netns::Namespace;

use super::Tool;

impl Tool {
    /// The program, ready to run.
    pub(super) fn command(&self) -> Result<Command> {
        let path = self.find().with_context(|| self.wanted())?;
        Ok(Command::new(path))
    }

    /// What is said where it is not there.
    pub(super) fn wanted(&self) -> String {
        format!("needs {}: install the Debian package {}", self.program, self.package)
    }
}

/// Words of a command that an error names.
const SHOWN: usize = 20;

/// Runs `command` inside with `input`; it must succeed. Returns what it printed.
pub(super) fn run(inside: &Namespace, command: &mut Command, input: &str) -> Result<String> {
    let output = attempt(inside, command, input)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let words: Vec<_> = command.get_args().take(SHOWN).map(|word| word.to_string_lossy()).collect();
        let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("without a word");
        bail!("{} {}: {}: {line}", command.get_program().display(), words.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` inside with `input`, whatever becomes of it.
pub(super) fn attempt(inside: &Namespace, command: &mut Command, input: &str) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    // A group of its own: Ctrl-C is for us, and we take down what it has set up.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = inside.enter(|| {
        let mut child = command.spawn()?;
        let pipe = child.stdin.take();
        thread::scope(|scope| {
            if !input.is_empty() {
                // Beside the reading, since it may print before it has read all. One that ends
                // without reading says why by its status.
                scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(input.as_bytes()).is_ok()));
            }
            child.wait_with_output()
        })
    });
    output.with_context(|| format!("start {program}"))
}
