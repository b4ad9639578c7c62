//! Several instances side by side, and a `dpctl` on its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use dataplane_tests::command::{Output, run, run_with_input};
use dataplane_tests::dpctl::{Dpctl, binary, temporary_folder, unmount_below};
use dataplane_tests::eventually::eventually;
use dataplane_tests::leftovers::{Snapshot, files, mounts};
use dataplane_tests::need_tcx;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip;
use dataplane_tests::topology::Topology;

use crate::limited::{TIGHT, assert_free_both, assert_limited_both};
use crate::pairs::add_pairs;

/// `dpctl -n NAMESPACE` with directories below `folder`, in the caller's own namespace.
fn dpctl_n(namespace: &Namespace, folder: &Path, line: &str) -> Output {
    let mut command = Command::new(binary());
    command.arg("--state-dir").arg(folder.join("state")).arg("--bpffs-dir").arg(folder.join("bpf"));
    run(command.args(["-n", namespace.name()]).args(line.split_whitespace()))
}

#[test]
fn instances_of_two_namespaces_share_directories_and_nothing_else() {
    let (one, two) = (Topology::new(1), Topology::new(1));
    let folder = temporary_folder();
    let before = Snapshot::of(&one.host, folder.path());
    let at = |topology: &Topology, line: &str| dpctl_n(&topology.host, folder.path(), line);
    at(&one, &format!("attach {TIGHT} veth1")).ok();
    assert_limited_both(&one, 1, "limited");
    assert_free_both(&two, 1, "another namespace");
    at(&two, &format!("attach {TIGHT} --from-container 1gbit veth1")).ok();
    let rate = |topology: &Topology| {
        at(topology, "ls -o json").ok().json()[0]["from_container"]["rate_bits_per_s"].clone()
    };
    assert_eq!([rate(&one), rate(&two)], [64_000, 1_000_000_000]);
    at(&one, "limit set veth1 --rate 1gbit").ok();
    assert_eq!([rate(&one), rate(&two)], [1_000_000_000, 1_000_000_000]);
    at(&one, "upgrade").ok();
    at(&one, &format!("limit set veth1 {TIGHT}")).ok();
    assert_eq!(at(&two, "stats -o json").ok().json()[0]["from_container"]["dropped_bytes"], 0);

    at(&two, "reset --yes").ok();
    assert_free_both(&two, 1, "reset");
    assert_limited_both(&one, 1, "the other one was reset");
    assert_eq!(rate(&one), 64_000);
    assert!(!mounts(folder.path()).is_empty(), "the bpffs is in use");
    assert_eq!(at(&one, "reconcile").ok().stdout, "", "healthy");
    at(&one, "reset --yes").ok();
    assert_eq!(mounts(folder.path()), Vec::<String>::new());
    let left = Snapshot::of(&one.host, folder.path()).since(&before);
    unmount_below(folder.path());
    assert!(left.is_empty(), "{left:#?}");
}

/// The pins, the maps' memory and the database of a container host's namespace do not outlive it
/// for ever; and what somebody holds still is not taken for gone.
#[test]
fn an_instance_whose_namespace_is_gone_is_named_and_cleared_away() {
    // With clsact it is named, and left alone: the next test.
    need_tcx!();
    let one = Topology::new(1);
    let folder = temporary_folder();
    let at = |topology: &Topology, line: &str| dpctl_n(&topology.host, folder.path(), line);
    at(&one, &format!("attach {TIGHT} veth1")).ok();
    let alone = files(folder.path());
    for held in [false, true] {
        let two = Topology::new(1);
        at(&two, "attach --rate 1mbit veth1").ok();
        if held {
            at(&two, "detach veth1").ok();
        }
        assert_eq!(at(&one, "reconcile").ok().stdout, "", "it is there");
        let holder = held.then(|| fs::File::open(two.host.path()).expect("it has a name"));
        drop(two);
        if let Some(holder) = holder {
            assert_eq!(at(&one, "reconcile").ok().stdout, "", "an open file holds it");
            assert_ne!(files(folder.path()), alone);
            drop(holder);
        }
        // The kernel takes a namespace down a little later.
        eventually("it is found gone", || at(&one, "reconcile --check").code == 8);
        let doctor = at(&one, "doctor -o json");
        let named = doctor.stdout.contains("its network namespace is gone; run: dpctl reconcile");
        assert!(doctor.code == 8 && named, "{doctor}");
        let cleared = at(&one, "reconcile").ok().stdout;
        assert!(
            cleared.lines().count() == 1 && cleared.ends_with("its network namespace is gone: removed\n"),
            "{cleared}"
        );
        assert_eq!(files(folder.path()), alone);
        assert_eq!(at(&one, "reconcile --check").ok().stdout, "");
    }
    assert_limited_both(&one, 1, "the other one is gone");
    at(&one, "reset --yes").ok();
    assert_eq!((files(folder.path()), mounts(folder.path())), (vec![], vec![]));
}

/// Only in its own namespace can a filter of clsact be seen.
#[test]
fn an_instance_that_may_have_filters_still_is_named_and_left_alone() {
    let (one, two) = (Topology::new(1), Topology::new(1));
    let folder = temporary_folder();
    let at = |topology: &Topology, line: &str| dpctl_n(&topology.host, folder.path(), line);
    at(&two, "attach --rate 1mbit --hook clsact veth1").ok();
    let before = files(folder.path());
    drop(two);
    let mut doctor = at(&one, "doctor -o json");
    eventually("it is out of sight", || {
        doctor = at(&one, "doctor -o json");
        doctor.stdout.contains("filters of clsact can be seen in there only; if it is gone: rm -r ")
    });
    assert_eq!(doctor.code, 0, "{doctor}");
    assert_eq!(at(&one, "reconcile").ok().stdout, "");
    let kept: Vec<_> = files(folder.path()).into_iter().filter(|file| !before.contains(file)).collect();
    assert_eq!(kept, Vec::<std::path::PathBuf>::new());
    // As it is told.
    let advice = doctor.stdout.split("if it is gone: ").nth(1).and_then(|rest| rest.split('"').next());
    one.host.run(advice.expect("it is there"));
    assert_eq!(at(&one, "doctor -o json").stdout.matches("\"instances\"").count(), 0);
    unmount_below(folder.path());
}

