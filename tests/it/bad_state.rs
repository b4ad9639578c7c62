//! A database that is corrupt, locked, newer, another program's, or on a full disk; and a state
//! directory that is none.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use dataplane_tests::command::run;
use dataplane_tests::dpctl::{Dpctl, binary, temporary_folder, unmount_below};
use dataplane_tests::leftovers::files;
use dataplane_tests::skip;
use dataplane_tests::topology::Topology;
use rusqlite::Connection;

use crate::limited::{TIGHT, assert_free_both, assert_limited_both};
use crate::refusals::{Refusals, assert_one_line};

fn database(dpctl: &Dpctl<'_>) -> PathBuf {
    let all = files(&dpctl.state_dir());
    let found = all.iter().find(|file| file.ends_with("state.db"));
    found.unwrap_or_else(|| panic!("no state.db among {all:?}")).clone()
}

/// What somebody did to the database, and what is said of it.
struct Damage {
    what: &'static str,
    act: fn(&Path),
    said: &'static str,
}

const DAMAGES: &[Damage] = &[
    Damage { what: "garbage", act: garbage, said: "dpctl reset" },
    Damage { what: "a damaged page", act: damage_page, said: "dpctl reset" },
    Damage {
        what: "a row of nonsense",
        act: |file| execute(file, "UPDATE attachment SET hook = 'xdp'"),
        said: "dpctl reset",
    },
    Damage {
        what: "a rate of nonsense",
        act: |file| execute(file, "UPDATE attachment SET from_rate = -1"),
        said: "dpctl reset",
    },
    Damage {
        what: "a slot beyond the maps",
        act: |file| execute(file, "UPDATE attachment SET slot = 99999"),
        said: "holds a row that makes no sense; run: dpctl reset",
    },
    Damage {
        what: "a newer version",
        act: |file| execute(file, "PRAGMA user_version = 99"),
        said: "newer dpctl",
    },
    Damage {
        what: "another program's",
        act: |file| execute(file, "PRAGMA application_id = 42"),
        said: "not a database of dpctl",
    },
    Damage { what: "a directory", act: directory, said: "a directory, not a database" },
];

/// Without the log, what is in the file counts.
fn execute(file: &Path, sql: &str) {
    let connection = Connection::open(file).expect("it is a database");
    connection.execute_batch(sql).expect("it takes that");
}

fn garbage(file: &Path) {
    execute(file, "PRAGMA wal_checkpoint(TRUNCATE)");
    fs::write(file, "not a database ".repeat(1000)).expect("it is ours");
}

fn damage_page(file: &Path) {
    execute(file, "PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = fs::read(file).expect("it is there");
    for byte in bytes.iter_mut().skip(100).take(4000) {
        *byte ^= 0x5a;
    }
    fs::write(file, bytes).expect("it is ours");
}

fn directory(file: &Path) {
    fs::remove_file(file).expect("it is ours");
    fs::create_dir(file).expect("it is ours");
    fs::write(file.join("theirs"), "").expect("it is ours");
}

#[test]
fn a_database_that_cannot_be_used_is_refused_and_left_alone() {
    for Damage { what, act, said } in DAMAGES {
        let topology = Topology::new(2);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} veth1"));
        let file = database(&dpctl);
        act(&file);
        let path = file.to_string_lossy().into_owned();
        let before = fs::read(&file).ok();
        let refusals = Refusals::of(&topology.host, &dpctl);
        for line in [
            "ls",
            "stats",
            "attach veth2",
            "limit set veth1 --rate 1gbit",
            "detach veth1",
            "reconcile",
            "upgrade",
        ] {
            refusals.line(line, 7, &[&path, said]);
        }
        refusals.changed_nothing();
        assert_eq!(fs::read(&file).ok(), before, "{what}: not written to");
        assert_eq!(dpctl.try_run("doctor").code, 8, "{what}: a finding");
        assert_limited_both(&topology, 1, what);
        if file.is_dir() {
            fs::remove_dir_all(&file).expect("it is ours");
        }
        // Reset works all the same.
        dpctl.leaves_nothing();
        assert_free_both(&topology, 1, what);
    }
}

/// The wait is five seconds.
#[test]
fn a_database_that_another_holds_is_waited_for_and_then_refused() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let holder = Connection::open(database(&dpctl)).expect("it is a database");
    holder.execute_batch("BEGIN IMMEDIATE").expect("nobody else holds it");
    let rows = dpctl.json("ls");
    assert_eq!(rows[0]["interface"], "veth1", "readers do not wait");
    let refusals = Refusals::of(&topology.host, &dpctl);
    refusals.line("attach veth2", 4, &["state.db", "locked by another program"]);
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    holder.execute_batch("ROLLBACK").expect("it holds it");
    drop(holder);
    dpctl.run("attach veth2");
    dpctl.leaves_nothing();
}

#[test]
fn on_a_full_disk_nothing_is_changed() {
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    let folder = dpctl.state_dir();
    fs::create_dir(&folder).expect("the folder is ours");
    topology.host.run(&format!("mount -t tmpfs -o size=1m,mode=0700 tmpfs {}", folder.display()));
    fill(&folder);
    let refusals = Refusals::of(&topology.host, &dpctl);
    refusals.line("attach veth1", 4, &["full|space"]);
    refusals.changed_nothing();
    fs::remove_file(folder.join("full")).expect("it is ours");
    dpctl.run(&format!("attach {TIGHT} veth1"));
    fill(&folder);
    let refusals = Refusals::of(&topology.host, &dpctl);
    for line in ["attach veth2", "limit set veth1 --rate 1gbit", "detach veth1"] {
        refusals.line(line, 4, &["full|space"]);
    }
    refusals.changed_nothing();
    assert_limited_both(&topology, 1, "refused");
    assert_eq!(dpctl.json("ls")[0]["interface"], "veth1");
    // What makes room works without any.
    dpctl.run("reset --yes");
    assert_free_both(&topology, 1, "reset");
    unmount_below(&folder);
    dpctl.leaves_nothing();
}

