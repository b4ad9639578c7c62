//! Networks: who reaches whom, in both kinds and both families.

use std::net::IpAddr;

use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::netns::Namespace;
use dataplane_tests::sandbox::{Sandbox, connects, is_kept_apart};

const KINDS: [&str; 2] = ["bridge", "routed"];
/// Of the host, and of no network of ours.
const HOSTS_OWN: [u8; 4] = [192, 0, 2, 1];

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A host with a link of its own, whose other end is up and nobody's.
fn host() -> Namespace {
    let host = Namespace::new();
    host.ip_batch(
        "link add ext type veth peer name away\naddr add 192.0.2.1/24 dev ext\nlink set ext up\nlink set away up",
    );
    host
}

fn create(dpctl: &Dpctl<'_>, name: &str, kind: &str, number: u8) {
    let subnets = format!("--subnet 10.77.{number}.0/24 --subnet fd77:{number}::/64");
    dpctl.run(&format!("network create {name} --kind {kind} {subnets}"));
}

#[test]
fn endpoints_of_a_network_reach_each_other_their_gateway_and_the_host() {
    for kind in KINDS {
        let host = host();
        let dpctl = Dpctl::new(&host);
        create(&dpctl, "web", kind, 1);
        let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "web"));
        for address in two.addresses(&dpctl, "web") {
            assert!(connects(&one.namespace, &two.namespace, address), "{kind}: {address}");
            assert!(connects(&host, &two.namespace, address), "{kind}: the host to {address}");
        }
        for gateway in [ip("10.77.1.1"), ip("fd77:1::1"), HOSTS_OWN.into()] {
            assert!(connects(&one.namespace, &host, gateway), "{kind}: {gateway}");
        }
        let passed = dpctl.json("stats")[0]["to_container"]["packets"].as_u64();
        assert!(passed > Some(10), "{kind}: counted: {passed:?}");
        dpctl.leaves_nothing();
    }
}

#[test]
fn different_networks_and_what_lies_beyond_are_out_of_reach() {
    for kind in KINDS {
        let host = host();
        let dpctl = Dpctl::new(&host);
        create(&dpctl, "web", kind, 1);
        create(&dpctl, "other", kind, 2);
        // Even where the host forwards whatever it gets.
        host.sysctl("ipv4/ip_forward", "1");
        host.sysctl("ipv6/conf/all/forwarding", "1");
        let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "other"));
        for address in two.addresses(&dpctl, "other") {
            assert!(is_kept_apart(&one.namespace, &two.namespace, address), "{kind}: {address}");
        }
        let outside = one.namespace.try_run("busybox ping -c 1 -W 1 192.0.2.9");
        assert_ne!(outside.code, 0, "{kind}: {outside}");
        let before = one.endpoint(&dpctl, "web")["interface"].as_str().map(str::to_owned).unwrap_or_default();
        let refused =
            dpctl.stats(&before, dataplane_common::direction::Direction::FromContainer).dropped_refused;
        assert!(refused > 0, "{kind}: dropped and counted");
        dpctl.leaves_nothing();
    }
}

#[test]
fn without_icc_there_is_the_gateway_alone_and_the_switch_holds_at_once() {
    for kind in KINDS {
        let host = host();
        let dpctl = Dpctl::new(&host);
        create(&dpctl, "web", kind, 1);
        let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "web"));
        let address = two.addresses(&dpctl, "web")[0];
        assert!(connects(&one.namespace, &two.namespace, address), "premise: {kind}");
        dpctl.run("network set web --icc off");
        assert!(is_kept_apart(&one.namespace, &two.namespace, address), "{kind}");
        assert!(connects(&one.namespace, &host, ip("10.77.1.1")), "{kind}: the gateway");
        dpctl.run("network set web --icc on");
        assert!(connects(&one.namespace, &two.namespace, address), "{kind}: again");
        dpctl.leaves_nothing();
    }
}

