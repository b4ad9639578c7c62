//! Names, rates and options that are refused: one line says what is wrong and what to do, the
//! exit code is the one of docs/errors.md, and the host is as it was.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use dataplane_tests::command::run;
use dataplane_tests::dpctl::{Dpctl, binary, temporary_folder};
use dataplane_tests::eventually::eventually;
use dataplane_tests::skip;
use dataplane_tests::topology::Topology;

use crate::limited::{TIGHT, assert_limited_both};
use crate::pairs::add_pairs;
use crate::refusals::{Refusals, assert_one_line};

/// A host with a box, its veth attached, and one that is not.
fn attached(topology: &Topology) -> Dpctl<'_> {
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    dpctl
}

#[test]
fn an_interface_that_is_not_there_is_refused_with_near_names() {
    let topology = Topology::new(2);
    let elsewhere = topology.sandbox(2).namespace.name().to_owned();
    topology.sandbox(2).namespace.ip("link add only-there type veth peer name its-peer");
    // Before anything was ever attached, too: nothing is made for a refused command.
    let dpctl = Dpctl::new(&topology.host);
    let refused = dpctl.try_run("attach veth7");
    assert_one_line(&refused, 3, &["veth7", "no such interface", "there is veth1, veth2"]);
    assert!(!dpctl.state_dir().exists() && !dpctl.bpffs_dir().exists(), "made for nothing");
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let refusals = Refusals::of(&topology.host, &dpctl);
    for line in
        ["attach veth7", "attach veth2 veth7", "detach veth7", "limit set veth7 --rate 1mbit", "show veth7"]
    {
        refusals.line(line, 3, &["veth7", "no such interface", "veth1"]);
    }
    let run = format!("dpctl -n {elsewhere}");
    refusals.line("attach only-there", 3, &["only-there", "no such interface", &run]);
    refusals.line("detach veth2", 3, &["veth2: not attached", "dpctl ls"]);
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}

/// Its number is taken until its parent has asked for its end.
#[test]
fn a_process_that_has_ended_is_said_to_have() {
    let topology = Topology::new(1);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    let mut ended = Command::new("true").spawn().expect("true starts");
    let is_zombie = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", ended.id())).unwrap_or_default();
        stat.contains(") Z ")
    };
    eventually("it has ended", is_zombie);
    refusals.line(&format!("attach --pid {}", ended.id()), 3, &["the process has ended"]);
    let pid = ended.id();
    ended.wait().expect("it has ended");
    refusals.line(&format!("attach --pid {pid}"), 3, &["no such process"]);
    refusals.words("attach --netns", &[""], 3, &["'': no such network namespace; ip netns lists"]);
    refusals.line("attach --netns /etc/passwd", 3, &["/etc/passwd: not a network namespace; ip netns lists"]);
    refusals.changed_nothing();
    let other = Dpctl::new(&topology.host);
    assert_one_line(
        &other.try_run("detach --all"),
        3,
        &["dpctl: nothing is attached, so there is nothing to detach"],
    );
    other.leaves_nothing();
    dpctl.leaves_nothing();
}

#[test]
fn what_is_no_veth_is_refused_unless_forced() {
    let topology = Topology::new(1);
    topology.host.ip("link add br0 type bridge");
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    for (device, kind) in [("br0", "bridge"), ("lo", "loopback")] {
        refusals.line(
            &format!("attach {device}"),
            2,
            &[device, &format!("a {kind} device, not a veth"), "--force"],
        );
    }
    refusals.line("attach veth1 br0 --rate 1gbit", 2, &["br0"]);
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.run("attach --force --rate 1mbit br0");
    assert_eq!(dpctl.attachment("br0")["from_container"]["rate_bits_per_s"], 1_000_000);
    dpctl.run("detach br0");
    dpctl.leaves_nothing();
}

#[test]
fn a_pair_within_one_namespace_is_limited_and_said_to_be() {
    let topology = Topology::new(1);
    topology.host.ip("link add here type veth peer name there");
    let dpctl = Dpctl::new(&topology.host);
    let attach = dpctl.run("attach --rate 1mbit here veth1");
    assert_eq!(attach.stderr.lines().count(), 1, "{attach}");
    let said = "dpctl: here: limited and counted, but its peer is in this namespace too";
    assert!(attach.stderr.starts_with(said), "{attach}");
    let attach = dpctl.run("attach --rate 1mbit --burst 1000 veth1");
    assert_eq!(attach.stderr.lines().count(), 1, "{attach}");
    assert!(attach.stderr.contains("burst 1000b is below one full frame"), "{attach}");
    dpctl.leaves_nothing();
}

