//! A limit as a person gives it, and as the programs read it.
//!
//! All division happens here, when the limit is set; the path only multiplies.
//! Refuses a queue that would take longer than [`Shape::LONGEST_QUEUE`] to drain.

use core::fmt;

use crate::rate::Rate;
use crate::size::Bytes;
use crate::time::Nanos;

/// Rate, burst and latency of one direction, in `tc tbf`'s sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What passes in the long run; counts whole Ethernet frames, without preamble and FCS.
    pub rate: Rate,
    /// What may pass at once; half the latency's worth more, and early drop sets in.
    pub burst: Bytes,
    /// How much longer than the burst the virtual queue may grow, as time at the rate.
    pub latency: Nanos,
}

/// Why a shape cannot be: its queue would take too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueTooLong {
    /// What was asked for.
    pub shape: Shape,
}

impl fmt::Display for QueueTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { rate, burst, latency } = self.shape;
        write!(
            f,
            "burst {burst} at rate {rate} with latency {latency} is a queue of more than {}: \
             lower the burst or the latency",
            Shape::LONGEST_QUEUE
        )
    }
}

impl core::error::Error for QueueTooLong {}

impl Shape {
    /// The longest that `burst / rate + latency` may be.
    pub const LONGEST_QUEUE: Nanos = Nanos::from_ns(3_600_000_000_000);

    /// Long enough to ride out TCP's shortest retransmission timeout (200 ms in Linux) twice
    /// over: a queue that runs empty while a sender waits for its timer is rate given away.
    pub const DEFAULT_LATENCY: Nanos = Nanos::from_ns(400_000_000);

    /// A full Ethernet frame as tc counts it: 1,500 bytes and the header.
    pub const FRAME: Bytes = Bytes::from_bytes(1514);

    /// 5 ms at the rate, and two full frames at the least, so that a delayed ACK's pair passes.
    pub fn default_burst(rate: Rate) -> Bytes {
        let five_ms = rate.bits_per_s() / (8 * 200);
        let bytes = five_ms.max(2 * Self::FRAME.bytes());
        Bytes::from_bytes(bytes.min(u64::from(u32::MAX)))
    }

    /// The drain time of the whole queue, `burst / rate + latency`.
    fn queue(self) -> u128 {
        let burst = u128::from(self.burst.bytes()) * 8_000_000_000 / u128::from(self.rate.bits_per_s());
        burst + u128::from(self.latency.ns())
    }
}

/// What the programs read of a limit: one direction of the `LIMITS` map's value.
///
/// All zero is "no limit".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Limit {
    /// Units of the word a byte costs, times 256. 0: no limit.
    cost_per_byte: u64,
    /// Backlog, in units, up to which nothing is dropped.
    pub(crate) first_backlog: u64,
    /// Backlog, in units, past which everything is dropped.
    pub(crate) full_backlog: u64,
    /// Brings the excess over the first backlog down to at most 16 bits.
    ramp_shift: u32,
    /// The way up the ramp, as a share of 2^32, for one step of the shifted excess.
    ramp_slope: u32,
}

const _: () = assert!(size_of::<Limit>() == 32);

/// A nanosecond is 256 units of the word: at 100 Gbit/s the smallest frame costs 1,229 units,
/// so rounding its cost to a whole one is an error below 0.1 %. The word wraps after 2.3 years.
pub const UNITS_PER_NS_SHIFT: u32 = 8;

/// Costs are computed with 8 bits more than the word has.
const COST_SHIFT: u32 = 8;
/// What a packet is charged at the most: more than 64 KB cut into segments of a byte, with the
/// longest headers each, come to. Beyond, its word would look like another limit's.
const LARGEST_PACKET: u32 = 1 << 24;
/// Five of the longest ticks, in units.
const SLACK: u64 = 50_000_000 << UNITS_PER_NS_SHIFT;
const UNITS_PER_SECOND: u64 = 1_000_000_000 << UNITS_PER_NS_SHIFT;

impl Limit {
    /// No limit: the all-zero value of an untouched map.
    pub const NONE: Self =
        Self { cost_per_byte: 0, first_backlog: 0, full_backlog: 0, ramp_shift: 0, ramp_slope: 0 };

    /// The values for `shape`.
    pub fn new(shape: Shape) -> Result<Self, QueueTooLong> {
        let queue_ns = shape.queue();
        if queue_ns > u128::from(Shape::LONGEST_QUEUE.ns()) {
            return Err(QueueTooLong { shape });
        }
        let bits_per_s = u128::from(shape.rate.bits_per_s());
        let byte_units = u128::from(UNITS_PER_SECOND) * 8;
        // Rate::MIN keeps the first below 2^43, LONGEST_QUEUE the other two below 2^50.
        let cost_per_byte = narrow((((byte_units << COST_SHIFT) + bits_per_s / 2) / bits_per_s).max(1));
        let burst = narrow(byte_units * u128::from(shape.burst.bytes()) / bits_per_s);
        let first_backlog = burst + ((shape.latency.ns() / 2) << UNITS_PER_NS_SHIFT);
        let full_backlog = narrow(queue_ns << UNITS_PER_NS_SHIFT).max(first_backlog);
        let ramp = full_backlog - first_backlog;
        let ramp_shift = (u64::BITS - ramp.leading_zeros()).saturating_sub(16);
        let steps = (ramp >> ramp_shift).max(1);
        let ramp_slope = u32::try_from((1u64 << 32) / steps).unwrap_or(u32::MAX);
        Ok(Self { cost_per_byte, first_backlog, full_backlog, ramp_shift, ramp_slope })
    }

    /// Whether there is a limit at all.
    #[inline(always)]
    pub const fn is_set(&self) -> bool {
        self.cost_per_byte != 0
    }

    /// Whether the queue is so long, below the first backlog and above it, that a clock which
    /// stands still between two ticks (10 ms apart at the most) does for it: what passes in the
    /// long run is the same, and in a window one tick's worth more.
    #[inline(always)]
    pub const fn is_slack(&self) -> bool {
        self.first_backlog >= SLACK && self.full_backlog - self.first_backlog >= SLACK
    }

    /// What `bytes` cost, in units. In two halves, since the product of the largest packet at
    /// `Rate::MIN` has 67 bits.
    #[inline(always)]
    pub(crate) const fn cost(&self, bytes: u32) -> u64 {
        let bytes = if bytes < LARGEST_PACKET { bytes } else { LARGEST_PACKET } as u64;
        let (whole, rest) = (self.cost_per_byte >> COST_SHIFT, self.cost_per_byte & ((1 << COST_SHIFT) - 1));
        bytes.wrapping_mul(whole).wrapping_add(bytes.wrapping_mul(rest) >> COST_SHIFT)
    }

    /// A backlog past this, in units, is not one of this limit: the whole queue, a second, and
    /// 32 MiB more (the largest packet, and what many CPUs may accept at once).
    #[inline(always)]
    pub(crate) const fn stale_after(&self) -> u64 {
        self.full_backlog + UNITS_PER_SECOND + (self.cost_per_byte << (25 - COST_SHIFT))
    }

    /// The share of 2^32 that is dropped at `backlog`, which lies past the first backlog: the
    /// cube of the way from the first to the full one. Small enough at first that a flow gets
    /// far up the ramp before it loses anything, however many packets that takes.
    #[inline(always)]
    pub(crate) const fn drop_threshold(&self, backlog: u64) -> u64 {
        let way = (((backlog - self.first_backlog) >> self.ramp_shift) * self.ramp_slope as u64) >> 16;
        ((way * way) >> 16) * way
    }
}

/// The value, or the largest there is; callers have bounded it.
fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