#[test]
fn dash_n_names_a_namespace_as_ip_does() {
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    let by = |namespace: &str, line: &str| {
        let mut command = Command::new(binary());
        command.arg("--state-dir").arg(dpctl.state_dir()).arg("--bpffs-dir").arg(dpctl.bpffs_dir());
        run(command.args(["-n", namespace]).args(line.split_whitespace()))
    };
    by(topology.host.name(), &format!("attach {TIGHT} veth1")).ok();
    assert_limited_both(&topology, 1, "from outside");
    let inside = dpctl.json("ls");
    assert_eq!(by(&topology.host.path().to_string_lossy(), "ls -o json").ok().json(), inside, "by path");
    assert_eq!(inside[0]["interface"], "veth1");
    for wrong in ["no-such", "/etc/passwd", "../../etc/passwd", ""] {
        let refused = by(wrong, "ls");
        assert_eq!((refused.code, refused.stderr.lines().count()), (3, 1), "{refused}");
    }
    dpctl.leaves_nothing();
}

#[test]
fn a_copied_dpctl_works_alone() {
    let topology = Topology::new(1);
    let folder = temporary_folder();
    let copy = folder.path().join("copied");
    fs::copy(binary(), &copy).expect("the folder is ours");
    let dpctl = |line: &str| {
        let mut command = Command::new("/usr/bin/nsenter");
        command.arg(format!("--net={}", topology.host.path().display())).arg(&copy);
        command.arg("--state-dir").arg(folder.path().join("state"));
        command.arg("--bpffs-dir").arg(folder.path().join("bpf"));
        command.args(line.split_whitespace()).env_clear().current_dir("/");
        run(&mut command).ok()
    };
    dpctl(&format!("attach {TIGHT} veth1"));
    assert_limited_both(&topology, 1, "by the copy");
    // Mass attach starts dpctl itself once more, wherever it lies.
    dpctl(&format!("attach {}", add_pairs(&topology.host, 10).join(" ")));
    assert_eq!(dpctl("ls -o json").json().as_array().map(Vec::len), Some(11));
    dpctl("upgrade");
    dpctl("reset --yes");
    let left = files(folder.path());
    unmount_below(folder.path());
    assert_eq!(left, [copy], "nothing but the copy");
    assert_free_both(&topology, 1, "reset");
}

#[test]
fn completions_know_the_commands_and_options() {
    let namespace = Namespace::new();
    let dpctl = Dpctl::new(&namespace);
    for shell in ["bash", "zsh", "fish"] {
        let script = dpctl.run(&format!("completions {shell}"));
        assert_eq!(script.stderr, "");
        for word in ["attach", "detach", "from-container", "reconcile", "bpffs-dir"] {
            assert!(script.stdout.contains(word), "{shell}: {word}");
        }
        assert!(!script.stdout.contains("hold-rcu-expedited"), "{shell}: a hidden command");
        let checked = Command::new(shell).arg("-n").stdin(std::process::Stdio::null()).status().is_ok();
        if checked {
            let check =
                run_with_input(Command::new(shell).args(["-n", "/dev/stdin"]), script.stdout.as_bytes());
            check.ok();
        }
    }
    let asked = "_init_completion() { return 1; }; source /dev/stdin; COMP_WORDS=(dpctl det); COMP_CWORD=1; \
                 _dpctl dpctl det dpctl; echo ${COMPREPLY[@]}";
    let script = dpctl.run("completions bash").stdout;
    let completed = run_with_input(Command::new("bash").args(["-c", asked]), script.as_bytes()).ok();
    assert_eq!(completed.stdout.trim(), "detach");
    assert_eq!(dpctl.try_run("completions tcsh").code, 2);
    dpctl.leaves_nothing();
}

#[test]
fn the_manual_renders() {
    if !Path::new("/usr/bin/man").exists() || !Path::new("/usr/bin/groff").exists() {
        skip!("man is not installed (apt-get install man-db groff-base)");
    }
    let namespace = Namespace::new();
    let dpctl = Dpctl::new(&namespace);
    for (page, words) in [
        ("man", ["dpctl(1)", "attach", "GLOBAL OPTIONS"]),
        ("man attach", ["--from-container", "--rate", "128kbit"]),
        ("man limit", ["set", "show", "clear"]),
    ] {
        let source = dpctl.run(page).stdout;
        assert!(source.contains(".TH"), "{source}");
        let mut man = Command::new("man");
        man.args(["--warnings", "-l", "-"])
            .env("MANWIDTH", "100")
            .env("MANPAGER", "cat")
            .env("LC_ALL", "C.UTF-8");
        let rendered = run_with_input(&mut man, source.as_bytes()).ok();
        assert_eq!(rendered.stderr, "", "{page}");
        for word in words {
            let text = rendered.stdout.replace('\u{2010}', "-");
            assert!(text.contains(word), "{page}: {word} in\n{text}");
        }
    }
    assert_eq!(dpctl.try_run("man no-such-command").code, 2);
    dpctl.leaves_nothing();
}
