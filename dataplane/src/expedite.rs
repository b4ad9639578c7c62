//! `/sys/kernel/rcu_expedited` for the time that links are attached or detached.
//!
//! Every one of them waits for an RCU grace period while it holds the kernel's network lock:
//! tens of milliseconds each, microseconds while the switch is on. It is system-wide, so it is
//! set for that time only, never where CPUs are isolated from such interruptions, and by a
//! process of its own (2 ms) that sets it back when its parent is done, ends, or is killed. The
//! value found is written down before the switch is set; should that process be killed as well,
//! the next command sets it back.
//!
//! A short grace period is two wake-ups, of the kernel's worker and of us. Where that finds a CPU
//! asleep it costs tens of microseconds, so for many links the CPUs are kept awake: by an open
//! file, which the kernel closes with us.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Attempt, Result};
use crate::lockfile::LockFile;

const SWITCH: &str = "/sys/kernel/rcu_expedited";
/// On a tmpfs: gone with the boot, as the setting is.
const RECORD: &str = "/run/dpctl_rcu_expedited";
/// The hidden subcommand that runs [`hold`].
pub const SUBCOMMAND: &str = "hold-rcu-expedited";
/// While it is open, CPUs wake within the time written to it.
const WAKING_TIME: &str = "/dev/cpu_dma_latency";
/// From so many links on it is worth while to keep CPUs awake, and to wait for another command
/// that holds the switch.
const MANY: usize = 8;

/// The switch is on while this lives.
#[derive(Debug)]
#[must_use]
pub struct Expedited {
    holder: Option<Child>,
    _awake: Option<File>,
}

impl Expedited {
    /// Sets the switch for `links` links to come, if that is needed, possible and harmless.
    pub fn for_links(links: usize) -> Self {
        // What another command has set, it sets back at any moment: between two looks at the
        // switch, no record means that nobody did.
        let few = links < MANY;
        let is_free = || is_on() && (few || (!Path::new(RECORD).exists() && is_on()));
        let useless = links == 0 || has_isolated_cpus();
        let holder = if useless || is_free() { None } else { start_holder() };
        // While the switch is off, links take minutes: too long to be awake. Our own holder has
        // said that it is on, whatever a look at it finds between two others' commands.
        let is_slow = holder.is_none() && !is_on();
        let awake = if useless || few || is_slow { None } else { keep_awake() };
        Self { holder, _awake: awake }
    }
}

impl Drop for Expedited {
    fn drop(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            drop(holder.stdin.take());
            // Whatever became of it, the next command looks again.
            if let Err(error) = holder.wait() {
                tracing::debug!("wait for the holder of {SWITCH}: {error}");
            }
        }
    }
}

fn start_holder() -> Option<Child> {
    let mut holder = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A Ctrl-C is for its parent; it ends when that ends.
        .process_group(0)
        .spawn()
        .inspect_err(|error| tracing::debug!("start the holder of {SWITCH}: {error}"))
        .ok()?;
    // It says one byte when the switch is on; without, it is slow, not wrong.
    if let Some(stdout) = &mut holder.stdout {
        let on = stdout.read(&mut [0]);
        tracing::debug!("{SWITCH} on: {on:?}");
    }
    Some(holder)
}

/// No idle CPU sleeps while the answer is open; not every kernel has this.
fn keep_awake() -> Option<File> {
    let open = || -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).open(WAKING_TIME)?;
        file.write_all(&0i32.to_ne_bytes())?;
        Ok(file)
    };
    open().inspect_err(|error| tracing::debug!("keep CPUs awake by {WAKING_TIME}: {error}")).ok()
}

/// Sets the switch, says so on stdout, and sets it back when stdin ends or a signal comes.
pub async fn hold() -> Result<()> {
    // One holder of the machine at a time; the record of the value found is what is locked.
    let record = LockFile::take(Path::new(RECORD)).attempt(|| format!("lock {RECORD}"))?;
    restore(&record)?;
    let record = LockFile::take(Path::new(RECORD)).attempt(|| format!("lock {RECORD}"))?;
    let found = fs::read_to_string(SWITCH).attempt(|| format!("read {SWITCH}"))?;
    let mut ended = Ended::listen()?;
    record.file().write_all(found.trim().as_bytes()).attempt(|| format!("write {RECORD}"))?;
    if let Err(error) = fs::write(SWITCH, "1") {
        restore(&record)?;
        return Err(error).attempt(|| format!("set {SWITCH}"));
    }
    // A parent that is gone already cannot read this; then stdin has ended as well.
    let told = io::stdout().write_all(b"+").and_then(|()| io::stdout().flush());
    tracing::debug!("told the parent: {told:?}");
    ended.wait().await;
    restore(&record)
}

/// Sets back what a killed holder left on; does nothing while one is at work. What cannot be set
/// back is for `dpctl doctor` to tell: it keeps no command from its work.
pub fn restore_abandoned() {
    let record = LockFile::try_take(Path::new(RECORD)).attempt(|| format!("lock {RECORD}"));
    if let Err(error) = record.and_then(|record| record.as_ref().map_or(Ok(()), restore)) {
        tracing::debug!("{error}");
    }
}

/// Whether a switch is on that a killed command left.
pub fn is_abandoned() -> bool {
    is_on()
        && LockFile::try_take(Path::new(RECORD))
            .is_ok_and(|record| record.is_some_and(|record| found(&record).is_ok_and(|found| is_off(&found))))
}

/// Sets the switch back to what the record says, and removes that. Only what differs is written.
fn restore(record: &LockFile) -> Result<()> {
    if is_off(&found(record)?) && is_on() {
        fs::write(SWITCH, "0").attempt(|| format!("set back {SWITCH}"))?;
    }
    fs::remove_file(RECORD).attempt(|| format!("remove {RECORD}"))
}

/// The value that a holder found; empty if it had not come to set the switch.
fn found(record: &LockFile) -> Result<String> {
    let mut found = String::new();
    let read = record.file().rewind().and_then(|()| record.file().read_to_string(&mut found));
    read.map(|_length| found).attempt(|| format!("read {RECORD}"))
}

fn is_off(found: &str) -> bool {
    found.trim() == "0"
}

/// Whether this kernel has the switch.
pub fn is_there() -> bool {
    Path::new(SWITCH).exists()
}

fn is_on() -> bool {
    fs::read_to_string(SWITCH).is_ok_and(|value| value.trim() != "0")
}

/// Whether the administrator has set CPUs aside that must not be interrupted.
pub fn has_isolated_cpus() -> bool {
    ["isolated", "nohz_full"].iter().any(|list| {
        let list = fs::read_to_string(format!("/sys/devices/system/cpu/{list}")).unwrap_or_default();
        !matches!(list.trim(), "" | "(null)")
    })
}

/// The end of the parent, or a signal that asks us to end.
struct Ended {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Ended {
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [a, b, c] = kinds.map(|kind| signal(kind).attempt(|| "listen for signals".to_owned()));
        Ok(Self { signals: [a?, b?, c?] })
    }

    async fn wait(&mut self) {
        let (sender, parent) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            let read = io::stdin().read_to_end(&mut rest);
            sender.send(read.is_ok())
        });
        let [a, b, c] = &mut self.signals;
        tokio::select! {
            _ = parent => {}
            _ = a.recv() => {}
            _ = b.recv() => {}
            _ = c.recv() => {}
        }
    }
}
