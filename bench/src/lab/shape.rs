//! The tables of a lab file, as they are written. Every key has a place to be named in errors.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) variant: Vec<Variant>,
    #[serde(default)]
    pub(super) scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    pub(super) name: Spanned<String>,
    pub(super) about: Option<Spanned<String>>,
    /// Beside `client` and `server`.
    #[serde(default)]
    pub(super) namespaces: Vec<Spanned<String>>,
    pub(super) listen: Spanned<String>,
    pub(super) connect: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) link: Vec<Link>,
    #[serde(default)]
    pub(super) run: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub(super) ends: Spanned<Vec<End>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) namespace: Spanned<String>,
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) addresses: Vec<Spanned<String>>,
    pub(super) mtu: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    #[serde(rename = "in")]
    pub(super) namespace: Spanned<String>,
    pub(super) command: Spanned<String>,
    pub(super) timeout: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) name: Spanned<String>,
    pub(super) about: Option<Spanned<String>>,
    pub(super) load: Spanned<String>,
    pub(super) variants: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) baseline: Option<Spanned<String>>,
    pub(super) rounds: Option<Spanned<i64>>,
    pub(super) window: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, Spanned<Value>>,
}