#[test]
fn hostile_names_are_refused_as_one_printable_line() {
    let topology = Topology::new(1);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    for name in ["a/b", "../veth1", "/dev/null", "veth1/", ".", "..", "\u{1b}[2Jx", "a\tb", "x\ny"] {
        for verb in ["attach", "detach", "show", "stats"] {
            refusals.words(verb, &[name], 2, &["not an interface name"]);
        }
        refusals.words(
            "attach --netns /proc/self/ns/net --interface",
            &[name],
            2,
            &["not an interface name"],
        );
    }
    refusals.words("attach", &[""], 2, &["not an interface name"]);
    let no_text = OsStr::from_bytes(b"veth\xff1");
    assert_one_line(&run(dpctl.command("attach").arg(no_text)), 2, &[]);
    let long = "x".repeat(100_000);
    refusals.words("attach", &[&long], 2, &["xxx", "longer than 127 bytes"]);
    for twice in ["attach veth1 veth1", "detach veth1 veth1", "limit set veth1 dev veth1 --rate 1mbit"] {
        refusals.line(twice, 2, &[]);
    }
    refusals.line("attach veth1 veth1", 2, &["veth1: given twice"]);
    refusals.changed_nothing();
    dpctl.leaves_nothing();
}

#[test]
fn hostile_input_is_refused_before_anything_is_done() {
    let topology = Topology::new(1);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    let inputs: [(&[u8], i32, &str); 7] = [
        (b"veth1\0", 2, "not an interface name"),
        (b"veth1 \xff\xfe", 2, "standard input"),
        (b"veth1\nveth1\n", 2, "given twice"),
        (b"veth1 ../../etc/passwd", 2, "not an interface name"),
        (b"veth1 veth1\x1b[2J", 2, "not an interface name"),
        (b"veth1 veth9", 3, "no such interface"),
        (b"veth1 --force", 3, "no such interface"),
    ];
    for (input, code, words) in inputs {
        refusals.input("attach --rate 1gbit --stdin", input, code, &[words]);
    }
    let huge = "veth1\n".repeat(3 << 20);
    refusals.input("attach --rate 1gbit --stdin", huge.as_bytes(), 2, &["more than 16 MiB"]);
    let many: String = (0..200_000).map(|n| n.to_string() + " ").collect();
    refusals.input("attach --rate 1gbit --stdin", many.as_bytes(), 3, &["0: no such interface"]);
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}

#[test]
fn one_bad_name_among_a_thousand_changes_nothing() {
    let topology = Topology::new(1);
    let mut names = add_pairs(&topology.host, 1000);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    for (bad, code) in [("no-such", 3), ("a/b", 2), ("lo", 2), ("many17", 2)] {
        names.insert(500, bad.to_owned());
        refusals.input("attach --rate 1mbit --stdin", names.join("\n").as_bytes(), code, &[bad]);
        names.remove(500);
    }
    refusals.words("detach", &["veth1", "many3"], 3, &["many3: not attached"]);
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}

#[test]
fn rates_sizes_and_times_that_make_no_sense_are_refused() {
    let topology = Topology::new(1);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    let rates = [
        "",
        "fast",
        "0",
        "0kbit",
        "-1mbit",
        "+1mbit",
        "1e400mbit",
        "128kbit\\0",
        "128kbit\u{1b}[2J",
        "128 kbit",
        "nan",
        "inf",
        "18446744073709551616",
        "99999999999tbit",
        "1mb",
        "63bit",
        "1gbitt",
        "0x10",
        "1,5mbit",
        "½mbit",
    ];
    for rate in rates {
        for option in ["--rate", "--from-container", "--to-container"] {
            // What cannot be printed is not repeated as it is.
            let shown = if rate.contains(char::is_control) { option } else { rate };
            refusals.words("attach veth1", &[option, rate], 2, &[shown, option]);
        }
        refusals.words("limit set veth1", &[&format!("--rate={rate}")], 2, &["--rate"]);
    }
    for (option, value) in [
        ("--burst", "-1"),
        ("--burst", "1parsec"),
        ("--burst", "99999999999gb"),
        ("--latency", "-5ms"),
        ("--latency", "5 parsecs"),
        ("--latency", "99999999999s"),
        ("--rate", ""),
    ] {
        refusals.words("attach --from-container 1mbit veth1", &[option, value], 2, &[option]);
    }
    // A queue of days is no limit.
    refusals.line("attach --rate 64bit --burst 1gb veth1", 2, &["64bit"]);
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}