/// The kernel's own switches, with no program of ours left.
#[test]
fn a_veth_that_lost_its_programs_passes_nothing_that_isolation_forbids() {
    dataplane_tests::need_tcx!();
    for kind in KINDS {
        let host = host();
        let dpctl = Dpctl::new(&host);
        create(&dpctl, "web", kind, 1);
        create(&dpctl, "other", kind, 2);
        host.sysctl("ipv4/ip_forward", "1");
        let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "web"));
        let third = Sandbox::on(&dpctl, "other");
        let address = two.addresses(&dpctl, "web")[0];
        assert!(connects(&one.namespace, &two.namespace, address), "premise: {kind}");
        for pin in dataplane_tests::leftovers::files(&dpctl.bpffs_dir()) {
            if pin.components().any(|part| part.as_os_str() == "links") {
                std::fs::remove_file(&pin).expect("a bpffs removes");
            }
        }
        dataplane_tests::eventually::eventually("the links are gone", || {
            host.enter(|| {
                aya::programs::SchedClassifier::query_tcx("dpv0", aya::programs::TcAttachType::Ingress)
            })
            .is_ok_and(|(_, programs)| programs.is_empty())
        });
        assert!(is_kept_apart(&one.namespace, &two.namespace, address), "{kind}: of the same network");
        let other = third.addresses(&dpctl, "other")[0];
        assert!(is_kept_apart(&one.namespace, &third.namespace, other), "{kind}: of another");
        dpctl.run("reconcile");
        assert!(connects(&one.namespace, &two.namespace, address), "{kind}: reconciled");
        dpctl.leaves_nothing();
    }
}

#[test]
fn a_routed_network_takes_a_hop_and_says_so_where_none_is_left() {
    let host = host();
    let dpctl = Dpctl::new(&host);
    create(&dpctl, "web", "routed", 1);
    let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "web"));
    let addresses = two.addresses(&dpctl, "web");
    for (address, ping, answer) in [
        (addresses[0], "busybox ping -c 1 -W 2", "ttl=63"),
        (addresses[1], "busybox ping6 -c 1 -W 2", "ttl=63"),
    ] {
        let reached = one.namespace.run(&format!("{ping} {address}")).stdout;
        assert!(reached.contains(answer), "{reached}");
    }
    let trace = one.namespace.run(&format!("busybox traceroute -n -m 3 -w 2 -q 1 {}", addresses[0])).stdout;
    let hops: Vec<&str> = trace.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(hops, ["10.77.1.1", &addresses[0].to_string()], "{trace}");
    // busybox's traceroute6 wants more of its packet quoted than is; the kernel takes the answer.
    let exceeded = || {
        let counters = one.namespace.run("cat /proc/net/snmp6").stdout;
        let line = counters.lines().find(|line| line.starts_with("Icmp6InTimeExcds")).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).expect("it is counted")
    };
    assert_eq!(exceeded(), 0, "premise");
    one.namespace.run(&format!("busybox traceroute6 -n -m 1 -w 1 -q 1 {}", addresses[1]));
    assert_eq!(exceeded(), 1, "told so by the gateway");
    dpctl.leaves_nothing();
}

#[test]
fn broadcasts_reach_the_endpoints_of_a_bridge_network_with_icc_alone() {
    for (kind, icc, expected) in [("bridge", "on", 1), ("bridge", "off", 0), ("routed", "on", 0)] {
        let host = host();
        let dpctl = Dpctl::new(&host);
        dpctl.run(&format!("network create web --kind {kind} --subnet 10.77.1.0/24 --icc {icc}"));
        let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "web"));
        let third = Sandbox::on(&dpctl, "web");
        let listen = |on: &Sandbox| {
            on.namespace.enter(|| std::net::UdpSocket::bind(("0.0.0.0", 7777))).expect("a port is free")
        };
        let listeners = [listen(&two), listen(&third)];
        one.namespace.enter(|| {
            let sender = std::net::UdpSocket::bind(("0.0.0.0", 0)).expect("a port is free");
            sender.set_broadcast(true).expect("a socket can");
            let target = if kind == "bridge" { "10.77.1.255" } else { "255.255.255.255" };
            sender.send_to(b"hello", (target, 7777)).expect("it goes out");
        });
        for listener in listeners {
            let patience = std::time::Duration::from_millis(if expected == 1 { 5000 } else { 200 });
            listener.set_read_timeout(Some(patience)).expect("not zero");
            let arrived = usize::from(listener.recv(&mut [0; 8]).is_ok());
            assert_eq!(arrived, expected, "{kind}, icc {icc}");
        }
        dpctl.leaves_nothing();
    }
}

