//! One veth between client and server: nothing a container can have is faster.

use anyhow::Result;

use super::Variant;
use crate::bed::Bed;

pub(super) struct Veth;

impl Variant for Veth {
    fn name(&self) -> &'static str {
        "veth"
    }

    fn about(&self) -> &'static str {
        "client and server at the two ends of one veth"
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        Ok(Bed::direct())
    }
}
