//! The real `dpctl` on the server's veth: its two programs, without a limit or with one.

use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Result, ensure};
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;

use super::queues::TEN_MBIT;
use super::{Chore, Limit, Limiter, Tool, UNREACHED, Variant, Work, proof, tool};
use crate::bed::{Bed, CLIENT, SERVER_VETH};
use crate::crowd::Crowd;
use crate::instance::Dpctl;
use crate::interrupt;

/// Where it is, [`crate::lookup`] says.
const DPCTL: Tool = Tool { program: "dpctl", package: "dpctl" };

/// Attached, and limited or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// It counts.
    Counted,
    /// With default burst and latency.
    Limited,
}

impl Variant for Attached {
    fn name(&self) -> &'static str {
        match self {
            Self::Counted => "dpctl-counted",
            Self::Limited => "dpctl-limited",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Counted => "dpctl attached to the server's veth, without a limit",
            Self::Limited => "dpctl attached to the server's veth, with a limit",
        }
    }

    fn needs(&self) -> &[Tool] {
        &[DPCTL]
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        match self {
            Self::Counted => attached("", &Direction::ALL),
            Self::Limited => attached(&format!("--rate {UNREACHED}bit"), &Direction::ALL),
        }
    }

    fn limiter(&self) -> Option<&dyn Limiter> {
        (*self == Self::Limited).then_some(self as &dyn Limiter)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        Some(self)
    }
}

impl Limiter for Attached {
    fn build(&self, limit: Limit) -> Result<Bed> {
        let Limit { bits_per_s, direction } = limit;
        let option = match direction {
            Direction::FromContainer => "--from-container",
            Direction::ToContainer => "--to-container",
        };
        attached(&format!("{option} {bits_per_s}bit"), &[direction])
    }
}

/// With these options; packets must have been counted in these directions.
fn attached(options: &str, directions: &[Direction]) -> Result<Bed> {
    let mut bed = Bed::routed();
    let dpctl = Dpctl::new(Arc::clone(bed.host()));
    dpctl.run(&format!("attach {options} {SERVER_VETH}"))?;
    proof::is_seen_as(&bed, CLIENT)?;
    for direction in directions {
        let packets = dpctl.counted(SERVER_VETH, *direction, "packets")?;
        ensure!(packets > 0, "dpctl has counted no packet {}", direction.name());
    }
    bed.keep(dpctl);
    Ok(bed)
}

impl Chore for Attached {
    fn about(&self) -> &'static str {
        match self {
            Self::Counted => "dpctl attach (or detach); all: attach --stdin, detach with all names",
            Self::Limited => "dpctl attach --rate (or detach); all: attach --stdin, detach with all names",
        }
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        let options = match self {
            Self::Counted => String::new(),
            Self::Limited => format!("--rate {TEN_MBIT}bit"),
        };
        let dpctl = Dpctl::new(Arc::clone(&crowd.host));
        Ok(Box::new(AtWork { crowd: Arc::clone(crowd), dpctl, options }))
    }
}

/// Whose instance resets itself on drop.
struct AtWork {
    crowd: Arc<Crowd>,
    dpctl: Dpctl<Arc<Namespace>>,
    options: String,
}

impl Work for AtWork {
    fn add(&mut self, number: u32) -> Result<()> {
        interrupt::check()?;
        self.dpctl.run(&format!("attach {} {}", self.options, self.crowd.veth(number))).map(drop)
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        interrupt::check()?;
        self.dpctl.run(&format!("detach {}", self.crowd.veth(number))).map(drop)
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let names = veths(&self.crowd, numbers).join("\n") + "\n";
        let mut attach = self.dpctl.command(&format!("attach {} --stdin", self.options));
        tool::run(&self.crowd.host, &mut attach, &names).map(drop)
    }

    fn remove_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let mut detach = self.dpctl.command("detach");
        tool::run(&self.crowd.host, detach.args(veths(&self.crowd, numbers)), "").map(drop)
    }
}

fn veths(crowd: &Crowd, numbers: RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| crowd.veth(number)).collect()
}
