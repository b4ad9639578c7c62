//! What is left of instances whose namespace is gone: what is cleared away, and what is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use dataplane_tests::command::{Output, run};
use dataplane_tests::dpctl::{binary, temporary_folder, unmount_below};
use dataplane_tests::eventually::eventually;
use dataplane_tests::leftovers::files;
use dataplane_tests::need_tcx;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip;
use dataplane_tests::strace;
use tempfile::TempDir;

use crate::limited::TIGHT;
use crate::pairs::add_pairs;

/// Directories that several namespaces share; a blank in a path is no separator.
struct Shared {
    folder: TempDir,
}

impl Shared {
    fn new() -> Self {
        Self { folder: temporary_folder() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, state: &str, namespace: &Namespace, line: &str) -> Command {
        let mut command = Command::new(binary());
        command.arg("--state-dir").arg(self.path(state)).arg("--bpffs-dir").arg(self.path("bpf"));
        command.args(["-n", namespace.name()]).args(line.split_whitespace());
        command
    }

    #[track_caller]
    fn dpctl(&self, namespace: &Namespace, line: &str) -> Output {
        run(&mut self.command("a state", namespace, line))
    }

    /// The directory of the only instance below `name`.
    #[track_caller]
    fn instance(&self, name: &str) -> PathBuf {
        let entries = fs::read_dir(self.path(name)).expect("it is there").flatten().map(|entry| entry.path());
        let is_one =
            |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("netns_"));
        let all: Vec<PathBuf> = entries.filter(is_one).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        unmount_below(self.folder.path());
    }
}

/// A namespace with veths that nobody sends through.
fn with_pair() -> Namespace {
    let namespace = Namespace::new();
    add_pairs(&namespace, 1);
    namespace
}

/// The command at the end of what `doctor` prints of another instance, as one would copy it.
#[track_caller]
fn advice(doctor: &Output) -> String {
    let lines: Vec<&str> =
        doctor.stdout.lines().map(str::trim).filter(|line| line.starts_with("rm -r ")).collect();
    assert_eq!(lines.len(), 1, "{doctor}");
    lines[0].to_owned()
}

#[test]
fn pins_of_another_state_directory_are_named_and_left_alone() {
    let (one, two) = (with_pair(), with_pair());
    let shared = Shared::new();
    shared.dpctl(&two, "attach many0").ok();
    shared.dpctl(&two, "detach many0").ok();
    let pins = files(&shared.path("bpf"));
    drop(two);
    let other = |line: &str| run(&mut shared.command("other", &one, line));
    // As JSON: the table breaks lines, and where depends on how long the folder's name is.
    eventually("it is out of sight", || other("doctor -o json").stdout.contains("this --state-dir"));
    let reconcile = other("reconcile").ok();
    assert_eq!(reconcile.stdout, "");
    assert!(reconcile.stderr.contains("its database is not below this --state-dir"), "{reconcile}");
    assert_eq!(files(&shared.path("bpf")), pins);
    let named = advice(&other("doctor").ok());
    assert_eq!(named, format!("rm -r {}", shared.instance("bpf").display()), "there is no other");
    // The first attach of a namespace clears away as well.
    other("attach many0").ok();
    assert!(pins.iter().all(|pin| pin.exists()), "{pins:?}");
    other("reset --yes").ok();
    let cleared = shared.dpctl(&one, "reconcile").ok();
    assert!(cleared.stdout.ends_with("its network namespace is gone: removed\n"), "{cleared}");
}

#[test]
fn a_command_to_copy_is_whole_and_quoted() {
    let (one, two) = (with_pair(), with_pair());
    let shared = Shared::new();
    shared.dpctl(&two, "attach --hook clsact many0").ok();
    let (pins, state) = (shared.instance("bpf"), shared.instance("a state"));
    drop(two);
    eventually("it is out of sight", || shared.dpctl(&one, "doctor").stdout.contains("rm -r "));
    let advice = advice(&shared.dpctl(&one, "doctor"));
    assert_eq!(advice, format!("rm -r {} '{}'", pins.display(), state.display()));
    run(Command::new("sh").args(["-c", &advice])).ok();
    assert!(!pins.exists() && !state.exists());
    assert!(!shared.dpctl(&one, "doctor").stdout.contains("instances"));
}

/// A link follows its device into another namespace, and outlives its own.
#[test]
fn a_link_that_is_in_force_elsewhere_is_named() {
    need_tcx!();
    let (one, two) = (Namespace::new(), with_pair());
    let shared = Shared::new();
    shared.dpctl(&two, &format!("attach {TIGHT} many0")).ok();
    for device in ["many0", "peer0"] {
        two.ip(&format!("link set {device} netns {}", one.name()));
    }
    let number = one.ip("-j link show many0").json()[0]["ifindex"].clone();
    let before = files(&shared.path("bpf"));
    drop(two);
    let said = format!("a link of it is still in force on ifindex {number}");
    eventually("it is out of sight", || shared.dpctl(&one, "doctor -o json").stdout.contains(&said));
    let reconcile = shared.dpctl(&one, "reconcile").ok();
    assert!(reconcile.stderr.contains(&said), "{reconcile}");
    assert_eq!(files(&shared.path("bpf")), before);
    one.ip("link del many0");
    eventually("nothing is in force", || shared.dpctl(&one, "reconcile").stdout.ends_with("removed\n"));
}