#[test]
fn what_the_command_line_does_not_know_is_refused_in_one_line() {
    let topology = Topology::new(1);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    for (line, word) in [
        ("", "which command"),
        ("frobnicate", "frobnicate"),
        ("attach", "which interface"),
        ("attach --frob veth1", "--frob"),
        ("attach --rate", "--rate"),
        ("attach --hook xdp veth1", "xdp"),
        ("attach --order middle veth1", "middle"),
        ("attach --pid x", "x"),
        ("attach --pid 0", "0"),
        ("attach --pid 99999999999", "99999999999"),
        ("attach --pid 1 veth1", "--pid"),
        ("attach --pid 1 --netns x", "--pid"),
        ("attach --netns x --stdin", "--netns"),
        ("attach --interface eth1 veth1", "--interface"),
        ("attach --rate 1mbit --rate 2mbit veth1", "--rate"),
        ("attach --burst 10k veth1", "--burst"),
        ("detach", "IFACE"),
        ("detach --all veth1", "--all"),
        ("limit", "which command? dpctl limit --help"),
        ("limit bogus", "dpctl limit --help lists"),
        ("limit clear --rate 1mbit veth1", "dpctl limit clear --help lists"),
        ("attach --frob veth1", "dpctl attach --help lists"),
        ("frobnicate", "dpctl --help lists"),
        ("limit set", "IFACE"),
        ("limit set veth1", "which limit"),
        ("limit set --rate 1mbit", "IFACE"),
        ("limit frob veth1", "frob"),
        ("ls -o xml", "xml"),
        ("ls veth1", "veth1"),
        ("show", "IFACE"),
        ("stats --count 3", "--watch"),
        ("completions", "SHELL"),
    ] {
        refusals.line(line, 2, &[word]);
    }
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}

#[test]
fn nobody_but_root_is_let_in() {
    if !std::path::Path::new("/usr/bin/setpriv").exists() {
        skip!("setpriv is not installed (apt-get install util-linux)");
    }
    let topology = Topology::new(1);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    // A copy, since /root is closed to others.
    let folder = temporary_folder();
    let copy = folder.path().join("dpctl");
    std::fs::copy(binary(), &copy).expect("the folder is ours");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("the folder is ours");
    for line in [
        "ls",
        "attach veth1",
        "detach veth1",
        "limit set veth1 --rate 1mbit",
        "stats",
        "show veth1",
        "doctor",
        "reconcile",
        "upgrade",
        "reset --yes",
    ] {
        let mut command = topology.host.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
        command.arg("--state-dir").arg(dpctl.state_dir()).arg("--bpffs-dir").arg(dpctl.bpffs_dir());
        command.args(line.split_whitespace());
        assert_one_line(&run(&mut command), 5, &["needs root"]);
    }
    for harmless in ["--help", "--version", "completions bash", "man"] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
        run(command.args(harmless.split_whitespace())).ok();
    }
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}

/// Mounts made there end with the command, and the limit with them.
#[test]
fn a_private_mount_namespace_is_refused_and_dash_n_is_named() {
    let topology = Topology::new(1);
    let dpctl = attached(&topology);
    let refusals = Refusals::of(&topology.host, &dpctl);
    let host = topology.host.name();
    for line in ["attach --rate 1gbit veth1", "ls", "detach veth1", "reset --yes"] {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", host]).arg(binary()).arg("--state-dir").arg(dpctl.state_dir());
        command.args(["--bpffs-dir", "/sys/fs/bpf/dataplane"]).args(line.split_whitespace());
        assert_one_line(&run(&mut command), 6, &["private mount namespace", "dpctl -n"]);
    }
    let fresh = Dpctl::new(&topology.host);
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host]).arg(binary()).arg("--state-dir").arg(fresh.state_dir());
    command.arg("--bpffs-dir").arg(fresh.bpffs_dir()).args(["attach", "veth1"]);
    assert_one_line(&run(&mut command), 6, &["private mount namespace", "dpctl -n"]);
    fresh.leaves_nothing();
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}
