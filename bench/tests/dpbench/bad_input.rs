//! What cannot be done is told in one line, before anything is built.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use dataplane_tests::command::run;
use dataplane_tests::dpctl::{temporary_folder, unmount_below};

use super::{dpbench, needs_root, out, refuses};

#[test]
fn a_bad_word_is_told_in_one_line() {
    for (words, expected) in [
        (&[][..], "which command?"),
        (&["fly"], "fly"),
        (&["run", "--fast"], "--fast"),
        (&["run", "--only", "rrr"], "no scenario `rrr`: did you mean rr"),
        (&["run", "--only", "rr,,rr"], "no scenario ``"),
        (&["run", "--variants", "vteh"], "no variant `vteh`: did you mean veth"),
        (&["run", "--variants", "qqqqq"], "no variant `qqqqq`: `dpbench list` has their names"),
        (&["run", "--sizes", "0"], "1..=10000"),
        (&["run", "--sizes", "10001"], "1..=10000"),
        (&["run", "--sizes", "1,x"], "invalid"),
        (&["run", "--sizes", "-1"], "-1"),
        (&["run", "--rounds", "0"], "1..=1000"),
        (&["run", "--window", "7"], "try 200ms or 2s"),
        (&["run", "--window", "1us"], "from 10ms to 10min"),
        (&["run", "--output", "xml"], "xml"),
        (&["list", "--output", "xml"], "xml"),
        (&["compare", "a.json"], "<B>"),
    ] {
        refuses(&run(&mut dpbench(words)), 2, expected);
    }
}

#[test]
fn a_bad_file_is_told_in_one_line() {
    let folder = temporary_folder();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let lab = file("lab.toml", b"[[variant]]\nname = 7\n");
    refuses(&run(&mut dpbench(&["run", "--file", &lab])), 2, "lab.toml:2:8: invalid type");
    refuses(&run(&mut dpbench(&["list", "--file", &file("b.toml", b"\xff")])), 2, "utf-8");
    refuses(&run(&mut dpbench(&["run", "--file", "/nowhere.toml"])), 1, "No such file");
    refuses(&run(&mut dpbench(&["run", "--file", "/proc"])), 1, "Is a directory");
    for (name, bytes) in [("a.pcap", &b"no capture"[..]), ("b.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0][..])] {
        refuses(&run(&mut dpbench(&["run", "--pcap", &file(name, bytes)])), 2, "neither pcap nor pcapng");
    }
    refuses(&run(&mut dpbench(&["run", "--pcap", "/nowhere.pcap"])), 1, "No such file");
    let json = file("a.json", b"{\"schema\": 1,");
    refuses(&run(&mut dpbench(&["compare", &json, &json])), 2, "a.json: cut off at line 1");
    refuses(&run(&mut dpbench(&["compare", "/nowhere.json", &json])), 1, "/nowhere.json");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused() {
    needs_root!();
    let folder = temporary_folder();
    let strange = folder.path().join("thesis.tex");
    fs::write(&strange, "").expect("a file");
    for (out, expected) in [
        (folder.path().to_string_lossy().as_ref(), "thesis.tex is there"),
        (strange.to_string_lossy().as_ref(), "Not a directory"),
        ("/nowhere/out", "No such file"),
        ("/proc/out", "--out /proc/out"),
    ] {
        refuses(&run(&mut dpbench(&["run", "--only", "rr", "--out", out])), 1, expected);
    }
    assert!(strange.exists());
}

#[test]
fn a_full_disk_is_told_in_one_line() {
    needs_root!();
    let (folder, out) = out();
    fs::create_dir(&out).expect("a folder");
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=4k", "none", &out])).ok();
    let words = ["run", "--only", "rr", "--variants", "veth", "--rounds", "20", "--window", "10ms"];
    let output = run(dpbench(&words).args(["--out", &out]));
    let kept = fs::read_dir(&out).map(Iterator::count);
    unmount_below(folder.path());
    assert_eq!(output.code, 1, "{output}");
    let last = output.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("dpbench: write ") && last.contains("No space left"), "{output}");
    assert_eq!(kept.ok(), Some(0), "half a file is left");
}

#[test]
fn who_is_not_root_is_told_so() {
    needs_root!();
    let folder = temporary_folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let program = folder.path().join("dpbench");
    fs::copy(env!("CARGO_BIN_EXE_dpbench"), &program).expect("a copy");
    let as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let mut setpriv = Command::new("setpriv");
    setpriv.args(as_nobody).arg(&program).args(["run", "--only", "rr"]).current_dir(Path::new("/"));
    refuses(&run(&mut setpriv), 1, "run it as root");
}
