//! A run to its end.

use std::fs;
use std::path::Path;

use dataplane_tests::command::run;

use super::{dpbench, needs_root, out, results};

const SHORT: [&str; 9] = ["run", "--only", "rr", "--variants", "veth", "--rounds", "1", "--window", "10ms"];

#[test]
fn a_run_keeps_its_results_and_nothing_else() {
    needs_root!();
    let (_folder, out) = out();
    run(dpbench(&SHORT).args(["--out", &out])).ok();
    let results = results(&out);
    assert_eq!((&results["schema"], &results["complete"]), (&1.into(), &true.into()));
    let scenario = &results["scenarios"][0];
    assert_eq!(scenario["name"], "rr");
    let cases = scenario["cases"].as_array().expect("cases");
    let of = |role: &str| cases.iter().find(|case| case["role"] == role).expect("a case of each role");
    assert_eq!(of("subject")["variant"], "veth");
    assert_eq!(
        (&of("baseline")["variant"], &of("control")["variant"]),
        (&"routing".into(), &"routing".into())
    );
    let rounds = &of("subject")["figures"]["requests_per_s"]["rounds"];
    assert_eq!(rounds.as_array().map(Vec::len), Some(1), "{rounds}");
    let unknown = |name: &String| name != "results.json" && name != "report.html";
    let files = fs::read_dir(Path::new(&out)).expect("a folder").flatten();
    let names: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(unknown), "{names:?}");
}

#[test]
fn the_same_for_programs_and_once_more_in_the_same_folder() {
    needs_root!();
    let (_folder, out) = out();
    for _ in 0..2 {
        let printed = run(dpbench(&SHORT).args(["-o", "json", "--out", &out])).ok().json();
        assert_eq!(printed, results(&out));
    }
}

#[test]
fn without_a_folder_one_is_named_after_the_date() {
    needs_root!();
    let (folder, _out) = out();
    run(dpbench(&SHORT).current_dir(folder.path())).ok();
    let made = fs::read_dir(folder.path()).expect("a folder").flatten().next().expect("a folder in it");
    let name = made.file_name().to_string_lossy().into_owned();
    assert!(name.starts_with("dpbench-2") && name.len() == "dpbench-2026-01-02-030405".len(), "{name}");
}
