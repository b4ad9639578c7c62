//! Remembers the commit that `dpbench` is built from: a run may start anywhere.

use std::path::Path;
use std::process::Command;

fn main() {
    // Grows with each commit and each checkout. Without it, as in an archive of the source, cargo
    // would run this each time.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    } else {
        println!("cargo::rerun-if-changed=build.rs");
    }
    println!("cargo::rustc-env=DPBENCH_COMMIT={}", git(&["describe", "--always", "--dirty", "--abbrev=12"]));
}

fn git(words: &[&str]) -> String {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success());
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
