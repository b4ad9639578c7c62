//! Requests for networks, sandboxes and endpoints that are refused: one line names the value and
//! the way out, and nothing has changed.

use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::netns::Namespace;
use dataplane_tests::sandbox::Sandbox;

use crate::refusals::{Refusals, assert_one_line};

#[test]
fn a_first_request_that_is_refused_leaves_nothing() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    for (line, code, words) in [
        ("network create web --subnet 10.77.1.5/24", 2, "did you mean 10.77.1.0/24"),
        ("network create Web", 2, "a name is of a-z"),
        ("network rm web", 3, "no such network"),
        ("sandbox create ../x", 2, "a name is of a-z"),
        ("sandbox rm x", 3, "no such sandbox"),
        ("connect web x", 3, "no such network"),
        ("disconnect web x", 3, "no such network"),
        ("sandbox create x --netns 4194303", 3, "no such network namespace"),
    ] {
        assert_one_line(&dpctl.try_run(line), code, &[words]);
        assert!(!dpctl.state_dir().join("state.db").exists(), "{line}: made for nothing");
    }
    dpctl.leaves_nothing();
}

#[test]
fn bad_networks_are_refused() {
    let host = Namespace::new();
    host.ip_batch("link add ext type veth peer name away\naddr add 192.0.2.1/24 dev ext\nlink set ext up\nlink set away up\nroute add 198.51.100.0/24 via 192.0.2.2");
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/24");
    let refusals = Refusals::of(&host, &dpctl);
    let long = "x".repeat(64);
    for (line, code, words) in [
        ("network create web", 4, "web: a network of that name"),
        ("network create a/b", 2, "a name is of a-z"),
        (&format!("network create {long}"), 2, "at most 63"),
        ("network create all", 2, "a word of dpctl's own"),
        ("network create n --subnet 10.77.1.128/25", 4, "overlaps 10.77.1.0/24 of network web"),
        ("network create n --subnet 192.0.2.0/25", 4, "an address of ext"),
        ("network create n --subnet 198.51.100.0/26", 4, "a route by ext"),
        ("network create n --subnet 10.78.0.0/31", 2, "too small"),
        ("network create n --subnet fd78::/127", 2, "too small"),
        ("network create n --subnet 10.78.0.1/32", 2, "too small"),
        ("network create n --subnet 127.0.0.0/8", 2, "loopback"),
        ("network create n --subnet 10.78.0.0/24 --subnet 10.79.0.0/24", 2, "one of each family"),
        ("network create n --subnet 10.78.0.0/24 --gateway 10.79.0.1", 2, "outside 10.78.0.0/24"),
        ("network create n --subnet 10.78.0.0/24 --gateway 10.78.0.255", 2, "broadcast address"),
        ("network create n --subnet 10.78.0.0/24 --gateway fd00::1", 2, "no subnet of that family"),
        ("network create n --subnet 10.78.0.0/24 --ip-range 10.79.0.0/28", 2, "outside 10.78.0.0/24"),
        ("network create n --subnet 10.78.0.0/24 --reserve a=10.78.0.1", 2, "taken by the gateway"),
        ("network create n --subnet 10.78.0.0/24 --mtu 67", 2, "from 68 to 65535"),
        ("network create n --subnet fd78::/64 --mtu 1279", 2, "from 1280 to 65535"),
        ("network create n --kind host --subnet 10.78.0.0/24", 2, "a host network has none"),
        ("network create n --kind routed --bridge br0", 2, "a routed network has none"),
        ("network create n --bridge br0", 2, "no such interface"),
        ("network create n --bridge ext", 2, "not a bridge"),
        ("network create n --bridge dpbr1", 2, "another network of ours"),
        ("network create n --bridge br0 --icc off", 2, "another's bridge"),
        ("network create n --bridge br0 --internal", 2, "another's bridge"),
        ("network create n --subnet nonsense", 2, "nonsense"),
        ("network create n --label =x", 2, "a label has a key"),
        ("network set web", 2, "nothing to change"),
        ("network set none-such --icc on", 3, "no such network"),
        ("network inspect none-such", 3, "no such network"),
        ("config pool 10.0.0.0/16:8", 2, "longer prefixes"),
        ("config pool 10.0.0.0/8:24 10.1.0.0/16:24", 2, "overlaps"),
    ] {
        refusals.line(line, code, &[words]);
    }
    refusals.changed_nothing();
    dpctl.leaves_nothing();
}

