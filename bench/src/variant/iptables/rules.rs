//! The rules of Docker 28, for one bridge, as iptables-restore reads them. Text alone.
//!
//! After moby's integration/network/bridge/iptablesdoc, of the releases that have both the chains
//! DOCKER-FORWARD and DOCKER-ISOLATION-STAGE-1.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::Shape;
use crate::bed::BRIDGE;
use crate::variant::docker_shape::Published;

/// A rule: its table, how Docker adds it, and the chain and words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) table: &'static str,
    /// `-A`, or `-I` for what must stand before the chain's last rule.
    pub(super) add: &'static str,
    pub(super) words: String,
}

/// What a published port has: a translation and a permission.
fn of_port(port: &Published) -> [Rule; 2] {
    let Published { protocol, host_port, address, port } = port;
    [
        Rule {
            table: "nat",
            add: "-A",
            words: format!(
                "DOCKER ! -i {BRIDGE} -p {protocol} -m {protocol} --dport {host_port} -j DNAT \
                 --to-destination {address}:{port}"
            ),
        },
        Rule {
            table: "filter",
            add: "-I",
            words: format!(
                "DOCKER -d {address}/32 ! -i {BRIDGE} -o {BRIDGE} -p {protocol} -m {protocol} --dport {port} \
                 -j ACCEPT"
            ),
        },
    ]
}

/// What a container has: nobody reaches it past the published ports.
fn of_container(address: Ipv4Addr) -> Rule {
    Rule { table: "raw", add: "-A", words: format!("PREROUTING -d {address}/32 ! -i {BRIDGE} -j DROP") }
}

/// All of one container with one published port, in the order in which Docker adds them.
pub(super) fn of(one: &Published) -> Vec<Rule> {
    let [nat, filter] = of_port(one);
    vec![of_container(one.address), nat, filter]
}

/// All rules of a host, those of no container among them: for `iptables-restore` as it is.
pub(super) fn ruleset(shape: &Shape) -> String {
    let mut rules: Vec<Rule> = shape.containers.iter().map(|address| of_container(*address)).collect();
    rules.extend(shape.published.iter().flat_map(of_port));
    tables(&rules, BASE)
}

/// The rules alone: for `iptables-restore --noflush`.
pub(super) fn additions(rules: &[Rule]) -> String {
    tables(rules, [""; 3])
}

/// No rule, and every packet accepted: for `iptables-restore` as it is.
pub(super) fn nothing() -> String {
    let [raw, nat, filter] = [
        ":PREROUTING ACCEPT\n:OUTPUT ACCEPT\n",
        ":PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n",
        ":INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n",
    ];
    tables(&[], [raw, nat, filter])
}

fn tables(rules: &[Rule], heads: [&str; 3]) -> String {
    let mut text = String::new();
    for (table, head) in TABLES.into_iter().zip(heads) {
        write!(text, "*{table}\n{head}").ok();
        for rule in rules.iter().filter(|rule| rule.table == table) {
            writeln!(text, "{} {}", rule.add, rule.words).ok();
        }
        text.push_str("COMMIT\n");
    }
    text
}

const TABLES: [&str; 3] = ["raw", "nat", "filter"];

/// What Docker sets up for itself and for one bridge, `br0` with 10.79.0.0/16.
const BASE: [&str; 3] = [
    ":PREROUTING ACCEPT
:OUTPUT ACCEPT
",
    ":PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 10.79.0.0/16 ! -o br0 -j MASQUERADE
",
    ":INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
:DOCKER -
:DOCKER-BRIDGE -
:DOCKER-CT -
:DOCKER-FORWARD -
:DOCKER-ISOLATION-STAGE-1 -
:DOCKER-ISOLATION-STAGE-2 -
:DOCKER-USER -
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i br0 -o br0 -j DROP
-A DOCKER-BRIDGE -o br0 -j DOCKER
-A DOCKER-CT -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i br0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i br0 ! -o br0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o br0 -j DROP
-A DOCKER-USER -j RETURN
",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::docker_shape::{Growth, one_port, shape};

    fn count(text: &str, part: &str) -> usize {
        text.lines().filter(|line| line.contains(part)).count()
    }

    #[test]
    fn a_port_has_two_rules_and_a_container_one() {
        for (growth, raw) in [(Growth::Ports, 1), (Growth::Containers, 100)] {
            let text = ruleset(&shape(growth, 100));
            assert_eq!(count(&text, "-j DNAT"), 101, "one more for UDP");
            assert_eq!(count(&text, "-I DOCKER"), 101);
            assert_eq!(count(&text, "-A PREROUTING -d "), raw);
        }
    }

    #[test]
    fn additions_stand_in_their_tables_and_bring_no_base() {
        let text = additions(&of(&one_port(1, crate::bed::SERVER)));
        let begins: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(begins, ["*raw", "-A", "COMMIT", "*nat", "-A", "COMMIT", "*filter", "-I", "COMMIT"]);
    }
}
