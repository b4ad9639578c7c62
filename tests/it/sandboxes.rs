//! Sandboxes: made, joined, entered, removed; and what becomes of them and of networks when
//! somebody breaks something.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use dataplane_tests::command::run;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::eventually::eventually;
use dataplane_tests::netns::{Namespace, unique_name};
use dataplane_tests::sandbox::{Sandbox, connects};
use dataplane_tests::skip;
use dataplane_tests::state::State;
use dataplane_tests::strace;

use crate::refusals::Refusals;

#[test]
fn exec_becomes_the_command_with_the_sandboxes_own_files_and_name() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/24");
    let one = Sandbox::on(&dpctl, "web");
    let exec = |words: &str| {
        let mut command = dpctl.command(&format!("sandbox exec {} -- sh -c", one.name()));
        run(command.arg(words))
    };
    assert_eq!(exec("exit 7").code, 7);
    assert_eq!(exec("kill -TERM $$").code, 143, "its signals are its own");
    let name = exec("hostname; cat /etc/hostname").stdout;
    assert_eq!(name, format!("{0}\n{0}\n", one.name()));
    assert!(exec("cat /etc/hosts").stdout.contains(&format!("10.77.1.2 {}", one.name())));
    assert_eq!(exec("ls /sys/class/net").stdout.split_whitespace().collect::<Vec<_>>(), ["eth0", "lo"]);
    let below = |text: String| {
        let points =
            text.lines().filter_map(|line| line.split(' ').nth(4)).filter(|at| at.starts_with("/sys/"));
        points.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let mounted = below(fs::read_to_string("/proc/self/mountinfo").expect("it is there"));
    assert_eq!(below(exec("cat /proc/self/mountinfo").stdout), mounted, "bpffs and cgroups stay");
    let cgroups = fs::read_dir("/sys/fs/cgroup").expect("it is mounted").count();
    assert_eq!(exec("ls /sys/fs/cgroup").stdout.split_whitespace().count(), cgroups, "and are visible");
    let missing = run(&mut dpctl.command(&format!("sandbox exec {} -- no-such-command", one.name())));
    assert_eq!(missing.code, 127, "{missing}");
    let none = run(&mut dpctl.command("sandbox exec none-such -- true"));
    assert_eq!(none.code, 125, "{none}");
    dpctl.leaves_nothing();
}

#[test]
fn a_namespace_of_others_is_taken_as_it_is_and_left() {
    let host = Namespace::new();
    let theirs = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/24");
    theirs.ip("link add eth0 type veth peer name other");
    let name = unique_name();
    dpctl.run(&format!("sandbox create {name} --netns {}", theirs.path().display()));
    dpctl.run(&format!("connect web {name}"));
    assert!(theirs.ip("addr show eth1").stdout.contains("10.77.1.2/24"), "past the eth0 that is there");
    assert!(connects(&host, &theirs, [10, 77, 1, 2].into()));
    let joined = format!("{name}-joined");
    dpctl.run(&format!("sandbox create {joined} --join {name}"));
    let inode =
        run(&mut dpctl.command(&format!("sandbox exec {joined} -- readlink /proc/self/ns/net"))).stdout;
    assert_eq!(inode.trim(), format!("net:[{}]", theirs.inode()));
    dpctl.run(&format!("sandbox rm {joined} {name}"));
    assert!(!theirs.ip("link").stdout.contains("eth1"), "its endpoint is gone");
    assert!(theirs.path().exists(), "and it is not");
    dpctl.leaves_nothing();
}

#[test]
fn a_sandbox_with_processes_in_it_is_removed_by_force_alone() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    let one = Sandbox::new(&dpctl);
    let mut inside = one.namespace.command("cat");
    let mut cat = inside.stdin(Stdio::piped()).spawn().expect("cat starts");
    eventually("it is inside", || !one.namespace.processes().is_empty());
    let refusals = Refusals::of(&host, &dpctl);
    refusals.line(&format!("sandbox rm {}", one.name()), 4, &["processes that live in it: 1", "--force"]);
    refusals.changed_nothing();
    dpctl.run(&format!("sandbox rm --force {}", one.name()));
    drop(cat.stdin.take());
    assert!(cat.wait().expect("it ends").success(), "it was let alone");
    dpctl.leaves_nothing();
}

/// What is broken, and what `reconcile` says.
const DAMAGE: &[(&str, &str)] = &[
    ("link del dpv0", "its veth dpv0 is gone: made anew"),
    ("link del dpbr1", "bridge dpbr1: made"),
    ("link del dpbr2", "bridge dpbr2: made"),
    ("addr flush dev dpbr1", "address 10.77.1.1/24: made"),
    ("addr flush dev dpbr2", "address 10.77.2.1/32: made"),
    ("link set dpv0 down", "dpv0: up: made"),
    ("link set dpv0 nomaster", "a closed port of dpbr1: made"),
    ("link set dpv0 type bridge_slave isolated off learning on flood on", "a closed port of dpbr1: made"),
    ("rule del pref 20", "policy rule 20 of 10.77.1.0/24: made"),
    ("-6 rule del pref 19", "policy rule 19 of fd77:1::/64: made"),
    ("neigh del 10.77.1.2 dev dpbr1", "neighbour 10.77.1.2 on dpbr1: made"),
    ("route del 10.77.2.2", "route to 10.77.2.2/32 by dpv1: made"),
    ("link set dpbr1 address 02:00:00:00:00:99", "bridge dpbr1: made"),
];

