//! The limiter: a virtual queue in one 64-bit word, as pure arithmetic.
//!
//! Knows nothing of packets, maps or clocks: the caller passes the time and a random number.
//! The word is the time at which all accepted bytes would have left at the configured rate,
//! so refilling is the clock's own advance: there is no division, and no remainder to lose.
//! How far the word lies ahead of now is the backlog. A packet is judged by the backlog
//! *before* it, and charged whole, so a frame larger than the burst still passes:
//!
//! - up to `burst + rate x latency / 2`: nothing is dropped;
//! - from there to `burst + rate x latency`: dropped at random, with the cube of the way as
//!   probability (random early detection, Floyd and Jacobson 1993), so that TCP flows back off
//!   one by one instead of all at once;
//! - above: dropped.
//!
//! The first half is what keeps the rate up: a TCP that lost its last packet in flight is
//! silent for its retransmission timeout, 200 ms at the least, and what the queue holds when
//! it drops is what leaves meanwhile. In trials with a straight ramp from 5 ms on, one flow of
//! cubic got 0.3 to 0.8 of the rate; from 200 ms on, by the cube, 0.98 and more.
//!
//! Invariants, with timestamps up to a second out of order and however many CPUs take at once:
//! in any window at most `burst + rate x latency + rate x window + one packet` is accepted (one
//! packet a CPU where CPUs race; one tick at the rate more where the clock is the coarse one,
//! see [`Limit::is_slack`]), and an offer that keeps the queue from running empty gets the rate
//! in full.

use crate::limit::{Limit, UNITS_PER_NS_SHIFT};

/// The word of one bucket, shared by all CPUs.
pub trait Word {
    /// The present value.
    fn load(&self) -> u64;
    /// Stores `new` if the value still is `current`; the value found otherwise.
    fn compare_exchange(&self, current: u64, new: u64) -> Result<(), u64>;
    /// Adds `amount`, wrapping.
    fn add(&self, amount: u64);
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// Accepted and charged.
    Accepted,
    /// Accepted and charged by addition, since other CPUs won the word every time.
    Contended,
    /// Dropped at random: the backlog is past the burst.
    Early,
    /// Dropped: the backlog is past `burst + rate x latency`.
    Full,
}

/// As often as other CPUs may win the word before a packet is charged by addition.
const TRIES: usize = 8;

/// Judges a packet of `bytes` at `now` (nanoseconds of a monotonic clock) and charges it if it
/// is accepted. `random` gives a number uniform over `u32`; it is asked on the ramp only, since it
/// costs more than all of the arithmetic, and once: a packet that lost the word to another CPU
/// has no second chance to be dropped.
#[inline(always)] // one call a hook
pub fn take(word: &impl Word, limit: &Limit, now: u64, bytes: u32, mut random: impl FnMut() -> u32) -> Taken {
    let now = now << UNITS_PER_NS_SHIFT;
    let cost = limit.cost(bytes);
    let mut drawn = None;
    let mut random = || *drawn.get_or_insert_with(&mut random);
    let mut seen = word.load();
    for _ in 0..TRIES {
        let backlog = backlog(seen, now, limit);
        if let Some(refused) = refused(backlog, limit, &mut random) {
            return refused;
        }
        // 0 is the untouched word.
        let next = now.wrapping_add(backlog).wrapping_add(cost).max(1);
        match word.compare_exchange(seen, next) {
            Ok(()) => return Taken::Accepted,
            Err(found) => seen = found,
        }
    }
    if let Some(refused) = refused(backlog(seen, now, limit), limit, &mut random) {
        return refused;
    }
    word.add(cost);
    Taken::Contended
}

/// How far `word` lies ahead of `now`, in units; 0 for a queue that ran empty.
#[inline(always)]
fn backlog(word: u64, now: u64, limit: &Limit) -> u64 {
    let ahead = word.wrapping_sub(now);
    // A wrapped difference past half the range is a word in the past. One further ahead than
    // any queue of this limit is the trace of a far slower limit, or of a word that the clock
    // has overtaken by years: it must not block the new limit.
    // An untouched word is 0: no queue, even shortly before the clock wraps to 0 itself.
    if word == 0 || ahead > limit.stale_after() { 0 } else { ahead }
}

/// Whether `word` is of a longer queue than `limit` can have: left by another limit, it would
/// keep everything out until the old queue has drained.
pub fn outlasts(word: u64, limit: &Limit, now: u64) -> bool {
    let ahead = word.wrapping_sub(now << UNITS_PER_NS_SHIFT);
    word != 0 && ahead > limit.full_backlog && ahead < 1 << (u64::BITS - 1)
}

#[inline(always)]
fn refused(backlog: u64, limit: &Limit, random: &mut impl FnMut() -> u32) -> Option<Taken> {
    if backlog <= limit.first_backlog {
        None
    } else if backlog > limit.full_backlog {
        Some(Taken::Full)
    } else if u64::from(random()) < limit.drop_threshold(backlog) {
        Some(Taken::Early)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
