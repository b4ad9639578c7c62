//! `dpbench list`.

use dataplane_tests::command::run;

use super::dpbench;

#[test]
fn the_list_names_scenarios_and_variants_in_80_columns() {
    let text = run(&mut dpbench(&["list"])).ok().stdout;
    for name in ["rr", "veth", "bridge", "routing"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("  {name} "))), "no {name} in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn the_list_for_programs_says_what_can_run_here() {
    let list = run(&mut dpbench(&["list", "-o", "json"])).ok().json();
    let variants = list["variants"].as_array().expect("variants");
    let baselines = variants.iter().filter(|variant| variant["baseline"] == true);
    assert_eq!(baselines.map(|variant| &variant["name"]).collect::<Vec<_>>(), ["routing"]);
    for variant in variants {
        let missing = variant["missing"].as_array().expect("what is missing");
        assert_eq!(variant["runs_here"], missing.is_empty(), "{variant}");
    }
    assert!(list["scenarios"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "rr")));
}
