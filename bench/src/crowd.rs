//! Containers by the thousand on one host: a namespace, a veth and an address each, all on the
//! bridge of an engine.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use dataplane_tests::netns::Namespace;

use crate::bed::{INSIDE, SERVER};
use crate::interrupt;

/// The containers, numbered from 1; gone on drop.
pub(crate) struct Crowd {
    /// Where the host sides are.
    pub(crate) host: Arc<Namespace>,
    containers: Vec<Namespace>,
}

impl Crowd {
    /// So many, all up.
    pub(crate) fn new(count: u32) -> Result<Self> {
        let host = Arc::new(Namespace::new());
        let mut containers = Vec::new();
        for number in 1..=count {
            interrupt::check()?;
            let container = Namespace::new();
            let inside = container.name();
            host.ip(&format!("link add v{number} up type veth peer name {INSIDE} netns {inside}"));
            containers.push(container);
        }
        Ok(Self { host, containers })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.containers.len()).unwrap_or(u32::MAX)
    }

    /// The namespace of container `number`.
    pub(crate) fn container(&self, number: u32) -> &Namespace {
        &self.containers[number as usize - 1]
    }

    /// The host side of its veth.
    pub(crate) fn veth(&self, number: u32) -> String {
        format!("v{number}")
    }

    /// Its address.
    pub(crate) fn address(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(SERVER) + number)
    }
}
