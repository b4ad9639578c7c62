//! `dpbench compare` on runs that never were.

use std::fs;

use dataplane_tests::command::{Output, run};
use dataplane_tests::dpctl::temporary_folder;
use serde_json::Value;

use super::{dpbench, refuses, synthetic};

/// Eleven rounds about `center`, a thousandth apart.
fn rounds(center: f64) -> Vec<f64> {
    (0..11).map(|round| center * (0.995 + 0.001 * f64::from(round))).collect()
}

fn compare(a: &Value, b: &Value, options: &[&str]) -> Output {
    let folder = temporary_folder();
    let file = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        fs::write(&path, value.to_string()).expect("a file");
        path.to_string_lossy().into_owned()
    };
    run(dpbench(&["compare", &file("a.json", a), &file("b.json", b)]).args(options))
}

#[test]
fn what_changed_beyond_noise_is_told_and_what_did_not_is_counted() {
    let before = synthetic::run(&rounds(150.0), 1.004);
    for (center, control, expected) in [
        (180.0, 1.0, "1 better, 0 worse, 0 unchanged within 5 %, 0 inconclusive"),
        (120.0, 1.0, "0 better, 1 worse, 0 unchanged within 5 %, 0 inconclusive"),
        (150.0, 1.0, "0 better, 0 worse, 1 unchanged within 5 %, 0 inconclusive"),
        (180.0, 1.2, "0 better, 0 worse, 0 unchanged within 5 %, 1 inconclusive"),
        // Within what the control is off.
        (153.0, 1.029, "0 better, 0 worse, 1 unchanged within 5 %, 0 inconclusive"),
    ] {
        let text = compare(&before, &synthetic::run(&rounds(center), control), &[]).ok().stdout;
        assert!(text.contains(expected), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    let text = compare(&before, &synthetic::run(&rounds(180.0), 1.0), &[]).ok().stdout;
    let row = text.lines().find(|line| line.starts_with("  veth")).expect("a row");
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[..5], ["veth", "requests", "1.500", "1.800", "+20.0"]);
    assert_eq!(words.last(), Some(&"better"));
    assert!(text.contains("over routing: requests 0.100 and 0.100 k/s"), "{text}");
}

#[test]
fn a_slower_machine_is_no_change() {
    let before = synthetic::run(&rounds(150.0), 1.0);
    let mut after = before.clone();
    after["machine"]["kernel"] = "6.19.0".into();
    after["machine"]["cpu"] = "2 x Bad".into();
    after["machine"]["load"] = "7.0".into();
    after["quick"] = true.into();
    for case in after["scenarios"][0]["cases"].as_array_mut().expect("cases") {
        for round in case["figures"]["requests_per_s"]["rounds"].as_array_mut().expect("rounds") {
            *round = (round.as_f64().expect("a figure") / 3.0).into();
        }
    }
    let text = compare(&before, &after, &[]).ok().stdout;
    assert!(text.contains("1 unchanged"), "{text}");
    for line in [
        "kernel differs: A 6.18.0, B 6.19.0",
        "cpu differs: A 2 x Good, B 2 x Bad",
        "quick differs: A false, B true",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(!text.contains("load"), "{text}");
}

#[test]
fn what_only_one_run_has_is_named() {
    let before = synthetic::run(&rounds(150.0), 1.0);
    let mut after = before.clone();
    after["scenarios"][0]["cases"][2]["variant"] = "bridge".into();
    let text = compare(&before, &after, &[]).ok().stdout;
    assert!(text.contains("only in A: 1 cases\n  rr: veth\nonly in B: 1 cases\n  rr: bridge\n"), "{text}");
}

#[test]
fn rounds_that_were_left_out_and_figures_of_none_are_read() {
    let before = synthetic::run(&rounds(150.0), 1.0);
    let mut after = before.clone();
    let figure = &mut after["scenarios"][0]["cases"][2]["figures"]["requests_per_s"];
    figure["rounds"] = vec![Value::Null; 11].into();
    figure["value"] = serde_json::json!({ "median": null, "from": null, "to": null });
    let text = compare(&before, &after, &[]).ok().stdout;
    assert!(text.contains("inconclusive since too few rounds (5 at the least): 1"), "{text}");
}

#[test]
fn worse_is_an_exit_code_where_that_is_asked_for() {
    let (good, bad) = (synthetic::run(&rounds(150.0), 1.0), synthetic::run(&rounds(100.0), 1.0));
    assert_eq!(compare(&good, &bad, &[]).code, 0);
    assert_eq!(compare(&good, &bad, &["--fail-on-worse"]).code, 8);
    assert_eq!(compare(&bad, &good, &["--fail-on-worse"]).code, 0);
}

#[test]
fn the_same_for_programs() {
    let (a, b) = (synthetic::run(&rounds(150.0), 1.0), synthetic::run(&rounds(180.0), 1.0));
    let json = compare(&a, &b, &["-o", "json"]).ok().json();
    let figure = &json["figures"][0];
    assert_eq!((&figure["scenario"], &figure["case"]), (&"rr".into(), &"veth".into()));
    assert_eq!(figure["change"]["verdict"], "better");
    assert_eq!(figure["metric"]["name"], "requests_per_s");
}

#[test]
fn another_schema_is_refused() {
    let good = synthetic::run(&rounds(150.0), 1.0);
    let mut other = good.clone();
    other["schema"] = 99.into();
    refuses(
        &compare(&good, &other, &[]),
        2,
        "b.json: schema 99, of dpbench 0.1.0: this dpbench reads schema 1",
    );
}
