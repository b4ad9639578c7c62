//! What `ls`, `show`, `stats` and `limit show` print, for people and for programs.

use std::collections::BTreeSet;

use dataplane_common::direction::Direction;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::hooks;
use dataplane_tests::topology::Topology;
use serde_json::{Value, json};

use crate::limited::{TIGHT, assert_limited_both, assert_whole};

const LIMIT_KEYS: [&str; 3] = ["burst_bytes", "latency_ns", "rate_bits_per_s"];
const COUNTER_KEYS: [&str; 5] =
    ["bytes", "dropped_bytes", "dropped_limit_early", "dropped_limit_full", "packets"];

#[track_caller]
fn keys(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("not an object: {value}"));
    object.keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_keys(value: &Value, expected: &[&str]) {
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    assert!(keys(value).is_superset(&expected), "keys are never removed: {expected:?} in {value}");
    for key in keys(value) {
        assert!(key.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_')), "{key} is not snake_case");
    }
}

/// Three veths, of which the names are not in the order of their making.
fn three() -> Topology {
    let topology = Topology::new(2);
    topology.host.ip_batch(
        "link add zulu type veth peer name zulu2
         link add alpha type veth peer name alpha2",
    );
    topology
}

#[test]
fn ls_lists_every_attachment_by_name() {
    let usual = hooks::usual();
    let topology = three();
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach zulu");
    dpctl.run("attach --from-container 1.5mbit --order first veth1");
    dpctl.run("attach --rate 128kbit --hook clsact alpha");
    let rows = dpctl.run("ls -o json").json();
    let names: Vec<&Value> = rows.as_array().into_iter().flatten().map(|row| &row["interface"]).collect();
    assert_eq!(names, ["alpha", "veth1", "zulu"]);
    for row in rows.as_array().into_iter().flatten() {
        assert_keys(row, &["from_container", "hook", "ifindex", "interface", "mac", "order", "to_container"]);
    }
    let limit = json!({"rate_bits_per_s": 128_000, "burst_bytes": 3028, "latency_ns": 400_000_000});
    assert_eq!([&rows[0]["from_container"], &rows[0]["to_container"]], [&limit, &limit]);
    assert_eq!(rows[1]["from_container"]["rate_bits_per_s"], 1_500_000);
    assert_eq!(rows[1]["to_container"], Value::Null, "no limit is null");
    assert_eq!([&rows[0]["hook"], &rows[1]["hook"]], ["clsact", usual]);
    assert_eq!([&rows[0]["order"], &rows[1]["order"]], ["last", "first"]);
    assert_eq!(rows[1]["ifindex"], topology.host_side(1).index());
    assert_eq!(rows[1]["mac"], "02:77:00:00:01:01");

    let table = dpctl.run("ls");
    assert_eq!(
        table.stdout,
        format!(
            "INTERFACE  DIRECTION           RATE  BURST  LATENCY  HOOK\n\
         alpha      both             128kbit  3028b    400ms  clsact\n\
         veth1      from container  1500kbit  3028b    400ms  {usual}\n\
         \u{20}          to container    no limit      -        -\n\
         zulu       both            no limit      -        -  {usual}\n"
        )
    );
    assert_eq!(table.stderr, "");
    dpctl.leaves_nothing();
}

#[test]
fn nothing_attached_is_an_empty_array_and_a_note() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    for _ in ["before the first attach", "after the last detach"] {
        for listing in ["ls", "stats"] {
            let json = dpctl.run(&format!("{listing} -o json"));
            assert_eq!((json.json(), json.stderr.as_str()), (json!([]), ""));
        }
        let ls = dpctl.run("ls");
        assert_eq!(ls.stdout, "");
        assert!(ls.stderr.starts_with("dpctl: nothing is attached"), "{ls}");
        for line in ["show veth1", "limit show veth1", "stats veth1"] {
            let refused = dpctl.try_run(line);
            assert_eq!((refused.code, refused.stdout.as_str()), (3, ""), "{refused}");
        }
        dpctl.run("attach veth1");
        dpctl.run("detach veth1");
    }
    dpctl.leaves_nothing();
}

#[test]
fn stats_count_what_passed_and_what_was_dropped() {
    let topology = three();
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} zulu veth1 alpha"));
    assert_limited_both(&topology, 1, "premise");
    let rows = dpctl.json("stats");
    let names: Vec<&Value> = rows.as_array().into_iter().flatten().map(|row| &row["interface"]).collect();
    assert_eq!(names, ["alpha", "veth1", "zulu"]);
    for direction in Direction::ALL {
        let counters = &rows[1][direction.name()];
        assert_keys(counters, &COUNTER_KEYS);
        assert!(keys(counters).is_disjoint(&["bits_per_s"].into()), "a rate needs two readings: {counters}");
        let of = |key: &str| counters[key].as_u64().unwrap_or_else(|| panic!("{key} in {counters}"));
        let dropped = of("dropped_limit_early") + of("dropped_limit_full");
        assert_whole([of("packets") + dropped; 2], "passed and dropped");
        assert!(of("dropped_bytes") > 50 * 1042 && of("bytes") < 8 * 1042, "{counters}");
        assert!(rows[0][direction.name()]["bytes"].as_u64() < Some(1042), "{}", rows[0]);
    }
    let asked = dpctl.json("stats zulu veth1");
    // Not what they counted: a report of the kernel's own may have come meanwhile.
    let names: Vec<&Value> = asked.as_array().into_iter().flatten().map(|row| &row["interface"]).collect();
    assert_eq!(names, ["zulu", "veth1"], "of those named, as named");

    let table = dpctl.run("stats veth1").stdout;
    let heading = table.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    assert_eq!(heading, ["INTERFACE", "DIRECTION", "PACKETS", "BYTES", "EARLY", "FULL"]);
    let watched = dpctl.json("stats --watch --count 1 veth1");
    for direction in Direction::ALL {
        assert_keys(&watched[0][direction.name()], &["bits_per_s", "packets_per_s"]);
        // Nothing but the kernel's own multicast reports.
        assert!(watched[0][direction.name()]["bits_per_s"].as_f64() < Some(10_000.0), "{watched}");
    }
    dpctl.leaves_nothing();
}