#[test]
fn what_is_not_ours_stays_is_named_and_is_no_remainder() {
    need_tcx!();
    let (one, two) = (with_pair(), with_pair());
    let shared = Shared::new();
    shared.dpctl(&two, "attach many0").ok();
    let mine = shared.instance("bpf").join("mine");
    fs::create_dir(&mine).expect("a bpffs has directories");
    drop(two);
    eventually("it is found gone", || shared.dpctl(&one, "reconcile --check").code == 8);
    let first = shared.dpctl(&one, "reconcile").ok();
    assert!(first.stdout.ends_with("removed\n"), "{first}");
    assert!(first.stderr.contains(&format!("{}: not ours, left alone", mine.display())), "{first}");
    assert!(mine.exists());
    assert_eq!(shared.dpctl(&one, "reconcile").ok().stdout, "", "done once");
    assert!(!shared.dpctl(&one, "doctor").stdout.contains("instances"));
}

#[test]
fn what_was_repaired_is_said_before_what_keeps_another_from_being_cleared() {
    need_tcx!();
    let (one, two) = (with_pair(), with_pair());
    let shared = Shared::new();
    shared.dpctl(&two, "attach many0").ok();
    let lock = shared.instance("a state").join("lock");
    shared.dpctl(&one, "attach many0").ok();
    drop(two);
    eventually("it is found gone", || shared.dpctl(&one, "reconcile --check").code == 8);
    let bind = |program: &str, args: &[&str]| run(Command::new(program).args(args).arg(&lock)).ok();
    bind("mount", &["--bind", &lock.to_string_lossy()]);
    let link = files(&shared.path("bpf")).into_iter().rfind(|pin| {
        let of_one = shared.path("a state").join(pin.components().rev().nth(2).expect("deep").as_os_str());
        pin.ends_with("from_container_0") && of_one != lock.parent().expect("deep")
    });
    fs::remove_file(link.expect("it is pinned")).expect("a bpffs removes");
    // The kernel detaches a link that nobody holds a little later.
    let programs = || shared.dpctl(&one, "show -o json many0").json()[0]["programs_from_container"].clone();
    eventually("the link is gone", || programs() == serde_json::json!([]));
    let reconcile = shared.dpctl(&one, "reconcile");
    bind("umount", &[]);
    assert!(reconcile.code != 0 && reconcile.stderr.contains("lock"), "{reconcile}");
    assert!(reconcile.stdout.contains("many0: from_container is not attached: attached"), "{reconcile}");
    assert!(shared.dpctl(&one, "reconcile").ok().stdout.ends_with("removed\n"));
    shared.dpctl(&one, "reset --yes").ok();
}

/// The bpffs is all instances': it is not unmounted while one makes its directory there.
#[test]
fn a_first_attach_goes_on_while_another_instance_is_taken_away() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let (one, two) = (with_pair(), with_pair());
    let shared = Shared::new();
    let attach = shared.command("a state", &two, "attach many0");
    shared.dpctl(&one, "attach many0").ok();
    let (_output, calls) = strace::calls(&attach, "mkdir");
    let makes_pins = |call: &String| call.contains("/bpf/netns_");
    let at = calls.iter().position(makes_pins).expect("it makes a directory for its pins") + 1;
    shared.dpctl(&two, "reset --yes").ok();
    let late = thread::scope(|scope| {
        let what = format!("delay_enter=2000000:when={at}");
        let late = scope.spawn(move || run(&mut strace::command(&attach, "mkdir", &what)));
        let is_instance = |path: &PathBuf| path.to_string_lossy().contains("/netns_");
        let instances = || {
            let all = fs::read_dir(shared.path("a state")).into_iter().flatten().flatten();
            all.map(|entry| entry.path()).filter(is_instance).count()
        };
        eventually("it has begun", || instances() == 2);
        shared.dpctl(&one, "reset --yes").ok();
        late.join().expect("it ends")
    });
    late.ok();
    assert_eq!(shared.dpctl(&two, "ls -o json").ok().json()[0]["interface"], "many0");
    assert!(shared.dpctl(&two, "reconcile").ok().stdout.is_empty());
    shared.dpctl(&two, "reset --yes").ok();
    assert_eq!(files(Path::new(&shared.path("bpf"))), Vec::<PathBuf>::new());
}
