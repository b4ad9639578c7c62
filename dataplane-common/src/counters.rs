//! What is counted for one direction of an attachment.

use crate::frame::Wire;
use crate::verdict::{DropReason, Verdict};

/// Totals of one direction on one CPU, counted as limits charge: a GSO packet is the frames
/// that it becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// What went on.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets dropped at random, on the ramp.
    pub dropped_early: u64,
    /// Packets dropped past `burst + rate x latency`.
    pub dropped_full: u64,
    /// Packets dropped since the endpoint may not send them, or nobody may have them.
    pub dropped_refused: u64,
    /// Bytes of all dropped packets.
    pub dropped_bytes: u64,
}

const _: () = assert!(size_of::<Counters>() == 48);

impl Counters {
    /// Counts a packet.
    #[inline(always)]
    pub fn count(&mut self, verdict: Verdict, wire: Wire) {
        let (frames, bytes) = (u64::from(wire.frames), u64::from(wire.bytes));
        match verdict {
            Verdict::Next | Verdict::Consumed | Verdict::Redirect(_) | Verdict::IntoPeer(_) => {
                self.packets += frames;
                self.bytes += bytes;
            }
            Verdict::Drop(reason) => {
                // Not a match: it would be made an index of the reason, of which the kernel knows no
                // bound ("R2 max value is outside of the allowed memory range").
                let [early, full] = [DropReason::LimitEarly, DropReason::LimitFull]
                    .map(|limit| frames * u64::from(limit == reason));
                self.dropped_early += early;
                self.dropped_full += full;
                self.dropped_refused += frames - early - full;
                self.dropped_bytes += bytes;
            }
        }
    }

    /// The sum of two CPUs' totals.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets.wrapping_add(other.packets),
            bytes: self.bytes.wrapping_add(other.bytes),
            dropped_early: self.dropped_early.wrapping_add(other.dropped_early),
            dropped_full: self.dropped_full.wrapping_add(other.dropped_full),
            dropped_refused: self.dropped_refused.wrapping_add(other.dropped_refused),
            dropped_bytes: self.dropped_bytes.wrapping_add(other.dropped_bytes),
        }
    }

    /// Packets dropped, for whatever reason.
    pub const fn dropped(&self) -> u64 {
        self.dropped_early + self.dropped_full + self.dropped_refused
    }
}
