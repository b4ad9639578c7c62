//! Why a frame of an endpoint is refused.

/// The reason, one for each thing that an operator would do something else about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}
