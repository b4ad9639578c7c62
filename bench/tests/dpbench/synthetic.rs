//! Results of runs that never were.

use serde_json::{Value, json};

/// A run of `rr` with these figures of `veth` over a baseline of 100, a round each.
pub(super) fn run(rounds: &[f64], control: f64) -> Value {
    let interval = |median: f64| json!({ "median": median, "from": median, "to": median });
    let case = |variant: &str, role: &str, rounds: &[f64]| {
        json!({
            "variant": variant, "size": null, "counts": null, "parameters": {}, "role": role,
            "rounds": rounds.len(), "stolen_rounds": 0, "failed": null, "latency": null,
            "figures": { "requests_per_s": {
                "rounds": rounds, "value": interval(rounds[0]), "ratio": interval(rounds[0] / 100.0),
            } },
        })
    };
    let baseline = vec![100.0; rounds.len()];
    json!({
        "schema": 1, "tool": "dpbench 0.1.0", "started": "2026-01-02T03:04:05Z",
        "finished": "2026-01-02T03:05:05Z", "complete": true, "quick": false, "seed": 1,
        "command": ["dpbench", "run"],
        "machine": { "kernel": "6.18.0", "cpu": "2 x Good", "commit": "abc", "load": "0.1" },
        "scenarios": [{
            "name": "rr", "about": "", "baseline": "routing", "unfair": [], "skipped": [],
            "metrics": [{
                "name": "requests_per_s", "title": "requests", "unit": "k/s", "per_unit": 1000.0,
                "higher_is_better": true,
            }],
            "controls": [{
                "metric": "requests_per_s", "parameters": {}, "ratio": interval(control),
                "inconclusive": (control - 1.0).abs() > 0.03,
            }],
            "cases": [
                case("routing", "baseline", &baseline),
                case("routing", "control", &baseline),
                case("veth", "subject", rounds),
            ],
        }],
    })
}
