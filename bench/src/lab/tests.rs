//! What a lab file may hold, and that nothing else is taken.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::Lab;
use crate::bed::Bed;
use crate::load::{Load, Sample};
use crate::results::{Metric, Parameters, ScenarioResult};
use crate::scenario::{Scenario, Scope};
use crate::variant::{self, Variant};
use crate::view::View;

/// A load with parameters, as a scenario of the build.
struct Bulk;

/// A scenario that builds paths of its own.
struct Alone;

impl Scenario for Bulk {
    fn name(&self) -> &'static str {
        "bulk"
    }

    fn about(&self) -> &'static str {
        "much"
    }

    fn estimate(&self, _scope: &Scope) -> Duration {
        Duration::ZERO
    }

    fn run(&self, _scope: &Scope, _view: &mut View) -> Result<ScenarioResult> {
        anyhow::bail!("never run")
    }

    fn into_load(self: Box<Self>) -> Option<Box<dyn Load>> {
        Some(self)
    }
}

impl Load for Bulk {
    fn name(&self) -> &'static str {
        "bulk"
    }

    fn about(&self) -> &'static str {
        "much"
    }

    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    fn parameters(&self) -> Vec<Parameters> {
        let set = |bytes: u64| [("payload_bytes", json!(bytes)), ("way", json!("up")), ("count", json!(7))];
        [64, 1400].map(|bytes| set(bytes).map(|(key, value)| (key.to_owned(), value)).into()).into()
    }

    fn range(&self, parameter: &str) -> Option<RangeInclusive<u64>> {
        (parameter == "payload_bytes").then_some(8..=1472)
    }

    fn validate(&self, _bed: &Bed, _parameters: &Parameters) -> Result<()> {
        Ok(())
    }

    fn measure(&self, _bed: &Bed, _parameters: &Parameters, _window: Duration) -> Result<Sample> {
        anyhow::bail!("never measured")
    }
}

impl Scenario for Alone {
    fn name(&self) -> &'static str {
        "alone"
    }

    fn about(&self) -> &'static str {
        "by itself"
    }

    fn estimate(&self, _scope: &Scope) -> Duration {
        Duration::ZERO
    }

    fn run(&self, _scope: &Scope, _view: &mut View) -> Result<ScenarioResult> {
        anyhow::bail!("never run")
    }
}

fn variants() -> Vec<Arc<dyn Variant>> {
    variant::all().into_iter().map(Arc::from).collect()
}

fn parse(text: &str) -> Result<Lab> {
    Lab::parse(text, Path::new("lab.toml"), &variants(), || vec![Box::new(Bulk), Box::new(Alone)])
}

const LAB: &str = r#"
[[variant]]
name = "mine"
about = "a path of mine"
namespaces = ["router"]
listen = "10.2.0.2:8080"
connect = "10.1.0.1:80"

[[variant.link]]
ends = [
  { namespace = "client", name = "eth0", addresses = ["10.1.0.2/24"], mtu = 1400 },
  { namespace = "router", name = "lan", addresses = ["10.1.0.1/24"] },
]

[[variant.link]]
ends = [
  { namespace = "router", name = "dmz" },
  { namespace = "server", name = "eth0", addresses = ["10.2.0.2/24"] },
]

[[variant.run]]
in = "router"
command = "true"
timeout = "5s"

[[scenario]]
name = "my-bulk"
load = "bulk"
variants = ["mine", "veth"]
baseline = "mine"
rounds = 7
window = "200ms"

[scenario.parameters]
payload_bytes = [100, 200]
"#;

