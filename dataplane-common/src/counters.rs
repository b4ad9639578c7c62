//! What is counted for one direction of an attachment.

use crate::verdict::{DropReason, Verdict};

/// Totals of one direction on one CPU. Bytes are counted as limits charge them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// Frames that went on.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets dropped at random, on the ramp.
    pub dropped_early: u64,
    /// Packets dropped past `burst + rate x latency`.
    pub dropped_full: u64,
    /// Bytes of all dropped packets.
    pub dropped_bytes: u64,
}

const _: () = assert!(size_of::<Counters>() == 40);

impl Counters {
    /// Counts a packet of `bytes`.
    #[inline(always)]
    pub fn count(&mut self, verdict: Verdict, bytes: u32) {
        let bytes = u64::from(bytes);
        match verdict {
            Verdict::Next => {
                self.packets += 1;
                self.bytes += bytes;
            }
            Verdict::Drop(reason) => {
                match reason {
                    DropReason::LimitEarly => self.dropped_early += 1,
                    DropReason::LimitFull => self.dropped_full += 1,
                }
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
            dropped_bytes: self.dropped_bytes.wrapping_add(other.dropped_bytes),
        }
    }

    /// Packets dropped, for whatever reason.
    pub const fn dropped(&self) -> u64 {
        self.dropped_early + self.dropped_full
    }
}
