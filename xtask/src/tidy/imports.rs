//! Which modules of its own crate a file names, and whether it may.

use super::source::Source;

/// Every import in the crate at `folder` that goes up in `order`, and every file without a place in it.
pub(super) fn against_the_order(folder: &str, order: &str, sources: &[Source]) -> Vec<String> {
    let order: Vec<&str> = order.split_whitespace().collect();
    let place = |module: &str| order.iter().position(|other| *other == module);
    let modules: Vec<String> = sources.iter().filter_map(|source| module_of(folder, &source.path)).collect();
    let mut refused = Vec::new();
    for source in sources {
        let Some(module) = module_of(folder, &source.path) else { continue };
        // The root may use all of it, and so may tests.
        if module.is_empty() || source.is_tests() {
            continue;
        }
        let Some(own) = place(&module) else {
            refused.push(format!("{}: {module} has no place in the order of {folder}", source.path));
            continue;
        };
        for path in paths(&source.production(), &module) {
            let target = resolve(&path, &modules);
            let family = is_inside(&module, &target) || is_inside(&target, &module);
            if target.is_empty() && !path.is_empty() || !family && place(&target).is_some_and(|its| its < own)
            {
                refused.push(format!(
                    "{}: imports crate::{}, which stands before it",
                    source.path,
                    path.join("::")
                ));
            }
        }
    }
    refused
}

/// `cli::attach` of `dataplane/src/cli/attach.rs`; the crate's root is the empty string.
fn module_of(folder: &str, path: &str) -> Option<String> {
    let file = path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs")?;
    let module = file.strip_suffix("/mod").unwrap_or(file).replace('/', "::");
    // Binaries beside the library use it like any other crate.
    (!module.starts_with("bin::"))
        .then(|| if module == "lib" || module == "main" { String::new() } else { module })
}

/// The longest beginning of `path` that is a module.
fn resolve(path: &[String], modules: &[String]) -> String {
    let names = (1..=path.len()).rev().map(|length| path[..length].join("::"));
    names.into_iter().find(|name| modules.contains(name)).unwrap_or_default()
}

fn is_inside(module: &str, outer: &str) -> bool {
    module == outer || module.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"))
}

/// Everything that `code` of `module` names by `crate::` or `super::`, from the crate's root.
fn paths(code: &str, module: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let parent: Vec<String> = {
        let mut names: Vec<String> = module.split("::").map(str::to_owned).collect();
        names.pop();
        names
    };
    for (keyword, base) in [("crate::", Vec::new()), ("super::", parent)] {
        for (at, _) in code.match_indices(keyword) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|other| other.is_alphanumeric() || "_:$".contains(other)) {
                continue;
            }
            tree(&mut code[at + keyword.len()..].trim_start(), &base, &mut found);
        }
    }
    found
}

/// `a::{b, c::d}`: consumes it from `rest` and adds the leaves, each behind `base`.
fn tree(rest: &mut &str, base: &[String], found: &mut Vec<Vec<String>>) {
    if let Some(inside) = rest.strip_prefix('{') {
        *rest = inside.trim_start();
        while !rest.is_empty() && !rest.starts_with('}') {
            tree(rest, base, found);
            // Past ` as other`, up to the next leaf.
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            *rest = rest[end..].trim_start_matches(',').trim_start();
        }
        *rest = rest.strip_prefix('}').unwrap_or(rest).trim_start();
        return;
    }
    let length = rest.find(|other: char| !other.is_alphanumeric() && other != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at(length);
    let mut path = base.to_vec();
    if name != "self" && !name.is_empty() {
        path.push(name.to_owned());
    }
    *rest = after;
    match after.strip_prefix("::") {
        Some(deeper) => {
            *rest = deeper;
            tree(rest, &path, found);
        }
        None => found.push(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(code: &str, module: &str) -> Vec<String> {
        paths(code, module).iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn a_use_tree_is_read_to_its_leaves() {
        let code = "use crate::{a, b::{self, c as d}, e::F};";
        assert_eq!(named(code, "x"), ["a", "b", "b::c", "e::F"]);
    }

    #[test]
    fn super_is_the_parent() {
        assert_eq!(named("use super::table::Row;", "cli::ls"), ["cli::table::Row"]);
        assert_eq!(named("super::other()", "cli"), ["other"]);
    }

    #[test]
    fn paths_in_code_count_and_other_crates_do_not() {
        assert_eq!(named("crate::a::b(); $crate::c; other_crate::d", "x"), ["a::b"]);
    }

    #[test]
    fn going_up_is_refused_and_going_down_is_not() {
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let refused =
            |text: &str| against_the_order("c/src", "top top::part low", &[source("c/src/low.rs", text)]);
        assert_eq!(refused("use crate::top::part::X;").len(), 1);
        assert_eq!(refused("use crate::Root;").len(), 1);
        assert!(refused("#[cfg(test)]\nmod tests { use crate::top; }").is_empty());
        let down = [
            source("c/src/top.rs", "use part::X; use crate::low;"),
            source("c/src/top/part.rs", "use crate::low; use super::Shared;"),
            source("c/src/low.rs", ""),
        ];
        assert!(against_the_order("c/src", "top top::part low", &down).is_empty());
    }

    #[test]
    fn a_file_without_a_place_is_refused_unless_it_holds_tests() {
        let new = |path: &str| [Source { path: path.to_owned(), text: "use crate::top;".to_owned() }];
        assert_eq!(against_the_order("c/src", "top", &new("c/src/new.rs")).len(), 1);
        assert!(against_the_order("c/src", "top", &new("c/src/new/tests.rs")).is_empty());
        assert!(against_the_order("c/src", "top", &new("c/src/new/tests/part.rs")).is_empty());
    }
}
