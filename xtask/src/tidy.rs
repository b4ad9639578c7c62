//! House rules as tests: `cargo test -p xtask`. CI has nothing of its own to run.

mod imports;
mod order;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use order::{CRATES, DEPENDENCIES, UNSAFE_FILES};
use source::{Source, rust_sources, texts};

use crate::{licences, workspace};

/// Look twice at a file above the first, and split it above the second.
const LONG: usize = 300;
const TOO_LONG: usize = 500;

#[test]
fn no_file_is_too_long() {
    let mut sizes: Vec<(usize, String)> =
        rust_sources().into_iter().map(|source| (source.text.lines().count(), source.path)).collect();
    sizes.sort();
    for (lines, path) in sizes.iter().filter(|(lines, _)| *lines > LONG) {
        println!("look twice: {path} has {lines} lines");
    }
    let too_long = sizes.iter().filter(|(lines, _)| *lines > TOO_LONG);
    refuse("files above 500 lines", too_long.map(|(lines, path)| format!("{path} ({lines})")));
}

#[test]
fn no_file_has_a_catch_all_name() {
    let catch_all = ["utils", "util", "helpers", "helper", "types", "constants", "consts", "common", "misc"];
    let refused = rust_sources().into_iter().filter(|source| catch_all.contains(&source.stem()));
    refuse("a file is named after its subject", refused.map(|source| source.path));
}

#[test]
fn imports_follow_the_reading_order() {
    let mut refused = Vec::new();
    for (folder, order) in CRATES {
        refused.extend(imports::against_the_order(folder, order, &rust_sources()));
    }
    refuse("see READING ORDER in xtask/src/tidy/order.rs", refused);
}

#[test]
fn unsafe_has_an_address_and_a_reason() {
    let mut refused = Vec::new();
    for source in rust_sources() {
        let code = source.code();
        let original: Vec<&str> = source.text.lines().collect();
        for (number, _) in code.lines().enumerate().filter(|(_, line)| opens_unsafe(line)) {
            if !UNSAFE_FILES.contains(&source.path.as_str()) {
                refused.push(format!("{}:{}: unsafe outside its files", source.path, number + 1));
            } else if !has_safety_comment(&original[..=number]) {
                refused.push(format!("{}:{}: no SAFETY comment above", source.path, number + 1));
            }
        }
    }
    refuse("unsafe", refused);
}

#[test]
fn tests_wait_for_conditions_in_one_place() {
    let waits = |source: &Source| source.code().contains("sleep(");
    let refused = rust_sources().into_iter().filter(|source| {
        source.path.starts_with("tests/") && source.path != "tests/src/eventually.rs" && waits(source)
    });
    refuse("sleep outside tests/src/eventually.rs", refused.map(|source| source.path));
    let in_unit_tests = rust_sources().into_iter().filter(|source| source.tests().contains("sleep("));
    refuse("sleep in a unit test; time is an argument", in_unit_tests.map(|source| source.path));
}

#[test]
fn nothing_is_left_to_do() {
    // Spelled apart, or this file would refuse itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let noted =
        rust_sources().into_iter().filter(|source| marks.iter().any(|mark| source.text.contains(mark)));
    refuse("notes of unfinished work", noted.map(|source| source.path));
    let macros = ["todo!", "unimplemented!", "dbg!"];
    let stubs = rust_sources().into_iter().filter(|source| {
        let code = source.code();
        macros.iter().any(|name| code.contains(name))
    });
    refuse("unfinished code", stubs.map(|source| source.path));
}

#[test]
fn crates_depend_in_one_direction() {
    let metadata = licences::metadata().expect("cargo metadata");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let members: BTreeSet<&str> = DEPENDENCIES.iter().map(|(name, _)| *name).collect();
    let mut refused = Vec::new();
    for package in packages.iter().filter(|package| package["source"].is_null()) {
        let name = package["name"].as_str().expect("a name");
        let Some((_, allowed)) = DEPENDENCIES.iter().find(|(member, _)| *member == name) else {
            refused.push(format!("{name} has no line in DEPENDENCIES"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("a list") {
            let other = dependency["name"].as_str().expect("a name");
            if members.contains(other) && !allowed.contains(&other) {
                refused.push(format!("{name} -> {other}"));
            }
        }
    }
    refuse("see DEPENDENCIES in xtask/src/tidy/order.rs", refused);
}

#[test]
fn no_text_names_somebodys_home() {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let refused = texts().into_iter().filter(|source| homes.iter().any(|home| source.text.contains(home)));
    refuse("paths of one machine", refused.map(|source| source.path));
}

#[test]
fn links_of_pages_lead_somewhere() {
    let pages = texts()
        .into_iter()
        .filter(|source| Path::new(&source.path).extension().is_some_and(|kind| kind == "md"));
    let mut refused = Vec::new();
    for page in pages {
        let folder = workspace::root().join(&page.path).parent().expect("a folder").to_owned();
        let targets = page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
        let lost = files.filter(|target| !folder.join(target.split('#').next().unwrap_or_default()).exists());
        refused.extend(lost.map(|target| format!("{} -> {target}", page.path)));
    }
    refuse("links without a file", refused);
}

#[track_caller]
fn refuse(rule: &str, refused: impl IntoIterator<Item = String>) {
    let refused: Vec<String> = refused.into_iter().collect();
    assert!(refused.is_empty(), "{rule}:\n  {}", refused.join("\n  "));
}

fn opens_unsafe(line: &str) -> bool {
    ["unsafe {", "unsafe impl", "unsafe extern"].iter().any(|form| line.contains(form))
}

/// Whether the statement that ends with the last of `lines` has a comment that says why it is sound.
fn has_safety_comment(lines: &[&str]) -> bool {
    // A statement may begin a few lines above its `unsafe`, and one comment may stand for a group.
    lines
        .iter()
        .rev()
        .take(12)
        .take_while(|line| !line.trim().is_empty())
        .any(|line| line.contains("SAFETY:"))
}

#[test]
fn a_safety_comment_is_found_above_its_statement_only() {
    assert!(has_safety_comment(&["// SAFETY: it is checked", "let byte =", "    unsafe { read() };"]));
    assert!(!has_safety_comment(&["// SAFETY: of another", "", "unsafe { read() };"]));
}
