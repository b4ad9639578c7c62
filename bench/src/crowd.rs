//! Containers by the thousand on one host: a namespace, a veth and an address each, reached by a
//! route. Nothing bridges them: a bridge takes 1,023 ports, and what is done for a container is
//! done at its veth and its address.
//!
//! The namespaces have no name: this process holds them open, and they end with it. Their path
//! below /proc is good for every program that takes one, as long as this process runs.

mod inside;

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use anyhow::{Context, Result};
use dataplane_tests::netns::Namespace;
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::bed::{INSIDE, SERVER, SERVER_GATEWAY};
use crate::interrupt;

/// Veths made by one `ip -batch`, so that a signal is not kept waiting.
const BATCH: usize = 500;
/// The device group of the host sides, to be removed at once: one by one takes 20 ms each.
const GROUP: u32 = 78;
/// Descriptors beside those of the namespaces.
const SPARE: u64 = 500;

/// The containers, numbered from 1; gone on drop.
pub(crate) struct Crowd {
    /// Where the host sides are.
    pub(crate) host: Arc<Namespace>,
    containers: Vec<Container>,
}

/// A namespace without a name.
pub(crate) struct Container {
    handle: File,
    name: String,
}

impl Crowd {
    /// So many, all up.
    pub(crate) fn new(count: u32) -> Result<Self> {
        allow_descriptors(u64::from(count) + SPARE).context("hold so many namespaces open")?;
        let host = Namespace::new();
        host.sysctl("ipv6/conf/all/disable_ipv6", "1");
        host.sysctl("ipv4/ip_forward", "1");
        host.ip(&format!("address add {SERVER_GATEWAY}/32 dev lo"));
        let mut crowd = Self { host: Arc::new(host), containers: Vec::new() };
        crowd.containers = std::thread::scope(|scope| {
            // A thread of its own: unsharing moves it.
            let maker = scope.spawn(|| (0..count).map(|_| Container::new()).collect::<Result<Vec<_>>>());
            maker.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })?;
        crowd.connect()?;
        Ok(crowd)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.containers.len()).unwrap_or(u32::MAX)
    }

    /// The namespace of container `number`.
    pub(crate) fn container(&self, number: u32) -> &Container {
        &self.containers[number as usize - 1]
    }

    /// The host side of its veth.
    pub(crate) fn veth(&self, number: u32) -> String {
        debug_assert!(number <= self.count(), "no container {number}");
        format!("v{number}")
    }

    /// Its address.
    pub(crate) fn address(&self, number: u32) -> Ipv4Addr {
        debug_assert!(number <= self.count(), "no container {number}");
        Ipv4Addr::from(u32::from(SERVER) + number)
    }

    fn connect(&self) -> Result<()> {
        let numbers: Vec<u32> = (1..=self.count()).collect();
        for batch in numbers.chunks(BATCH) {
            interrupt::check()?;
            let line = |number: &u32| {
                let (veth, address) = (self.veth(*number), self.address(*number));
                // The peer is born where it belongs: moving it there later takes 18 ms.
                let inside = self.container(*number).path();
                let inside = inside.display();
                format!(
                    "link add {veth} up group {GROUP} type veth peer name {INSIDE} netns {inside}
                     route add {address}/32 dev {veth}\n"
                )
            };
            self.host.ip_batch(&batch.iter().map(line).collect::<String>());
        }
        std::thread::scope(|scope| {
            let configure = || {
                numbers.iter().try_for_each(|number| {
                    interrupt::check()?;
                    self.container(*number).move_here()?;
                    inside::configure(self.address(*number))
                        .with_context(|| format!("configure container {number}"))
                })
            };
            scope.spawn(configure).join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // With their namespaces they would go in the background, and disturb what is measured next.
        // Ended early, there may be none, which `ip` holds an error.
        self.host.try_run(&format!("ip link delete group {GROUP}"));
    }
}

impl Container {
    /// To be called on a thread that is lost to others: it stays in the namespace.
    fn new() -> Result<Self> {
        interrupt::check()?;
        unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
        fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").context("turn IPv6 off")?;
        let handle = File::open("/proc/thread-self/ns/net").context("open a network namespace")?;
        let name = format!("container-{}", handle.as_raw_fd());
        Ok(Self { handle, name })
    }

    /// Letters, digits and a dash: an id for tools that want one.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace while this process runs; `ip link ... netns` takes it.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/proc")
            .join(process::id().to_string())
            .join("fd")
            .join(self.handle.as_raw_fd().to_string())
    }

    /// Does `act` inside, on a thread of its own.
    #[cfg(test)]
    fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| self.move_here().map(|()| act()));
            inside.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })
    }

    fn move_here(&self) -> Result<()> {
        move_into_link_name_space(self.handle.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("enter {}", self.name))
    }
}

fn allow_descriptors(count: u64) -> rustix::io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(count), ..limit })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_crowd_is_reached_and_leaves_nothing_behind() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: making namespaces needs root");
            return;
        }
        let crowd = Crowd::new(50).expect("a crowd");
        let host = Arc::clone(&crowd.host);
        let address = crowd.address(50);
        let listener = crowd.container(50).enter(|| TcpListener::bind((address, 80))).expect("enter");
        let listener = listener.expect("listen");
        let client = host.enter(|| TcpStream::connect((address, 80))).expect("connect");
        let (served, from) = listener.accept().expect("accept");
        assert_eq!(from.ip(), SERVER_GATEWAY);
        drop(served);
        assert_eq!((&client).read(&mut [0]).expect("read"), 0);
        let veths = || host.ip("-br link show type veth").stdout.lines().count();
        assert_eq!(veths(), 50);
        let inode = |of: std::io::Result<fs::Metadata>| of.map(|of| of.ino()).ok();
        let container = crowd.container(1);
        assert_eq!(inode(fs::metadata(container.path())), inode(container.handle.metadata()));
        let paths: Vec<PathBuf> = (1..=50).map(|number| crowd.container(number).path()).collect();
        drop((crowd, listener, client));
        assert_eq!(veths(), 0);
        let open =
            |path: &PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("net:"));
        let left = paths.iter().filter(|path| open(path)).count();
        assert_eq!(left, 0, "namespaces are held open");
    }
}
