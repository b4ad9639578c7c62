//! A scenario of a lab file: a load that there is, under a name and on terms of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use toml::Spanned;

use super::Known;
use super::check::Text;
use super::shape;
use crate::load::Load;
use crate::names::hint;
use crate::results::Parameters;
use crate::scenario::{Own, Scenario, Terms};
use crate::variant::{BASELINE, Variant};

/// More than anybody waits for.
const MOST_SETS: usize = 100;

/// What a scenario of the file may name.
pub(super) struct Around {
    pub(super) variants: BTreeSet<String>,
    /// Variants that count something, which no ratio can be over.
    pub(super) counting: BTreeSet<String>,
    pub(super) scenarios: Known,
    /// Names of scenarios of the file so far.
    pub(super) taken: BTreeSet<String>,
}

/// What was judged.
pub(super) struct Wanted {
    name: String,
    about: String,
    pub(super) parameters: Vec<Parameters>,
    /// None for all.
    variants: Option<BTreeSet<String>>,
    baseline: String,
    rounds: Option<u32>,
    window: Option<Duration>,
}

impl Around {
    /// Judges the table of a scenario.
    pub(super) fn judge(
        &mut self,
        text: &Text<'_>,
        table: shape::Scenario,
    ) -> Result<(Wanted, Box<dyn Load>)> {
        let name = text.name(&table.name, "scenario")?;
        let known = (self.scenarios)();
        let names: Vec<String> = known.iter().map(|one| one.name().to_owned()).collect();
        if names.contains(&name) || !self.taken.insert(name.clone()) {
            return Err(text.refuse(table.name.span(), &format!("there is a scenario `{name}` already")));
        }
        let load = known.into_iter().find(|one| one.name() == table.load.get_ref());
        let Some(load) = load.and_then(Scenario::into_load) else {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let load = table.load.get_ref();
            let what = if names.contains(&load.as_str()) {
                format!("`{load}` builds paths of its own: it is no load for others")
            } else {
                format!("no load `{}`: {}", load.escape_debug(), hint(load, &names))
            };
            return Err(text.refuse(table.load.span(), &what));
        };
        let about = text.about(table.about.as_ref(), load.about())?;
        let mut variants = None;
        if let Some(chosen) = table.variants {
            if chosen.get_ref().is_empty() {
                return Err(text.refuse(chosen.span(), "`variants` names one at the least"));
            }
            let mut names = BTreeSet::new();
            for name in chosen.get_ref() {
                names.insert(self.variant(text, name)?);
            }
            variants = Some(names);
        }
        let mut baseline = BASELINE.to_owned();
        if let Some(name) = &table.baseline {
            baseline = self.variant(text, name)?;
            if self.counting.contains(&baseline) {
                let what = format!("`{baseline}` comes in many sizes: a baseline has one");
                return Err(text.refuse(name.span(), &what));
            }
        }
        let rounds =
            table.rounds.as_ref().map(|number| text.number(number, "`rounds`", 1..=1000)).transpose()?;
        let within = Duration::from_millis(10)..=Duration::from_mins(10);
        let window = table.window.as_ref().map(|time| text.time(time, "`window`", within)).transpose()?;
        let mut parameters = load.parameters();
        for (key, value) in &table.parameters {
            parameters = given(text, &*load, &parameters, key, value)?;
        }
        Ok((Wanted { name, about, parameters, variants, baseline, rounds, window }, load))
    }

    fn variant(&self, text: &Text<'_>, name: &Spanned<String>) -> Result<String> {
        if self.variants.contains(name.get_ref()) {
            return Ok(name.get_ref().clone());
        }
        let known: Vec<&str> = self.variants.iter().map(String::as_str).collect();
        let what =
            format!("no variant `{}`: {}", name.get_ref().escape_debug(), hint(name.get_ref(), &known));
        Err(text.refuse(name.span(), &what))
    }
}

impl Wanted {
    /// The scenario itself; without a pace of its own where the run's goes before.
    pub(super) fn scenario(
        self,
        load: Box<dyn Load>,
        all: &[Arc<dyn Variant>],
        paced: bool,
    ) -> Box<dyn Scenario> {
        let Self { name, about, parameters, variants: chosen, baseline, rounds, window } = self;
        let is_in = |one: &&Arc<dyn Variant>| {
            one.name() == baseline || chosen.as_ref().is_none_or(|chosen| chosen.contains(one.name()))
        };
        let variants = all.iter().filter(is_in).map(Arc::clone).collect();
        let (rounds, window) = (rounds.filter(|_| paced), window.filter(|_| paced));
        Box::new(Own::new(load, Terms { name, about, parameters, variants, baseline, rounds, window }))
    }
}

/// The sets with one parameter as it is given, each once.
fn given(
    text: &Text<'_>,
    load: &dyn Load,
    sets: &[Parameters],
    key: &str,
    value: &Spanned<toml::Value>,
) -> Result<Vec<Parameters>> {
    let refuse = |what: String| Err(text.refuse(value.span(), &what));
    if !sets.iter().all(|set| set.contains_key(key)) {
        let known: BTreeSet<&str> = sets.iter().flatten().map(|(key, _)| key.as_str()).collect();
        let known: Vec<&str> = known.into_iter().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return refuse(format!("no parameter `{}`: this load has {known}", key.escape_debug()));
    }
    let values = value.get_ref().as_array().cloned().unwrap_or_else(|| vec![value.get_ref().clone()]);
    let mut found: Vec<Parameters> = Vec::new();
    for value in &values {
        let usual: BTreeSet<String> = sets.iter().map(|set| set[key].to_string()).collect();
        let range = load.range(key);
        let is_within = |number: &u64| range.as_ref().is_some_and(|range| range.contains(number));
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        let word = number.map(Value::from).or_else(|| value.as_str().map(Value::from));
        let word = word.filter(|word| usual.contains(&word.to_string()));
        let Some(given) = number.filter(is_within).map(Value::from).or(word) else {
            let known = usual.into_iter().collect::<Vec<_>>().join(" or ");
            let rule = range.map_or(known, |range| format!("from {} to {}", range.start(), range.end()));
            let given = value.to_string();
            return refuse(format!("`{key}` cannot be {}: this load takes {rule}", given.escape_debug()));
        };
        for set in sets {
            let mut set = set.clone();
            set.insert(key.to_owned(), given.clone());
            if !found.contains(&set) {
                found.push(set);
            }
        }
    }
    if !(1..=MOST_SETS).contains(&found.len()) {
        return refuse(format!("{} sets of parameters: from 1 to {MOST_SETS} can be measured", found.len()));
    }
    Ok(found)
}
