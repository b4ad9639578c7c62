//! A UDP sender that keeps a pace, and what of its offer arrives.
//!
//! Rates and sizes are those of whole frames, Ethernet header included, as limits count them.
#![expect(clippy::cast_precision_loss, reason = "53 bits are enough for what a test can send")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::eventually::pass;
use crate::meter::Interface;
use crate::netns::Namespace;

const ETHERNET_IPV4_UDP: usize = 14 + 20 + 8;
const ETHERNET_IPV6_UDP: usize = 14 + 40 + 8;
/// The largest frame with the usual MTU.
pub const FULL_FRAME: usize = 1514;
/// Datagrams sent before the pace is looked at again.
const TRAIN: u64 = 16;
/// A sleep shorter than this is longer than asked for anyway.
const SHORTEST_SLEEP: Duration = Duration::from_micros(100);

/// Datagrams to be sent at a pace, until told to stop.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'n> {
    from: &'n Namespace,
    to: SocketAddr,
    frame: usize,
    bits_per_s: Option<u64>,
    segments: u16,
    cpu: Option<usize>,
}

impl<'n> Offer<'n> {
    /// Full frames from a namespace to a [`Sink`], as fast as they go.
    pub fn new(from: &'n Namespace, to: &Sink) -> Self {
        Self { from, to: to.address, frame: FULL_FRAME, bits_per_s: None, segments: 1, cpu: None }
    }

    /// Frames of this length, Ethernet header included.
    #[must_use]
    pub fn of_frames(self, frame: usize) -> Self {
        Self { frame, ..self }
    }

    /// At this rate.
    #[must_use]
    pub fn at(self, bits_per_s: u64) -> Self {
        Self { bits_per_s: Some(bits_per_s), ..self }
    }

    /// As GSO packets of so many frames each.
    #[must_use]
    pub fn as_gso(self, segments: u16) -> Self {
        Self { segments, ..self }
    }

    /// Sent from this CPU, which is then the one that runs the hooks.
    #[must_use]
    pub fn from_cpu(self, cpu: usize) -> Self {
        Self { cpu: Some(cpu), ..self }
    }

    /// Begins to send.
    #[track_caller]
    pub fn start(self) -> Sender {
        let socket =
            self.from.enter(|| socket(self.to)).unwrap_or_else(|e| panic!("socket for {self:?}: {e}"));
        let headers = if self.to.is_ipv4() { ETHERNET_IPV4_UDP } else { ETHERNET_IPV6_UDP };
        let payload = self.frame - headers;
        if self.segments > 1 {
            let size = i32::try_from(payload).expect("a frame is short");
            setsockopt(&socket, sockopt::UdpGsoSegment, &size).expect("the kernel has UDP_SEGMENT (4.18)");
        }
        let datagrams = vec![0x77; payload * usize::from(self.segments)];
        let frames = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (frames, stop) = (Arc::clone(&frames), Arc::clone(&stop));
            move || {
                if let Some(cpu) = self.cpu {
                    pin_to(cpu);
                }
                let pace = Pace {
                    bits: self.frame as u64 * 8,
                    frames_at_once: self.segments.into(),
                    bits_per_s: self.bits_per_s,
                };
                pace.keep(&frames, &stop, || send(&socket, &datagrams));
            }
        });
        Sender { frames, frame: self.frame, stop, thread: Some(thread) }
    }
}

/// A sender at work; stops on drop.
#[derive(Debug)]
pub struct Sender {
    frames: Arc<AtomicU64>,
    frame: usize,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    /// Frames handed to the kernel so far.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.frames() * self.frame as u64
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.thread.take().is_some_and(|thread| thread.join().is_err());
        assert!(!failed || thread::panicking(), "the sender failed, see above");
    }
}

struct Pace {
    bits: u64,
    frames_at_once: u64,
    bits_per_s: Option<u64>,
}

