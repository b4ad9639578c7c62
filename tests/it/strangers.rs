//! What belongs to others, or is called by a name that only looks like ours: never taken, never
//! removed, never doubled.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use dataplane_tests::command::run;
use dataplane_tests::dpctl::{Dpctl, binary};
use dataplane_tests::leftovers::files;
use dataplane_tests::need_tcx;
use dataplane_tests::topology::Topology;
use rusqlite::Connection;

use crate::limited::{TIGHT, assert_free_both, assert_limited_both};
use crate::refusals::{Refusals, assert_one_line};

#[test]
fn a_clsact_place_that_another_instance_has_is_refused_and_its_limit_stands() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} --hook clsact veth1"));
    let other = Dpctl::new(&topology.host);
    let refusals = Refusals::of(&topology.host, &dpctl);
    let refused = other.try_run("attach --rate 1gbit --hook clsact veth1");
    assert_one_line(&refused, 4, &["veth1: another program's filter has our place"]);
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "the other was refused");
    other.run("attach --rate 1gbit --hook clsact --order first veth1");
    other.run("detach veth1");
    assert_limited_both(&topology, 1, "the other has been and gone");
    other.leaves_nothing();
    dpctl.leaves_nothing();
}

#[test]
fn an_alternative_name_is_the_same_interface() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    topology.host.ip("link property add dev veth1 altname lan");
    let refusals = Refusals::of(&topology.host, &dpctl);
    refusals.line("attach --rate 1mbit veth1 lan", 2, &["lan", "veth1", "given twice"]);
    refusals.changed_nothing();
    dpctl.run(&format!("attach {TIGHT} lan"));
    assert_eq!(dpctl.json("ls")[0]["interface"], "veth1");
    assert_limited_both(&topology, 1, "by its other name");
    dpctl.leaves_nothing();
}

/// The kernel's answer about such a device cannot be decoded.
#[test]
fn an_alias_that_is_no_text_loses_no_limit_and_hangs_no_command() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let mut ip = topology.host.command("ip");
    ip.args(["link", "set", "veth1", "alias"]).arg(OsStr::from_bytes(b"K\xfcche"));
    run(&mut ip).ok();
    let ls = dpctl.run("ls");
    assert!(ls.stdout.contains("veth1") && ls.stderr.is_empty(), "{ls}");
    assert_limited_both(&topology, 1, "aliased");
    assert_one_line(&dpctl.try_run("attach veth1"), 1, &["veth1", "alias"]);
    topology.host.ip("link set veth1 alias plain");
    dpctl.run(&format!("attach {TIGHT} veth1"));
    dpctl.leaves_nothing();
}

#[test]
fn a_clsact_that_was_there_before_survives_an_attach_that_fails() {
    let topology = Topology::new(3);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth3");
    topology.host.run("tc qdisc add dev veth1 clsact");
    topology.host.run("tc qdisc add dev veth2 ingress");
    let refusals = Refusals::of(&topology.host, &dpctl);
    for line in ["veth1 veth2", "veth2 veth1"] {
        refusals.line(&format!("attach --hook clsact {line}"), 4, &["veth2: has an ingress qdisc"]);
    }
    refusals.changed_nothing();
    topology.host.run("tc qdisc del dev veth1 clsact");
    topology.host.run("tc qdisc del dev veth2 ingress");
    dpctl.leaves_nothing();
}

#[test]
fn a_new_mac_does_not_make_another_device_of_it_even_without_pins() {
    need_tcx!();
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    topology.host.ip("link set veth1 address 02:00:00:00:00:99");
    fs::remove_file(dpctl.pin("from_container")).expect("bpffs removes");
    let reconcile = dpctl.run("reconcile");
    assert!(!reconcile.stderr.contains("gone"), "{reconcile}");
    assert_limited_both(&topology, 1, "with another address");
    dpctl.run(&format!("attach {TIGHT} veth1"));
    assert_eq!(dpctl.json("ls")[0]["mac"], "02:00:00:00:00:99", "attach knows it by its new address");
    dpctl.leaves_nothing();
}

/// The folder of the instance's database, empty and as `dpctl` would make it.
#[track_caller]
fn folder_of(dpctl: &Dpctl<'_>) -> PathBuf {
    dpctl.run("attach veth1");
    let all = files(&dpctl.state_dir());
    let database = all.iter().find(|file| file.ends_with("state.db")).expect("it has been made");
    let folder = database.parent().expect("it lies in one").to_owned();
    dpctl.run("reset --yes");
    fs::create_dir_all(&folder).expect("the folder is ours");
    for folder in [&dpctl.state_dir(), &folder] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
    }
    folder
}

