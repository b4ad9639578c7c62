//! Connections one after another, with one request and one response each: what coming and going
//! costs.
//!
//! The server closes first. Who does keeps the connection in `TIME_WAIT` for a minute: at the
//! client that would use up its ports within seconds, while at the server a new SYN from the same
//! port takes the old one's place. The client's ports are as many as there are, so that conntrack
//! on the path holds at most 64,512 of these connections, however long a run is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cpu::{pin_to_the_last, pin_what_is_between};
use super::timed::over_and_over;
use super::{Load, PATIENCE, Sample, metric, number, stream};
use crate::bed::Bed;
use crate::results::{Metric, Parameters};

/// All that need no privilege.
const PORTS: &str = "1024 65535";

/// The scenario `crr`.
pub(crate) struct Connections;

impl Load for Connections {
    fn name(&self) -> &'static str {
        "crr"
    }

    fn about(&self) -> &'static str {
        "connect, one request, one response, close, over and over, both ends on one CPU"
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![
            metric::rate("connections_per_s", "connections", "k/s", 1e3),
            metric::time("connection_p50_ns", "p50"),
            metric::time("connection_p99_ns", "p99"),
        ]
    }

    fn parameters(&self) -> Vec<Parameters> {
        vec![stream::parameters()]
    }

    fn validate(&self, bed: &Bed, _parameters: &Parameters) -> Result<()> {
        serve(bed, |to| {
            for byte in 0..=255 {
                ensure!(connection(to, byte)? == byte, "another byte came back than was sent");
            }
            Ok(())
        })
    }

    fn measure(&self, bed: &Bed, _parameters: &Parameters, window: Duration) -> Result<Sample> {
        pin_what_is_between(bed)?;
        serve(bed, |to| {
            let (per_s, times) = over_and_over(window, || connection(to, 0).map(drop))?;
            let at = |share| number(times.value_at_quantile(share));
            Ok(Sample { figures: vec![per_s, at(0.5), at(0.99)], latency: Some(times) })
        })
    }
}

/// One whole connection: sends a byte, returns the one that came back once the server has closed.
fn connection(to: SocketAddr, byte: u8) -> Result<u8> {
    let mut stream = stream::connect(to)?;
    let mut buffer = [byte; 1];
    stream.write_all(&buffer).context("write a request")?;
    stream.read_exact(&mut buffer).context("read a response")?;
    ensure!(
        stream.read(&mut [0]).context("wait for the server to close")? == 0,
        "more came back than was sent"
    );
    Ok(buffer[0])
}

/// Lets `act` have a server that sends a byte back and closes.
fn serve<T: Send>(bed: &Bed, act: impl FnOnce(SocketAddr) -> Result<T> + Send) -> Result<T> {
    bed.client.sysctl("ipv4/ip_local_port_range", PORTS);
    let listener = stream::listen(bed)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| -> Result<()> {
            pin_to_the_last()?;
            loop {
                let (mut peer, _) = listener.accept().context("accept")?;
                if over.load(Ordering::Acquire) {
                    return Ok(());
                }
                let mut buffer = [0; 1];
                peer.read_exact(&mut buffer).context("read a request")?;
                peer.write_all(&buffer).context("write a response")?;
            }
        });
        let done = bed.client.enter(|| {
            pin_to_the_last()?;
            act(bed.connect)
        });
        over.store(true, Ordering::Release);
        // Straight to it: the path may be what is broken.
        bed.server.enter(|| TcpStream::connect_timeout(&bed.listen, PATIENCE)).ok();
        let ended = server.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        // The client's words first: the server only waited.
        let done = done?;
        ended?;
        Ok(done)
    })
}
