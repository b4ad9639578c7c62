//! TCP as fast as it goes, one flow and eight, all ends on one CPU: what a byte costs on the path.
//!
//! Across two CPUs the figure says how well the two overlap, not what the path does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt::set_socket_linger;
use serde_json::json;

use super::cpu::pin_to_the_last;
use super::stream::{self, CONGESTION};
use super::{Load, Sample, metric, number};
use crate::bed::Bed;
use crate::interrupt;
use crate::results::{Metric, Parameters};
use crate::sys::tcp_state;

/// Bytes of one write and one read.
const CHUNK: usize = 1 << 17;
/// Compared before anything is timed.
const PROBE: usize = 1 << 20;
/// Until windows have opened.
const WARM_UP: Duration = Duration::from_millis(50);
/// What connecting and closing take.
const ENDS: Duration = Duration::from_millis(80);

/// The scenario `tcp`.
pub(crate) struct Throughput;

impl Load for Throughput {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn about(&self) -> &'static str {
        "TCP throughput of one flow and of eight, cubic, all ends on one CPU"
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![
            metric::rate("payload_bits_per_s", "payload", "Gbit/s", 1e9),
            metric::share("sent_again_share", "sent again"),
        ]
    }

    fn parameters(&self) -> Vec<Parameters> {
        let set = |flows: u64| {
            [("flows".to_owned(), json!(flows)), ("congestion".to_owned(), json!(CONGESTION))].into()
        };
        vec![set(1), set(8)]
    }

    fn range(&self, parameter: &str) -> Option<RangeInclusive<u64>> {
        (parameter == "flows").then_some(1..=64)
    }

    fn unfair(&self) -> &'static [&'static str] {
        &["No link is there to be filled: packets of up to 64 KiB cross the path whole, as they \
             do between containers of one host, and a figure is what one CPU can do for both ends and the path."]
    }

    fn takes(&self, window: Duration) -> Duration {
        window + WARM_UP + ENDS
    }

    fn validate(&self, bed: &Bed, parameters: &Parameters) -> Result<()> {
        for flow in connect(bed, flows(parameters))? {
            let sent: Vec<u8> = (0..PROBE).map(place).collect();
            let got = std::thread::scope(|scope| -> Result<Vec<u8>> {
                scope.spawn(|| {
                    (&flow.writer).write_all(&sent).ok(); // the reader says what is missing
                    flow.writer.shutdown(Shutdown::Write).ok();
                });
                let mut got = Vec::with_capacity(PROBE);
                (&flow.reader).take(PROBE as u64 + 1).read_to_end(&mut got).context("read the stream")?;
                Ok(got)
            })?;
            ensure!(got.len() == PROBE, "{} bytes arrived of {PROBE}", got.len());
            let other = got.iter().zip(&sent).position(|(got, sent)| got != sent);
            ensure!(other.is_none(), "byte {} arrived as another one", other.unwrap_or_default());
        }
        Ok(())
    }

    fn measure(&self, bed: &Bed, parameters: &Parameters, window: Duration) -> Result<Sample> {
        let flows = connect(bed, flows(parameters))?;
        while_flowing(&flows, || {
            interrupt::pause(WARM_UP)?;
            let (before, start) = (Seen::of(&flows)?, Instant::now());
            interrupt::pause(window)?;
            let (after, time) = (Seen::of(&flows)?, start.elapsed());
            let (bytes, sent) = (after.bytes - before.bytes, after.sent - before.sent);
            ensure!(bytes > 0 && sent > 0, "nothing arrived in {time:.0?}");
            let again = number(after.again - before.again) / number(sent);
            let bits_per_s = 8.0 * number(bytes) / time.as_secs_f64();
            Ok(Sample { figures: vec![bits_per_s, again], latency: None })
        })
    }
}

struct Flow {
    writer: TcpStream,
    reader: TcpStream,
    received: AtomicU64,
}

/// Sums over all flows, since they were connected.
struct Seen {
    bytes: u64,
    sent: u64,
    again: u64,
}

impl Seen {
    fn of(flows: &[Flow]) -> Result<Self> {
        let mut seen = Self { bytes: 0, sent: 0, again: 0 };
        for flow in flows {
            let state = tcp_state(&flow.writer).context("ask a socket")?;
            seen.bytes += flow.received.load(Ordering::Relaxed);
            seen.sent += u64::from(state.sent);
            seen.again += u64::from(state.sent_again);
        }
        Ok(seen)
    }
}

fn flows(parameters: &Parameters) -> u64 {
    parameters.get("flows").and_then(serde_json::Value::as_u64).unwrap_or(1)
}

/// What a stream has at this place: a period that no power of two hides.
fn place(at: usize) -> u8 {
    u8::try_from(at % 251).unwrap_or(0)
}

fn connect(bed: &Bed, count: u64) -> Result<Vec<Flow>> {
    let listener = stream::listen(bed)?;
    let flow = |_| {
        let writer = bed.client.enter(|| writer(bed))?;
        let (reader, _) = listener.accept().context("accept")?;
        Ok(Flow { writer, reader, received: AtomicU64::new(0) })
    };
    (0..count).map(flow).collect()
}

fn writer(bed: &Bed) -> Result<TcpStream> {
    let writer = stream::connect(bed.connect)?;
    // What is still queued at the end is nobody's: it must not be sent into the next measurement.
    set_socket_linger(&writer, Some(Duration::ZERO))?;
    Ok(writer)
}

/// Lets all flows write as fast as they can and read what comes, until `watch` is done.
fn while_flowing<T>(flows: &[Flow], watch: impl FnOnce() -> Result<T>) -> Result<T> {
    std::thread::scope(|scope| {
        let mut ends = Vec::new();
        for Flow { writer, reader, received } in flows {
            ends.push(scope.spawn(|| write_until_shut(writer)));
            ends.push(scope.spawn(|| count_until_shut(reader, received)));
        }
        let seen = watch();
        for stream in flows.iter().flat_map(|flow| [&flow.writer, &flow.reader]) {
            stream.shutdown(Shutdown::Both).ok(); // the other end was quicker
        }
        for end in ends {
            end.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))?;
        }
        seen
    })
}

fn write_until_shut(mut stream: &TcpStream) -> Result<()> {
    pin_to_the_last()?;
    let data: Vec<u8> = (0..CHUNK).map(place).collect();
    while stream.write_all(&data).is_ok() {}
    Ok(())
}

fn count_until_shut(mut stream: &TcpStream, bytes: &AtomicU64) -> Result<()> {
    pin_to_the_last()?;
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes.fetch_add(read as u64, Ordering::Relaxed);
    }
    Ok(())
}
