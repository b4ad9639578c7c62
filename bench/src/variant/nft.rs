//! nftables as its authors advise: one rule for each question, and maps and sets for the answers.
//! What the rules of Docker say, so that both are asked for the same.

mod chore;
mod ruleset;

use anyhow::{Result, ensure};

use super::docker_shape::{self, Growth};
use super::{Chore, Tool, Variant, proof, tool};
use crate::bed::{Bed, CLIENT};

/// Grown by ports or by containers.
pub(super) struct Nft(pub(super) Growth);

const NFT: Tool = Tool { program: "nft", package: "nftables" };

impl Variant for Nft {
    fn name(&self) -> &'static str {
        match self.0 {
            Growth::Ports => "nft-ports",
            Growth::Containers => "nft-containers",
        }
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Growth::Ports => "the same by maps and sets of nftables, N published ports",
            Growth::Containers => "the same by maps and sets of nftables, N containers with a port",
        }
    }

    fn counts(&self) -> Option<&'static str> {
        Some(self.0.counts())
    }

    fn largest(&self) -> u32 {
        docker_shape::LARGEST
    }

    fn needs(&self) -> &[Tool] {
        &[NFT]
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[docker_shape::PLACE]
    }

    fn build(&self, size: u32) -> Result<Bed> {
        let shape = docker_shape::shape(self.0, size);
        let bed = docker_shape::bed();
        let text = format!("{}{}", ruleset::BASE, ruleset::add(&shape.published, &shape.containers));
        tool::run(bed.host(), NFT.command()?.args(["-f", "-"]), &text)?;
        proof::is_seen_as(&bed, CLIENT)?;
        proof::refuses_direct(&bed)?;
        for (kind, name, expected) in [
            ("map", "published", shape.published.len()),
            ("map", "permitted", shape.published.len()),
            ("set", "containers", shape.containers.len()),
        ] {
            let list = ["list", kind, "ip", ruleset::TABLE, name];
            let count = ruleset::elements(&tool::run(bed.host(), NFT.command()?.args(list), "")?);
            ensure!(count == expected, "{kind} {name} has {count} elements and should have {expected}");
        }
        Ok(bed)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        (self.0 == Growth::Containers).then_some(&chore::ByElements as &dyn Chore)
    }
}
