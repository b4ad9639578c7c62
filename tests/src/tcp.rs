//! TCP goodput: what arrives at the reader, of so many flows, under a named congestion control.
#![expect(clippy::cast_precision_loss, reason = "53 bits are enough for what a test can send")]

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_tcp_congestion;
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

/// What arrived in one window.
#[derive(Clone, Debug)]
pub struct Goodput {
    /// Payload bits a second, one number a flow.
    pub flows: Vec<f64>,
}

impl Goodput {
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

impl Flows<'_> {
    /// Connects, lets the flows run for `warm_up`, and measures one `window` at the readers.
    #[track_caller]
    pub fn measure(&self, warm_up: Duration, window: Duration) -> Goodput {
        let pairs: Vec<(TcpStream, TcpStream)> = self.connect();
        let received: Vec<AtomicU64> = pairs.iter().map(|_| AtomicU64::new(0)).collect();
        let now = || received.iter().map(|bytes| bytes.load(Ordering::Relaxed)).collect::<Vec<u64>>();
        thread::scope(|scope| {
            for ((writer, reader), bytes) in pairs.iter().zip(&received) {
                scope.spawn(|| write_until_shut(writer));
                scope.spawn(|| count_until_shut(reader, bytes));
            }
            pass(warm_up);
            let (before, start) = (now(), Instant::now());
            pass(window);
            let (after, seconds) = (now(), start.elapsed().as_secs_f64());
            for (writer, reader) in &pairs {
                shut(writer);
                shut(reader);
            }
            let flows =
                after.iter().zip(&before).map(|(after, before)| (after - before) as f64 * 8.0 / seconds);
            Goodput { flows: flows.collect() }
        })
    }

    fn connect(&self) -> Vec<(TcpStream, TcpStream)> {
        let listener = self.to.enter(|| TcpListener::bind((self.address, 0)));
        let listener = listener.unwrap_or_else(|e| panic!("bind to {}: {e}", self.address));
        self.set_congestion(&listener);
        let to = listener.local_addr().expect("a bound socket has an address");
        let pair = |_| {
            let writer =
                self.from.enter(|| self.writer(to)).unwrap_or_else(|e| panic!("connect to {to}: {e}"));
            let (reader, _) = listener.accept().expect("a connection was made");
            (writer, reader)
        };
        (0..self.count).map(pair).collect()
    }

    /// Connected with the congestion control set beforehand: the first window counts too.
    fn writer(&self, to: SocketAddr) -> rustix::io::Result<TcpStream> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
        self.set_congestion(&socket);
        connect(&socket, &to)?;
        Ok(TcpStream::from(socket))
    }

    fn set_congestion(&self, socket: impl std::os::fd::AsFd) {
        set_tcp_congestion(socket, self.congestion)
            .unwrap_or_else(|e| panic!("congestion control {}: {e}", self.congestion));
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

fn shut(stream: &TcpStream) {
    if let Err(error) = stream.shutdown(Shutdown::Both) {
        eprintln!("shut a flow down: {error}"); // the other end was quicker
    }
}
