//! Thousands of veths, their host sides in one namespace and their peers in another.

use anyhow::{Context, Result};
use dataplane_tests::netns::Namespace;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType};

use crate::interrupt;

/// Veths made by one `ip -batch`, so that a signal is not kept waiting.
const BATCH: u32 = 500;
/// The device group of all our host sides, to be removed at once.
const GROUP: u32 = 77;

/// The veths; gone with their namespaces on drop.
#[derive(Debug)]
pub(super) struct Veths {
    /// Where the host sides are.
    pub(super) host: Namespace,
    _peers: Namespace,
    /// The host sides.
    pub(super) names: Vec<String>,
}

impl Veths {
    /// So many. The host sides are up, since a qdisc on a device that is down costs less.
    pub(super) fn new(count: u32) -> Result<Self> {
        let (host, peers) = (Namespace::new(), Namespace::new());
        for first in (1..=count).step_by(BATCH as usize) {
            interrupt::check()?;
            let peers = peers.name();
            let line = |n| format!("link add v{n} up group {GROUP} type veth peer name p{n} netns {peers}\n");
            host.ip_batch(&(first..=count.min(first + BATCH - 1)).map(line).collect::<String>());
        }
        let names = (1..=count).map(|n| format!("v{n}")).collect();
        Ok(Self { host, _peers: peers, names })
    }

    /// The numbers of the first ones.
    pub(super) fn indices(&self, count: usize) -> Result<Vec<u32>> {
        let indices: rustix::io::Result<_> = self.host.enter(|| {
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
            self.names.iter().take(count).map(|name| name_to_index(&socket, name)).collect()
        });
        indices.context("look interfaces up")
    }

    /// Removes them now; with their namespace they would go in the background, and disturb
    /// what is measured next.
    pub(super) fn remove(self) {
        self.host.ip(&format!("link delete group {GROUP}"));
    }
}