fn fill(folder: &Path) {
    let mut file =
        OpenOptions::new().create(true).append(true).open(folder.join("full")).expect("the folder is ours");
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_state_directory_that_is_none_is_refused() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let file = dpctl.state_dir();
    fs::write(&file, "").expect("the folder is ours");
    let path = file.to_string_lossy().into_owned();
    assert_one_line(&dpctl.try_run("attach veth1"), 7, &[&path, "not a directory"]);
    assert!(!dpctl.bpffs_dir().exists(), "made for nothing");
    fs::remove_file(&file).expect("it is ours");
    for (state, code, words) in [
        ("/proc/nowhere", 1, "/proc/nowhere: cannot be made (no such file or directory); choose another"),
        ("/dev/null", 7, "/dev/null: not a directory; choose another"),
        ("/etc/passwd/deeper", 7, "/etc/passwd: not a directory; choose another"),
        ("", 2, "--state-dir"),
    ] {
        let mut command = topology.host.command(&binary().to_string_lossy());
        command.args(["--state-dir", state, "--bpffs-dir"]).arg(dpctl.bpffs_dir()).args(["attach", "veth1"]);
        assert_one_line(&run(&mut command), code, &[words]);
    }
    assert!(!dpctl.bpffs_dir().exists(), "made for nothing");
    dpctl.leaves_nothing();
}

/// Nothing was there before, and nothing is there after.
#[test]
fn a_first_attach_that_fails_leaves_no_directory() {
    let topology = Topology::new(1);
    let folder = temporary_folder();
    let at = |path: &Path| folder.path().join(path);
    let (read_only, file) = (at(Path::new("read-only")), at(Path::new("file")));
    fs::create_dir(&read_only).expect("the folder is ours");
    fs::write(&file, "").expect("the folder is ours");
    topology.host.run(&format!("mount -t tmpfs -o ro tmpfs {}", read_only.display()));
    topology.host.run("tc qdisc add dev veth1 ingress");
    let (state, deep) = (at(Path::new("state")), at(Path::new("a/b/state")));
    for (state, bpffs, words) in [
        (&state, Path::new("/proc/nowhere"), "/proc/nowhere: cannot be made"),
        (&deep, Path::new("/proc/nowhere"), "/proc/nowhere: cannot be made"),
        (&deep, &at(Path::new("a/c/bpf")), "has an ingress qdisc"),
        (&deep, &at(Path::new("d/e/bpf")), "has an ingress qdisc"),
        (&state, &read_only.join("bpf"), "cannot be made (read-only file system); choose another"),
        (&state, &file.join("bpf"), "not a directory; choose another"),
        (
            &read_only.join("state"),
            &at(Path::new("bpf")),
            "cannot be made (read-only file system); choose another",
        ),
    ] {
        let mut command = topology.host.command(&binary().to_string_lossy());
        command.arg("--state-dir").arg(state).arg("--bpffs-dir").arg(bpffs);
        command.args(["attach", "--hook", "clsact", "veth1"]);
        let refused = run(&mut command);
        assert!(refused.code != 0 && refused.stderr.contains(words), "{words}: {refused}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
        let mut left: Vec<PathBuf> =
            fs::read_dir(folder.path()).expect("it is ours").flatten().map(|entry| entry.path()).collect();
        left.sort();
        assert_eq!(left, [file.clone(), read_only.clone()], "{refused}");
    }
    unmount_below(folder.path());
}

/// A sound database is not blamed for it, and nothing is told of `dpctl`'s inside.
#[test]
fn too_few_open_files_are_more_or_are_named() {
    if !Path::new("/usr/bin/setpriv").exists() {
        skip!("setpriv is not installed (apt-get install util-linux)");
    }
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    // Without that capability nobody raises what was lowered for good.
    let powerless = "setpriv --bounding-set -sys_resource";
    for (files, wrapper) in [("-Sn 12", ""), ("-Sn 6", ""), ("-n 12", powerless), ("-n 6", powerless)] {
        let line = format!(
            "{wrapper} sh -c 'ulimit {files}; exec {} --state-dir {} --bpffs-dir {} ls -o json'",
            binary().display(),
            dpctl.state_dir().display(),
            dpctl.bpffs_dir().display()
        );
        let ls = run(topology.host.command("sh").args(["-c", &line]));
        if wrapper.is_empty() {
            assert_eq!(ls.ok().json()[0]["interface"], "veth1");
        } else {
            let allowed = files.trim_start_matches("-n ");
            let words = format!("{allowed} open files are allowed, and a command needs 64; run: ulimit -n");
            assert_one_line(&ls, 6, &[&words]);
        }
    }
    let with = |wrapper: &str, files: &str, command: &str| {
        let (dpctl, state, bpffs) = (binary(), dpctl.state_dir(), dpctl.bpffs_dir());
        let [dpctl, state, bpffs] = [dpctl.display(), state.display(), bpffs.display()];
        let line = format!(
            "{wrapper} sh -c 'ulimit {files}; exec {dpctl} --state-dir {state} --bpffs-dir {bpffs} {command}'"
        );
        run(topology.host.command("sh").args(["-c", &line]))
    };
    assert!(with(powerless, "-n 12", "man").ok().stdout.contains(".TH"), "it opens nothing");
    let doctor = with("", "-Sn 12", "doctor -o json");
    assert!(doctor.stdout.contains("12 open files"), "as it was started: {doctor}");
    dpctl.leaves_nothing();
}
