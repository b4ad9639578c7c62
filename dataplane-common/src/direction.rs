//! The two directions of an attachment, named from the container's side.
//!
//! "Ingress" and "egress" are the kernel's words for hooks; their meaning flips with the
//! point of view, so they appear only where the kernel is called.

/// Which way a packet goes, seen from the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The packet leaves the container: tc ingress of the host side of its veth.
    FromContainer,
    /// The packet enters the container: tc egress of the host side of its veth.
    ToContainer,
}

impl Direction {
    /// Both, in the order of their [`index`](Self::index).
    pub const ALL: [Self; 2] = [Self::FromContainer, Self::ToContainer];

    /// Place in the two-element arrays of the map values.
    pub const fn index(self) -> usize {
        match self {
            Self::FromContainer => 0,
            Self::ToContainer => 1,
        }
    }

    /// The name of the program, of its pin and of the JSON key.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FromContainer => "from_container",
            Self::ToContainer => "to_container",
        }
    }
}
