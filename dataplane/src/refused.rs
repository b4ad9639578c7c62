//! What is refused of networks, sandboxes and endpoints: each a line that names the value and the
//! way out.

use std::net::IpAddr;

use dataplane_common::address::Mac;

use crate::name::NotAName;
use crate::network::Contradiction;
use crate::subnet::Unfit;

/// Endpoints of a network with a bridge: as many ports has a Linux bridge (`BR_MAX_PORTS`).
pub const PORTS: usize = 1023;

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a name.
    #[error("{name}: {why}")]
    Name {
        /// As asked for.
        name: String,
        /// Why not.
        why: NotAName,
    },
    /// A request that makes no network.
    #[error("{name}: {why}")]
    Network {
        /// The network.
        name: String,
        /// Why not.
        why: Contradiction,
    },
    /// An address or a subnet that cannot be.
    #[error("{name}: {why}")]
    Address {
        /// The network or endpoint.
        name: String,
        /// Why not.
        why: Unfit,
    },
    /// A name that something else has.
    #[error(
        "{name}: a {kind} of that name is there already; choose another name, or: dpctl {kind} rm {name}"
    )]
    Taken {
        /// The name.
        name: String,
        /// What has it.
        kind: &'static str,
    },
    /// A namespace where ours would be, made by another.
    #[error(
        "{name}: a network namespace of that name is there, and not ours; choose another name, or take it as it is: dpctl sandbox create {name} --netns {path}"
    )]
    ForeignNamespace {
        /// The name.
        name: String,
        /// Where it is.
        path: String,
    },
    /// There is none.
    #[error("{name}: no such {kind}; dpctl {kind} ls lists them")]
    None {
        /// As asked for.
        name: String,
        /// What was looked for.
        kind: &'static str,
    },
    /// The sandbox is on the network.
    #[error("{network}/{sandbox}: connected already; run: dpctl disconnect {network} {sandbox}")]
    Connected {
        /// The network.
        network: String,
        /// The sandbox.
        sandbox: String,
    },
    /// The sandbox is not on the network.
    #[error("{network}/{sandbox}: not connected; dpctl ls lists the endpoints")]
    NotConnected {
        /// The network.
        network: String,
        /// The sandbox.
        sandbox: String,
    },
    /// A network with endpoints.
    #[error("{name}: in use by {users}; disconnect them first, or: dpctl network rm --force {name}")]
    InUse {
        /// The network.
        name: String,
        /// Who uses it.
        users: String,
    },
    /// A sandbox that others have joined.
    #[error("{name}: {users} has joined it; remove that first")]
    Joined {
        /// The sandbox.
        name: String,
        /// Who has joined it.
        users: String,
    },
    /// A sandbox in which something runs.
    #[error(
        "{name}: processes that live in it: {count}; end them, or let them go on without a network: --force"
    )]
    Alive {
        /// The sandbox.
        name: String,
        /// So many.
        count: usize,
    },
    /// A bridge without a free port.
    #[error(
        "{name}: full, since a Linux bridge has {PORTS} ports; a network of --kind routed has no such limit"
    )]
    Ports {
        /// The network.
        name: String,
    },
    /// No number is left for a network.
    #[error("all {capacity} networks that there can be are there; remove one: dpctl network ls")]
    Networks {
        /// So many.
        capacity: u32,
    },
    /// No address is left.
    #[error(
        "{name}: no free address in {range}; disconnect what is not needed, or make a network with a wider subnet"
    )]
    NoAddress {
        /// The network.
        name: String,
        /// Where it was looked for.
        range: String,
    },
    /// No subnet is left.
    #[error(
        "{name}: every subnet of the pools overlaps a route, an address or a network of this host; give one with --subnet, or more of them: dpctl config pool"
    )]
    NoSubnet {
        /// The network.
        name: String,
    },
    /// A subnet that something else has.
    #[error("{name}: {subnet} overlaps {other}; choose another --subnet")]
    Overlap {
        /// The network.
        name: String,
        /// As asked for.
        subnet: String,
        /// What it overlaps.
        other: String,
    },
    /// An address of a family that the network has not.
    #[error("{name}: {address}: the network has no subnet of that family")]
    Family {
        /// The endpoint.
        name: String,
        /// As asked for.
        address: IpAddr,
    },
    /// Two addresses of one family.
    #[error("{name}: --ip {second}: an endpoint has one address of each family, and {first} was given")]
    Twice {
        /// The endpoint.
        name: String,
        /// The first.
        first: IpAddr,
        /// The second.
        second: IpAddr,
    },
    /// A MAC that somebody has.
    #[error("{name}: {mac} is {owner}'s; give another with --mac")]
    MacTaken {
        /// The endpoint.
        name: String,
        /// The MAC.
        mac: Mac,
        /// Who has it.
        owner: String,
    },
    /// A MAC that no station may have.
    #[error("{name}: --mac {mac}: {why}; take one that begins with 02")]
    Mac {
        /// The endpoint.
        name: String,
        /// As asked for.
        mac: Mac,
        /// What is wrong.
        why: &'static str,
    },
    /// An interface that the sandbox has.
    #[error("{name}: the sandbox has an interface {interface}; give another name with --name")]
    Interface {
        /// The endpoint.
        name: String,
        /// As asked for.
        interface: String,
    },
    /// Something of this kind of network, sandbox or endpoint cannot be.
    #[error("{name}: {why}")]
    Cannot {
        /// What it is about.
        name: String,
        /// Why not, and what to do.
        why: String,
    },
}

impl Refused {
    /// The stable exit code: see docs/errors.md.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Name { .. }
            | Self::Network { .. }
            | Self::Family { .. }
            | Self::Twice { .. }
            | Self::Mac { .. }
            | Self::Cannot { .. } => 2,
            Self::Address { why, .. } => {
                if matches!(why, Unfit::Taken { .. }) {
                    4
                } else {
                    2
                }
            }
            Self::None { .. } | Self::NotConnected { .. } => 3,
            Self::Taken { .. }
            | Self::ForeignNamespace { .. }
            | Self::Connected { .. }
            | Self::InUse { .. }
            | Self::Joined { .. }
            | Self::Alive { .. }
            | Self::Ports { .. }
            | Self::NoAddress { .. }
            | Self::Networks { .. }
            | Self::NoSubnet { .. }
            | Self::Overlap { .. }
            | Self::MacTaken { .. }
            | Self::Interface { .. } => 4,
        }
    }
}
