//! A sandbox: a container's network stack, which is one network namespace.

use std::path::PathBuf;

use crate::attachment::State;
use crate::name::Name;

/// Where `ip netns` looks for namespaces.
pub const NAMESPACES: &str = "/run/netns";

/// A sandbox as intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Its name.
    pub name: Name,
    /// The boot that its namespace lives in.
    pub boot_id: String,
    /// How far the last command got.
    pub state: State,
    /// Whose namespace it is.
    pub place: Place,
    /// The number of the namespace, unique since boot.
    pub cookie: u64,
    /// Whether the directory with its files is ours.
    pub made_files: bool,
}

/// Whose namespace a sandbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Our own, made for it, by its name where `ip netns` looks.
    Own,
    /// Somebody's, at a path.
    At(PathBuf),
    /// That of another sandbox, as in `docker run --network container:NAME`.
    Joined(Name),
}

impl Sandbox {
    /// Where its namespace is found; `None` where it is another sandbox's.
    pub fn path(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Own => Some(PathBuf::from(NAMESPACES).join(self.name.as_str())),
            Place::At(path) => Some(path.clone()),
            Place::Joined(_) => None,
        }
    }
}
