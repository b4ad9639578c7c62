//! A bpffs that is missing, not ours to write to, or holds under our names what is not ours.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::slice;

use aya::maps::MapData;
use aya::programs::SchedClassifier;
use dataplane_tests::dpctl::{Dpctl, unmount_below};
use dataplane_tests::leftovers::{files, mounts};
use dataplane_tests::need_tcx;
use dataplane_tests::topology::Topology;

use crate::limited::{TIGHT, assert_free_both, assert_limited_both};
use crate::refusals::{Refusals, assert_one_line};

/// What somebody put in place of a pin, given the directory of the layout.
struct Foreign {
    what: &'static str,
    act: fn(&Path),
    said: &'static [&'static str],
}

const FOREIGN: &[Foreign] = &[
    Foreign { what: "a map of another shape", act: other_map, said: &["/SLOTS: not ours", "64-byte values"] },
    Foreign { what: "a program", act: program, said: &["/SLOTS: not ours", "another kind of object"] },
    Foreign {
        what: "a map as a program",
        act: map,
        said: &["/from_container: not ours", "another kind of object"],
    },
    Foreign {
        what: "the programs exchanged",
        act: exchanged,
        said: &["/from_container: not ours", "program to_container"],
    },
    Foreign { what: "a symbolic link", act: link, said: &["/SLOTS: not ours", "a symbolic link"] },
    Foreign { what: "another user's", act: owned, said: &["/SLOTS: not ours", "another user's"] },
];

fn pin_again(from: &Path, to: &Path) {
    MapData::from_pin(from).expect("it is pinned").pin(to).expect("the name is free");
}

fn other_map(layout: &Path) {
    fs::remove_file(layout.join("SLOTS")).expect("bpffs removes");
    pin_again(&layout.join("LIMITS"), &layout.join("SLOTS"));
}

fn program(layout: &Path) {
    fs::remove_file(layout.join("SLOTS")).expect("bpffs removes");
    let mut program = SchedClassifier::from_pin(layout.join("from_container")).expect("it is pinned");
    program.pin(layout.join("SLOTS")).expect("the name is free");
}

fn map(layout: &Path) {
    fs::remove_file(layout.join("from_container")).expect("bpffs removes");
    pin_again(&layout.join("LIMITS"), &layout.join("from_container"));
}

fn exchanged(layout: &Path) {
    for (from, to) in [("from_container", "x"), ("to_container", "from_container"), ("x", "to_container")] {
        fs::rename(layout.join(from), layout.join(to)).expect("bpffs renames");
    }
}

fn link(layout: &Path) {
    fs::rename(layout.join("SLOTS"), layout.join("elsewhere")).expect("bpffs renames");
    symlink(layout.join("elsewhere"), layout.join("SLOTS")).expect("bpffs has symbolic links");
}

fn owned(layout: &Path) {
    chown(layout.join("SLOTS"), Some(65534), None).expect("root may");
}

#[test]
fn pins_that_are_not_ours_under_our_names_are_refused() {
    for Foreign { what, act, said } in FOREIGN {
        let topology = Topology::new(2);
        let dpctl = Dpctl::new(&topology.host);
        dpctl.run(&format!("attach {TIGHT} veth1"));
        act(dpctl.pin("LIMITS").parent().expect("a pin lies in a directory"));
        let refusals = Refusals::of(&topology.host, &dpctl);
        for line in
            ["ls", "stats", "attach veth2", "limit set veth1 --rate 1gbit", "detach veth1", "show veth1"]
        {
            refusals.line(line, 7, said);
        }
        refusals.changed_nothing();
        assert_limited_both(&topology, 1, what);
        assert_free_both(&topology, 2, what);
        // Reset removes what has our name, and needs none of it to be sound.
        dpctl.leaves_nothing();
        assert_free_both(&topology, 1, what);
    }
}

