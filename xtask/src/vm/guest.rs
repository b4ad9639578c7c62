//! One guest from start to end: QEMU with the kernel, and what it says.
//!
//! The kernel writes to its first serial port and so to a file, the tests to the second and so to
//! us. QEMU emulates every instruction (TCG), since a host may itself be a guest. It dies with
//! us, and with it all that the guest has written: its root is the host's, read-only, below a
//! tmpfs.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::fetch::{Unpacked, folder};
use crate::{command, interrupt, workspace};

/// How long a guest may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From one word to the next.
    pub(super) silence: Duration,
    /// From its start to its end.
    pub(super) whole: Duration,
}

const STEP: Duration = Duration::from_millis(200);
/// For the root's upper layer, the tests' folders and the kernel: none of them is large.
const MEGABYTES: &str = "2048";

/// Boots `kernel` with `initrd`, gives each line of the tests to `line`, and returns the tests'
/// exit status. A guest that exhausts our patience, or whose kernel breaks, is ended, and an error
/// with the end of its console.
pub(super) fn run(
    kernel: &Unpacked,
    initrd: &Path,
    patience: Patience,
    line: impl FnMut(&str),
) -> Result<i32> {
    interrupt::catch()?;
    boot(kernel, initrd, patience, &mut io::stdout(), &mut io::stderr(), line)
}

/// `out` takes what the tests say, `err` the end of the console of a guest that failed.
fn boot(
    kernel: &Unpacked,
    initrd: &Path,
    patience: Patience,
    out: &mut impl Write,
    err: &mut impl Write,
    line: impl FnMut(&str),
) -> Result<i32> {
    let console = console_of(kernel);
    // What an earlier guest said is not this one's.
    fs::remove_file(&console).ok();
    let mut qemu = qemu(kernel, initrd, &console);
    let mut child = qemu.spawn().context("boot a guest: cannot start qemu-system-x86_64")?;
    let watched = watch(&mut child, &console, patience, out, line);
    if watched.is_err() {
        // It may have ended by itself this instant; either way it is reaped.
        child.kill().ok();
    }
    let status = child.wait().context("boot a guest: lost QEMU's exit status")?;
    let judged = watched.and_then(|()| judge(status.code(), &read(&console)));
    if judged.is_err() && interrupt::check().is_ok() {
        writeln!(err, "{}", command::last_lines(&read(&console), 25)).context("write to standard error")?;
    }
    judged.with_context(|| format!("its console is in {}", workspace::relative(&console)))
}

/// What the guest of `kernel` wrote to its console.
pub(super) fn console(kernel: &Unpacked) -> String {
    read(&console_of(kernel))
}

fn console_of(kernel: &Unpacked) -> PathBuf {
    folder().join(format!("{}.console", kernel.release))
}

