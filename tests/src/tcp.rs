//! TCP as fast as it goes, so many flows under a named congestion control, and what arrives of it.
#![expect(clippy::cast_precision_loss, reason = "53 bits are enough for what a test can send")]

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_socket_linger, set_tcp_congestion};
use rustix::net::{AddressFamily, SocketType, connect};

use crate::eventually::pass;
use crate::netns::Namespace;

/// Flows from one namespace to another.
#[derive(Clone, Copy, Debug)]
pub struct Flows<'n> {
    /// Where the writers are.
    pub from: &'n Namespace,
    /// Where the readers are.
    pub to: &'n Namespace,
    /// The readers' address.
    pub address: IpAddr,
    /// How many flows, all at once.
    pub count: usize,
    /// The congestion control of both ends, `cubic` or `bbr`; the machine's default is nobody's.
    pub congestion: &'n str,
}

/// Flows that are connected; silent until [`while_flowing`].
#[derive(Debug)]
pub struct Connected(Vec<Flow>);

#[derive(Debug)]
struct Flow {
    writer: TcpStream,
    reader: TcpStream,
    received: AtomicU64,
}

/// What arrived in one window.
#[derive(Clone, Debug)]
pub struct Goodput {
    /// Payload bits a second, one number a flow.
    pub flows: Vec<f64>,
}

impl Flows<'_> {
    /// Connects, lets the flows run for `warm_up`, and measures one `window` at the readers.
    #[track_caller]
    pub fn measure(&self, warm_up: Duration, window: Duration) -> Goodput {
        let flows = self.connect();
        while_flowing(slice::from_ref(&flows), || {
            pass(warm_up);
            let (before, start) = (flows.received(), Instant::now());
            pass(window);
            Goodput::between(&before, &flows.received(), start.elapsed())
        })
    }

    /// Connects them all.
    #[track_caller]
    pub fn connect(&self) -> Connected {
        let listener = self.to.enter(|| TcpListener::bind((self.address, 0)));
        let listener = listener.unwrap_or_else(|e| panic!("bind to {}: {e}", self.address));
        self.set_congestion(&listener);
        let to = listener.local_addr().expect("a bound socket has an address");
        let flow = |_| {
            let writer =
                self.from.enter(|| self.writer(to)).unwrap_or_else(|e| panic!("connect to {to}: {e}"));
            let (reader, _) = listener.accept().expect("a connection was made");
            Flow { writer, reader, received: AtomicU64::new(0) }
        };
        Connected((0..self.count).map(flow).collect())
    }

    /// Connected with the congestion control set beforehand: the first window counts too.
    fn writer(&self, to: SocketAddr) -> rustix::io::Result<TcpStream> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
        self.set_congestion(&socket);
        // What is still queued at the end must not keep its namespace alive.
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        connect(&socket, &to)?;
        Ok(TcpStream::from(socket))
    }

    fn set_congestion(&self, socket: impl AsFd) {
        set_tcp_congestion(socket, self.congestion)
            .unwrap_or_else(|e| panic!("congestion control {}: {e}", self.congestion));
    }
}

/// Lets all flows write as fast as they can and read what comes, until `watch` is done.
pub fn while_flowing<T>(groups: &[Connected], watch: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        for Flow { writer, reader, received } in groups.iter().flat_map(|group| &group.0) {
            scope.spawn(|| write_until_shut(writer));
            scope.spawn(|| count_until_shut(reader, received));
        }
        // Also if `watch` panics: the threads end with their sockets, and the scope with them.
        let _end = ShutOnDrop(groups);
        watch()
    })
}

impl Connected {
    /// Bytes that each reader has got so far.
    pub fn received(&self) -> Vec<u64> {
        self.0.iter().map(|flow| flow.received.load(Ordering::Relaxed)).collect()
    }

    /// The sockets that send.
    pub fn writers(&self) -> impl Iterator<Item = &TcpStream> {
        self.0.iter().map(|flow| &flow.writer)
    }
}

impl Goodput {
    /// Of the bytes that each reader had `before` and `after` some time.
    pub fn between(before: &[u64], after: &[u64], time: Duration) -> Self {
        let bits_per_s = |(after, before)| (after - before) as f64 * 8.0 / time.as_secs_f64();
        Self { flows: after.iter().zip(before).map(bits_per_s).collect() }
    }

    /// Payload bits a second of all flows.
    pub fn bits_per_s(&self) -> f64 {
        self.flows.iter().sum()
    }

    /// Jain's fairness index: 1 if all flows got the same, 1/n if one got all.
    pub fn fairness(&self) -> f64 {
        let squares: f64 = self.flows.iter().map(|flow| flow * flow).sum();
        self.bits_per_s().powi(2) / (squares * self.flows.len() as f64)
    }
}

struct ShutOnDrop<'f>(&'f [Connected]);

impl Drop for ShutOnDrop<'_> {
    fn drop(&mut self) {
        for Flow { writer, reader, .. } in self.0.iter().flat_map(|group| &group.0) {
            for end in [writer, reader] {
                end.shutdown(Shutdown::Both).ok(); // the other end was quicker
            }
        }
    }
}

fn write_until_shut(mut stream: &TcpStream) {
    let data = vec![0x77; 1 << 17];
    while stream.write_all(&data).is_ok() {}
}

fn count_until_shut(mut stream: &TcpStream, bytes: &AtomicU64) {
    let mut buffer = vec![0; 1 << 17];
    while let Ok(n) = stream.read(&mut buffer)
        && n > 0
    {
        bytes.fetch_add(n as u64, Ordering::Relaxed);
    }
}
