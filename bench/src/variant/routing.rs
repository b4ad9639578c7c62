//! The host forwards between two veths, with nothing of anybody's on the path: the baseline.

use anyhow::Result;

use super::Variant;
use crate::bed::Bed;

pub(super) struct Routing;

impl Variant for Routing {
    fn name(&self) -> &'static str {
        super::BASELINE
    }

    fn about(&self) -> &'static str {
        "the host forwards between two veths, no rules"
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        Ok(Bed::routed())
    }
}
