//! Request and response over one TCP connection, one after another: what a round trip takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cpu::{pin_to_the_last, pin_what_is_between};
use super::timed::over_and_over;
use super::{Load, Sample, metric, number, stream};
use crate::bed::Bed;
use crate::results::{Metric, Parameters};

/// Requests and responses of one byte each, as netperf's `TCP_RR` has them.
const SIZE: usize = 1;

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
        vec![
            metric::rate("requests_per_s", "requests", "k/s", 1e3),
            metric::time("latency_p50_ns", "p50"),
            metric::time("latency_p99_ns", "p99"),
            metric::time("latency_p999_ns", "p99.9"),
        ]
    }

    fn parameters(&self) -> Vec<Parameters> {
        vec![stream::parameters()]
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
        pin_what_is_between(bed)?;
        exchange(bed, |client| {
            let (per_s, times) = over_and_over(window, || round_trip(client, 0).map(drop))?;
            let at = |share| number(times.value_at_quantile(share));
            let figures = vec![per_s, at(0.5), at(0.99), at(0.999)];
            Ok(Sample { figures, latency: Some(times) })
        })
    }
}

/// Lets `act` have a connection to a server that sends back what it gets.
fn exchange<T: Send>(bed: &Bed, act: impl FnOnce(&mut TcpStream) -> Result<T> + Send) -> Result<T> {
    let listener = stream::listen(bed)?;
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
            let mut client = stream::connect(bed.connect)?;
            client.set_nodelay(true)?;
            act(&mut client)
        });
        // A client that never came would leave the server waiting.
        if done.is_err() {
            bed.server.enter(|| TcpStream::connect_timeout(&bed.listen, super::PATIENCE)).ok();
        }
        let ended = server.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        // The client's words first: the server only waited.
        let done = done?;
        ended?;
        Ok(done)
    })
}

fn round_trip(client: &mut TcpStream, byte: u8) -> Result<u8> {
    let mut buffer = [byte; SIZE];
    client.write_all(&buffer).context("write a request")?;
    client.read_exact(&mut buffer).context("read a response")?;
    Ok(buffer[0])
}