#[test]
fn a_database_of_another_program_is_not_made_ours() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let file = folder_of(&dpctl).join("state.db");
    Connection::open(&file).expect("it is new").execute_batch("CREATE TABLE a(b)").expect("it is new");
    let before = fs::read(&file).expect("it is there");
    for line in ["attach veth1", "ls", "detach veth1"] {
        assert_one_line(&dpctl.try_run(line), 7, &["state.db", "not a database of dpctl"]);
    }
    assert_eq!(fs::read(&file).expect("it is there"), before, "not a byte");
    fs::remove_file(&file).expect("it is ours");
    dpctl.leaves_nothing();
}

fn remove_database(dpctl: &Dpctl<'_>) -> Vec<(PathBuf, Vec<u8>)> {
    let all = files(&dpctl.state_dir());
    let database = all.into_iter().filter(|file| file.to_string_lossy().contains("state.db"));
    let kept: Vec<_> = database.map(|file| (file.clone(), fs::read(&file).expect("it is ours"))).collect();
    for (file, _) in &kept {
        fs::remove_file(file).expect("it is ours");
    }
    kept
}

#[test]
fn pins_without_their_database_are_refused_by_every_command() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let kept = remove_database(&dpctl);
    let refusals = Refusals::of(&topology.host, &dpctl);
    for line in ["ls", "attach veth2", "detach veth1", "limit set --rate 1gbit veth1", "reconcile", "upgrade"]
    {
        refusals.line(line, 7, &["no database, but pins are there"]);
    }
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    for (file, bytes) in kept {
        fs::write(file, bytes).expect("it is ours");
    }
    assert_eq!(dpctl.json("ls")[0]["interface"], "veth1");
    dpctl.leaves_nothing();
}

#[test]
fn a_database_is_not_used_with_pins_elsewhere() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let elsewhere = dpctl.bpffs_dir().join("elsewhere");
    let refusals = Refusals::of(&topology.host, &dpctl);
    let option = format!("--bpffs-dir {}", elsewhere.display());
    for line in ["attach --rate 1gbit veth1", "attach veth2", "detach veth1", "ls"] {
        let mut command = topology.host.command(&binary().to_string_lossy());
        command.arg("--state-dir").arg(dpctl.state_dir()).args(option.split(' ')).args(line.split(' '));
        assert_one_line(&run(&mut command), 7, &["its pins lie in"]);
    }
    if elsewhere.exists() {
        fs::remove_dir_all(&elsewhere).expect("bpffs removes");
    }
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    dpctl.leaves_nothing();
}

#[test]
fn a_state_directory_of_another_user_is_refused() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let folder = folder_of(&dpctl);
    chown(&folder, Some(1), None).expect("we are root");
    assert_one_line(&dpctl.try_run("attach veth1"), 7, &["belongs to user 1"]);
    assert_free_both(&topology, 1, "refused");
    chown(&folder, Some(0), None).expect("we are root");
    // A lock that leads elsewhere must not be waited for.
    std::os::unix::fs::symlink("/dev/null", folder.join("lock")).expect("the folder is ours");
    assert_one_line(&dpctl.try_run("attach veth1"), 1, &["lock"]);
    fs::remove_file(folder.join("lock")).expect("it is ours");
    dpctl.leaves_nothing();
}

#[test]
fn a_reader_that_has_gone_ends_the_watch_and_a_full_disk_is_one_line() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach veth1");
    let shell = |line: &str| {
        let mut shell = topology.host.command("sh");
        shell.args(["-c", line, "sh"]).arg(binary()).arg(dpctl.state_dir()).arg(dpctl.bpffs_dir());
        run(&mut shell)
    };
    let watch = shell(r#""$1" --state-dir "$2" --bpffs-dir "$3" stats --watch | head -n 1"#).ok();
    assert!(watch.stdout.starts_with("INTERFACE"), "{watch}");
    for words in ["--help", "attach --help", "--version", "man", "completions bash"] {
        let full = shell(&format!(r#""$1" {words} >/dev/full"#));
        assert_one_line(&full, 4, &["no space|full"]);
    }
    let silent = shell(r#""$1" detach nothing 2>/dev/full"#);
    assert_eq!(silent.code, 3, "{silent}");
    dpctl.leaves_nothing();
}

#[test]
fn a_hostile_name_of_a_namespace_is_printed_harmlessly() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let refusals = Refusals::of(&topology.host, &dpctl);
    let long = "x".repeat(300);
    for name in ["x\u{1b}[31my\nz", "../../etc/passwd\n", long.as_str()] {
        refusals.words("attach --netns", &[name], 3, &["namespace"]);
        refusals.words("ls -n", &[name], 3, &["namespace"]);
    }
    refusals.changed_nothing();
    assert!(!Path::new(&dpctl.state_dir()).exists());
    dpctl.leaves_nothing();
}
