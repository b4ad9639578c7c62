//! Somebody's own traffic: the frames of a capture, in their order, of their lengths, in their
//! time or a multiple of it.
//!
//! All go from client to server, whichever way they went when they were captured: MAC and IPv4
//! addresses, the port they go to and the hops left are the bed's, the sums are made anew, all
//! other bytes are the capture's. The server does not answer.

mod capture;
mod silence;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use serde_json::json;

use self::capture::Capture;
use self::silence::Silence;
use super::batch::{BATCH, Wait, buffers, offer, receive, send};
use super::cpu::{HeldUp, pin_to_the_last, undisturbed};
use super::wire::Wire;
use super::{Load, Sample, datagram, frame, metric, number};
use crate::bed::Bed;
use crate::results::{Metric, Parameters, Skipped};
use crate::sys::{Frames, packet_socket};
use crate::usage::usage;
use crate::{input, interrupt};

/// Frames that are compared before anything is timed.
const PROBES: usize = 1000;
/// What has not arrived by then will not.
const SETTLE: Duration = Duration::from_millis(20);
/// A wait shorter than this is longer than asked for anyway.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);
/// So much longer than planned, and the capture's time was not kept.
const LATE: f64 = 0.05;
/// A capture is held in memory.
const LARGEST_MB: u64 = 1000;
const LONGEST: Duration = Duration::from_hours(1);

/// What was typed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// A capture (pcap or pcapng) as the offered load of the scenario `replay`
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// So many times as fast as it was captured, or `max`
    #[arg(long, value_name = "FACTOR", default_value = "1", requires = "pcap")]
    pcap_speed: Speed,
}

/// A multiple of the capture's own pace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    Times(f64),
    Max,
}

/// The scenario `replay`, with its capture.
#[derive(Clone)]
pub(crate) struct Replay {
    capture: Arc<Capture>,
    speed: Speed,
    name: String,
}

impl Options {
    /// Reads the capture, where there is one.
    pub(crate) fn load(&self) -> Result<Option<Replay>> {
        let Some(path) = &self.pcap else { return Ok(None) };
        let bytes =
            input::read(path, LARGEST_MB).with_context(|| format!("read the capture {}", path.display()))?;
        let capture = Capture::parse(&bytes)
            .map_err(|error| usage(format!("read the capture {}: {error:#}", path.display())))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let replay = Replay { capture: Arc::new(capture), speed: self.pcap_speed, name };
        let takes = replay.pass();
        ensure!(
            takes <= LONGEST,
            "the capture {} takes {} to play: choose a higher --pcap-speed",
            path.display(),
            humantime::format_duration(Duration::from_secs(takes.as_secs()))
        );
        Ok(Some(replay))
    }
}

impl Replay {
    /// The frames that are not sent, if any, with the reasons.
    pub(crate) fn left_out(&self) -> Option<Skipped> {
        Some(Skipped { variant: self.name.clone(), why: self.capture.left_out()? })
    }

    /// How long the frames take once, and a gap to the next time.
    fn pass(&self) -> Duration {
        match self.speed {
            Speed::Times(factor) => self.capture.duration().div_f64(factor),
            Speed::Max => Duration::ZERO,
        }
    }

    fn frames(&self, wire: &Wire) -> Vec<Vec<u8>> {
        let redirected = |bytes: &Vec<u8>| {
            let mut frame = bytes.clone();
            frame::redirect(&mut frame, &wire.way);
            frame
        };
        self.capture.frames.iter().map(|frame| redirected(&frame.bytes)).collect()
    }
}