fn qemu(kernel: &Unpacked, initrd: &Path, console: &Path) -> Command {
    // Ended with us, however we end.
    let mut qemu = Command::new("setpriv");
    qemu.args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", MEGABYTES]);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    qemu.args([
        "-chardev".into(),
        option("file,id=console,path=", console),
        "-serial".into(),
        "chardev:console".into(),
    ]);
    qemu.args(["-serial", "stdio"]);
    qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initrd);
    // A panic ends QEMU (-no-reboot). Watchdogs of a kernel that gets a part of a CPU would cry
    // wolf, and detours around the faults of real CPUs only cost time here.
    let arguments = "console=ttyS0 quiet panic=-1 oops=panic nowatchdog rcupdate.rcu_cpu_stall_suppress=1 \
                     mitigations=off";
    let (tree, modules) = (workspace::root(), &kernel.modules);
    qemu.args(["-append", &format!("{arguments} tree={} modules={}", tree.display(), modules.display())]);
    qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"]);
    qemu.args(["-fsdev", "local,id=host,path=/,readonly=on,security_model=none,multidevs=remap"]);
    qemu.args(["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]);
    qemu.stdin(Stdio::null()).stdout(Stdio::piped());
    qemu
}

/// QEMU separates options by commas; one in a path is doubled.
fn option(name: &str, path: &Path) -> std::ffi::OsString {
    format!("{name}{}", path.display().to_string().replace(',', ",,")).into()
}

/// Shows what the tests say until QEMU closes its output.
fn watch(
    child: &mut Child,
    console: &Path,
    patience: Patience,
    out: &mut impl Write,
    mut line: impl FnMut(&str),
) -> Result<()> {
    let output = child.stdout.take().context("boot a guest: no output")?;
    let chunks = chunks(output);
    let end = Instant::now() + patience.whole;
    let (mut rest, mut last_word, mut console_size) = (Vec::new(), Instant::now(), 0);
    loop {
        interrupt::check()?;
        match chunks.recv_timeout(STEP) {
            Ok(chunk) => {
                last_word = Instant::now();
                out.write_all(&chunk).and_then(|()| out.flush()).context("write to standard output")?;
                rest.extend_from_slice(&chunk);
                while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                    line(String::from_utf8_lossy(&rest[..at]).trim_end());
                    rest.drain(..=at);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let size = fs::metadata(console).map_or(0, |file| file.len());
        if size != console_size {
            (console_size, last_word) = (size, Instant::now());
        }
        if last_word.elapsed() > patience.silence {
            bail!(
                "it hangs: not a word for {} s, the last being {:?}",
                patience.silence.as_secs(),
                tail(&rest)
            );
        }
        if Instant::now() > end {
            bail!("not ready within {} s, the last word being {:?}", patience.whole.as_secs(), tail(&rest));
        }
    }
}

/// What the last, unfinished line is: the name of the test that runs.
fn tail(rest: &[u8]) -> String {
    String::from_utf8_lossy(rest).trim().to_owned()
}

/// A thread reads, so that we can wait for words and for the time at once.
fn chunks(mut output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length) = output.read(&mut chunk) {
            if length == 0 || sender.send(chunk[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// What init.sh makes of 0.
const PASSED: i32 = 42;

/// The tests' status in QEMU's; isa-debug-exit doubles it and adds one.
fn judge(code: Option<i32>, console: &str) -> Result<i32> {
    if let Some(cause) = console
        .lines()
        .find(|line| ["Kernel panic", "Oops: ", "BUG: "].iter().any(|word| line.contains(word)))
    {
        bail!("its kernel broke: {}", cause.trim());
    }
    match code {
        Some(code) if code >> 1 == PASSED => Ok(0),
        Some(code) if code & 1 == 1 && code > 1 => Ok(code >> 1),
        Some(code) => bail!("QEMU ended with {code} before the tests did"),
        None => bail!("QEMU was killed"),
    }
}

fn read(console: &Path) -> String {
    String::from_utf8_lossy(&fs::read(console).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    mod hung;

    use super::*;

    fn watched(script: &str, patience: Patience) -> (Result<()>, Vec<String>) {
        let mut shell = Command::new("sh");
        let mut child = shell.args(["-c", script]).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut lines = Vec::new();
        let watched = watch(&mut child, Path::new("/nowhere"), patience, &mut io::sink(), |line| {
            lines.push(line.to_owned());
        });
        child.kill().and_then(|()| child.wait()).expect("it is ours");
        (watched, lines)
    }

    #[test]
    fn lines_are_read_to_the_end_of_the_guest() {
        let day = Duration::from_hours(24);
        let (watched, lines) = watched("printf 'a\r\nb'; echo c", Patience { silence: day, whole: day });
        assert!(watched.is_ok());
        assert_eq!(lines, ["a", "bc"]);
    }

    #[test]
    fn a_guest_that_is_silent_or_slow_is_given_up_with_its_last_word() {
        let (day, moment) = (Duration::from_hours(24), Duration::from_millis(300));
        let silent = watched("printf 'test a ... '; exec sleep 60", Patience { silence: moment, whole: day });
        let error = silent.0.expect_err("silent").to_string();
        assert!(error.starts_with("it hangs") && error.contains("test a ..."), "{error}");
        let slow =
            watched("while :; do echo word; sleep 0.05; done", Patience { silence: day, whole: moment });
        assert!(slow.0.expect_err("slow").to_string().starts_with("not ready"));
    }

    #[test]
    fn the_status_of_the_tests_is_in_that_of_qemu() {
        assert_eq!(judge(Some(42 * 2 + 1), "").ok(), Some(0));
        assert_eq!(judge(Some(101 * 2 + 1), "").ok(), Some(101));
    }

    #[test]
    fn a_guest_without_a_status_is_an_error() {
        for (code, console, cause) in [
            (Some(0), "", "QEMU ended with 0 before the tests did"),
            (Some(1), "", "QEMU ended with 1 before the tests did"),
            (None, "", "QEMU was killed"),
            (Some(85), "[ 1.5] BUG: unable to handle page fault", "its kernel broke: [ 1.5] BUG: unable"),
            (Some(0), "[ 1.5] Kernel panic - not syncing", "its kernel broke: [ 1.5] Kernel panic"),
        ] {
            let error = judge(code, console).expect_err(cause).to_string();
            assert!(error.starts_with(cause), "{error}");
        }
    }
}
