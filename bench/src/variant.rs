//! What is compared: each a way for packets from a client to a server, one file each.
//!
//! docs/lab.md tells how to add one: a file here, and a line in [`all`].

mod bridge;
mod cni_bandwidth;
mod docker_proxy;
mod docker_shape;
mod dpctl;
mod htb;
mod iptables;
mod nft;
mod proof;
mod proxies;
mod queues;
mod routing;
mod tbf;
#[cfg(test)]
mod tests;
mod tool;
mod veth;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dataplane_common::direction::Direction;

use crate::bed::Bed;
use crate::crowd::Crowd;
use crate::lookup;

/// A way for packets.
pub(crate) trait Variant: Sync {
    /// As `--variants` takes it.
    fn name(&self) -> &str;

    /// One line for `dpbench list`.
    fn about(&self) -> &str;

    /// What N counts, where the path is built for a number of something.
    fn counts(&self) -> Option<&'static str> {
        None
    }

    /// The largest N that can be built here.
    fn largest(&self) -> u32 {
        u32::MAX
    }

    /// About what building takes for each of what it counts.
    fn each_takes(&self) -> Duration {
        Duration::from_micros(30)
    }

    /// Programs that it runs, and the Debian package of each.
    fn needs(&self) -> &[Tool] {
        &[]
    }

    /// What a reader must hold against its figures.
    fn unfair(&self) -> &'static [&'static str] {
        &[]
    }

    /// Builds the path, for N of what it counts (1 where it counts nothing). A variant that limits
    /// builds it with a limit that nothing here reaches.
    fn build(&self, size: u32) -> Result<Bed>;

    /// The same as a limiter, where it is one.
    fn limiter(&self) -> Option<&dyn Limiter> {
        None
    }

    /// The same as work to be done for each container, where there is some.
    fn chore(&self) -> Option<&dyn Chore> {
        None
    }
}

/// A variant that limits the server's traffic.
pub(crate) trait Limiter: Sync {
    /// A routed bed whose server is limited in one direction.
    fn build(&self, limit: Limit) -> Result<Bed>;
}

/// What a limiter is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Frames whole, in bits a second.
    pub(crate) bits_per_s: u64,
    /// Seen from the server, which is the container.
    pub(crate) direction: Direction,
}

/// What a variant does for each container that comes and goes.
pub(crate) trait Chore: Sync {
    /// What is done for one, in a line: the commands.
    fn about(&self) -> &str;

    /// Does what is done once for a host, and returns who does the rest.
    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>>;
}

/// The work of one variant on one crowd; undoes what is left of it on drop.
pub(crate) trait Work {
    /// Does it for container `number`, as its tool's users do: one container, by itself.
    fn add(&mut self, number: u32) -> Result<()>;

    /// Undoes it.
    fn remove(&mut self, number: u32) -> Result<()>;

    /// Does it for many in the quickest way that the tool has.
    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()>;

    /// Undoes it for many.
    fn remove_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()>;
}

/// A program of somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Its file name, or a path for what stands in no folder of programs.
    pub(crate) program: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
}

/// All that this build knows, in the order of tables.
pub(crate) fn all() -> Vec<Box<dyn Variant>> {
    use docker_shape::Growth;
    use iptables::Iptables;
    vec![
        Box::new(veth::Veth),
        Box::new(bridge::Bridge),
        Box::new(routing::Routing),
        Box::new(Iptables::LEGACY_PORTS),
        Box::new(Iptables::LEGACY_CONTAINERS),
        Box::new(Iptables::NFT_PORTS),
        Box::new(Iptables::NFT_CONTAINERS),
        Box::new(nft::Nft(Growth::Ports)),
        Box::new(nft::Nft(Growth::Containers)),
        Box::new(docker_proxy::DockerProxy),
        Box::new(tbf::Tbf),
        Box::new(htb::Htb),
        Box::new(cni_bandwidth::CniBandwidth),
        Box::new(dpctl::Attached::Counted),
        Box::new(dpctl::Attached::Limited),
    ]
}

/// What ratios are over: the kernel's own forwarding with nothing of anybody's on it.
pub(crate) const BASELINE: &str = "routing";

/// What a variant needs and this machine lacks, in one line.
pub(crate) fn lacks(variant: &dyn Variant) -> Option<String> {
    let missing = variant.needs().iter().filter(|tool| tool.find().is_none());
    let lines = missing.map(|tool| match tool.program {
        "dpctl" => lookup::dpctl().map_or_else(|error| format!("{error:#}"), |_| String::new()),
        _ => tool.wanted(),
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// A rate beyond what any path here carries, for limits that must not be felt.
const UNREACHED: u64 = 200_000_000_000;

/// Why a variant cannot be built here for this N, in a line; none where it can.
pub(crate) fn refusal(variant: &dyn Variant, size: u32) -> Option<String> {
    if let Some(why) = lacks(variant) {
        return Some(why);
    }
    let largest = variant.largest();
    (size > largest).then(|| format!("N is {size}, and {largest} at the most: each takes memory or a port"))
}

/// What killed runs have left of other programs, beside their namespaces.
pub(crate) fn sweep() {
    proxies::sweep();
}

impl Tool {
    /// Where it is on this machine.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        if self.program == "dpctl" {
            return lookup::dpctl().ok();
        }
        let program = Path::new(self.program);
        if program.is_absolute() {
            return program.exists().then(|| program.to_owned());
        }
        // Not PATH: an ordinary user's has no sbin.
        let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
    }
}
