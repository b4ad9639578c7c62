//! What a hook decided, and why.

use crate::bucket::Taken;
use crate::refusal::Refusal;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// On to the next program of the device.
    Next,
    /// Dropped, for a reason.
    Drop(DropReason),
    /// Ends here: it has done what it was sent for.
    Consumed,
    /// Out of the interface of this number.
    Redirect(u32),
    /// Into the namespace of this veth's peer, past the veth itself.
    IntoPeer(u32),
}

/// Why a packet was dropped. Each has its counter ([`crate::counters::Counters`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// At random, since the limit's backlog is past its first part.
    LimitEarly,
    /// The limit's backlog is past `burst + rate x latency`.
    LimitFull,
    /// An endpoint may not send it, or nobody may have it.
    Refused(Refusal),
}

impl From<Refusal> for DropReason {
    #[inline(always)]
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
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
