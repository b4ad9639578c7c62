//! `tc htb` as it is mostly typed: one class that everything falls into, with a rate. Its queue is
//! the default one, as many packets as the device's `txqueuelen` says, 1000 on a veth: 1.2 s of
//! full frames at 10 Mbit/s, and far more of packets that are yet to be cut.

use std::sync::Arc;

use anyhow::Result;
use dataplane_common::direction::Direction;

use super::proof::TC;
use super::queues::{self, AtWork};
use super::{Chore, Limit, Limiter, Tool, UNREACHED, Variant, Work};
use crate::bed::Bed;
use crate::crowd::Crowd;

pub(super) struct Htb;

impl Variant for Htb {
    fn name(&self) -> &'static str {
        "htb"
    }

    fn about(&self) -> &'static str {
        "tc htb, one class, at both ends of the server's veth, default queue"
    }

    fn needs(&self) -> &[Tool] {
        &[TC]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[
            queues::PLACE,
            "Against htb: its queue of 1000 packets is the default, and nobody who cares for delay leaves it so.",
        ]
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        let limits = Direction::ALL.map(|direction| Limit { bits_per_s: UNREACHED, direction });
        queues::limited(&limits, words, "htb")
    }

    fn limiter(&self) -> Option<&dyn Limiter> {
        Some(self)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        Some(self)
    }
}

impl Limiter for Htb {
    fn build(&self, limit: Limit) -> Result<Bed> {
        queues::limited(&[limit], words, "htb")
    }
}

impl Chore for Htb {
    fn about(&self) -> &'static str {
        "tc qdisc and tc class add (or qdisc del) on the host's veth; all: tc -batch"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        Ok(Box::new(AtWork::new(crowd, words)))
    }
}

/// The quantum says how classes take turns, and here is but one; without it the kernel computes
/// one from the rate, and complains of it in its log.
fn words(bits_per_s: u64, device: &str) -> Vec<String> {
    vec![
        format!("qdisc add dev {device} root handle 1: htb default 1"),
        format!("class add dev {device} parent 1: classid 1:1 htb rate {bits_per_s}bit quantum 60000"),
    ]
}
