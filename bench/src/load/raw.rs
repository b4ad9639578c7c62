//! Frames as fast as one CPU puts them onto the wire, without what a socket costs: the path's own
//! packet rate.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::batch::{BATCH, offer};
use super::cpu::{Watch, pin_to_the_last, undisturbed};
use super::datagram::{self, Series};
use super::udp::payload;
use super::wire::Wire;
use super::{Load, Sample, frame, metric, number};
use crate::bed::Bed;
use crate::interrupt;
use crate::results::{Metric, Parameters};

const PAYLOAD: u64 = 64;
const WARM_UP: Duration = Duration::from_millis(20);
/// For what a program on the path still holds.
const SETTLE: Duration = Duration::from_millis(10);
const PROBES: u32 = 256;
/// The kernel takes its time over packet sockets.
const CLOSING: Duration = Duration::from_millis(60);

/// The scenario `raw`.
pub(crate) struct Frames;

impl Load for Frames {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn about(&self) -> &'static str {
        "frames of 64 bytes of UDP payload from a packet socket, sent by one CPU"
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![metric::rate("packets_per_s", "packets", "k/s", 1e3), metric::share("lost_share", "lost")]
    }

    fn parameters(&self) -> Vec<Parameters> {
        vec![[("payload_bytes".to_owned(), json!(PAYLOAD))].into()]
    }

    fn range(&self, parameter: &str) -> Option<RangeInclusive<u64>> {
        (parameter == "payload_bytes").then_some(datagram::PAYLOADS)
    }

    fn unfair(&self) -> &'static [&'static str] {
        &["Frames pass by the client's queueing discipline and enter at its interface, all of one \
             flow; they are counted where they enter the server's interface."]
    }

    fn takes(&self, window: Duration) -> Duration {
        window + WARM_UP + SETTLE + CLOSING
    }

    fn validate(&self, bed: &Bed, parameters: &Parameters) -> Result<()> {
        let (server, wire) = (datagram::server(bed)?, Wire::new(bed)?);
        let series = Series::new(payload(parameters));
        let frames: Vec<_> =
            (0..PROBES).map(|number| frame::udp(&wire.way, &series.payload(number))).collect();
        datagram::compare(&series, &wire, &frames, &server)
    }

    fn measure(&self, bed: &Bed, parameters: &Parameters, window: Duration) -> Result<Sample> {
        let wire = Wire::new(bed)?;
        let _sink = datagram::sink(bed)?;
        let series = Series::new(payload(parameters));
        let frames: Vec<_> =
            (0..).take(BATCH).map(|number| frame::udp(&wire.way, &series.payload(number))).collect();
        undisturbed(|| flood(bed, &wire, &frames, window))
    }
}

fn flood(bed: &Bed, wire: &Wire, frames: &[Vec<u8>], window: Duration) -> Result<Sample> {
    let counter = bed.server_side();
    send_for(wire, frames, WARM_UP)?;
    let before = counter.read();
    let (sent, time) = send_for(wire, frames, window)?;
    let within = counter.read().since(&before).packets;
    interrupt::pause(SETTLE)?;
    let arrived = counter.read().since(&before).packets;
    ensure!(within > 0, "none of {sent} frames arrived");
    let lost = 1.0 - number(arrived.min(sent)) / number(sent);
    Ok(Sample { figures: vec![number(within) / time.as_secs_f64(), lost], latency: None })
}

/// How many frames were sent, and in what time.
fn send_for(wire: &Wire, frames: &[Vec<u8>], window: Duration) -> Result<(u64, Duration)> {
    let act = || {
        pin_to_the_last()?;
        let (watch, start, mut sent) = (Watch::start(), Instant::now(), 0);
        while start.elapsed() < window {
            interrupt::check()?;
            sent += offer(wire, frames).context("send")? as u64;
        }
        Ok((sent, watch.end()?))
    };
    // A thread of its own: the caller is not to stay on that CPU.
    std::thread::scope(|scope| {
        scope.spawn(act).join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    })
}
