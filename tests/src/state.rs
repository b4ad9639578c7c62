//! What an instance of `dpctl` and the kernel hold of it, in lines that two runs can share: rows
//! of the database, pins, map entries, programs and filters, qdiscs, mounts.
//!
//! Read past `dpctl`, so it settles nothing; ids that change from run to run are left out.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aya::maps::{Array, HashMap, Map, MapData};
use aya::programs::{SchedClassifier, TcAttachType};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::dpctl::{Dpctl, temporary_folder};
use crate::leftovers::{files, mounts};
use crate::netns::Namespace;

/// All of it at one moment, sorted; a thing that is there twice has two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(Vec<String>);

impl State {
    /// The state of `dpctl`, which works on `host`.
    #[track_caller]
    pub fn of(host: &Namespace, dpctl: &Dpctl<'_>) -> Self {
        let mut lines = rows(&dpctl.state_dir());
        lines.extend(pins(&dpctl.bpffs_dir()));
        lines.extend(entries(host, &dpctl.bpffs_dir()));
        lines.extend(hooks(host));
        lines.extend(stack(host));
        lines.extend(sandboxes(host));
        let folder = dpctl.bpffs_dir();
        lines.extend(mounts(&folder).iter().map(|_| "a bpffs is mounted".to_owned()));
        lines.sort();
        Self(lines)
    }

    /// The lines that begin with `word`.
    pub fn lines<'s>(&'s self, word: &'s str) -> impl Iterator<Item = &'s str> {
        self.0.iter().map(String::as_str).filter(move |line| line.starts_with(word))
    }

    /// Fails unless `other` is the same, naming each line that is in one of them only.
    #[track_caller]
    pub fn assert_is(&self, other: &Self, what: &str) {
        let only = |a: &Self, b: &Self, sign: &str| {
            let mut rest = b.0.clone();
            let lines = a.0.iter().filter(|line| match rest.iter().position(|other| other == *line) {
                Some(at) => {
                    rest.remove(at);
                    false
                }
                None => true,
            });
            lines.map(|line| ["\n ", sign, line].join(" ")).collect::<Vec<_>>().concat()
        };
        let difference = only(other, self, "missing") + &only(self, other, "surplus");
        assert!(difference.is_empty(), "{what}: not the state expected:{difference}");
    }
}

/// Copies are read: an open database is a changed one.
fn rows(state_dir: &Path) -> Vec<String> {
    let copy = temporary_folder();
    for file in files(state_dir) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("state.db") && !name.ends_with("-shm") {
            fs::copy(&file, copy.path().join(&name)).expect("the folder is ours");
        }
    }
    // Only now: a database is what its file, its log and its journal are together.
    let database = copy.path().join("state.db");
    if !database.exists() {
        return vec![];
    }
    read(&database).unwrap_or_else(|e| vec![format!("rows: {e}")])
}

fn read(database: &Path) -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open(database)?;
    let mut lines = vec![];
    for table in ["attachment", "departed", "network", "sandbox", "endpoint", "lease", "setting"] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut cells = vec![format!("{table}:")];
            // The veths of endpoints are made anew, with new numbers.
            let is_endpoint = names
                .iter()
                .position(|name| name == "role")
                .is_some_and(|index| row.get::<_, String>(index).is_ok_and(|role| role == "endpoint"));
            let is_left_out = |name: &str| name == "boot_id" || is_endpoint && name == "ifindex";
            for (index, name) in names.iter().enumerate().filter(|(_, name)| !is_left_out(name)) {
                let value = match row.get::<_, Value>(index)? {
                    Value::Null => "none".to_owned(),
                    Value::Integer(number) => number.to_string(),
                    Value::Real(number) => number.to_string(),
                    Value::Text(text) => without_cookie(&text),
                    Value::Blob(_) => "bytes".to_owned(),
                };
                cells.push(format!("{name} {value}"));
            }
            lines.push(cells.join(" "));
        }
    }
    Ok(lines)
}

/// What the host's network stack has: devices, addresses, routes, rules, neighbours. Numbers are
/// left out, as they change from run to run.
fn stack(host: &Namespace) -> Vec<String> {
    let of_lines = |what: &str, text: String| {
        text.lines().map(|line| format!("{what}: {}", line.trim_end())).collect::<Vec<_>>()
    };
    let mut lines = vec![];
    for link in host.ip("-j -d link").json().as_array().into_iter().flatten() {
        let (name, kind) = (&link["ifname"], &link["linkinfo"]["info_kind"]);
        let ours = name.as_str().is_some_and(|name| name.starts_with("dpv") || name.starts_with("dpbr"));
        if ours {
            let (master, address) = (&link["master"], &link["address"]);
            let closed = &link["linkinfo"]["info_slave_data"]["isolated"];
            let up = link["flags"].to_string().contains("\"UP\"");
            lines.push(format!(
                "link: {name} {kind} {address} mtu {} of {master} isolated {closed} up {up}",
                link["mtu"]
            ));
        }
    }
    for address in host.ip("-j addr").json().as_array().into_iter().flatten() {
        for info in address["addr_info"].as_array().into_iter().flatten() {
            lines.push(format!("address: {} {} {}", address["ifname"], info["local"], info["prefixlen"]));
        }
    }
    lines.extend(of_lines("route", host.ip("route show table all proto 100").stdout));
    lines.extend(of_lines("route", host.ip("-6 route show table all proto 100").stdout));
    lines.extend(of_lines("rule", host.ip("rule").stdout));
    lines.extend(of_lines("rule", host.ip("-6 rule").stdout));
    lines.extend(of_lines("neighbour", host.ip("neigh show nud permanent").stdout));
    lines
}

