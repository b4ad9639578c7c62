//! CPU time of a packet from socket to socket, at a pace that every path carries.
//!
//! /proc/stat counts in ticks of 10 ms, too coarse for a window of half a second, and the CPU time
//! of the ends leaves out what the kernel does beside them. So a thread that runs only while the
//! CPU has nothing else to do counts what is left of it, to the nanosecond: the rest was busy.
//!
//! One thread is both ends: it sends a train, reads what has come, and sleeps until the next one
//! is due. Programs that the path has in between are kept on the same CPU, or they would seem to
//! cost nothing.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::batch::{buffers, send};
use super::cpu::{HeldUp, pin_to_the_last, pin_what_is_between, thread_time, undisturbed};
use super::datagram::{self, Series};
use super::udp::payload;
use super::{Load, Sample, metric, number};
use crate::bed::Bed;
use crate::interrupt;
use crate::results::{Metric, Parameters};
use crate::sys::take_only_what_is_left;

const PAYLOAD: u64 = 512;
/// Datagrams of one train: fewer than what a batch holds.
const TRAIN: u32 = 50;
/// Between two trains: 50,000 packets a second.
const INTERVAL: Duration = Duration::from_millis(1);
/// Trains before the first one that counts.
const WARM_UP: u32 = 20;
/// After the last one, for what a program in between still holds.
const SETTLE: Duration = Duration::from_millis(5);
/// More than this share of the time late, and the pace was not kept.
const LATE: f64 = 0.05;
/// Fewer than this share of them received, and the path does not carry the pace.
const CARRIED: f64 = 0.99;

/// The scenario `cpu`.
pub(crate) struct PerPacket;

impl Load for PerPacket {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn about(&self) -> &'static str {
        "CPU time per UDP packet at 50,000 a second, both ends and the path on one CPU"
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![metric::metric("cpu_ns_per_packet", "CPU", "ns/packet", 1.0, false)]
    }

    fn parameters(&self) -> Vec<Parameters> {
        let pace = u64::from(TRAIN) * 1000;
        vec![[("payload_bytes".to_owned(), json!(PAYLOAD)), ("packets_per_s".to_owned(), json!(pace))].into()]
    }

    fn range(&self, parameter: &str) -> Option<RangeInclusive<u64>> {
        (parameter == "payload_bytes").then_some(datagram::PAYLOADS)
    }

    fn unfair(&self) -> &'static [&'static str] {
        &["The cost of the two sockets and of waking up a thousand times a second is in every \
             figure: differences between paths are those of the paths, ratios are too close to 1."]
    }

    fn takes(&self, window: Duration) -> Duration {
        window + INTERVAL * WARM_UP + SETTLE
    }

    fn validate(&self, bed: &Bed, parameters: &Parameters) -> Result<()> {
        datagram::prove(bed, payload(parameters))
    }

    fn measure(&self, bed: &Bed, parameters: &Parameters, window: Duration) -> Result<Sample> {
        pin_what_is_between(bed)?;
        undisturbed(|| pace(bed, payload(parameters), window))
    }
}

const BEFORE: u8 = 0;
const WITHIN: u8 = 1;
const AFTER: u8 = 2;

fn pace(bed: &Bed, payload: usize, window: Duration) -> Result<Sample> {
    let phase = AtomicU8::new(BEFORE);
    std::thread::scope(|scope| {
        let left = scope.spawn(|| left_over(&phase));
        let run = scope.spawn(|| {
            let ran = send_and_read(bed, payload, window, &phase);
            phase.store(AFTER, Ordering::Relaxed);
            ran
        });
        let run = run.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        let left = left.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        let (time, received) = run?;
        let busy = time.saturating_sub(left?);
        Ok(Sample { figures: vec![busy.as_secs_f64() * 1e9 / number(received)], latency: None })
    })
}

/// CPU time that nobody else wanted within the window. Exact to the instant: while another thread
/// ends a phase, the clock of this one stands.
fn left_over(phase: &AtomicU8) -> Result<Duration> {
    pin_to_the_last()?;
    take_only_what_is_left().context("take only what is left of a CPU")?;
    let spin_while = |this: u8| {
        while phase.load(Ordering::Relaxed) == this {
            std::hint::spin_loop();
        }
        thread_time()
    };
    let start = spin_while(BEFORE);
    Ok(spin_while(WITHIN).saturating_sub(start))
}

/// Keeps the pace for a window. Returns how long that was, and how many came through.
fn send_and_read(bed: &Bed, payload: usize, window: Duration, phase: &AtomicU8) -> Result<(Duration, u64)> {
    let (server, client) = (datagram::server(bed)?, datagram::client(bed)?);
    pin_to_the_last()?;
    let series = Series::new(payload);
    let mut train: Vec<_> = (0..TRAIN).map(|number| series.payload(number)).collect();
    let (mut next, mut buffers) = (0, buffers());
    let trains = u32::try_from(window.as_nanos() / INTERVAL.as_nanos()).unwrap_or(u32::MAX);
    let mut received = 0;
    let (mut start, mut due) = (Instant::now(), Instant::now());
    for number in 0..WARM_UP + trains {
        if number == WARM_UP {
            received = 0;
            (start, due) = (Instant::now(), Instant::now());
            phase.store(WITHIN, Ordering::Relaxed);
        }
        for payload in &mut train {
            Series::renumber(payload, next);
            next = next.wrapping_add(1);
        }
        let taken = send(&client, &train).context("send")?;
        ensure!(taken == train.len(), "the kernel took {taken} of {TRAIN} datagrams");
        received += series.drain(&server, &mut buffers)?;
        due += INTERVAL;
        interrupt::check()?;
        interrupt::sleep(due.saturating_duration_since(Instant::now()));
    }
    let time = start.elapsed();
    phase.store(AFTER, Ordering::Relaxed);
    interrupt::sleep(SETTLE);
    received += series.drain(&server, &mut buffers)?;
    let planned = INTERVAL * trains;
    if time.as_secs_f64() > planned.as_secs_f64() * (1.0 + LATE) {
        bail!(HeldUp(format!("{planned:.0?} of packets took {time:.0?} to send")));
    }
    let sent = u64::from(trains) * u64::from(TRAIN);
    // What was sent before the window may come within it.
    let share = number(received) / number(sent);
    ensure!(share >= CARRIED, "{received} of {sent} packets arrived: the path does not carry this pace");
    Ok((time, received))
}
