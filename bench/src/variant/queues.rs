//! What `tbf` and `htb` share: where their queues stand, the proof that packets went through
//! them, and the work for each container.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::Result;
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;

use super::proof::{self, TC};
use super::{Limit, Work, tool};
use crate::bed::{Bed, CLIENT, INSIDE, SERVER_VETH};
use crate::crowd::Crowd;
use crate::interrupt;

/// For the reader of the figures.
pub(super) const PLACE: &str = "For tbf and htb: from the container their queue stands inside the container, \
    at eth0, where the sender feels it at once and a tenant could remove it. On the host it would take an ifb \
    device more.";

/// What a container is limited to, where only the work counts.
pub(super) const TEN_MBIT: u64 = 10_000_000;

/// The `tc` commands that set a queue of this rate on a device, without the word `tc`.
pub(super) type Words = fn(bits_per_s: u64, device: &str) -> Vec<String>;

/// A routed bed with these limits, proven by queues of this kind.
pub(super) fn limited(limits: &[Limit], words: Words, kind: &str) -> Result<Bed> {
    let bed = Bed::routed();
    for limit in limits {
        let (inside, device) = sender(&bed, limit.direction);
        for words in words(limit.bits_per_s, device) {
            tc(inside, &words)?;
        }
    }
    proof::is_seen_as(&bed, CLIENT)?;
    for limit in limits {
        let (inside, device) = sender(&bed, limit.direction);
        proof::has_queued(inside, device, kind)?;
    }
    Ok(bed)
}

/// A queue stands where packets leave: for what comes from the container, inside it.
fn sender(bed: &Bed, direction: Direction) -> (&Namespace, &'static str) {
    match direction {
        Direction::FromContainer => (&bed.server, INSIDE),
        Direction::ToContainer => (bed.host(), SERVER_VETH),
    }
}

/// Queues on the host's veths.
pub(super) struct AtWork {
    crowd: Arc<Crowd>,
    words: Words,
    present: BTreeSet<u32>,
}

impl AtWork {
    pub(super) fn new(crowd: &Arc<Crowd>, words: Words) -> Self {
        Self { crowd: Arc::clone(crowd), words, present: BTreeSet::new() }
    }

    fn additions(&self, number: u32) -> Vec<String> {
        (self.words)(TEN_MBIT, &self.crowd.veth(number))
    }

    fn removal(&self, number: u32) -> String {
        format!("qdisc del dev {} root", self.crowd.veth(number))
    }
}

impl Work for AtWork {
    fn add(&mut self, number: u32) -> Result<()> {
        for words in self.additions(number) {
            tc(&self.crowd.host, &words)?;
        }
        self.present.insert(number);
        Ok(())
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        tc(&self.crowd.host, &self.removal(number))?;
        self.present.remove(&number);
        Ok(())
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let lines: Vec<String> = numbers.clone().flat_map(|number| self.additions(number)).collect();
        self.present.extend(numbers);
        batch(&self.crowd.host, &lines)
    }

    fn remove_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let lines: Vec<String> = numbers.clone().map(|number| self.removal(number)).collect();
        self.present.retain(|number| !numbers.contains(number));
        batch(&self.crowd.host, &lines)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let lines: Vec<String> = self.present.iter().map(|number| self.removal(*number)).collect();
        if let Err(error) = batch(&self.crowd.host, &lines) {
            eprintln!("take the queues away: {error:#}");
        }
    }
}

fn tc(inside: &Namespace, words: &str) -> Result<()> {
    interrupt::check()?;
    tool::run(inside, TC.command()?.args(words.split_whitespace()), "").map(drop)
}

/// Many by one process.
pub(super) fn batch(inside: &Namespace, lines: &[String]) -> Result<()> {
    tool::run(inside, TC.command()?.args(["-batch", "-"]), &(lines.join("\n") + "\n")).map(drop)
}
