//! Who has work to do for each container: the variants that were asked for, and the kernel's own
//! work that stands beside them, a veth whose peer is born in the container's namespace.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;

use super::Scope;
use crate::crowd::Crowd;
use crate::measure::timed;
use crate::results::Skipped;
use crate::variant::{self, Chore, Work};

/// The kernel's own work in tables.
pub(super) const VETH_PAIR: &str = "veth-pair";
/// Up to here unless more is asked for: what real containers take.
const USUAL: u32 = 1000;

/// A chore by its variant's name.
pub(super) type Named<'v> = (&'v str, &'v dyn Chore);

/// Those of the variants asked for; what lacks a program goes to `skipped`.
pub(super) fn of_variants<'v>(scope: &'v Scope, skipped: &mut Vec<Skipped>) -> Vec<Named<'v>> {
    let mut chores = Vec::new();
    for variant in &scope.variants {
        let Some(chore) = variant.chore() else { continue };
        match variant::refusal(&**variant, 1) {
            None => chores.push((variant.name(), chore)),
            Some(why) => skipped.push(Skipped { variant: variant.name().to_owned(), why }),
        }
    }
    chores
}

/// Numbers of containers: the 10,000 of other scenarios only where they are all that is asked for.
pub(super) fn crowds(scope: &Scope) -> Vec<u32> {
    let usual: Vec<u32> = scope.sizes.iter().copied().filter(|size| *size <= USUAL).collect();
    if usual.is_empty() { scope.sizes.clone() } else { usual }
}

/// One more veth for each container.
pub(super) struct VethPair;

/// The device group of those, to be removed at once.
const GROUP: u32 = 79;

struct Pairs {
    crowd: Arc<Crowd>,
    /// How many there are.
    there: u32,
}

impl Chore for VethPair {
    fn about(&self) -> &'static str {
        "ip link add, a veth whose peer is born in the container"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        Ok(Box::new(Pairs { crowd: Arc::clone(crowd), there: 0 }))
    }
}

impl Pairs {
    fn words(&self, number: u32) -> String {
        let inside = self.crowd.container(number).path();
        let inside = inside.display();
        format!("link add w{number} up group {GROUP} type veth peer name eth1 netns {inside}")
    }

    fn ip(&self, line: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(line.split_whitespace());
        self.crowd.host.enter(|| timed(&mut command)).map(drop)
    }
}

impl Work for Pairs {
    fn add(&mut self, number: u32) -> Result<()> {
        self.there += 1;
        self.ip(&self.words(number))
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        self.there -= 1;
        self.ip(&format!("link delete w{number}"))
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let mut lines = String::new();
        for number in numbers {
            writeln!(lines, "{}", self.words(number))?;
            self.there += 1;
        }
        self.crowd.host.ip_batch(&lines);
        Ok(())
    }

    fn remove_all(&mut self, _numbers: RangeInclusive<u32>) -> Result<()> {
        self.there = 0;
        self.ip(&format!("link delete group {GROUP}"))
    }
}

impl Drop for Pairs {
    fn drop(&mut self) {
        if self.there > 0
            && let Err(error) = self.ip(&format!("link delete group {GROUP}"))
        {
            eprintln!("remove veths: {error:#}");
        }
    }
}
