//! `dpbench` copied to a machine that has no source tree.

use std::fs;
use std::process::Command;

use dataplane_tests::command::run;
use dataplane_tests::dpctl::{binary, temporary_folder};

use super::{needs_root, refuses, results};

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

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

    fs::copy(binary(), folder.path().join("dpctl")).expect("a copy");
    dpbench(&format!("{short} with")).ok();
    let dpctl = |out: &str| results(&folder.path().join(out).to_string_lossy())["machine"]["dpctl"].clone();
    assert!(dpctl("without").is_null(), "{}", dpctl("without"));
    assert!(dpctl("with").as_str().is_some_and(|version| version.starts_with("dpctl ")));
}
