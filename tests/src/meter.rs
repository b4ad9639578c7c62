//! What an interface has counted, and rates from it.
//!
//! A veth counts whole frames, Ethernet header included, and a GSO packet as one
//! (`it/harness.rs` holds it to that).
#![expect(clippy::cast_precision_loss, reason = "53 bits are enough for what a test can send")]

use std::fs;
use std::time::{Duration, Instant};

use crate::netns::Namespace;

/// An interface of a namespace.
#[derive(Clone, Debug)]
pub struct Interface<'n> {
    namespace: &'n Namespace,
    name: String,
}

/// What it had received and sent at an instant.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// When the counters were read.
    pub at: Instant,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that it was to send, and that were lost there: of a veth, those for which its peer's
    /// CPU had no room.
    pub tx_dropped: u64,
}

/// What was received between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Bytes, each frame with its Ethernet header.
    pub bytes: u64,
    /// Frames.
    pub packets: u64,
    /// The time between.
    pub time: Duration,
}

impl<'n> Interface<'n> {
    /// The interface `name` of `namespace`.
    pub fn new(namespace: &'n Namespace, name: &str) -> Self {
        Self { namespace, name: name.to_owned() }
    }

    /// Where it is.
    pub fn namespace(&self) -> &'n Namespace {
        self.namespace
    }

    /// Its index in its namespace.
    #[track_caller]
    pub fn index(&self) -> u32 {
        let link = self.namespace.ip(&format!("-j link show dev {}", self.name)).json();
        let index = link[0]["ifindex"].as_u64().and_then(|index| u32::try_from(index).ok());
        index.unwrap_or_else(|| panic!("{link} has no ifindex"))
    }

    /// Its counters now.
    #[track_caller]
    pub fn read(&self) -> Reading {
        // Not /sys: that shows the namespace of whoever mounted it.
        self.namespace.enter(|| {
            let at = Instant::now();
            let table = fs::read_to_string("/proc/thread-self/net/dev").expect("/proc is mounted");
            let row =
                table.lines().find_map(|line| line.trim_start().strip_prefix(&self.name)?.strip_prefix(':'));
            let row = row.unwrap_or_else(|| panic!("no interface {} in\n{table}", self.name));
            let columns: Vec<u64> = row.split_whitespace().map(|n| n.parse().expect("a number")).collect();
            Reading {
                at,
                rx_bytes: columns[0],
                rx_packets: columns[1],
                tx_bytes: columns[8],
                tx_packets: columns[9],
                tx_dropped: columns[11],
            }
        })
    }
}

impl Reading {
    /// What was received from `earlier` to now.
    pub fn since(&self, earlier: &Self) -> Received {
        Received {
            bytes: self.rx_bytes - earlier.rx_bytes,
            packets: self.rx_packets - earlier.rx_packets,
            time: self.at - earlier.at,
        }
    }
}

impl Received {
    /// Bits a second.
    pub fn bits_per_s(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.time.as_secs_f64()
    }
}
