//! Labs of others: the examples of the documentation, and what is refused while they are built.

use std::fs;

use dataplane_tests::command::run;
use dataplane_tests::dpctl::temporary_folder;

use super::{dpbench, needs_root, out, results};

fn example(name: &str) -> String {
    format!("{}/../docs/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_examples_run() {
    needs_root!();
    for (name, scenario, variant, baseline) in [
        ("router.toml", "rr-through-the-router", "router-nft", "router-plain"),
        ("two-bridges.toml", "rr-two-bridges", "two-bridges", "routing"),
    ] {
        let (_folder, out) = out();
        let words = ["run", "--file", &example(name), "--rounds", "1", "--window", "10ms", "--out", &out];
        run(&mut dpbench(&words)).ok();
        let found = &results(&out)["scenarios"][0];
        assert_eq!((&found["name"], &found["baseline"]), (&scenario.into(), &baseline.into()));
        assert_eq!(found["skipped"].as_array().map(Vec::len), Some(0), "{}", found["skipped"]);
        let case = found["cases"].as_array().and_then(|all| all.iter().find(|one| one["variant"] == variant));
        let rate = &case.expect("a case")["figures"]["requests_per_s"]["ratio"]["median"];
        assert!(rate.as_f64().is_some_and(|ratio| ratio > 0.0), "{rate}");
    }
}

#[test]
fn the_list_has_those_of_a_file() {
    let text = run(&mut dpbench(&["list", "--file", &example("router.toml")])).ok().stdout;
    assert!(text.contains("  router-nft ") && text.contains("  rr-through-the-router "), "{text}");
}

#[test]
fn a_command_that_fails_or_hangs_names_its_line_and_leaves_nothing_running() {
    needs_root!();
    let folder = temporary_folder();
    let path = folder.path().join("lab.toml");
    for (command, expected) in [
        ("echo oh no >&2; exit 3", "lab.toml:12:11: `echo oh no >&2; exit 3` failed (exit status: 3): oh no"),
        ("no-such-tool", "not found"),
        ("cat /dev/zero >/dev/null", "lab.toml:12:11: `cat /dev/zero >/dev/null` took longer than 200ms"),
        ("(cat /dev/zero >/dev/null)& exit 1", "failed"),
    ] {
        let lab = format!(
            r#"[[variant]]
name = "mine"
listen = "10.1.0.2:80"
[[variant.link]]
ends = [
  {{ namespace = "client", name = "eth0", addresses = ["10.1.0.1/24"] }},
  {{ namespace = "server", name = "eth0", addresses = ["10.1.0.2/24"] }},
]
[[variant.run]]
in = "server"
timeout = "200ms"
command = "{command}"
"#
        );
        fs::write(&path, lab).expect("a file");
        let (_folder, out) = out();
        let file = path.to_string_lossy();
        let words = ["run", "--file", &*file, "--only", "rr", "--variants", "mine", "--rounds", "1"];
        run(dpbench(&words).args(["--window", "10ms", "--out", &out])).ok();
        let skipped = &results(&out)["scenarios"][0]["skipped"][0];
        assert_eq!(skipped["variant"], "mine");
        assert!(skipped["why"].as_str().is_some_and(|why| why.contains(expected)), "{skipped}");
        let zeros = dataplane_tests::netns::processes().map(dataplane_tests::netns::command_line);
        assert_eq!(zeros.filter(|line| line == "cat /dev/zero").count(), 0);
    }
}
