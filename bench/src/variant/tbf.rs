//! `tc tbf`: a queue on the device that sends, which gives out at a rate. Its burst is 32 kB or
//! 4 ms, whichever is more, its latency 50 ms.

use std::sync::Arc;

use anyhow::Result;
use dataplane_common::direction::Direction;

use super::proof::TC;
use super::queues::{self, AtWork};
use super::{Chore, Limit, Limiter, Tool, UNREACHED, Variant, Work};
use crate::bed::Bed;
use crate::crowd::Crowd;
use crate::rivals;

pub(super) struct Tbf;

impl Variant for Tbf {
    fn name(&self) -> &'static str {
        "tbf"
    }

    fn about(&self) -> &'static str {
        "tc tbf at both ends of the server's veth, latency 50 ms"
    }

    fn needs(&self) -> &[Tool] {
        &[TC]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[queues::PLACE]
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        let limits = Direction::ALL.map(|direction| Limit { bits_per_s: UNREACHED, direction });
        queues::limited(&limits, words, "tbf")
    }

    fn limiter(&self) -> Option<&dyn Limiter> {
        Some(self)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        Some(self)
    }
}

impl Limiter for Tbf {
    fn build(&self, limit: Limit) -> Result<Bed> {
        queues::limited(&[limit], words, "tbf")
    }
}

impl Chore for Tbf {
    fn about(&self) -> &'static str {
        "tc qdisc add (or del) on the host's veth, one direction; all: tc -batch"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        Ok(Box::new(AtWork::new(crowd, words)))
    }
}

fn words(bits_per_s: u64, device: &str) -> Vec<String> {
    vec![rivals::Tbf { bits_per_s }.words(device)]
}
