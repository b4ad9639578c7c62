//! A run that nobody made, with all that a run can have: every kind of scenario, what failed, was
//! skipped, is inconclusive, was ended early, and names as long as they get.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::results::{
    CaseResult, Control, Distribution, Figure, Interval, Metric, Parameters, Results, Role, SCHEMA,
    ScenarioResult, Skipped,
};

/// A name as long as names get.
pub(crate) const LONG: &str = "nft-published-ports-of-40-characters-max";
const SIZES: [u32; 4] = [1, 100, 1000, 10_000];
const BASELINE: &str = "routing";
const ROUNDS: usize = 11;

/// The whole run.
pub(crate) fn run() -> Results {
    let facts = [
        ("kernel", "6.18.5"),
        ("cpu", "2 x Example Processor 3000 @ 2.50GHz"),
        ("mitigations", "spectre_v2: Retbleed <not> affected & \"more\""),
        ("tcp default", "bbr"),
        ("commit", "0123456789ab"),
    ];
    Results {
        schema: SCHEMA,
        tool: "dpbench 0.1.0".to_owned(),
        started: "2026-11-22T10:00:00Z".to_owned(),
        finished: "2026-11-22T11:12:13Z".to_owned(),
        complete: false,
        quick: true,
        seed: 1,
        settings: [("rounds", "11"), ("window", "500ms")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        command: vec!["dpbench".to_owned(), "run".to_owned()],
        machine: facts.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        scenarios: vec![
            rr(),
            scenario("crr", &[up("connections_per_s", "connections", "k/s", 1e3)], &none(), true, 4e4),
            scenario(
                "tcp",
                &[up("goodput_bits_per_s", "goodput", "Gbit/s", 1e9)],
                &sets("flows", &[1, 8]),
                false,
                6e10,
            ),
            udp(),
            scenario("cpu", &[down("cpu_ns", "CPU a packet", "ns", 1.0)], &none(), false, 900.0),
            limits("limit-udp", &[up("share", "share of the limit", "", 1.0)], &[0]),
            limits(
                "limit-tcp",
                &[
                    up("share", "goodput over the ideal", "", 1.0),
                    down("rtt_ns", "round trip under load", "ms", 1e6),
                    down("resent_percent", "sent again", "%", 1.0),
                ],
                &[1, 8],
            ),
            setup(),
            scenario("memory", &[down("bytes", "kernel memory", "KiB", 1024.0)], &none(), true, 9e4),
            once(),
        ],
    }
}

fn metric(name: &str, title: &str, unit: &str, per_unit: f64, higher_is_better: bool) -> Metric {
    let [name, title, unit] = [name, title, unit].map(str::to_owned);
    Metric { name, title, unit, per_unit, higher_is_better: Some(higher_is_better) }
}

fn up(name: &str, title: &str, unit: &str, per_unit: f64) -> Metric {
    metric(name, title, unit, per_unit, true)
}

fn down(name: &str, title: &str, unit: &str, per_unit: f64) -> Metric {
    metric(name, title, unit, per_unit, false)
}

fn none() -> Vec<Parameters> {
    vec![Parameters::new()]
}

fn sets(key: &str, values: &[u32]) -> Vec<Parameters> {
    values.iter().map(|value| Parameters::from([(key.to_owned(), json!(value))])).collect()
}

/// Variant, what it counts, what it costs over the baseline, and how that grows with N.
fn variants(sized: bool) -> Vec<(&'static str, Option<&'static str>, f64, f64)> {
    let ports = sized.then_some("ports");
    let containers = sized.then_some("containers");
    vec![
        ("veth", None, 0.82, 0.0),
        ("bridge", None, 0.97, 0.0),
        ("iptables-legacy-ports", ports, 1.24, 0.05),
        ("iptables-nft-ports", ports, 1.28, 0.3),
        ("iptables-nft-containers", containers, 1.26, 0.55),
        (LONG, ports, 1.29, 0.004),
        ("docker-proxy", None, 2.9, 0.0),
        ("tbf", None, 1.06, 0.0),
        ("htb", None, 1.09, 0.0),
        ("cni-bandwidth", None, 1.17, 0.0),
        ("dpctl", None, 1.01, 0.0),
        ("dpctl-limit", None, 1.03, 0.0),
    ]
}

fn figure(of: f64, over: Option<f64>, noise: f64) -> Figure {
    let wave = |round: usize| [0.0, 0.7, -0.9, 0.2, -0.3][round % 5] * noise;
    let rounds = (0..ROUNDS).map(|round| (round != 3).then(|| of * (1.0 + wave(round)))).collect();
    let around = |median: f64| Interval { median, from: median * (1.0 - noise), to: median * (1.0 + noise) };
    Figure { rounds, value: around(of), ratio: over.map(|over| around(of / over)) }
}

fn case(variant: &str, size: Option<(u32, &str)>, parameters: &Parameters, role: Role) -> CaseResult {
    CaseResult {
        variant: variant.to_owned(),
        size: size.map(|(size, _)| size),
        counts: size.map(|(_, counts)| counts.to_owned()),
        parameters: parameters.clone(),
        role,
        rounds: 11,
        stolen_rounds: 1,
        failed: None,
        figures: BTreeMap::new(),
        latency: None,
    }
}

/// `base` is the baseline's figure of the first metric; further ones are other by a factor.
fn scenario(name: &str, metrics: &[Metric], sets: &[Parameters], sized: bool, base: f64) -> ScenarioResult {
    let mut cases = Vec::new();
    let put = |mut case: CaseResult, cost: f64, noise: f64| {
        for (number, metric) in metrics.iter().enumerate() {
            let base = base * [1.0, 0.9, 1.6, 2.4][number % 4];
            let of = if metric.higher_is_better == Some(true) { base / cost } else { base * cost };
            let over = (case.role != Role::Baseline).then_some(base);
            case.figures.insert(metric.name.clone(), figure(of, over, noise));
        }
        case
    };
    for set in sets {
        cases.push(put(case(BASELINE, None, set, Role::Baseline), 1.0, 0.01));
        for (variant, counts, cost, grows) in variants(sized) {
            let each: Vec<Option<u32>> = if counts.is_some() { SIZES.map(Some).into() } else { vec![None] };
            for size in each {
                let cost = cost * f64::from(size.unwrap_or(1)).powf(grows);
                let counted = size.zip(counts);
                cases.push(put(case(variant, counted, set, Role::Subject), cost, 0.015));
            }
        }
        cases.push(put(case(BASELINE, None, set, Role::Control), 1.004, 0.01));
    }
    let control = |metric: &Metric, set: &Parameters| Control {
        metric: metric.name.clone(),
        parameters: set.clone(),
        ratio: Interval { median: 1.004, from: 0.994, to: 1.013 },
        inconclusive: false,
    };
    ScenarioResult {
        name: name.to_owned(),
        about: format!("what `{name}` asks of each path, in a line that is as long as such a line may be"),
        metrics: metrics.to_vec(),
        baseline: BASELINE.to_owned(),
        unfair: vec!["Both ends share one machine and one CPU: there is no wire.".to_owned()],
        controls: metrics
            .iter()
            .flat_map(|metric| sets.iter().map(move |set| control(metric, set)))
            .collect(),
        cases,
        skipped: Vec::new(),
    }
}

fn rr() -> ScenarioResult {
    let metrics = [
        up("requests_per_s", "requests", "k/s", 1e3),
        down("latency_p50_ns", "latency, p50", "us", 1e3),
        down("latency_p99_ns", "latency, p99", "us", 1e3),
        down("latency_p999_ns", "latency, p99.9", "us", 1e3),
    ];
    let mut rr = scenario("rr", &metrics, &none(), true, 15e3);
    for case in &mut rr.cases {
        let middle = 6200.0 * case.figures["latency_p50_ns"].value.median / 13_500.0;
        let place = |n: u32| f64::from(n) / 100.0 * 5.0;
        let shares: Vec<f64> = (0..100).map(|n| 1.0 - 10f64.powf(-place(n))).collect();
        let ns = (0..100).map(|n| whole(middle * (0.9 + 0.06 * place(n).powi(3)))).collect();
        case.latency = Some(Distribution { count: 123_456, shares, ns });
    }
    rr.skipped.push(Skipped {
        variant: "docker-proxy".to_owned(),
        why: "no program `docker-proxy`: install the Debian package docker.io".to_owned(),
    });
    rr
}

fn udp() -> ScenarioResult {
    let metrics = [up("packets_per_s", "packets", "k/s", 1e3), down("loss_percent", "lost", "%", 1.0)];
    let mut udp = scenario("udp", &metrics, &sets("payload_bytes", &[64, 512, 1400]), false, 4e5);
    let nothing = Interval { median: f64::NAN, from: f64::NAN, to: f64::NAN };
    let broken = &mut udp.cases[3];
    broken.failed = Some("connect to 10.0.2.2:7000: connection refused".to_owned());
    broken.rounds = 0;
    broken.stolen_rounds = 0;
    for figure in broken.figures.values_mut() {
        *figure = Figure { rounds: Vec::new(), value: nothing, ratio: Some(nothing) };
    }
    for control in udp.controls.iter_mut().filter(|control| control.parameters["payload_bytes"] == 64) {
        control.ratio = Interval { median: 1.052, from: 1.01, to: 1.09 };
        control.inconclusive = true;
    }
    udp
}

fn limits(name: &str, metrics: &[Metric], flows: &[u32]) -> ScenarioResult {
    let mut sets = Vec::new();
    for direction in ["from_container", "to_container"] {
        for flows in flows {
            for rate in [128_000u64, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000] {
                let mut set = Parameters::from([
                    ("rate_bits_per_s".to_owned(), json!(rate)),
                    ("direction".to_owned(), json!(direction)),
                ]);
                if *flows > 0 {
                    set.insert("flows".to_owned(), json!(flows));
                }
                sets.push(set);
            }
        }
    }
    let mut limits = scenario(name, metrics, &sets, false, 1.0);
    "tbf".clone_into(&mut limits.baseline);
    let limiters = ["tbf", "htb", "cni-bandwidth", "dpctl-limit"];
    limits.cases.retain(|case| {
        case.role == Role::Control || (case.role == Role::Subject && limiters.contains(&&*case.variant))
    });
    for case in &mut limits.cases {
        match (&*case.variant, case.role) {
            ("tbf", _) => case.role = Role::Baseline,
            (_, Role::Control) => "tbf".clone_into(&mut case.variant),
            _ => {}
        }
        let log = case.parameters["rate_bits_per_s"].as_f64().unwrap_or(1.0).log10();
        let ours = if case.variant == "dpctl-limit" { 1.0 } else { 0.0 };
        let is = |key: &str| match key {
            "share" => 0.96 + 0.04 * ours - 0.01 * (log - 6.0).abs(),
            "rtt_ns" => 4e7 / (1.0 + ours * 100.0) / (log - 4.0),
            _ => 0.2 * (log - 4.0) * (1.0 + ours),
        };
        for (key, figure_of) in &mut case.figures {
            let over = (case.role != Role::Baseline).then_some(is(key) / (1.0 + 0.01 * ours));
            *figure_of = figure(is(key), over, 0.02);
        }
    }
    limits
}

fn setup() -> ScenarioResult {
    let metrics = [
        down("add_ns", "add one", "ms", 1e6),
        down("remove_ns", "remove one", "ms", 1e6),
        down("tear_down_ns", "tear all down", "ms", 1e6),
    ];
    let mut setup = scenario("setup", &metrics, &none(), true, 1e6);
    setup.cases.retain(|case| case.size.is_some() || case.role != Role::Subject);
    setup
}

/// One round, one metric, a parameter that no scenario of ours has.
fn once() -> ScenarioResult {
    let metrics = [down("run_ns", "a packet, over an empty program", "ns", 1.0)];
    let sets = [Parameters::from([("state".to_owned(), Value::from("accepted"))])];
    let mut once = scenario("program", &metrics, &sets, false, 60.0);
    for case in &mut once.cases {
        (case.rounds, case.stolen_rounds) = (1, 0);
        for figure in case.figures.values_mut() {
            figure.rounds.truncate(1);
            for interval in [Some(&mut figure.value), figure.ratio.as_mut()].into_iter().flatten() {
                (interval.from, interval.to) = (interval.median, interval.median);
            }
        }
    }
    once
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
fn whole(ns: f64) -> u64 {
    ns as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../../docs/results.md");

    #[test]
    fn the_page_has_every_key() {
        let json = serde_json::to_value(super::run()).expect("JSON");
        let mut keys = BTreeSet::new();
        // Names of metrics, parameters and facts are a run's own.
        collect(&json, &["machine", "settings", "parameters", "figures"], &mut keys);
        assert!(keys.len() > 40, "{keys:?}");
        let rows: BTreeSet<&str> =
            PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let missing: Vec<&String> = keys.iter().filter(|key| !rows.contains(&***key)).collect();
        assert!(missing.is_empty(), "docs/results.md lacks {missing:?}");
        let gone: Vec<&&str> = rows.iter().filter(|row| !keys.contains(**row)).collect();
        assert!(gone.is_empty(), "docs/results.md has {gone:?}, which no run has");
    }

    fn collect(json: &serde_json::Value, free: &[&str], keys: &mut BTreeSet<String>) {
        if let Some(array) = json.as_array() {
            for one in array {
                collect(one, free, keys);
            }
        }
        for (key, value) in json.as_object().into_iter().flatten() {
            keys.insert(key.clone());
            if !free.contains(&key.as_str()) {
                collect(value, free, keys);
            } else if key == "figures" {
                for (_, one) in value.as_object().into_iter().flatten() {
                    collect(one, free, keys);
                }
            }
        }
    }
}
