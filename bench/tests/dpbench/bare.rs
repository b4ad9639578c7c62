//! `dpbench` copied to a machine that has no source tree.

use std::fs;
use std::process::Command;

use dataplane_tests::command::run;
use dataplane_tests::dpctl::{binary, temporary_folder};

use super::{needs_root, refuses, results};

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn is_ours(variant: &str) -> bool {
    variant.starts_with("dpctl-")
}

#[test]
fn a_copy_measures_without_dpctl_and_finds_the_one_beside_it() {
    needs_root!();
    let folder = temporary_folder();
    let program = folder.path().join("dpbench");
    fs::copy(env!("CARGO_BIN_EXE_dpbench"), &program).expect("a copy");
    let dpbench = |line: &str| {
        let mut command = Command::new(&program);
        command.args(line.split_whitespace()).env_remove("DPCTL").env("PATH", PATH);
        run(command.current_dir(folder.path()))
    };
    let short = "run --only rr --variants veth --rounds 1 --window 10ms --out";
    dpbench(&format!("{short} without")).ok();
    refuses(&dpbench("attach --only packet"), 1, "no dpctl beside dpbench or in PATH");
    refuses(&dpbench("run --only program"), 1, "`program` has no dpctl to run");
    refuses(&dpbench(&format!("{short} named --variants dpctl-counted")), 1, "no dpctl beside dpbench");
    let list = dpbench("list -o json").ok().json();
    let ours = list["variants"].as_array().expect("variants").iter();
    let ours: Vec<_> = ours.filter(|one| one["name"].as_str().is_some_and(is_ours)).collect();
    assert!(ours.len() == 2 && ours.iter().all(|one| one["runs_here"] == false), "{ours:?}");
    dpbench("run --only rr,setup --sizes 1 --rounds 1 --window 10ms --out all").ok();
    for scenario in
        results(&folder.path().join("all").to_string_lossy())["scenarios"].as_array().expect("two")
    {
        let skipped = scenario["skipped"].as_array().expect("a list").iter();
        let names: Vec<_> =
            skipped.filter_map(|one| one["variant"].as_str()).filter(|one| is_ours(one)).collect();
        assert_eq!(names, ["dpctl-counted", "dpctl-limited"], "{}", scenario["name"]);
        assert!(scenario["cases"].as_array().is_some_and(|cases| cases.len() > 2), "{scenario}");
    }

    fs::copy(binary(), folder.path().join("dpctl")).expect("a copy");
    dpbench(&format!("{short} with")).ok();
    let dpctl = |out: &str| results(&folder.path().join(out).to_string_lossy())["machine"]["dpctl"].clone();
    assert!(dpctl("without").is_null(), "{}", dpctl("without"));
    assert!(dpctl("with").as_str().is_some_and(|version| version.starts_with("dpctl ")));
}
