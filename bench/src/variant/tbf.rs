//! `tc tbf`: a queue where packets leave.

use anyhow::Result;
use dataplane_common::direction::Direction;

use super::{Limit, Limiter, Variant};
use crate::bed::{Bed, INSIDE, SERVER_VETH};
use crate::rivals;

pub(super) struct Tbf;

impl Variant for Tbf {
    fn name(&self) -> &'static str {
        "tbf"
    }

    fn about(&self) -> &'static str {
        "routing, the server limited by tc tbf"
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        Limiter::build(self, Limit { bits_per_s: 100_000_000_000, direction: Direction::ToContainer })
    }

    fn limiter(&self) -> Option<&dyn Limiter> {
        Some(self)
    }
}

impl Limiter for Tbf {
    fn build(&self, limit: Limit) -> Result<Bed> {
        let bed = Bed::routed();
        let tbf = rivals::Tbf { bits_per_s: limit.bits_per_s };
        match limit.direction {
            Direction::FromContainer => tbf.add(&bed.server, INSIDE)?,
            Direction::ToContainer => tbf.add(bed.host(), SERVER_VETH)?,
        };
        Ok(bed)
    }
}
