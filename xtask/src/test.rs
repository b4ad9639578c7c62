//! `cargo xtask test`: build, unit tests of every host crate, then the kernel tests as root, here
//! and on Debian's kernels in guests.
//!
//! Kernel tests agree among themselves who may load the machine (tests/src/machine.rs), so they
//! run as many at a time as libtest likes.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, bail};

use crate::packages::Purpose;
use crate::tally::Tally;
use crate::vm::{self, Guests};
use crate::{build, command, commit, setup, workspace};

/// `filters` are parts of test names, as cargo takes them; `full` without any also records the run.
pub(crate) fn run(full: bool, filters: &[String]) -> Result<()> {
    let other = workspace::other_dpctl()?;
    // A part of the tests says nothing about the commit, nor does another binary.
    let whole = filters.is_empty() && other.is_none();
    let with_guests = whole && vm::has_kernels() && setup::is_root();
    setup::ensure(&[Purpose::Build, Purpose::Run])?;
    if with_guests {
        setup::ensure(&[Purpose::Vm])?;
    }
    build::run()?;
    let dpctl = other.clone().unwrap_or_else(workspace::dpctl);
    let mut tally = Tally::default();
    println!("test: unit tests");
    let mut unit = cargo_test(full, &dpctl);
    unit.args(["--workspace", "--exclude", "dataplane-ebpf", "--exclude", "dataplane-tests", "--"])
        .args(filters);
    tee("unit tests", &mut unit, &mut tally)?;
    if !setup::is_root() {
        println!("{tally}");
        bail!("kernel tests: they load programs and make namespaces; run the same as root");
    }
    println!("test: kernel tests");
    tally.durations.clear();
    let mut kernel = cargo_test(full, &dpctl);
    kernel.args(["-p", "dataplane-tests", "--"]).args(TIMES).args(filters);
    tee("kernel tests", &mut kernel, &mut tally)?;
    let guests = with_guests.then(guests);
    if full && whole {
        println!("test: recorded in {}", record(&tally, guests.as_ref())?);
    }
    for (name, reason) in tally.skipped() {
        println!("skipped {name}: {reason}");
    }
    println!("{tally}");
    let mut failed: Vec<String> = tally.failed().iter().map(ToString::to_string).collect();
    failed.extend(guests.into_iter().flat_map(|guests| guests.failures));
    if !failed.is_empty() || !tally.is_clean() {
        bail!("test: failed: {}", failed.join(", "));
    }
    Ok(())
}

/// What differs most from kernel to kernel, on the usual ones; `cargo xtask vm` does the rest.
/// Guests that cannot start are a failure beside others: what ran here is still told.
fn guests() -> Guests {
    println!("test: guests");
    vm::short().unwrap_or_else(|error| Guests::failed(&error))
}

const TIMES: [&str; 3] = ["-Z", "unstable-options", "--report-time"];

fn cargo_test(full: bool, dpctl: &Path) -> Command {
    let mut cargo = command::cargo();
    // libtest tells durations only to those who call themselves unstable. In the environment of
    // cargo itself the variable would build half the dependencies anew.
    cargo.args(["--config", "target.'cfg(unix)'.runner=['env', 'RUSTC_BOOTSTRAP=1']"]);
    cargo.args(["test", "--release", "--no-fail-fast"]).env("DPCTL", dpctl);
    if full {
        cargo.env("DATAPLANE_FULL", "1");
    }
    cargo
}

