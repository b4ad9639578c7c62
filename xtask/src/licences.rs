//! The licence of every dependency against a list.
//!
//! cargo-deny does this and reads the advisory database besides. Verdict: not used. It takes
//! minutes to build, and its advisories need a database fetched over the network at each run,
//! so that a lint of yesterday's commit fails today, or fails where there is no network.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command;

/// Names every package whose licence is not allowed, or is content.
pub(crate) fn check() -> Result<()> {
    let metadata = metadata()?;
    let packages =
        metadata["packages"].as_array().context("check licences: cargo metadata lists no packages")?;
    let refused: Vec<String> = packages
        .iter()
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            let licence = package["license"].as_str().unwrap_or_default();
            (!is_allowed(licence))
                .then(|| format!("{name} ({})", if licence.is_empty() { "none given" } else { licence }))
        })
        .collect();
    if !refused.is_empty() {
        bail!("check licences: not on the list in xtask/src/licences.rs: {}", refused.join(", "));
    }
    Ok(())
}

/// What cargo knows of this workspace, as it is built on this kind of machine.
pub(crate) fn metadata() -> Result<Value> {
    // Without the filter cargo downloads the crates of every other system first.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = command::cargo();
    cargo.args(["metadata", "--format-version", "1", "--filter-platform", &platform]);
    let text = command::stdout("ask cargo for the dependencies", &mut cargo)?;
    serde_json::from_str(&text).context("ask cargo for the dependencies: no JSON")
}

/// Licences that ask for no more than a notice.
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Whether an SPDX expression can be met with allowed licences alone: of `OR` one side, of `AND` both.
fn is_allowed(expression: &str) -> bool {
    // Before SPDX became the rule, crates wrote `MIT/Apache-2.0`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest).is_some_and(|allowed| allowed && rest.is_empty())
}

fn either(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = both(words)?;
    while take(words, "OR") {
        // Not `||`: the right side must be read in any case.
        allowed |= both(words)?;
    }
    Some(allowed)
}

fn both(words: &mut &[&str]) -> Option<bool> {
    let mut allowed = one(words)?;
    while take(words, "AND") {
        allowed &= one(words)?;
    }
    Some(allowed)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let allowed = either(words)?;
        return take(words, ")").then_some(allowed);
    }
    let name = next(words).filter(|name| !["OR", "AND", "WITH", "(", ")"].contains(name))?;
    if take(words, "WITH") {
        return Some(ALLOWED.contains(&format!("{name} WITH {}", next(words)?).as_str()));
    }
    Some(ALLOWED.contains(&name))
}

fn next<'a>(words: &mut &[&'a str]) -> Option<&'a str> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(first)
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    if found {
        next(words);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_as_spdx_reads_them() {
        for (expression, allowed) in [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-2.0-only OR MIT", true),
            ("GPL-3.0-only", false),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT AND ISC", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for expression in ["", "OR", "MIT OR", "(MIT", "MIT)", "MIT MIT", "Apache-2.0 WITH"] {
            assert!(!is_allowed(expression), "{expression:?}");
        }
    }
}