#[test]
fn bad_connections_are_refused() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/29 --reserve kept=10.77.1.6");
    dpctl.run("network create inner --subnet 10.77.2.0/24 --internal");
    dpctl.run("network create hosts --kind host");
    let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::new(&dpctl));
    let (taken, free) = (one.name(), two.name());
    let joined = format!("{free}-joined");
    dpctl.run(&format!("sandbox create {joined} --join {free}"));
    let refusals = Refusals::of(&host, &dpctl);
    for (line, code, words) in [
        (format!("connect web {taken}"), 4, "connected already"),
        (format!("connect none-such {free}"), 3, "no such network"),
        ("connect web none-such".to_owned(), 3, "no such sandbox"),
        (format!("connect web {free} --ip 10.77.1.2"), 4, "already taken by"),
        (format!("connect web {free} --ip 10.77.1.1"), 4, "taken by the gateway"),
        (format!("connect web {free} --ip 10.77.1.6"), 4, "kept (reserved)"),
        (format!("connect web {free} --ip 10.77.1.0"), 2, "network address"),
        (format!("connect web {free} --ip 10.77.1.7"), 2, "broadcast address"),
        (format!("connect web {free} --ip 10.78.0.2"), 2, "outside 10.77.1.0/29"),
        (format!("connect web {free} --ip fd00::2"), 2, "no subnet of that family"),
        (format!("connect web {free} --ip 10.77.1.3 --ip 10.77.1.4"), 2, "one address of each family"),
        (format!("connect web {free} --mac 01:00:5e:00:00:01"), 2, "a group's address"),
        (format!("connect web {free} --mac 00:00:00:00:00:00"), 2, "nobody's"),
        (format!("connect web {free} --mac 0a:64:0a:4d:01:02"), 4, "is dpt-"),
        (format!("connect web {free} --mac 0a:64:0a:4d:01:01"), 4, "is the gateway's"),
        (format!("connect web {free} --mac nonsense"), 2, "six hexadecimal bytes"),
        (format!("connect web {free} --name waytoolongforanif"), 2, "not an interface name"),
        (format!("connect web {free} --name a/b"), 2, "not an interface name"),
        (format!("connect web {free} --name lo"), 2, "not an interface name"),
        (format!("connect web {free} --sysctl kernel.hostname=x"), 2, "only those of net."),
        (format!("connect web {free} --sysctl net.ipv4.../x=1"), 2, "only those of net."),
        (format!("connect web {free} --metric 0"), 2, "from 1 on"),
        (format!("connect inner {free} --default-route"), 2, "internal network leads nowhere"),
        (format!("connect hosts {free}"), 2, "has a network namespace of its own"),
        (format!("connect web {joined}"), 2, "has joined"),
        (format!("connect web {free} --latency 10ms"), 2, "go with a rate"),
        (format!("disconnect web {free}"), 3, "not connected"),
        (format!("sandbox create {free}"), 4, "a sandbox of that name"),
        ("sandbox create web".to_owned(), 4, "a network of that name"),
        (format!("network create {free}"), 4, "a sandbox of that name"),
        (format!("sandbox create {}", host.name()), 4, "not ours"),
        (format!("sandbox create x --join {joined}"), 2, "has joined"),
        ("sandbox create x --join none-such".to_owned(), 3, "no such sandbox"),
        ("sandbox create x --netns /etc/passwd".to_owned(), 3, "not a network namespace"),
        (format!("sandbox rm {free}"), 4, "has joined it"),
        ("network rm web".to_owned(), 4, "in use by"),
        (format!("detach {}", "dpv0"), 4, "dpctl disconnect"),
    ] {
        refusals.line(&line, code, &[words]);
    }
    refusals.changed_nothing();
    dpctl.leaves_nothing();
}

#[test]
fn a_full_network_says_so_and_a_freed_address_is_given_out_last() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/29");
    let sandboxes: Vec<Sandbox> = (0..5).map(|_| Sandbox::on(&dpctl, "web")).collect();
    let addresses: Vec<String> =
        sandboxes.iter().map(|sandbox| sandbox.addresses(&dpctl, "web")[0].to_string()).collect();
    assert_eq!(addresses, ["10.77.1.2", "10.77.1.3", "10.77.1.4", "10.77.1.5", "10.77.1.6"]);
    let late = Sandbox::new(&dpctl);
    let refusals = Refusals::of(&host, &dpctl);
    refusals.line(&format!("connect web {}", late.name()), 4, &["web: no free address in 10.77.1.0/29"]);
    refusals.changed_nothing();
    dpctl.run(&format!("disconnect web {} {}", sandboxes[3].name(), sandboxes[1].name()));
    dpctl.run(&format!("connect web {}", late.name()));
    assert_eq!(
        late.addresses(&dpctl, "web")[0].to_string(),
        "10.77.1.5",
        "the one that was given back first"
    );
    dpctl.leaves_nothing();
}

#[test]
fn an_address_is_kept_for_the_sandbox_that_it_was_reserved_for() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    let (one, two) = (Sandbox::new(&dpctl), Sandbox::new(&dpctl));
    dpctl.run(&format!("network create web --subnet 10.77.1.0/24 --reserve {}=10.77.1.2", two.name()));
    dpctl.run(&format!("connect web {}", one.name()));
    dpctl.run(&format!("connect web {}", two.name()));
    assert_eq!(one.addresses(&dpctl, "web")[0].to_string(), "10.77.1.3");
    assert_eq!(two.addresses(&dpctl, "web")[0].to_string(), "10.77.1.2");
    dpctl.leaves_nothing();
}

#[test]
fn without_a_subnet_the_next_free_one_of_the_pools_is_taken() {
    let host = Namespace::new();
    host.ip_batch("link add ext type veth peer name away\naddr add 10.200.0.1/24 dev ext\nlink set ext up");
    let dpctl = Dpctl::new(&host);
    dpctl.run("config pool 10.200.0.0/22:24 fd99::/48:64");
    dpctl.run("network create one");
    dpctl.run("network create two");
    let subnets = |name: &str| {
        let rows = dpctl.json("network ls");
        let row = rows.as_array().into_iter().flatten().find(|row| row["name"] == name).cloned();
        row.map(|row| {
            row["subnets"].as_array().into_iter().flatten().map(|s| s["cidr"].clone()).collect::<Vec<_>>()
        })
    };
    assert_eq!(subnets("one"), Some(vec!["10.200.1.0/24".into(), "fd99::/64".into()]));
    assert_eq!(subnets("two"), Some(vec!["10.200.2.0/24".into(), "fd99:0:0:1::/64".into()]));
    dpctl.run("network create three");
    let refusals = Refusals::of(&host, &dpctl);
    refusals.line("network create four", 4, &["every subnet of the pools overlaps", "dpctl config pool"]);
    refusals.changed_nothing();
    dpctl.leaves_nothing();
}
