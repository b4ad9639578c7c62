//! The ways that `dpctl` is compared with: the kernel's own link creations, one after another
//! without help, and `tc tbf`.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dataplane::sys::{self, Order};
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;

use crate::instance::Dpctl;
use crate::interrupt;
use crate::measure::timed;

/// Links made one after another by one process that does nothing else: our own programs, two
/// links a veth, each pinned, since an unpinned one ends with its process.
#[derive(Debug)]
pub(crate) struct Naive {
    programs: [OwnedFd; 2],
    folder: PathBuf,
}

impl Naive {
    /// With the programs that this instance has pinned.
    pub(crate) fn new(dpctl: &Dpctl<&Namespace>) -> Result<Self> {
        let open = |direction| {
            let pin = dpctl.program(direction)?;
            sys::open_pin(&pin).with_context(|| format!("open {}", pin.display()))
        };
        let [from, to] = Direction::ALL.map(open);
        Ok(Self { programs: [from?, to?], folder: dpctl.foreign_pins()? })
    }

    /// Attaches both directions of each interface. To be called inside their namespace.
    pub(crate) fn attach(&self, interfaces: &[u32]) -> Result<Duration> {
        let start = Instant::now();
        for ifindex in interfaces {
            interrupt::check()?;
            for direction in Direction::ALL {
                let program = self.programs[direction.index()].as_fd();
                let link = sys::link_create(program, *ifindex, direction, Order::Last)
                    .with_context(|| format!("attach to interface {ifindex}"))?;
                sys::pin(link.as_fd(), &self.pin(*ifindex, direction)).context("pin a link")?;
            }
        }
        Ok(start.elapsed())
    }

    /// Takes them off again.
    pub(crate) fn detach(&self, interfaces: &[u32]) -> Result<Duration> {
        let start = Instant::now();
        for ifindex in interfaces {
            for direction in Direction::ALL {
                let pin = self.pin(*ifindex, direction);
                let link = sys::open_pin(&pin).with_context(|| format!("open {}", pin.display()))?;
                sys::link_detach(link.as_fd()).context("detach a link")?;
                fs::remove_file(&pin).with_context(|| format!("remove {}", pin.display()))?;
            }
        }
        Ok(start.elapsed())
    }

    fn pin(&self, ifindex: u32, direction: Direction) -> PathBuf {
        self.folder.join(format!("{}_{ifindex}", direction.name()))
    }
}

impl Drop for Naive {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("remove {}: {error}", self.folder.display());
        }
    }
}

/// `tc tbf`: a queue on the device that sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tbf {
    /// Its rate; the burst is 32 kB or a 250th of a second, the latency 50 ms.
    pub(crate) bits_per_s: u64,
}

impl Tbf {
    /// In bytes.
    pub(crate) fn burst(self) -> u64 {
        (self.bits_per_s / 250 / 8).max(32 * 1024)
    }

    /// The words of `tc` that set it on a device.
    pub(crate) fn words(self, device: &str) -> String {
        let burst = self.burst();
        let rate = self.bits_per_s;
        format!("qdisc add dev {device} root tbf rate {rate}bit burst {burst} latency 50ms")
    }

    /// Sets it as a user would, by one command.
    pub(crate) fn add(self, namespace: &Namespace, device: &str) -> Result<Duration> {
        tc(namespace, |tc| tc.args(self.words(device).split_whitespace()))
    }

    /// Sets it on many, by one `tc -batch`.
    pub(crate) fn add_all(
        self,
        namespace: &Namespace,
        devices: &[String],
        scratch: &Path,
    ) -> Result<Duration> {
        let lines: Vec<String> = devices.iter().map(|device| self.words(device)).collect();
        batch(namespace, &lines, scratch)
    }

    /// Takes it off many.
    pub(crate) fn remove_all(namespace: &Namespace, devices: &[String], scratch: &Path) -> Result<Duration> {
        let lines: Vec<String> =
            devices.iter().map(|device| format!("qdisc del dev {device} root")).collect();
        batch(namespace, &lines, scratch)
    }
}

/// Started inside by us: `tc -n` makes a mount namespace as well, which takes longer than its work.
fn tc(namespace: &Namespace, arguments: impl Fn(&mut Command) -> &mut Command + Sync) -> Result<Duration> {
    namespace.enter(|| timed(arguments(&mut Command::new("tc"))))
}

fn batch(namespace: &Namespace, lines: &[String], scratch: &Path) -> Result<Duration> {
    let file = scratch.join("tc.batch");
    fs::write(&file, lines.join("\n") + "\n").with_context(|| format!("write {}", file.display()))?;
    tc(namespace, |tc| tc.arg("-batch").arg(&file))
}
