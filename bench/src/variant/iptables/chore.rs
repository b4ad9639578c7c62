//! What Docker does for a container with one published port: three rules, each by a process that
//! asks whether it is there and by another that adds it or takes it away.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Result, ensure};

use super::rules::{self, Rule};
use super::{LOCK, Shape, Tools, tool};
use crate::crowd::Crowd;
use crate::interrupt;
use crate::variant::docker_shape::{Published, one_port};
use crate::variant::{Chore, Work};

#[derive(Debug)]
pub(super) struct ByRules(pub(super) Tools);

struct AtWork {
    tools: Tools,
    crowd: Arc<Crowd>,
    present: BTreeSet<u32>,
}

impl Chore for ByRules {
    fn about(&self) -> &'static str {
        "iptables -w -C and -A (or -D) for each of 3 rules; all: iptables-restore"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        let work = AtWork { tools: self.0, crowd: Arc::clone(crowd), present: BTreeSet::new() };
        work.rewrite()?;
        Ok(Box::new(work))
    }
}

impl Work for AtWork {
    fn add(&mut self, number: u32) -> Result<()> {
        for rule in rules::of(&self.port(number)) {
            ensure!(!self.exists(&rule)?, "{} stands already", rule.words);
            self.act(rule.add, &rule)?;
        }
        self.present.insert(number);
        Ok(())
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        for rule in rules::of(&self.port(number)) {
            ensure!(self.exists(&rule)?, "{} does not stand", rule.words);
            self.act("-D", &rule)?;
        }
        self.present.remove(&number);
        Ok(())
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let rules: Vec<Rule> = numbers.clone().flat_map(|number| rules::of(&self.port(number))).collect();
        self.tools.restore(&self.crowd.host, &["--noflush"], &rules::additions(&rules))?;
        self.present.extend(numbers);
        Ok(())
    }

    /// Rules are found by comparing, one after another: it is quicker to write what remains.
    fn remove_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        self.present.retain(|number| !numbers.contains(number));
        self.rewrite()
    }
}

impl AtWork {
    fn port(&self, number: u32) -> Published {
        one_port(number, self.crowd.address(number))
    }

    /// Docker asks before each change, and tells "no" by the exit code.
    fn exists(&self, rule: &Rule) -> Result<bool> {
        interrupt::check()?;
        let mut command = self.tools.iptables()?;
        command.args(["-t", rule.table, "-C"]).args(rule.words.split_whitespace());
        let host = &self.crowd.host;
        Ok(tool::attempt(host, command.env(LOCK, host.path()), "")?.status.success())
    }

    fn act(&self, action: &str, rule: &Rule) -> Result<()> {
        let mut command = self.tools.iptables()?;
        command.args(["-t", rule.table, action]).args(rule.words.split_whitespace());
        let host = &self.crowd.host;
        tool::run(host, command.env(LOCK, host.path()), "").map(drop)
    }

    fn rewrite(&self) -> Result<()> {
        let published: Vec<_> = self.present.iter().map(|number| self.port(*number)).collect();
        let containers = published.iter().map(|one| one.address).collect();
        let shape = Shape { published, containers };
        self.tools.restore(&self.crowd.host, &[], &rules::ruleset(&shape))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Err(error) = self.tools.restore(&self.crowd.host, &[], &rules::nothing()) {
            eprintln!("take the rules away: {error:#}");
        }
    }
}