/// Runs and shows as it comes, half lines too: the name of a test stands there while it runs.
fn tee(what: &str, command: &mut Command, tally: &mut Tally) -> Result<()> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("{what}: cannot start cargo"))?;
    let mut output = child.stdout.take().with_context(|| format!("{what}: no output"))?;
    let (mut chunk, mut line) = ([0; 4096], Vec::new());
    loop {
        let length = output.read(&mut chunk).with_context(|| format!("{what}: read the output"))?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        io::stdout()
            .write_all(bytes)
            .and_then(|()| io::stdout().flush())
            .context("write to standard output")?;
        for &byte in bytes {
            if byte == b'\n' {
                tally.line(&String::from_utf8_lossy(&line));
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    let status = child.wait().with_context(|| format!("{what}: lost its exit status"))?;
    if !status.success() && tally.is_clean() {
        bail!("{what}: cargo failed before a test did ({status}); its messages are above");
    }
    Ok(())
}

/// Writes tests/runs/DATE-KERNEL-COMMIT/summary.txt; nothing in it names the machine.
fn record(tally: &Tally, guests: Option<&Guests>) -> Result<String> {
    let date = command::stdout("ask for the date", Command::new("date").args(["-u", "+%F"]))?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's version")?;
    let kernel = version(&kernel);
    let (head, changes) = commit::current()?;
    let folder = PathBuf::from("tests/runs").join(format!("{}-{kernel}-{head}", date.trim()));
    let cpus = fs::read_to_string("/proc/cpuinfo").context("read the kind of CPU")?;
    let mut text = summary(tally, date.trim(), kernel, &cpu(&cpus), &format!("{head}{changes}"));
    if let Some(guests) = guests {
        write!(text, "\nguests\n{}", guests.table).context("write the summary")?;
    }
    let path = workspace::root().join(&folder);
    fs::create_dir_all(&path)
        .and_then(|()| fs::write(path.join("summary.txt"), text))
        .context("write the summary")?;
    Ok(folder.join("summary.txt").display().to_string())
}

fn summary(tally: &Tally, date: &str, kernel: &str, cpu: &str, commit: &str) -> String {
    let mut text = format!(
        "command  cargo xtask test --full\ndate     {date}\ncommit   {commit}\nkernel   {kernel}\ncpu      {cpu}\n\n{tally}\n"
    );
    for name in tally.failed() {
        writeln!(text, "failed   {name}").ok();
    }
    for (name, reason) in tally.skipped() {
        writeln!(text, "skipped  {name}: {reason}").ok();
    }
    text.push_str("\nseconds  kernel test\n");
    for (name, duration) in &tally.durations {
        writeln!(text, "{duration:7.1}  {name}").ok();
    }
    text
}

/// `6.18.44` of `6.18.44-somebody's-own`.
fn version(release: &str) -> &str {
    release.split(|other: char| !other.is_ascii_digit() && other != '.').next().unwrap_or_default()
}

/// `2 x Name of the model`.
fn cpu(cpuinfo: &str) -> String {
    let model = |line: &str| Some(line.strip_prefix("model name")?.split_once(": ")?.1.to_owned());
    let models: Vec<String> = cpuinfo.lines().filter_map(model).collect();
    let name = models.first().map_or("unknown", String::as_str);
    format!("{} x {name}", models.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_counted_and_named() {
        assert_eq!(
            cpu("processor\t: 0\nmodel name\t: Good 3000\nmodel name\t: Good 3000\n"),
            "2 x Good 3000"
        );
        assert_eq!(cpu(""), "1 x unknown");
    }

    #[test]
    fn a_kernel_is_known_by_its_version() {
        assert_eq!(version("6.18.44-somebody's-own\n"), "6.18.44");
        assert_eq!(version("6.18.0\n"), "6.18.0");
    }

    #[test]
    fn a_summary_holds_counts_reasons_and_durations() {
        let mut tally = Tally::default();
        tally.line("test rate::udp ... skipped: rate::udp: no tcx");
        tally.line("ok <12.340s>");
        tally.line("test result: ok. 1 passed; 0 failed; 0 ignored");
        let text = summary(&tally, "2026-01-02", "6.18.0", "2 x Good", "abc1234");
        for line in ["0 passed, 0 failed, 1 skipped", "skipped  rate::udp: no tcx", "   12.3  rate::udp"] {
            assert!(text.lines().any(|other| other == line), "no line {line:?} in\n{text}");
        }
    }
}