#[test]
fn reset_leaves_what_has_another_name_and_says_so() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    let layout = dpctl.pin("LIMITS").parent().expect("a pin lies in a directory").to_owned();
    let theirs = layout.with_file_name("theirs");
    pin_again(&layout.join("LIMITS"), &theirs);
    let reset = dpctl.run("reset --yes");
    assert!(reset.stderr.contains(&format!("{}: not ours, left alone", theirs.display())), "{reset}");
    assert!(theirs.exists(), "{reset}");
    assert_free_both(&topology, 1, "reset");
    fs::remove_file(theirs).expect("bpffs removes");
    dpctl.leaves_nothing();
}

#[test]
fn reset_leaves_a_foreign_pin_among_the_links_and_removes_all_of_ours() {
    need_tcx!();
    let topology = Topology::new(2);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1 veth2"));
    let theirs = dpctl.pin("from_container_0").with_file_name("theirs");
    pin_again(&dpctl.pin("LIMITS"), &theirs);
    let reset = dpctl.run("reset --yes");
    assert!(reset.stderr.contains(&format!("{}: not ours, left alone", theirs.display())), "{reset}");
    assert_eq!(files(&dpctl.bpffs_dir()), slice::from_ref(&theirs), "{reset}");
    assert!(!dpctl.state_dir().join("state.db").exists(), "{reset}");
    for number in [1, 2] {
        assert_free_both(&topology, number, "reset");
    }
    fs::remove_file(theirs).expect("bpffs removes");
    dpctl.leaves_nothing();
}

#[test]
fn a_bpffs_is_mounted_where_there_is_none_and_closed_to_others() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run(&format!("attach {TIGHT} veth1"));
    assert_eq!(mounts(&dpctl.bpffs_dir()).len(), 1);
    let mode = fs::metadata(dpctl.bpffs_dir()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    dpctl.run("detach veth1");
    assert_eq!(mounts(&dpctl.bpffs_dir()).len(), 1, "until reset");
    dpctl.run("reset --yes");
    assert_eq!(mounts(&dpctl.bpffs_dir()).len(), 0);
    dpctl.leaves_nothing();
}

#[test]
fn a_bpffs_of_the_users_own_is_used_and_stays() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let folder = dpctl.bpffs_dir();
    fs::create_dir(&folder).expect("the folder is ours");
    topology.host.run(&format!("mount -t bpf bpffs {}", folder.display()));
    dpctl.run(&format!("attach {TIGHT} veth1"));
    assert_limited_both(&topology, 1, "attached");
    let mode = fs::metadata(&folder).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "closed to others");
    dpctl.run("reset --yes");
    assert_eq!(mounts(&folder).len(), 1, "not ours to unmount");
    unmount_below(&folder);
    dpctl.leaves_nothing();
}

#[test]
fn a_bpffs_that_cannot_be_written_to_is_refused() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let folder = dpctl.bpffs_dir();
    fs::create_dir(&folder).expect("the folder is ours");
    topology.host.run(&format!("mount -t bpf -o ro bpffs {}", folder.display()));
    let path = folder.to_string_lossy().into_owned();
    let refusals = Refusals::of(&topology.host, &dpctl);
    refusals.line("attach veth1", 6, &[&path, "read-only", "--bpffs-dir"]);
    refusals.changed_nothing();
    unmount_below(&folder);

    // A directory with things of others in it, and what is no directory.
    fs::write(folder.join("theirs"), "").expect("the folder is ours");
    let refusals = Refusals::of(&topology.host, &dpctl);
    refusals.line("attach veth1", 7, &[&path, "not empty"]);
    refusals.changed_nothing();
    fs::remove_dir_all(&folder).expect("the folder is ours");
    fs::write(&folder, "").expect("the folder is ours");
    assert_one_line(&dpctl.try_run("attach veth1"), 7, &[&path, "not a directory"]);
    fs::remove_file(&folder).expect("it is ours");
    dpctl.leaves_nothing();
}
