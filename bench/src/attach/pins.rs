//! How many pins come or go in a directory, by time: a command's pace while it runs, seen from
//! outside. The kernel tells of each by inotify; nothing is asked of the command, and the
//! directory is not read, which would hold it up.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

use crate::interrupt;
use crate::sys::children_cpu;

/// Between two looks.
const INTERVAL: Duration = Duration::from_micros(200);

/// A directory under watch.
#[derive(Debug)]
pub(crate) struct Watch(OwnedFd);

/// What was seen.
#[derive(Debug)]
pub(crate) struct Pace {
    /// From the start of the watch to the command's end.
    pub(crate) whole: Duration,
    /// The CPU time that it took, its own children included.
    pub(crate) cpu: Duration,
    /// When so many had come or gone.
    seen: Vec<(Duration, u32)>,
}

impl Watch {
    /// Of a directory that exists.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let watch = || {
            let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            add_watch(&inotify, directory, WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR)?;
            Ok::<_, Errno>(inotify)
        };
        watch().map(Self).with_context(|| format!("watch {}", directory.display()))
    }

    /// Watches until the child ends, which must succeed.
    pub(crate) fn until_end(&self, start: Instant, child: &mut Child) -> Result<Pace> {
        let (mut count, mut seen) = (0, Vec::new());
        let cpu = children_cpu().context("ask for CPU time")?;
        loop {
            let ended = child.try_wait().context("wait for a child")?;
            let whole = start.elapsed();
            let new = self.read()?;
            if new > 0 {
                count += new;
                seen.push((whole, count));
            }
            match ended {
                Some(status) if status.success() => {
                    let cpu = children_cpu().context("ask for CPU time")?.saturating_sub(cpu);
                    return Ok(Pace { whole, cpu, seen });
                }
                Some(status) => bail!("{status}"),
                None => {}
            }
            if let Err(interrupted) = interrupt::check() {
                child.kill().and_then(|()| child.wait()).context("end a child")?;
                return Err(interrupted);
            }
            interrupt::sleep(INTERVAL);
        }
    }

    fn read(&self) -> Result<u32> {
        let mut buffer = [const { MaybeUninit::uninit() }; 1 << 14];
        let mut reader = Reader::new(&self.0, &mut buffer);
        let mut events = 0;
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    bail!("events were lost: the machine is too busy to watch");
                }
                Ok(_) => events += 1,
                Err(Errno::AGAIN) => return Ok(events),
                Err(error) => return Err(io::Error::from(error)).context("read inotify"),
            }
        }
    }
}

impl Pace {
    /// How long the last tenth of `total` pins took over the first.
    pub(crate) fn last_tenth_over_first(&self, total: u32) -> Result<f64> {
        let tenth = (total / 10).max(1);
        let first = self.reached(tenth)?.saturating_sub(self.reached(1)?);
        let last = self.reached(total)?.saturating_sub(self.reached(total - tenth)?);
        Ok(last.as_secs_f64() / first.as_secs_f64())
    }

    fn reached(&self, count: u32) -> Result<Duration> {
        let at = self.seen.iter().find(|(_, seen)| *seen >= count).map(|(at, _)| *at);
        let seen = self.seen.last().map_or(0, |(_, seen)| *seen);
        at.with_context(|| format!("saw {seen} pins come or go, {count} were expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_are_taken_from_the_first_pin_to_the_last() {
        let ms = Duration::from_millis;
        let seen = vec![(ms(100), 1), (ms(110), 10), (ms(150), 90), (ms(180), 100)];
        let pace = Pace { whole: ms(200), cpu: ms(50), seen };
        let ratio = pace.last_tenth_over_first(100).expect("all were seen");
        assert!((ratio - 3.0).abs() < 1e-9, "{ratio}");
        assert!(pace.last_tenth_over_first(200).is_err());
    }
}
