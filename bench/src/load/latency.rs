//! Request and response over one TCP connection, one after another: what a round trip takes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use super::cpu::pin_to_the_last;
use super::{Load, Sample};
use crate::bed::Bed;
use crate::results::{Metric, Parameters};

/// Requests and responses of one byte each, as netperf's `TCP_RR` has them.
const SIZE: usize = 1;
/// Round trips before the first one that counts.
const WARM_UP: usize = 200;

/// The scenario `rr`.
pub(crate) struct Latency;

impl Load for Latency {
    fn name(&self) -> &'static str {
        "rr"
    }

    fn about(&self) -> &'static str {
        "request and response of one byte over one TCP connection, both ends on one CPU"
    }

    fn metrics(&self) -> Vec<Metric> {
        let us = |name: &str, title: &str| Metric {
            name: name.to_owned(),
            title: title.to_owned(),
            unit: "us".to_owned(),
            per_unit: 1e3,
            higher_is_better: false,
        };
        vec![
            Metric {
                name: "requests_per_s".to_owned(),
                title: "requests".to_owned(),
                unit: "k/s".to_owned(),
                per_unit: 1e3,
                higher_is_better: true,
            },
            us("latency_p50_ns", "p50"),
            us("latency_p99_ns", "p99"),
            us("latency_p999_ns", "p99.9"),
        ]
    }

    fn validate(&self, bed: &Bed, _parameters: &Parameters) -> Result<()> {
        exchange(bed, |client| {
            for byte in 0..=255 {
                ensure!(round_trip(client, byte)? == byte, "another byte came back than was sent");
            }
            Ok(())
        })
    }

    fn measure(&self, bed: &Bed, _parameters: &Parameters, window: Duration) -> Result<Sample> {
        exchange(bed, |client| {
            for _ in 0..WARM_UP {
                round_trip(client, 0)?;
            }
            let mut times = Histogram::<u64>::new_with_max(10_000_000_000, 3)?;
            let start = Instant::now();
            let mut last = start;
            while last - start < window {
                round_trip(client, 0)?;
                let now = Instant::now();
                times.saturating_record(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX));
                last = now;
            }
            let per_s = super::number(times.len()) / (last - start).as_secs_f64();
            let at = |share| super::number(times.value_at_quantile(share));
            let figures = vec![per_s, at(0.5), at(0.99), at(0.999)];
            Ok(Sample { figures, latency: Some(times) })
        })
    }
}

/// Lets `act` have a connection to a server that sends back what it gets.
fn exchange<T: Send>(bed: &Bed, act: impl FnOnce(&mut TcpStream) -> Result<T> + Send) -> Result<T> {
    let listener = bed.server.enter(|| TcpListener::bind(bed.listen)).context("listen")?;
    std::thread::scope(|scope| {
        let server = scope.spawn(move || -> Result<()> {
            pin_to_the_last()?;
            let (mut peer, _) = listener.accept().context("accept")?;
            peer.set_nodelay(true)?;
            let mut buffer = [0; SIZE];
            while peer.read(&mut buffer).context("read a request")? > 0 {
                peer.write_all(&buffer).context("write a response")?;
            }
            Ok(())
        });
        let done = bed.client.enter(|| {
            pin_to_the_last()?;
            let mut client = TcpStream::connect_timeout(&bed.connect, super::PATIENCE)
                .with_context(|| format!("connect to {}", bed.connect))?;
            client.set_nodelay(true)?;
            client.set_read_timeout(Some(super::PATIENCE))?;
            act(&mut client)
        });
        // A client that never came would leave the server waiting.
        if done.is_err() {
            bed.server.enter(|| TcpStream::connect_timeout(&bed.listen, super::PATIENCE)).ok();
        }
        server.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))?;
        done
    })
}

fn round_trip(client: &mut TcpStream, byte: u8) -> Result<u8> {
    let mut buffer = [byte; SIZE];
    client.write_all(&buffer).context("write a request")?;
    client.read_exact(&mut buffer).context("read a response")?;
    Ok(buffer[0])
}
