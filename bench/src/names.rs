//! Names of scenarios and variants as they are typed, and what was probably meant.

use anyhow::{Error, Result};

use crate::usage::usage;

/// So alike, of 1, that one is taken for the other.
const NEAR: f64 = 0.8;

/// Those of `all` that are `wanted`, in the order of `all`; all of them where none are.
pub(crate) fn chosen<T>(
    all: Vec<T>,
    wanted: &[String],
    what: &str,
    name: impl Fn(&T) -> &str,
) -> Result<Vec<T>> {
    if let Some(unknown) = wanted.iter().find(|wanted| all.iter().all(|one| name(one) != *wanted)) {
        let known: Vec<&str> = all.iter().map(&name).collect();
        return Err(unknown_name(what, unknown, &known));
    }
    let is_wanted = |one: &T| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name(one));
    Ok(all.into_iter().filter(is_wanted).collect())
}

fn unknown_name(what: &str, unknown: &str, known: &[&str]) -> Error {
    usage(format!("no {what} `{unknown}`: {}", hint(unknown, known)))
}

/// What to try instead of a name that nobody knows.
pub(crate) fn hint(unknown: &str, known: &[&str]) -> String {
    let mut near: Vec<(f64, &str)> =
        known.iter().map(|name| (strsim::jaro_winkler(unknown, name), *name)).collect();
    near.retain(|(likeness, _)| *likeness >= NEAR);
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let near: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
    if near.is_empty() {
        "`dpbench list` has their names".to_owned()
    } else {
        format!("did you mean {}? `dpbench list` has all", near.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_answered_with_near_ones() {
        let known = ["veth", "routing", "nft-ports", "nft-raw"];
        assert_eq!(hint("nft-prots", &known), "did you mean nft-ports or nft-raw? `dpbench list` has all");
        assert_eq!(hint("x", &known), "`dpbench list` has their names");
        assert_eq!(hint("", &[]), "`dpbench list` has their names");
    }

    #[test]
    fn the_chosen_come_in_the_order_of_all() {
        let wanted = ["c".to_owned(), "a".to_owned()];
        let chosen = chosen(vec!["a", "b", "c"], &wanted, "letter", |letter| letter).expect("known");
        assert_eq!(chosen, ["a", "c"]);
    }
}
