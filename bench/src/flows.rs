//! TCP as fast as it goes, under a named congestion control: what arrives, how long a round
//! trip takes meanwhile, and what had to be sent again.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dataplane_tests::netns::Namespace;
use rustix::net::sockopt::{set_socket_linger, set_tcp_congestion};
use rustix::net::{AddressFamily, SocketType, connect};

use crate::interrupt;
use crate::measure::{Rounds, number};
use crate::sys::{TcpState, tcp_state};

/// Between two looks at the senders.
const LOOK: Duration = Duration::from_millis(250);
/// Payload of a full frame: 1,500 bytes less IP, TCP and timestamps.
const SEGMENT: f64 = 1448.0;

/// Flows that share one limit.
#[derive(Debug)]
pub(crate) struct Flows(Vec<Flow>);

#[derive(Debug)]
struct Flow {
    writer: TcpStream,
    reader: TcpStream,
    received: AtomicU64,
}

/// What one window showed of flows that share a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Payload bits a second at the readers.
    pub(crate) bits_per_s: f64,
    /// Jain's index: 1 if all flows got the same, 1/n if one got all.
    pub(crate) fairness: f64,
    /// The senders' round-trip time, the median over flows and time.
    pub(crate) round_trip_ms: f64,
    /// Of all segments, those sent again.
    pub(crate) percent_again: f64,
}

impl Flows {
    /// Connects `count` flows from one namespace to an address in another.
    pub(crate) fn connect(
        from: &Namespace,
        (to, address): (&Namespace, IpAddr),
        count: usize,
        congestion: &str,
    ) -> Result<Self> {
        let listener = to.enter(|| TcpListener::bind((address, 0))).context("listen")?;
        let address = listener.local_addr().context("listen")?;
        let flow = |_| {
            let writer = from.enter(|| writer(address, congestion)).context("connect")?;
            let (reader, _) = listener.accept().context("accept")?;
            Ok(Flow { writer, reader, received: AtomicU64::new(0) })
        };
        (0..count).map(flow).collect::<Result<_>>().map(Self)
    }

    fn received(&self) -> Vec<u64> {
        self.0.iter().map(|flow| flow.received.load(Ordering::Relaxed)).collect()
    }

    fn states(&self) -> Result<Vec<TcpState>> {
        self.0.iter().map(|flow| tcp_state(&flow.writer).context("ask a socket")).collect()
    }
}

fn writer(to: SocketAddr, congestion: &str) -> rustix::io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    // Before it connects: the first window counts too.
    set_tcp_congestion(&socket, congestion)?;
    // What is still queued at the end must not keep its namespace alive.
    set_socket_linger(socket.as_fd(), Some(Duration::ZERO))?;
    connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

/// Runs all flows together for `warm_up`, and measures one `window`.
pub(crate) fn measure(groups: &[Flows], warm_up: Duration, window: Duration) -> Result<Vec<Outcome>> {
    thread::scope(|scope| {
        let flows = || groups.iter().flat_map(|group| &group.0);
        for flow in flows() {
            scope.spawn(|| write_until_shut(&flow.writer));
            scope.spawn(|| count_until_shut(&flow.reader, &flow.received));
        }
        let outcomes = interrupt::pause(warm_up).and_then(|()| watch(groups, window));
        // Whatever happened: the threads end with their sockets.
        for flow in flows() {
            for end in [&flow.writer, &flow.reader] {
                end.shutdown(Shutdown::Both).ok(); // the other end was quicker
            }
        }
        outcomes
    })
}

fn watch(groups: &[Flows], window: Duration) -> Result<Vec<Outcome>> {
    let states = || groups.iter().map(Flows::states).collect::<Result<Vec<_>>>();
    let mut round_trips = vec![Rounds::default(); groups.len()];
    let first = states()?;
    let (before, start) = (groups.iter().map(Flows::received).collect::<Vec<_>>(), Instant::now());
    while start.elapsed() < window {
        interrupt::pause(LOOK.min(window.saturating_sub(start.elapsed())))?;
        for (state, round_trips) in states()?.iter().zip(&mut round_trips) {
            for state in state {
                round_trips.push_ms(state.round_trip);
            }
        }
    }
    let (after, seconds) =
        (groups.iter().map(Flows::received).collect::<Vec<_>>(), start.elapsed().as_secs_f64());
    let last = states()?;
    let outcome = |group: usize| {
        let bytes: Vec<f64> =
            after[group].iter().zip(&before[group]).map(|(after, before)| number(after - before)).collect();
        let again = |states: &[TcpState]| states.iter().map(|state| u64::from(state.sent_again)).sum::<u64>();
        let again = number(again(&last[group]) - again(&first[group]));
        let sum: f64 = bytes.iter().sum();
        let squares: f64 = bytes.iter().map(|flow| flow * flow).sum();
        Outcome {
            bits_per_s: sum * 8.0 / seconds,
            fairness: sum * sum / (squares * number(bytes.len() as u64)),
            round_trip_ms: round_trips[group].median(),
            percent_again: 100.0 * again / (sum / SEGMENT + again),
        }
    };
    Ok((0..groups.len()).map(outcome).collect())
}

fn write_until_shut(mut stream: &TcpStream) {
    let data = vec![0x77; 1 << 17];
    while stream.write_all(&data).is_ok() {}
}

fn count_until_shut(mut stream: &TcpStream, received: &AtomicU64) {
    let mut buffer = vec![0; 1 << 17];
    while let Ok(n) = stream.read(&mut buffer)
        && n > 0
    {
        received.fetch_add(n as u64, Ordering::Relaxed);
    }
}
