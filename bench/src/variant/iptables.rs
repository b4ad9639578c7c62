//! iptables, legacy and nft, in the shape that Docker 28 gives it.

mod chore;
mod rules;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use dataplane_tests::netns::Namespace;

use super::docker_shape::{self, Growth, Shape};
use super::{Chore, Tool, Variant, proof, tool};
use crate::bed::{Bed, CLIENT, PORT};

/// One of the two, grown by ports or by containers.
pub(super) struct Iptables {
    name: &'static str,
    about: &'static str,
    growth: Growth,
    tools: Tools,
    chore: Option<chore::ByRules>,
}

/// The same three programs of either kind.
#[derive(Clone, Copy, Debug)]
struct Tools([Tool; 3]);

const fn debian(program: &'static str) -> Tool {
    Tool { program, package: "iptables" }
}

const LEGACY: Tools =
    Tools([debian("iptables-legacy"), debian("iptables-legacy-restore"), debian("iptables-legacy-save")]);
const NFT: Tools =
    Tools([debian("iptables-nft"), debian("iptables-nft-restore"), debian("iptables-nft-save")]);

impl Iptables {
    pub(super) const LEGACY_PORTS: Self = Self {
        name: "iptables-legacy-ports",
        about: "Docker's rules by iptables-legacy, N published ports",
        growth: Growth::Ports,
        tools: LEGACY,
        chore: None,
    };
    pub(super) const LEGACY_CONTAINERS: Self = Self {
        name: "iptables-legacy-containers",
        about: "Docker's rules by iptables-legacy, N containers with a port",
        growth: Growth::Containers,
        tools: LEGACY,
        chore: Some(chore::ByRules(LEGACY)),
    };
    pub(super) const NFT_PORTS: Self = Self {
        name: "iptables-nft-ports",
        about: "Docker's rules by iptables-nft, N published ports",
        growth: Growth::Ports,
        tools: NFT,
        chore: None,
    };
    pub(super) const NFT_CONTAINERS: Self = Self {
        name: "iptables-nft-containers",
        about: "Docker's rules by iptables-nft, N containers with a port",
        growth: Growth::Containers,
        tools: NFT,
        chore: Some(chore::ByRules(NFT)),
    };
}

impl Variant for Iptables {
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        self.about
    }

    fn counts(&self) -> Option<&'static str> {
        Some(self.growth.counts())
    }

    fn largest(&self) -> u32 {
        docker_shape::LARGEST
    }

    fn needs(&self) -> &[Tool] {
        &self.tools.0
    }

    fn unfair(&self) -> &'static [&'static str] {
        &[docker_shape::PLACE]
    }

    fn build(&self, size: u32) -> Result<Bed> {
        let shape = docker_shape::shape(self.growth, size);
        let bed = docker_shape::bed();
        self.tools.restore(bed.host(), &[], &rules::ruleset(&shape))?;
        self.prove(&bed, &shape)?;
        Ok(bed)
    }

    fn chore(&self) -> Option<&dyn Chore> {
        self.chore.as_ref().map(|chore| chore as &dyn Chore)
    }
}

impl Iptables {
    /// Translated, and by the rules of the measured port; past them nothing goes.
    fn prove(&self, bed: &Bed, shape: &Shape) -> Result<()> {
        proof::is_seen_as(bed, CLIENT)?;
        proof::refuses_direct(bed)?;
        let nat = self.tools.save(bed.host(), "nat")?;
        let count = nat.lines().filter(|line| line.contains("-j DNAT")).count();
        ensure!(
            count == shape.published.len(),
            "{count} DNAT rules stand where {} should",
            shape.published.len()
        );
        for protocol in ["tcp", "udp"] {
            let words = format!("-p {protocol} -m {protocol} --dport {PORT} -j DNAT");
            let line =
                nat.lines().find(|line| line.contains(&words)).context("the measured port has no rule")?;
            ensure!(!line.starts_with("[0:0]"), "no {protocol} packet met the rule of the measured port");
        }
        let raw = self.tools.save(bed.host(), "raw")?;
        let count = raw.lines().filter(|line| line.contains("-j DROP")).count();
        ensure!(
            count == shape.containers.len(),
            "{count} raw rules stand where {} should",
            shape.containers.len()
        );
        Ok(())
    }
}

impl Tools {
    /// `iptables -w`, ready for the words of one rule.
    fn iptables(&self) -> Result<Command> {
        self.command(0)
    }

    /// Loads a text of rules at once.
    fn restore(&self, inside: &Namespace, options: &[&str], text: &str) -> Result<()> {
        let mut command = self.command(1)?;
        command.args(options).env(LOCK, inside.path());
        tool::run(inside, &mut command, text).map(drop)
    }

    /// The rules of a table, with what each has counted.
    fn save(&self, inside: &Namespace, table: &str) -> Result<String> {
        let mut command = self.0[2].command()?;
        tool::run(inside, command.args(["-c", "-t", table]).env(LOCK, inside.path()), "")
    }

    fn command(&self, number: usize) -> Result<Command> {
        let mut command = self.0[number].command()?;
        command.arg("-w");
        Ok(command)
    }
}

/// Names the file that iptables locks: the namespace itself, since rules of one namespace are
/// nobody's business in another, and no file is left in /run.
const LOCK: &str = "XTABLES_LOCKFILE";