/// The number of a namespace is another each time that it is made.
fn without_cookie(text: &str) -> String {
    let Some((before, after)) = text.split_once("\"cookie\":") else { return text.to_owned() };
    let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{before}\"cookie\":0{rest}")
}

/// The namespaces and files of sandboxes that are called after `host`, whether a database has them
/// or not.
fn sandboxes(host: &Namespace) -> Vec<String> {
    let prefix = format!("{}-", host.name());
    let of = |folder: &str, what: &str| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.starts_with(&prefix))
            .map(|name| format!("{what} {name}"))
            .collect::<Vec<_>>()
    };
    [of("/run/netns", "namespace"), of("/etc/netns", "files of sandbox")].concat()
}

fn pins(bpffs: &Path) -> Vec<String> {
    let below = |file: &Path| file.strip_prefix(bpffs).unwrap_or(file).to_string_lossy().into_owned();
    files(bpffs).iter().map(|file| format!("pin {}", below(file))).collect()
}

/// What user space has written to the maps.
fn entries(host: &Namespace, bpffs: &Path) -> Vec<String> {
    let devices = host.ip("-j link").json();
    let name = |ifindex: u32| {
        let is_it = |link: &&serde_json::Value| link["ifindex"] == ifindex;
        let link = devices.as_array().into_iter().flatten().find(is_it);
        link.and_then(|link| link["ifname"].as_str()).map_or(ifindex.to_string(), str::to_owned)
    };
    let mut lines = vec![];
    for pin in files(bpffs).iter().filter(|pin| pin.file_name().is_some_and(|n| n.as_bytes() == b"SLOTS")) {
        let found = slots(pin).and_then(|slots| {
            let limits = limits(&pin.with_file_name("LIMITS"))?;
            for (ifindex, slot) in slots {
                let limits = limits.get(&slot, 0).map_err(|e| e.to_string())?;
                let ifindex = name(ifindex);
                lines.push(format!("map entry: interface {ifindex} slot {slot} limits {limits:?}"));
            }
            Ok(())
        });
        lines.extend(found.err().map(|error| format!("map entry: {error}")));
    }
    lines
}

fn slots(pin: &Path) -> Result<Vec<(u32, u32)>, String> {
    let data = MapData::from_pin(pin).map_err(|e| e.to_string())?;
    let map = HashMap::<_, u32, u32>::try_from(Map::HashMap(data)).map_err(|e| e.to_string())?;
    map.iter().collect::<Result<_, _>>().map_err(|e| e.to_string())
}

fn limits(pin: &Path) -> Result<Array<MapData, [u64; 8]>, String> {
    let data = MapData::from_pin(pin).map_err(|e| e.to_string())?;
    Array::try_from(Map::Array(data)).map_err(|e| e.to_string())
}

fn hooks(host: &Namespace) -> Vec<String> {
    let devices = host.ip("-j link").json();
    let devices = devices.as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = devices.iter().filter_map(|device| device["ifname"].as_str()).collect();
    let mut lines = host.enter(|| names.iter().flat_map(|name| tcx(name)).collect::<Vec<_>>());
    let qdiscs = host.run("tc qdisc show").stdout;
    lines.extend(qdiscs.lines().map(|qdisc| format!("qdisc: {qdisc}")));
    for name in names.iter().filter(|name| qdiscs.contains(&format!("qdisc clsact ffff: dev {name} "))) {
        for side in ["ingress", "egress"] {
            let filters = host.run(&format!("tc -j filter show dev {name} {side}")).json();
            lines.extend(filters.as_array().into_iter().flatten().map(|filter| {
                let program = filter["options"]["prog"]["name"].as_str().unwrap_or("");
                let handle = &filter["options"]["handle"];
                format!(
                    "filter: {name} {side} pref {} handle {handle} {} {program}",
                    filter["pref"], filter["kind"]
                )
            }));
        }
    }
    lines
}

/// Names of the tcx programs of one interface of this thread's namespace.
fn tcx(interface: &str) -> Vec<String> {
    let mut lines = vec![];
    for (hook, side) in [(TcAttachType::Ingress, "ingress"), (TcAttachType::Egress, "egress")] {
        // A kernel without tcx has none to list.
        let programs = SchedClassifier::query_tcx(interface, hook).map_or(vec![], |(_, all)| all);
        lines.extend(
            programs
                .iter()
                .map(|program| format!("tcx: {interface} {side} {}", program.name_as_str().unwrap_or("?"))),
        );
    }
    lines
}
