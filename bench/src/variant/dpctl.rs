//! `dpctl attach` with a limit on the server's veth.

use std::fs;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::Result;
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;

use super::{Chore, Limit, Limiter, Variant, Work};
use crate::bed::{Bed, SERVER_VETH};
use crate::crowd::Crowd;
use crate::instance::Dpctl;

pub(super) struct Limited;

impl Variant for Limited {
    fn name(&self) -> &'static str {
        "dpctl-limited"
    }

    fn about(&self) -> &'static str {
        "routing, the server limited by dpctl"
    }

    fn build(&self, _size: u32) -> Result<Bed> {
        Limiter::build(self, Limit { bits_per_s: 100_000_000_000, direction: Direction::ToContainer })
    }

    fn limiter(&self) -> Option<&dyn Limiter> {
        Some(self)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        Some(self)
    }
}

impl Limiter for Limited {
    fn build(&self, limit: Limit) -> Result<Bed> {
        let mut bed = Bed::routed();
        let dpctl = Dpctl::new(Arc::clone(bed.host()));
        dpctl.run(&format!("attach --rate {}bit {SERVER_VETH}", limit.bits_per_s))?;
        bed.keep(dpctl);
        Ok(bed)
    }
}

impl Chore for Limited {
    fn about(&self) -> &'static str {
        "dpctl attach --rate 10mbit"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        Ok(Box::new(Attached { dpctl: Dpctl::new(Arc::clone(&crowd.host)), crowd: Arc::clone(crowd) }))
    }
}

struct Attached {
    dpctl: Dpctl<Arc<Namespace>>,
    crowd: Arc<Crowd>,
}

impl Work for Attached {
    fn add(&mut self, number: u32) -> Result<()> {
        self.dpctl.run(&format!("attach --rate 10mbit {}", self.crowd.veth(number))).map(drop)
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        self.dpctl.run(&format!("detach {}", self.crowd.veth(number))).map(drop)
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let names: Vec<String> = numbers.map(|number| self.crowd.veth(number)).collect();
        let file = self.dpctl.folder().join("names");
        fs::write(&file, names.join("\n"))?;
        let mut command = self.dpctl.command("attach --rate 10mbit --stdin");
        let output = command.stdin(fs::File::open(&file)?).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn remove_all(&mut self, _numbers: RangeInclusive<u32>) -> Result<()> {
        self.dpctl.run("detach --all").map(drop)
    }
}