/// What is broken inside the sandbox.
const DAMAGE_INSIDE: &[(&str, &str)] = &[
    ("addr flush dev eth0", "address 10.77.1.2/24: made"),
    ("link set eth0 down", "eth0: up: made"),
    ("route del default dev eth0", "route to 0.0.0.0/0 by eth0: made"),
    ("link del eth0", "its veth dpv0 is gone: made anew"),
];

#[test]
fn reconcile_mends_whatever_is_broken_and_says_so() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/24 --subnet fd77:1::/64");
    dpctl.run("network create back --kind routed --subnet 10.77.2.0/24 --subnet fd77:2::/64");
    let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "back"));
    let whole = State::of(&host, &dpctl);
    let inside = DAMAGE_INSIDE.iter().map(|row| (&one.namespace, row));
    for (namespace, (damage, words)) in DAMAGE.iter().map(|row| (&host, row)).chain(inside) {
        namespace.ip(damage);
        let check = dpctl.try_run("reconcile --check");
        assert_eq!(check.code, 8, "{damage}: {check}");
        let mended = dpctl.run("reconcile").stdout;
        assert!(mended.contains(words), "{damage}: `{words}` is not in:\n{mended}");
        let again = dpctl.try_run("reconcile --check");
        assert_eq!(again.code, 0, "{damage}: {again}");
        State::of(&host, &dpctl).assert_is(&whole, damage);
        assert!(connects(&host, &one.namespace, [10, 77, 1, 2].into()), "{damage}");
        assert!(connects(&host, &two.namespace, [10, 77, 2, 2].into()), "{damage}");
    }
    dpctl.leaves_nothing();
}

#[test]
fn a_sandbox_that_is_gone_takes_its_endpoints_with_it_at_the_next_reconcile() {
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/24");
    let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "web"));
    let gone = one.name().to_owned();
    // Whoever has it open keeps it.
    drop(one);
    run(Command::new("ip").args(["netns", "del", &gone])).ok();
    eventually("the kernel has taken its veth", || !host.ip("link").stdout.contains("dpv0"));
    let mended = dpctl.run("reconcile").stdout;
    assert!(mended.contains("its sandbox's namespace is gone: removed"), "{mended}");
    let rows = dpctl.json("ls");
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert!(connects(&host, &two.namespace, two.addresses(&dpctl, "web")[0]));
    assert!(!fs::exists(format!("/etc/netns/{gone}")).expect("it can be asked"));
    dpctl.leaves_nothing();
}

#[test]
fn reconcile_of_healthy_networks_writes_nothing() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --subnet 10.77.1.0/24 --subnet fd77:1::/64");
    dpctl.run("network create back --kind routed --subnet 10.77.2.0/24");
    let (_one, _two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "back"));
    let (output, calls) =
        strace::calls(&dpctl.command("reconcile"), "bpf,sendto,sendmsg,mount,umount2,unlink,mkdir,rename");
    output.ok();
    // Requests of rtnetlink come in fours: new, delete, get, set. Of a sandbox's they are numbers.
    let is_change = |call: &&String| {
        let changes = [
            "BPF_MAP_UPDATE",
            "BPF_MAP_DELETE",
            "BPF_PROG_LOAD",
            "BPF_LINK",
            "BPF_OBJ_PIN",
            "mount(",
            "unlink(",
        ];
        let kind = call.split("nlmsg_type=").nth(1).unwrap_or("RTM_GET");
        changes.iter().any(|word| call.contains(word))
            || ["RTM_NEW", "RTM_DEL", "RTM_SET"].iter().any(|verb| kind.starts_with(verb))
    };
    let changes: Vec<&String> = calls.iter().filter(is_change).collect();
    assert!(changes.is_empty(), "{changes:#?}");
    assert!(calls.iter().any(|call| call.contains("BPF_MAP_LOOKUP_ELEM")), "premise: {calls:#?}");
    dpctl.leaves_nothing();
}

#[test]
fn sixty_four_at_once_lose_no_lease() {
    const AT_ONCE: usize = 64;
    let host = Namespace::new();
    let dpctl = Dpctl::new(&host);
    dpctl.run("network create web --kind routed --subnet 10.77.1.0/24");
    let names: Vec<String> = (0..AT_ONCE).map(|_| unique_name()).collect();
    let all = |line: &(dyn Fn(&str) -> String + Sync)| {
        thread::scope(|scope| {
            let started: Vec<_> =
                names.iter().map(|name| scope.spawn(|| dpctl.try_run(&line(name)))).collect();
            started.into_iter().map(|one| one.join().expect("no panic")).collect::<Vec<_>>()
        })
    };
    for output in all(&|name| format!("sandbox create {name}"))
        .into_iter()
        .chain(all(&|name| format!("connect web {name}")))
    {
        output.ok();
    }
    let rows = dpctl.json("ls");
    let mut addresses: Vec<String> = rows
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["addresses"][0].as_str().map(str::to_owned))
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), AT_ONCE, "each has its own");
    let same = thread::scope(|scope| {
        let started: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| dpctl.try_run(&format!("disconnect web {}", names[0]))))
            .collect();
        started.into_iter().map(|one| one.join().expect("no panic").code).collect::<Vec<_>>()
    });
    assert_eq!(same.iter().filter(|code| **code == 0).count(), 1, "one of them has done it: {same:?}");
    assert!(same.iter().all(|code| [0, 3].contains(code)), "the others found it done: {same:?}");
    assert_eq!(dpctl.try_run("reconcile --check").code, 0);
    dpctl.leaves_nothing();
}
