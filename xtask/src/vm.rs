//! `cargo xtask vm`: the kernel tests on Debian's kernels, each booted under QEMU.
//!
//! The very files that `cargo xtask test` runs, in a guest whose root is this machine's, read-only.
//! Refuses other machines than amd64's, and users other than root, whose files the guest could
//! not read. What guests are made of lies in target/vm; docs: tests/README.md.

mod cpio;
mod fetch;
mod guest;
mod initrd;
mod kernels;
mod modules;
mod page;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::packages::Purpose;
use crate::{build, command, interrupt, setup, workspace};
use guest::Patience;
pub(crate) use kernels::Choice;
use kernels::{Kernel, SHORT, USUAL};
use table::Row;

/// What came out on all guests.
#[derive(Debug)]
pub(crate) struct Guests {
    /// A kernel a line, for people.
    pub(crate) table: String,
    /// Kernels where something failed, and what.
    pub(crate) failures: Vec<String>,
}

impl Guests {
    /// None could run.
    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        Self { table: String::new(), failures: vec![format!("guests: {error:#}")] }
    }
}

/// The task: without a choice the usual kernels, each with the part of the tests that is short;
/// with one, all that have a meaning there, or those whose names contain one of `filters`.
pub(crate) fn run(choice: Option<Choice>, filters: &[String]) -> Result<()> {
    refuse_unless_able()?;
    setup::ensure(&[Purpose::Build, Purpose::Run, Purpose::Vm])?;
    build::run()?;
    let guests = match choice {
        None if filters.is_empty() => short()?,
        None => on(&USUAL, filters, LONG)?,
        Some(choice) => on(&choice.kernels(), filters, LONG)?,
    };
    if guests.failures.is_empty() { Ok(()) } else { bail!("vm: {}", guests.failures.join("; ")) }
}

/// What `cargo xtask test` includes: the usual kernels, and what takes five minutes on both
/// together. `dpctl` must have been built.
pub(crate) fn short() -> Result<Guests> {
    refuse_unless_able()?;
    setup::ensure(&[Purpose::Vm])?;
    on(&USUAL, &SHORT.map(str::to_owned), BRIEF)
}

/// Whether there are kernels for guests on a machine like this.
pub(crate) fn has_kernels() -> bool {
    std::env::consts::ARCH == "x86_64"
}

/// For all tests: several times what they take on a machine without other work.
const LONG: Patience = Patience { silence: Duration::from_mins(5), whole: Duration::from_mins(90) };
/// For those that take five minutes on both kernels.
const BRIEF: Patience = Patience { silence: Duration::from_mins(3), whole: Duration::from_mins(10) };

fn refuse_unless_able() -> Result<()> {
    if !has_kernels() {
        bail!("vm: its kernels are amd64's, and this machine is not");
    }
    if !setup::is_root() {
        bail!("vm: a guest reads this machine's files; run the same as root");
    }
    if workspace::root().display().to_string().contains(char::is_whitespace) {
        bail!("vm: the kernel's command line cannot name a tree whose path has a space");
    }
    Ok(())
}

fn on(kernels: &[Kernel], filters: &[String], patience: Patience) -> Result<Guests> {
    let binaries = stage(&binaries()?)?;
    // All of them first: what the network lacks is known before the first guest.
    let unpacked = kernels.iter().map(|kernel| fetch::kernel(*kernel)).collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for (kernel, unpacked) in kernels.iter().zip(unpacked) {
        let begin = Instant::now();
        let only: Vec<String> = kernel.only.iter().map(|name| (*name).to_owned()).collect();
        let script = script(&binaries, if filters.is_empty() { &only } else { filters });
        let initrd = fetch::folder().join(format!("{}.initrd", unpacked.release));
        initrd::write(&initrd, &unpacked, &script)?;
        println!("vm: kernel {}", unpacked.release);
        let mut row = Row::new(unpacked.release.clone());
        let ran = guest::run(&unpacked, &initrd, patience, |line| row.line(line));
        interrupt::check()?;
        row.end(begin.elapsed(), ran);
        row.doctor = page::doctor(&guest::console(&unpacked));
        rows.push(row);
    }
    let (table, failures) = (table::show(&rows), rows.iter().filter_map(Row::failure).collect::<Vec<_>>());
    print!("\n{table}");
    // A guest that broke has no doctor's word, and a page without its column would tell of all.
    let whole = rows.iter().all(|row| !row.doctor.is_empty());
    if kernels == Choice::All.kernels() && filters.is_empty() && whole {
        page::write(&rows)?;
    }
    Ok(Guests { table, failures })
}

