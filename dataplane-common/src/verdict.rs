//! What a hook decided, and why.

use crate::bucket::Taken;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// On to the next program of the device.
    Next,
    /// Dropped, for a reason.
    Drop(DropReason),
}

/// Why a packet was dropped. Each has its counter ([`crate::counters::Counters`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// At random, since the limit's backlog is past its first part.
    LimitEarly,
    /// The limit's backlog is past `burst + rate x latency`.
    LimitFull,
}

impl From<Taken> for Verdict {
    #[inline(always)]
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Accepted | Taken::Contended => Self::Next,
            Taken::Early => Self::Drop(DropReason::LimitEarly),
            Taken::Full => Self::Drop(DropReason::LimitFull),
        }
    }
}
