//! What a reader must hold against the figures of a scenario.

use crate::variant::Variant;

/// What stands against the scenario itself and against each of the variants, each line once.
pub(super) fn unfair<'v>(own: &[&str], variants: impl IntoIterator<Item = &'v dyn Variant>) -> Vec<String> {
    let mut all = own.to_vec();
    variants.into_iter().for_each(|variant| all.extend(variant.unfair()));
    let mut lines: Vec<String> = Vec::new();
    for line in all {
        if lines.iter().all(|other| other != line) {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant;

    #[test]
    fn lines_of_variants_follow_and_each_stands_once() {
        let all = variant::all();
        let of = |name: &str| all.iter().find(|one| one.name() == name).map(|one| &**one);
        let lines = unfair(&["own", "own"], [of("tbf"), of("htb"), of("tbf")].into_iter().flatten());
        assert_eq!(lines.first().map(String::as_str), Some("own"));
        let expected: Vec<&str> = of("htb").into_iter().flat_map(Variant::unfair).copied().collect();
        assert_eq!(lines[1..].len(), expected.len(), "{lines:?}");
        assert!(expected.iter().all(|line| lines.iter().any(|other| other == line)), "{lines:?}");
    }
}
