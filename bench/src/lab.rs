//! A lab that somebody brings: topologies and scenarios in a TOML file. docs/lab.md has its keys.
//!
//! Strict: what it does not know, what is missing and what contradicts itself is refused in one
//! line with its place, before anything is built.

mod check;
mod ends;
mod scenarios;
mod shape;
#[cfg(test)]
mod tests;
mod topology;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::input;
use crate::load::Load;
use crate::scenario::Scenario;
use crate::usage::usage;
use crate::variant::Variant;
use check::Text;
use scenarios::Wanted;
use topology::Topology;

/// Bigger than any that a person writes.
const LARGEST_MB: u64 = 1;

/// What the build has; asked anew for each load that is taken out of it.
type Known = fn() -> Vec<Box<dyn Scenario>>;

/// The file, judged.
pub(crate) struct Lab {
    topologies: Vec<Arc<Topology>>,
    scenarios: Vec<(Wanted, Box<dyn Load>)>,
}

impl Lab {
    /// Reads and judges it, beside what there is anyhow.
    pub(crate) fn read(path: &Path, variants: &[Arc<dyn Variant>], scenarios: Known) -> Result<Self> {
        let asked = || format!("--file {}", path.display());
        let bytes = input::read(path, LARGEST_MB).with_context(asked)?;
        let text = String::from_utf8(bytes).map_err(|error| usage(format!("{}: {error}", asked())))?;
        Self::parse(&text, path, variants, scenarios)
    }

    fn parse(text: &str, path: &Path, variants: &[Arc<dyn Variant>], scenarios: Known) -> Result<Self> {
        let text = Text { text, path };
        let file: shape::File = toml::from_str(text.text).map_err(|error| text.refuse_toml(&error))?;
        if file.variant.is_empty() && file.scenario.is_empty() {
            return Err(text.refuse(0..0, "neither a [[variant]] nor a [[scenario]] in it"));
        }
        let mut taken: BTreeSet<String> = variants.iter().map(|variant| variant.name().to_owned()).collect();
        let mut topologies = Vec::new();
        for table in file.variant {
            let topology = topology::judge(&text, table)?;
            if !taken.insert(topology.name.clone()) {
                let what = format!("there is a variant `{}` already", topology.name);
                return Err(text.refuse(topology.at.clone(), &what));
            }
            topologies.push(Arc::new(topology));
        }
        let counting = variants.iter().filter(|one| one.counts().is_some());
        let counting = counting.map(|one| one.name().to_owned()).collect();
        let mut known = scenarios::Around { variants: taken, counting, scenarios, taken: BTreeSet::new() };
        let mut judged = Vec::new();
        for table in file.scenario {
            judged.push(known.judge(&text, table)?);
        }
        Ok(Self { topologies, scenarios: judged })
    }

    /// The topologies, as variants like any other.
    pub(crate) fn variants(&self) -> Vec<Arc<dyn Variant>> {
        self.topologies.iter().map(|one| Arc::clone(one) as Arc<dyn Variant>).collect()
    }

    /// The scenarios over `all` variants; at their own pace, or at that of the run.
    pub(crate) fn scenarios(self, all: &[Arc<dyn Variant>], paced: bool) -> Vec<Box<dyn Scenario>> {
        let scenario = |(wanted, load): (Wanted, _)| wanted.scenario(load, all, paced);
        self.scenarios.into_iter().map(scenario).collect()
    }
}
