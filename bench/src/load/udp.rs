//! UDP as fast as one CPU sends it, carries it and reads it, from socket to socket.
//!
//! One thread is both ends: with a reader on another CPU the figure says how well the two share
//! their caches, and swings by a tenth from round to round.

use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::batch::{BATCH, buffers, offer};
use super::cpu::{Watch, pin_to_the_last, undisturbed};
use super::datagram::{self, Series};
use super::{Load, Sample, metric, number};
use crate::bed::Bed;
use crate::interrupt;
use crate::results::{Metric, Parameters};

/// Bytes of payload, without headers; 42 more are the frame.
const PAYLOADS: [u64; 3] = [64, 512, 1400];
/// Caches, and the first look at the route.
const WARM_UP: Duration = Duration::from_millis(20);
/// For what a program on the path still holds.
const SETTLE: Duration = Duration::from_millis(10);

/// The scenario `udp`.
pub(crate) struct Datagrams;

impl Load for Datagrams {
    fn name(&self) -> &'static str {
        "udp"
    }

    fn about(&self) -> &'static str {
        "UDP packets a second at 64, 512 and 1,400 bytes of payload, both ends on one CPU"
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![metric::rate("packets_per_s", "packets", "k/s", 1e3), metric::share("lost_share", "lost")]
    }

    fn parameters(&self) -> Vec<Parameters> {
        PAYLOADS.map(|payload| [("payload_bytes".to_owned(), json!(payload))].into()).into()
    }

    fn range(&self, parameter: &str) -> Option<RangeInclusive<u64>> {
        (parameter == "payload_bytes").then_some(datagram::PAYLOADS)
    }

    fn unfair(&self) -> &'static [&'static str] {
        &["The cost of both sockets is in every figure; a program on the path has the other CPUs to itself."]
    }

    fn takes(&self, window: Duration) -> Duration {
        window + WARM_UP + SETTLE
    }

    fn validate(&self, bed: &Bed, parameters: &Parameters) -> Result<()> {
        datagram::prove(bed, payload(parameters))
    }

    fn measure(&self, bed: &Bed, parameters: &Parameters, window: Duration) -> Result<Sample> {
        undisturbed(|| flood(bed, payload(parameters), window))
    }
}

pub(super) fn payload(parameters: &Parameters) -> usize {
    let bytes = parameters.get("payload_bytes").and_then(serde_json::Value::as_u64);
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(64)
}

/// Sends and reads in turn for a window, on one CPU.
fn flood(bed: &Bed, payload: usize, window: Duration) -> Result<Sample> {
    let (server, client) = (datagram::server(bed)?, datagram::client(bed)?);
    // A thread of its own: the caller is not to stay on that CPU.
    std::thread::scope(|scope| {
        let both = scope.spawn(|| -> Result<Sample> {
            pin_to_the_last()?;
            // What is still on its way from before is none of the second series.
            send_and_read(&client, &server, &Series::new(payload), WARM_UP)?;
            let series = Series::new(payload);
            let (sent, read, time) = send_and_read(&client, &server, &series, window)?;
            interrupt::pause(SETTLE)?;
            let late = series.drain(&server, &mut buffers())?;
            ensure!(read > 0, "nothing arrived of {sent} datagrams");
            let lost = 1.0 - number(read + late) / number(sent);
            Ok(Sample { figures: vec![number(read) / time.as_secs_f64(), lost], latency: None })
        });
        both.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    })
}

/// How many were sent, how many came through, and in what time.
fn send_and_read(
    client: &UdpSocket,
    server: &UdpSocket,
    series: &Series,
    window: Duration,
) -> Result<(u64, u64, Duration)> {
    let (mut next, mut sent, mut read, mut buffers) = (0u32, 0, 0, buffers());
    let mut batch: Vec<_> = (0..BATCH).map(|_| series.payload(0)).collect();
    let (watch, start) = (Watch::start(), Instant::now());
    while start.elapsed() < window {
        interrupt::check()?;
        for payload in &mut batch {
            Series::renumber(payload, next);
            next = next.wrapping_add(1);
        }
        sent += offer(client, &batch).context("send")? as u64;
        read += series.drain(server, &mut buffers)?;
    }
    Ok((sent, read, watch.end()?))
}