/// The test binaries, built as `cargo xtask test` builds them.
fn binaries() -> Result<Vec<PathBuf>> {
    let mut cargo = command::cargo();
    cargo.args([
        "test",
        "--release",
        "--quiet",
        "-p",
        "dataplane-tests",
        "--no-run",
        "--message-format=json",
    ]);
    let text = command::stdout("build the kernel tests (`cargo test --no-run` tells more)", &mut cargo)?;
    let binaries = executables(&text);
    if binaries.is_empty() {
        bail!("build the kernel tests: cargo names no test binary");
    }
    Ok(binaries)
}

/// Copies: a build meanwhile must not take them from under a guest.
fn stage(binaries: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let folder = fetch::folder().join("binaries");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let mut staged = Vec::new();
    for binary in [&[workspace::dpctl()], binaries].concat() {
        // Without cargo's hash, so that the copies of yesterday are replaced.
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let to = folder.join(name.split('-').next().unwrap_or_default());
        // Not written over: it may run.
        fs::remove_file(&to).ok();
        fs::copy(&binary, &to).with_context(|| format!("copy {}", workspace::relative(&binary)))?;
        staged.push(to);
    }
    Ok(staged)
}

/// The executables of tests in what cargo says with `--message-format=json`.
fn executables(messages: &str) -> Vec<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect()
}

/// Runs each of `tests` with the `dpctl` before them, and ends with the status of the last that failed.
fn script(binaries: &[PathBuf], filters: &[String]) -> String {
    let Some((dpctl, tests)) = binaries.split_first() else { return String::new() };
    let mut script = String::from("status=0\n");
    for (name, value) in [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("HOME", "/run".to_owned()),
        ("DPCTL", dpctl.display().to_string()),
        // For libtest to tell durations.
        ("RUSTC_BOOTSTRAP", "1".to_owned()),
        ("DATAPLANE_GUEST", "1".to_owned()),
    ] {
        writeln!(script, "export {name}={}", quoted(&value)).ok();
    }
    for name in ["DATAPLANE_FULL", "DATAPLANE_SEED"] {
        if let Ok(value) = std::env::var(name) {
            writeln!(script, "export {name}={}", quoted(&value)).ok();
        }
    }
    for binary in tests {
        script += &quoted(&binary.display().to_string());
        script += " -Z unstable-options --report-time --color never";
        for filter in filters {
            write!(script, " {}", quoted(filter)).ok();
        }
        script += " || status=$?\n";
    }
    script + page::ASK_DOCTOR + "exit $status\n"
}

/// One word for a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_names_the_binaries_of_tests() {
        let messages = r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":"/a/dpctl"}
{"reason":"compiler-artifact","profile":{"test":true},"executable":"/a/it-1"}
{"reason":"compiler-artifact","profile":{"test":true},"executable":null}
not of cargo
{"reason":"build-finished","success":true}"#;
        assert_eq!(executables(messages), [PathBuf::from("/a/it-1")]);
    }

    #[test]
    fn a_filter_is_one_word_of_the_script() {
        let script = script(&["/dpctl".into(), "/a b/it".into()], &["x'y z".to_owned()]);
        let line = r"'/a b/it' -Z unstable-options --report-time --color never 'x'\''y z' || status=$?";
        assert!(script.lines().any(|other| other == line), "{script}");
    }
}