#[test]
fn show_tells_everything_of_those_asked_for() {
    let topology = three();
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 2mbit zulu veth1");
    let both = dpctl.json("show zulu veth1");
    assert_eq!([&both[0]["interface"], &both[1]["interface"]], ["zulu", "veth1"], "in the order asked for");
    assert_eq!(both.as_array().map(Vec::len), Some(2));
    assert_keys(
        &both[1],
        &[
            "counters",
            "from_container",
            "hook",
            "ifindex",
            "interface",
            "limiter",
            "mac",
            "order",
            "own_program_ids",
            "programs_from_container",
            "programs_to_container",
            "slot",
            "to_container",
        ],
    );
    assert_keys(&both[1]["from_container"], &LIMIT_KEYS);
    for (direction, at) in Direction::ALL.iter().zip(0..) {
        assert_keys(&both[1]["counters"][direction.name()], &COUNTER_KEYS);
        let programs = &both[1][format!("programs_{}", direction.name())];
        assert_eq!(programs, &json!([both[1]["own_program_ids"][at]]), "ours alone");
    }
    let text = dpctl.run("show veth1").stdout;
    for words in ["veth1  ifindex", "rate 2mbit", "burst 3028b", "latency 400ms", "(ours)", "from container"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    dpctl.leaves_nothing();
}

#[test]
fn doctor_says_where_pins_lie_and_how_many_are_attached() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    let folder = dpctl.bpffs_dir().display().to_string();
    let none = format!("none at {folder}; the first attach mounts one");
    let says = |bpffs: &str, attachments: &str| {
        let rows = dpctl.json("doctor");
        let table = dpctl.run("doctor").stdout;
        for (check, result) in [("bpffs", bpffs), ("attachments", attachments)] {
            let row = json!({"check": check, "ok": true, "result": result});
            assert!(rows.as_array().is_some_and(|rows| rows.contains(&row)), "{row} is not in {rows:#}");
            // Long ones are broken, between words.
            let words: Vec<&str> = [check, "ok"].into_iter().chain(result.split(' ')).collect();
            let table: Vec<&str> = table.split_whitespace().collect();
            assert!(table.windows(words.len()).any(|part| part == words), "{words:?} is not in {table:?}");
        }
    };
    says(&none, "none");
    dpctl.run("attach veth1 veth2");
    says(&folder, "2");
    dpctl.run("detach veth1");
    says(&folder, "1");
    dpctl.leaves_nothing();
}

/// Lines fit a terminal, and docs/errors.md shows the checks that there are.
#[test]
fn doctor_and_show_are_eighty_columns_wide_and_documented() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 10mbit veth1");
    for line in ["doctor", "show veth1", "ls", "stats"] {
        let text = dpctl.run(line).stdout;
        // A path has no place to be broken at.
        let wide = |line: &&str| line.len() > 80 && !line.contains("/tmp/");
        assert_eq!(text.lines().filter(wide).collect::<Vec<_>>(), Vec::<&str>::new());
    }
    let page = include_str!("../../docs/errors.md");
    let sample =
        page.split("# dpctl doctor\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a sample");
    let names = |table: &str| -> Vec<String> {
        let lines = table.lines().filter(|line| !line.starts_with(' '));
        lines.filter_map(|line| line.split("  ").next().map(str::to_owned)).collect()
    };
    let doctor = dpctl.run("doctor").stdout;
    // Others' programs on this machine are its own.
    let doctor: Vec<String> = names(&doctor).into_iter().filter(|name| name != "others").collect();
    assert_eq!(names(sample), doctor);
    assert_eq!(
        dpctl
            .json("doctor")
            .as_array()
            .into_iter()
            .flatten()
            .filter(|row| row["check"] == "clsact" && row["result"] == "yes")
            .count(),
        1
    );
    dpctl.leaves_nothing();
}

#[test]
fn colour_and_global_options_stand_before_or_after_the_command() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth1");
    assert!(!dpctl.run("ls").stdout.contains('\x1b'), "a pipe gets no colour");
    assert!(dpctl.run("ls --color always").stdout.contains('\x1b'));
    assert_eq!(dpctl.run("-o json ls").json(), dpctl.run("ls -o json").json());
    assert_eq!(dpctl.run("--color never ls").stdout, dpctl.run("ls").stdout);
    let piped = &mut dpctl.command("ls -o json");
    piped.env("DPCTL_STATE_DIR", "/nonexistent/state").env("DPCTL_BPFFS_DIR", "/nonexistent/bpf");
    let rows = dataplane_tests::command::run(piped).ok().json();
    assert_eq!(rows[0]["interface"], "veth1", "an option wins over its variable");
    dpctl.leaves_nothing();
}
