//! Why a frame of an endpoint is refused.

/// The reason, one for each thing that an operator would do something else about.
///
/// As wide as an interface's number, beside which it stands in a verdict: of a narrower one the
/// compiler takes the rest from whatever the register held ("pointer arithmetic prohibited").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Refusal {
    /// Headers that contradict themselves, or that nobody sends in good faith.
    Malformed,
    /// Sent with a MAC that is not the endpoint's.
    SourceMac,
    /// Sent with an address that is not the endpoint's.
    SourceAddress,
    /// Claims to be another station, in ARP or neighbour discovery.
    NeighbourClaim,
    /// Claims to be a router.
    RouterClaim,
    /// Answers as a DHCP server.
    DhcpServer,
    /// To an endpoint that it may not talk to.
    NotAllowed,
    /// Asks for an address that nobody has.
    Nobody,
    /// To somewhere beyond the network, which has no way there.
    NoUplink,
    /// From or to an endpoint that is there no longer.
    Gone,
    /// No hops left where a router takes one, and no answer to be made of it.
    HopsExceeded,
}

impl Refusal {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::SourceMac,
        Self::SourceAddress,
        Self::NeighbourClaim,
        Self::RouterClaim,
        Self::DhcpServer,
        Self::NotAllowed,
        Self::Nobody,
        Self::NoUplink,
        Self::Gone,
        Self::HopsExceeded,
    ];

    /// How many there are.
    pub const COUNT: u32 = 11;

    /// Where its counter lies.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self as u32
    }

    /// The reverse of [`index`](Self::index).
    #[inline(always)]
    pub const fn numbered(index: u32) -> Option<Self> {
        Some(match index {
            0 => Self::Malformed,
            1 => Self::SourceMac,
            2 => Self::SourceAddress,
            3 => Self::NeighbourClaim,
            4 => Self::RouterClaim,
            5 => Self::DhcpServer,
            6 => Self::NotAllowed,
            7 => Self::Nobody,
            8 => Self::NoUplink,
            9 => Self::Gone,
            10 => Self::HopsExceeded,
            _ => return None,
        })
    }

    /// As programs read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::SourceMac => "source_mac",
            Self::SourceAddress => "source_address",
            Self::NeighbourClaim => "neighbour_claim",
            Self::RouterClaim => "router_claim",
            Self::DhcpServer => "dhcp_server",
            Self::NotAllowed => "not_allowed",
            Self::Nobody => "nobody",
            Self::NoUplink => "no_uplink",
            Self::Gone => "gone",
            Self::HopsExceeded => "hops_exceeded",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn each_reason_has_its_own_counter_and_name() {
        for (place, reason) in (0..).zip(Refusal::ALL) {
            assert_eq!(reason.index(), place, "{}", reason.name());
            assert_eq!(Refusal::numbered(place), Some(reason));
        }
        assert_eq!(Refusal::ALL.len(), usize::try_from(Refusal::COUNT).expect("few"));
        let names: std::collections::HashSet<_> = Refusal::ALL.map(Refusal::name).into();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