impl Pace {
    fn keep(&self, frames: &AtomicU64, stop: &AtomicBool, mut send: impl FnMut() -> io::Result<()>) {
        let start = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let ahead = self.ahead(frames.load(Ordering::Relaxed), start.elapsed());
            if ahead >= SHORTEST_SLEEP {
                // Not all at once at a low rate: `stop` must be seen in time.
                pass(ahead.min(Duration::from_millis(50)));
                continue;
            }
            for _ in 0..TRAIN {
                match send() {
                    Ok(()) => frames.fetch_add(self.frames_at_once, Ordering::Relaxed),
                    Err(error) => panic!("send: {error}"),
                };
                if self.ahead(frames.load(Ordering::Relaxed), start.elapsed()) >= SHORTEST_SLEEP {
                    break;
                }
            }
        }
    }

    /// How long the frames sent would have taken at the pace, beyond the time that they took.
    fn ahead(&self, frames: u64, elapsed: Duration) -> Duration {
        let Some(bits_per_s) = self.bits_per_s else { return Duration::ZERO };
        let due = Duration::from_secs_f64(frames as f64 * self.bits as f64 / bits_per_s as f64);
        due.saturating_sub(elapsed)
    }
}

/// A socket that takes whatever comes and reads none of it, so that nobody answers
/// "port unreachable". Interfaces have counted a packet before it gets here.
#[derive(Debug)]
pub struct Sink {
    _socket: UdpSocket,
    address: SocketAddr,
}

impl Sink {
    /// A sink on a free port of an address of `namespace`.
    #[track_caller]
    pub fn new(namespace: &Namespace, address: IpAddr) -> Self {
        let socket = namespace.enter(|| UdpSocket::bind((address, 0)));
        let socket = socket.unwrap_or_else(|e| panic!("bind to {address}: {e}"));
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 0).expect("any size is taken");
        let address = socket.local_addr().expect("a bound socket has an address");
        Self { _socket: socket, address }
    }
}

/// What was offered and what arrived in one window.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Bits a second handed to the kernel.
    pub offered: f64,
    /// Bits a second that the receiver's interface counted.
    pub delivered: f64,
}

/// Sends `offers` together and measures one `window` after `warm_up`, at the receiver.
#[track_caller]
pub fn deliver(
    offers: &[Offer<'_>],
    receiver: &Interface<'_>,
    warm_up: Duration,
    window: Duration,
) -> Delivery {
    let senders: Vec<Sender> = offers.iter().map(|offer| offer.start()).collect();
    measure(&senders, receiver, warm_up, window)
}

/// As [`deliver`], for senders that are at work already.
#[track_caller]
pub fn measure(
    senders: &[Sender],
    receiver: &Interface<'_>,
    warm_up: Duration,
    window: Duration,
) -> Delivery {
    let sent = || senders.iter().map(Sender::bytes).sum::<u64>();
    pass(warm_up);
    let (sent_before, before) = (sent(), receiver.read());
    pass(window);
    let (sent_after, after) = (sent(), receiver.read());
    let arrived = after.since(&before);
    let offered = (sent_after - sent_before) as f64 * 8.0 / arrived.time.as_secs_f64();
    Delivery { offered, delivered: arrived.bits_per_s() }
}

/// Keeps the calling thread on one CPU.
#[track_caller]
pub fn pin_to(cpu: usize) {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).unwrap_or_else(|e| panic!("pin to CPU {cpu}: {e}"));
}

fn socket(to: SocketAddr) -> io::Result<UdpSocket> {
    let any =
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(to)?;
    Ok(socket)
}

fn send(socket: &UdpSocket, datagrams: &[u8]) -> io::Result<()> {
    match socket.send(datagrams) {
        Ok(_) => Ok(()),
        // The device's queue was full, or the receiver is gone: an offer is made all the same.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused) => Ok(()),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => Ok(()),
        Err(error) => Err(error),
    }
}