#[test]
fn a_whole_lab_is_taken() {
    let lab = parse(LAB).unwrap_or_else(|error| panic!("{error:#}"));
    let mut all = variants();
    all.extend(lab.variants());
    assert_eq!(all.last().map(|mine| mine.name()), Some("mine"));
    let (wanted, _load) = &lab.scenarios[0];
    let sizes: Vec<_> = wanted.parameters.iter().map(|set| set["payload_bytes"].clone()).collect();
    assert_eq!(sizes, [json!(100), json!(200)]);
    assert!(wanted.parameters.iter().all(|set| set["way"] == "up"), "what is not given stays");
    let scenarios = lab.scenarios(&all, true);
    assert_eq!((scenarios[0].name(), scenarios[0].about()), ("my-bulk", "much"));
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    for (right, wrong, expected) in [
        ("name = \"mine\"", "name = \"Mine\"", "lab.toml:3:8: `Mine`: a name of a variant has"),
        ("name = \"mine\"", "name = \"veth\"", "lab.toml:3:8: there is a variant `veth` already"),
        ("name = \"mine\"", "nam = \"mine\"", "lab.toml:3:1: unknown field `nam`"),
        ("name = \"mine\"\n", "", "missing field `name`"),
        ("about = \"a path of mine\"", "about = 7", "lab.toml:4:9: invalid type: integer `7`"),
        ("about = \"a path of mine\"", "about = \"a\\nb\"", "lab.toml:4:9: `about` is one line"),
        ("[\"router\"]", "[\"router\", \"router\"]", "lab.toml:5:25: there is a namespace `router` already"),
        ("[\"router\"]", "[\"client\", \"router\"]", "there is a namespace `client` already"),
        ("[\"router\"]", "[]", "no namespace `router`: this variant has client, server"),
        (
            "listen = \"10.2.0.2:8080\"",
            "listen = \"10.2.0.2\"",
            "lab.toml:6:10: `listen` is IPv4 with a port",
        ),
        ("10.2.0.2:8080", "10.2.0.2:0", "`listen` is IPv4 with a port"),
        ("10.2.0.2:8080", "10.9.0.2:80", "lab.toml:6:10: `listen`: no end of a link in `server`"),
        ("10.1.0.1:80\"", "somewhere:80\"", "lab.toml:7:11: `connect` is IPv4 with a port"),
        ("10.1.0.2/24", "10.1.0.2", "an address is IPv4 with its prefix"),
        ("10.1.0.2/24", "10.1.0.2/33", "an address is IPv4 with its prefix"),
        ("10.1.0.2/24", "fd00::1/64", "an address is IPv4 with its prefix"),
        ("10.1.0.2/24", "224.0.0.1/24", "an address is IPv4 with its prefix"),
        ("mtu = 1400", "mtu = 67", "67: an MTU is from 68 to 65535"),
        ("mtu = 1400", "mtu = -1", "-1: an MTU is from 68 to 65535"),
        ("mtu = 1400", "mtu = 1e3", "invalid type"),
        ("mtu = 1400", "mut = 1400", "unknown field `mut`"),
        ("name = \"dmz\"", "name = \"lan\"", "there is a `lan` in router already"),
        ("name = \"dmz\"", "name = \"a-name-too-long\u{e9}\"", "a name of an interface has"),
        ("name = \"dmz\"", "name = \"-x\"", "a name of an interface has"),
        ("name = \"dmz\"", "name = \"lo\"", "a name of an interface has"),
        ("  { namespace = \"router\", name = \"dmz\" },\n", "", "a veth has 2 ends, not 1"),
        (
            "\"client\", name = \"eth0\"",
            "\"client\", name = \"eth1\"",
            "`client` has no end of a link called eth0",
        ),
        ("in = \"router\"", "in = \"routre\"", "lab.toml:22:6: no namespace `routre`"),
        ("command = \"true\"", "command = \"\"", "lab.toml:23:11: `command` is a line for a shell"),
        ("timeout = \"5s\"", "timeout = \"5\"", "lab.toml:24:11: `5`: a timeout is a time from 1ms to 10m"),
        ("timeout = \"5s\"", "timeout = \"2h\"", "a timeout is a time from 1ms to 10m"),
        ("\"my-bulk\"", "\"bulk\"", "lab.toml:27:8: there is a scenario `bulk` already"),
        ("load = \"bulk\"", "load = \"bulky\"", "lab.toml:28:8: no load `bulky`: did you mean bulk?"),
        ("load = \"bulk\"", "load = \"alone\"", "`alone` builds paths of its own"),
        ("[\"mine\", \"veth\"]", "[\"mine\", \"vteh\"]", "no variant `vteh`: did you mean veth?"),
        ("[\"mine\", \"veth\"]", "[]", "`variants` names one at the least"),
        ("baseline = \"mine\"", "baseline = \"yours\"", "lab.toml:30:12: no variant `yours`"),
        ("rounds = 7", "rounds = 0", "0: `rounds` is from 1 to 1000"),
        ("window = \"200ms\"", "window = \"1ms\"", "`window` is a time from 10ms to 10m"),
        ("payload_bytes =", "payload =", "no parameter `payload`: this load has count, payload_bytes, way"),
        ("[100, 200]", "[]", "0 sets of parameters"),
        ("[100, 200]", "0", "`payload_bytes` cannot be 0"),
        ("[100, 200]", "7", "`payload_bytes` cannot be 7: this load takes from 8 to 1472"),
        ("[100, 200]", "[8, 1473]", "`payload_bytes` cannot be 1473"),
        ("payload_bytes = [100, 200]", "count = 8", "`count` cannot be 8: this load takes 7"),
        ("[100, 200]", "\"x\"", "`payload_bytes` cannot be"),
        ("payload_bytes = [100, 200]", "way = \"down\"", "`way` cannot be"),
        ("[[scenario]]", "[[scenario]", "lab.toml:26:"),
    ] {
        assert!(LAB.contains(right), "{right}");
        let error = parse(&LAB.replacen(right, wrong, 1)).err().map(|error| format!("{error:#}"));
        let error = error.unwrap_or_else(|| panic!("{wrong} is taken"));
        assert!(error.contains(expected) && error.lines().count() == 1, "{wrong}: {error}");
    }
    for (text, expected) in [("", "neither a [[variant]] nor"), ("x = 1", "unknown field `x`")] {
        let error = parse(text).err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn garbled_files_are_refused_in_one_line_with_a_place() {
    let pieces =
        ["[[", "]]", "\"", "'''", "\n", "=", "{", "}", "\u{0}", "\u{202e}", "-1", "1e999", "\\u", "#"];
    let mut random = fastrand::Rng::with_seed(5);
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut text: Vec<char> = LAB.chars().collect();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..text.len());
            match random.u8(..4) {
                0 if text.len() > 40 => drop(text.remove(at)),
                1 => text.truncate(at.max(40)),
                2 => {
                    let end = (at + random.usize(..40)).min(text.len());
                    let part: Vec<char> = text[at..end].to_vec();
                    let to = random.usize(..text.len());
                    text.splice(to..to, part);
                }
                _ => drop(text.splice(at..at, random.choice(pieces).unwrap_or_default().chars())),
            }
        }
        let text: String = text.into_iter().collect();
        match parse(&text) {
            Ok(_) => taken += 1,
            Err(error) => {
                let line = format!("{error:#}");
                let is_line = line.starts_with("lab.toml:") && !line.chars().any(char::is_control);
                assert!(is_line, "{line:?} of\n{text}");
            }
        }
    }
    // Some changes change nothing that matters: the test is not about one error over and over.
    assert!((100..10_000).contains(&taken), "{taken}");
}
