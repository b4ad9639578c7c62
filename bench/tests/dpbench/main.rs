//! The real `dpbench`: what it prints, refuses, keeps and leaves. No figure is judged here.

mod bad_input;
mod bare;
mod compare;
mod ending;
mod lab;
mod listing;
mod short_run;
mod synthetic;

use std::fs;
use std::path::Path;
use std::process::Command;

use dataplane_tests::command::Output;
use dataplane_tests::dpctl::temporary_folder;
use serde_json::Value;
use tempfile::TempDir;

/// The program under test with these words.
fn dpbench(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dpbench"));
    command.args(words);
    command
}

/// A folder of this test, and what `--out` in it names.
fn out() -> (TempDir, String) {
    let folder = temporary_folder();
    let out = folder.path().join("out").to_string_lossy().into_owned();
    (folder, out)
}

/// The results that a run has kept.
#[track_caller]
fn results(out: &str) -> Value {
    let text = fs::read(Path::new(out).join("results.json")).expect("results are kept");
    serde_json::from_slice(&text).expect("results are JSON")
}

/// It must have ended with `code` and said one line that has `words`, and nothing else.
#[track_caller]
fn refuses(output: &Output, code: i32, words: &str) {
    assert_eq!(output.code, code, "{output}");
    assert_eq!(output.stdout, "", "{output}");
    let is_line = output.stderr.lines().count() == 1 && output.stderr.starts_with("dpbench: ");
    assert!(is_line && output.stderr.contains(words), "no line with {words:?}:\n{output}");
}

/// Ends the test where it cannot make namespaces.
macro_rules! needs_root {
    () => {
        if !rustix::process::geteuid().is_root() {
            dataplane_tests::skip!("not root");
        }
    };
}
use needs_root;
