//! Connections one after another, with one request and one response each: what coming and going
//! costs.
//!
//! The server closes first. Who does keeps the connection in `TIME_WAIT` for a minute: at the
//! client that would use up its ports within seconds, while at the server a new SYN from the same
//! port takes the old one's place. The client's ports are as many as there are, so that conntrack
//! on the path holds at most 64,512 of these connections, however long a run is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType};

use super::cpu::pin_to_the_last;
use super::{Load, PATIENCE, Sample, metric};
use crate::bed::Bed;
use crate::results::{Metric, Parameters};

/// Connections before the first one that counts.
const WARM_UP: usize = 200;
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

    fn validate(&self, bed: &Bed, _parameters: &Parameters) -> Result<()> {
        serve(bed, |to| {
            for byte in 0..=255 {
                ensure!(connection(to, byte)? == byte, "another byte came back than was sent");
            }
            Ok(())
        })
    }

    fn measure(&self, bed: &Bed, _parameters: &Parameters, window: std::time::Duration) -> Result<Sample> {
        serve(bed, |to| {
            for _ in 0..WARM_UP {
                connection(to, 0)?;
            }
            let mut times = Histogram::<u64>::new_with_max(10_000_000_000, 3)?;
            let start = Instant::now();
            let mut last = start;
            while last - start < window {
                connection(to, 0)?;
                let now = Instant::now();
                times.saturating_record(u64::try_from((now - last).as_nanos()).unwrap_or(u64::MAX));
                last = now;
            }
            let per_s = super::number(times.len()) / (last - start).as_secs_f64();
            let at = |share| super::number(times.value_at_quantile(share));
            Ok(Sample { figures: vec![per_s, at(0.5), at(0.99)], latency: Some(times) })
        })
    }
}

/// One whole connection: sends a byte, returns the one that came back once the server has closed.
fn connection(to: SocketAddr, byte: u8) -> Result<u8> {
    let socket =
        rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).context("make a socket")?;
    // It holds for connecting too.
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    rustix::net::connect(&socket, &to).with_context(|| format!("connect to {to}"))?;
    let mut stream = TcpStream::from(socket);
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
    let listener = bed.server.enter(|| TcpListener::bind(bed.listen)).context("listen")?;
    // Connections inherit it; it also ends the wait for one that never comes.
    set_socket_timeout(&listener, Timeout::Recv, Some(PATIENCE))?;
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
