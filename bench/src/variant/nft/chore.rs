//! Three elements for a container with one published port.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::Result;

use super::{NFT, ruleset, tool};
use crate::crowd::Crowd;
use crate::interrupt;
use crate::variant::docker_shape::{Published, one_port};
use crate::variant::{Chore, Work};

pub(super) struct ByElements;

struct AtWork(Arc<Crowd>);

impl Chore for ByElements {
    fn about(&self) -> &'static str {
        "one nft with add (or delete) element for each of 3; all: one nft -f"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        let work = AtWork(Arc::clone(crowd));
        work.load(ruleset::BASE)?;
        Ok(Box::new(work))
    }
}

impl Work for AtWork {
    fn add(&mut self, number: u32) -> Result<()> {
        let (published, containers) = self.of(number..=number);
        self.command(&ruleset::add(&published, &containers))
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        let (published, containers) = self.of(number..=number);
        self.command(&ruleset::delete(&published, &containers))
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let (published, containers) = self.of(numbers);
        self.load(&ruleset::add(&published, &containers))
    }

    fn remove_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let (published, containers) = self.of(numbers);
        self.load(&ruleset::delete(&published, &containers))
    }
}

impl AtWork {
    fn of(&self, numbers: RangeInclusive<u32>) -> (Vec<Published>, Vec<Ipv4Addr>) {
        let one = |number| {
            let address = self.0.address(number);
            (one_port(number, address), address)
        };
        numbers.map(one).unzip()
    }

    /// As its users type it.
    fn command(&self, text: &str) -> Result<()> {
        interrupt::check()?;
        tool::run(&self.0.host, NFT.command()?.arg(text), "").map(drop)
    }

    fn load(&self, text: &str) -> Result<()> {
        tool::run(&self.0.host, NFT.command()?.args(["-f", "-"]), text).map(drop)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Err(error) = self.load(&format!("delete table ip {}\n", ruleset::TABLE)) {
            eprintln!("take the table away: {error:#}");
        }
    }
}