impl Load for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn about(&self) -> &'static str {
        "the frames of a capture (--pcap FILE), from client to server in their own time"
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![
            metric::metric("packets_per_s", "offered", "k/s", 1e3, None),
            metric::metric("bits_per_s", "offered", "Mbit/s", 1e6, None),
            metric::metric("delivered_share", "delivered", "%", 0.01, true),
        ]
    }

    fn parameters(&self) -> Vec<Parameters> {
        let speed = match self.speed {
            Speed::Times(factor) => json!(factor),
            Speed::Max => json!("max"),
        };
        let frames = json!(self.capture.frames.len());
        vec![
            [
                ("capture".to_owned(), json!(self.name)),
                ("frames".to_owned(), frames),
                ("speed".to_owned(), speed),
            ]
            .into(),
        ]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &["What was captured in both directions goes one way, to one port, and nobody \
             answers: a path that follows connections sees halves of them, and may drop what it takes for strays."]
    }

    fn takes(&self, window: Duration) -> Duration {
        window.max(self.pass())
    }

    fn validate(&self, bed: &Bed, _parameters: &Parameters) -> Result<()> {
        let (wire, _sink, _silence) = (Wire::new(bed)?, datagram::sink(bed)?, Silence::of(&bed.server)?);
        let index = bed.server_side().index();
        let server = bed.server.enter(|| packet_socket(index, Frames::In)).context("make a packet socket")?;
        set_socket_recv_buffer_size_force(&server, 16 << 20).context("widen the server's buffer")?;
        set_socket_timeout(&server, Timeout::Recv, Some(SETTLE))?;
        let sent = self.frames(&wire);
        let (mut next, mut arrived, mut buffers) = (0, 0, buffers());
        for few in sent.chunks(BATCH / 4).take(PROBES.div_ceil(BATCH / 4)) {
            ensure!(send(&wire, few).context("send")? == few.len(), "the kernel took no more frames");
            loop {
                let lengths = receive(&server, &mut buffers, Wait::ForOne).context("receive")?;
                if lengths.is_empty() {
                    break;
                }
                let got = buffers.iter().zip(lengths).map(|(buffer, length)| &buffer[..length]);
                // A bridge reports groups of its own to all its ports.
                for got in got.filter(|got| frame::is_to(got, bed.listen.ip())) {
                    next += find(&sent[next..], got).with_context(|| {
                        format!(
                            "a frame of {} bytes arrived other than any was sent after frame {next}",
                            got.len()
                        )
                    })? + 1;
                    arrived += 1;
                }
            }
        }
        ensure!(arrived > 0, "no frame of the capture arrived");
        Ok(())
    }

    fn measure(&self, bed: &Bed, _parameters: &Parameters, window: Duration) -> Result<Sample> {
        let (wire, _sink, _silence) = (Wire::new(bed)?, datagram::sink(bed)?, Silence::of(&bed.server)?);
        let frames = self.frames(&wire);
        let counter = bed.server_side();
        undisturbed(|| {
            let before = counter.read();
            let played = std::thread::scope(|scope| {
                let player = scope.spawn(|| self.play(&wire, &frames, window));
                player.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
            })?;
            interrupt::pause(SETTLE)?;
            let arrived = counter.read().since(&before).packets;
            ensure!(arrived > 0, "none of {} frames arrived", played.frames);
            let per_s = |count: u64| number(count) / played.time.as_secs_f64();
            // A bridge's own reports of multicast groups are counted there too.
            let delivered = number(arrived.min(played.frames)) / number(played.frames);
            let figures = vec![per_s(played.frames), per_s(8 * played.bytes), delivered];
            Ok(Sample { figures, latency: None })
        })
    }
}

struct Played {
    frames: u64,
    bytes: u64,
    time: Duration,
}

impl Replay {
    /// Plays the whole capture once, or as many whole times as fill the window.
    fn play(&self, wire: &Wire, frames: &[Vec<u8>], window: Duration) -> Result<Played> {
        pin_to_the_last()?;
        let pass = self.pass();
        let start = Instant::now();
        let mut played = Played { frames: 0, bytes: 0, time: Duration::ZERO };
        let mut passes = 0;
        loop {
            self.play_once(wire, frames, start + pass * passes, &mut played)?;
            passes += 1;
            if start.elapsed() >= window || pass * (passes + 1) > window.max(pass) && pass > Duration::ZERO {
                break;
            }
        }
        // A capture of one burst: its gap belongs to it.
        let planned = pass * passes;
        interrupt::pause((start + planned).saturating_duration_since(Instant::now()))?;
        played.time = start.elapsed();
        if pass > Duration::ZERO && played.time.as_secs_f64() > planned.as_secs_f64() * (1.0 + LATE) + 0.01 {
            let (planned, took) = (planned, played.time);
            bail!(HeldUp(format!("frames of {planned:.0?} took {took:.0?} to send: lower --pcap-speed, or")));
        }
        Ok(played)
    }

    fn play_once(&self, wire: &Wire, frames: &[Vec<u8>], start: Instant, played: &mut Played) -> Result<()> {
        let due = |number: usize| match self.speed {
            Speed::Times(factor) => start + self.capture.frames[number].at.div_f64(factor),
            Speed::Max => start,
        };
        let mut next = 0;
        while next < frames.len() {
            interrupt::check()?;
            let now = Instant::now();
            let early = due(next).saturating_duration_since(now);
            if early >= SHORTEST_SLEEP {
                interrupt::pause(early.saturating_sub(SHORTEST_SLEEP / 2))?;
                continue;
            }
            let ready = (next..frames.len()).take(BATCH).take_while(|number| due(*number) <= now).count();
            if ready > 0 {
                let taken = offer(wire, &frames[next..next + ready]).context("send")?;
                // One that the kernel does not take was offered, and is lost.
                let end = next + taken.max(1);
                played.frames += (end - next) as u64;
                played.bytes += frames[next..end].iter().map(|frame| frame.len() as u64).sum::<u64>();
                next = end;
            }
        }
        Ok(())
    }
}

/// The place among `sent` of what arrived.
fn find(sent: &[Vec<u8>], got: &[u8]) -> Option<usize> {
    frame::judge(got).ok()?;
    sent.iter().position(|sent| frame::is_same(sent, got)).filter(|_| frame::is_sound(got))
}

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(factor) if (0.001..=1e6).contains(&factor) => Ok(Self::Times(factor)),
            _ if text == "max" => Ok(Self::Max),
            _ => Err("a factor from 0.001 to 1000000, or `max`"),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(factor) => write!(f, "{factor}"),
            Self::Max => f.write_str("max"),
        }
    }
}