#[test]
fn whoever_remembers_another_mac_is_told_of_the_new_one() {
    let host = host();
    let dpctl = Dpctl::new(&host);
    create(&dpctl, "web", "bridge", 1);
    let one = Sandbox::on(&dpctl, "web");
    one.namespace.ip("neigh replace 10.77.1.9 lladdr 02:00:00:00:00:99 dev eth0 nud reachable");
    one.namespace.ip("neigh replace fd77:1::9 lladdr 02:00:00:00:00:99 dev eth0 nud reachable");
    let two = Sandbox::new(&dpctl);
    dpctl.run(&format!("connect web {} --ip 10.77.1.9 --ip fd77:1::9", two.name()));
    for address in ["10.77.1.9", "fd77:1::9"] {
        dataplane_tests::eventually::eventually("the neighbour is the new one", || {
            one.namespace.ip(&format!("neigh show {address}")).stdout.contains("0a:64:0a:4d:01:09")
        });
    }
    dpctl.leaves_nothing();
}

#[test]
fn a_limit_of_an_endpoint_holds_between_neighbours() {
    for kind in KINDS {
        let host = host();
        let dpctl = Dpctl::new(&host);
        create(&dpctl, "web", kind, 1);
        let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::new(&dpctl));
        dpctl.run(&format!("connect web {} --to-container 64kbit --latency 10ms", two.name()));
        let address = two.addresses(&dpctl, "web")[0];
        let arrived = dataplane_tests::burst::burst(&one.namespace, &two.namespace, address);
        assert!((1..=6).contains(&arrived), "{kind}: {arrived} of 64 arrive through the receiver's limit");
        let interface =
            two.endpoint(&dpctl, "web")["interface"].as_str().map(str::to_owned).unwrap_or_default();
        let dropped = dpctl.stats(&interface, dataplane_common::direction::Direction::ToContainer);
        assert!(dropped.dropped_limit_full > 0, "{kind}: counted at the receiver: {dropped:?}");
        dpctl.run(&format!("limit clear {interface}"));
        assert_eq!(dataplane_tests::burst::burst(&one.namespace, &two.namespace, address), 64, "{kind}");
        dpctl.leaves_nothing();
    }
}

#[test]
fn an_internal_network_has_no_default_route_and_nothing_of_the_host_but_the_gateway() {
    for kind in KINDS {
        let host = host();
        let dpctl = Dpctl::new(&host);
        dpctl.run(&format!("network create web --kind {kind} --subnet 10.77.1.0/24 --internal"));
        let one = Sandbox::on(&dpctl, "web");
        assert_eq!(one.namespace.ip("route show default").stdout, "", "{kind}");
        assert!(connects(&one.namespace, &host, ip("10.77.1.1")), "{kind}");
        one.namespace.ip("route add 192.0.2.0/24 via 10.77.1.1 onlink dev eth0");
        assert!(is_kept_apart(&one.namespace, &host, HOSTS_OWN.into()), "{kind}");
        dpctl.leaves_nothing();
    }
}

#[test]
fn a_sandbox_is_on_several_networks_and_the_first_default_route_wins() {
    let host = host();
    let dpctl = Dpctl::new(&host);
    create(&dpctl, "web", "bridge", 1);
    create(&dpctl, "back", "routed", 2);
    let one = Sandbox::on(&dpctl, "web");
    dpctl.run(&format!("connect back {}", one.name()));
    let first = |line: &str| one.namespace.ip(line).stdout.lines().next().unwrap_or_default().to_owned();
    assert!(first("route show default").contains("10.77.1.1 dev eth0"));
    assert!(first("-6 route show default").contains("fd77:1::1 dev eth0"));
    let (two, three) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "back"));
    assert!(connects(&one.namespace, &two.namespace, two.addresses(&dpctl, "web")[0]));
    assert!(connects(&one.namespace, &three.namespace, three.addresses(&dpctl, "back")[0]));
    dpctl.run(&format!("disconnect back {}", one.name()));
    dpctl.run(&format!("connect back {} --default-route --name uplink", one.name()));
    assert!(first("route show default").contains("10.77.2.1 dev uplink"), "{}", first("route show default"));
    dpctl.leaves_nothing();
}
