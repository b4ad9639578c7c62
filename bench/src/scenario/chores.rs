//! Who has work to do for each container: the variants that were asked for, and the kernel's own
//! work that stands beside them, a veth whose peer is born in the container's namespace.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;

use super::Scope;
use super::unfair::unfair;
use crate::crowd::Crowd;
use crate::measure::timed;
use crate::results::Skipped;
use crate::variant::{self, Chore, Work};

/// The kernel's own work in tables.
pub(super) const VETH_PAIR: &str = "veth-pair";
/// Up to here unless more is typed: a crowd of more takes long to make.
const USUAL: u32 = 1000;

/// A chore by its variant's name.
pub(super) type Named<'v> = (&'v str, &'v dyn Chore);

/// Those of the variants asked for that can be done for so many; the others go to `skipped`.
pub(super) fn of_variants<'v>(scope: &'v Scope, size: u32, skipped: &mut Vec<Skipped>) -> Vec<Named<'v>> {
    let mut chores = Vec::new();
    for variant in &scope.variants {
        let Some(chore) = variant.chore() else { continue };
        match variant::refusal(&**variant, size) {
            None => chores.push((variant.name(), chore)),
            Some(why) => skipped.push(Skipped { variant: format!("{} {size}", variant.name()), why }),
        }
    }
    chores
}

/// Numbers of containers: as they were typed, or without the 10,000 of other scenarios, which then
/// go to `skipped`.
pub(super) fn crowds(scope: &Scope, skipped: &mut Vec<Skipped>) -> Vec<u32> {
    let is_left_out = |size: &u32| *size > USUAL && !scope.sizes_are_typed;
    skipped.extend(scope.sizes.iter().filter(|size| is_left_out(size)).map(|size| Skipped {
        variant: format!("all, {size} containers"),
        why: format!("more than {USUAL} containers take many minutes: ask for them with --sizes {size}"),
    }));
    scope.sizes.iter().copied().filter(|size| !is_left_out(size)).collect()
}

/// What stands against a chore of those variants, and what against all of them.
pub(super) fn unfair_lines(own: &[&str], scope: &Scope) -> Vec<String> {
    let doing = scope.variants.iter().map(|variant| &**variant).filter(|one| one.chore().is_some());
    unfair(&[own, &[ONE_DIRECTION]].concat(), doing)
}

const ONE_DIRECTION: &str =
    "For tbf and htb: they limit one direction, where dpctl and the CNI plugin set up two.";

/// One more veth for each container.
pub(super) struct VethPair;

/// The device group of those, to be removed at once.
const GROUP: u32 = 79;

struct Pairs {
    crowd: Arc<Crowd>,
    /// How many there are.
    there: u32,
}

impl Chore for VethPair {
    fn about(&self) -> &'static str {
        "ip link add, a veth whose peer is born in the container"
    }

    fn begin(&self, crowd: &Arc<Crowd>) -> Result<Box<dyn Work>> {
        Ok(Box::new(Pairs { crowd: Arc::clone(crowd), there: 0 }))
    }
}

impl Pairs {
    fn words(&self, number: u32) -> String {
        let inside = self.crowd.container(number).path();
        let inside = inside.display();
        format!("link add w{number} up group {GROUP} type veth peer name eth1 netns {inside}")
    }

    fn ip(&self, line: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(line.split_whitespace());
        self.crowd.host.enter(|| timed(&mut command)).map(drop)
    }
}

impl Work for Pairs {
    fn add(&mut self, number: u32) -> Result<()> {
        self.there += 1;
        self.ip(&self.words(number))
    }

    fn remove(&mut self, number: u32) -> Result<()> {
        self.there -= 1;
        self.ip(&format!("link delete w{number}"))
    }

    fn add_all(&mut self, numbers: RangeInclusive<u32>) -> Result<()> {
        let mut lines = String::new();
        for number in numbers {
            writeln!(lines, "{}", self.words(number))?;
            self.there += 1;
        }
        self.crowd.host.ip_batch(&lines);
        Ok(())
    }

    fn remove_all(&mut self, _numbers: RangeInclusive<u32>) -> Result<()> {
        self.there = 0;
        self.ip(&format!("link delete group {GROUP}"))
    }
}

impl Drop for Pairs {
    fn drop(&mut self) {
        if self.there > 0
            && let Err(error) = self.ip(&format!("link delete group {GROUP}"))
        {
            eprintln!("remove veths: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_are_made_where_they_were_typed_and_told_where_not() {
        let mut scope = Scope { sizes: vec![1, 1000, 10_000], ..Scope::nothing(1) };
        let mut skipped = Vec::new();
        assert_eq!(crowds(&scope, &mut skipped), [1, 1000]);
        let names: Vec<&str> = skipped.iter().map(|one| one.variant.as_str()).collect();
        assert_eq!(names, ["all, 10000 containers"]);
        scope.sizes_are_typed = true;
        assert_eq!(crowds(&scope, &mut Vec::new()), [1, 1000, 10_000]);
    }

    #[test]
    fn lines_of_those_who_do_something_stand_with_one_of_directions() {
        let variants = variant::all().into_iter().map(Arc::from).collect();
        let lines = unfair_lines(&["own"], &Scope { variants, ..Scope::nothing(1) });
        assert!(lines.len() > 2 && lines[..2] == ["own", ONE_DIRECTION], "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("cni-bandwidth")), "{lines:?}");
    }
}
