//! `strace` around a command: which calls it makes, and the same command killed at one of them,
//! or with one of them made to fail.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{Output, run};
use crate::dpctl::temporary_folder;

/// The calls by which `dpctl` changes anything outside itself. Killing it before each of them
/// leaves every state that killing it anywhere can leave.
pub const CHANGES: &str = "bpf,mount,umount2,mkdir,rename,renameat2,unlink,unlinkat,rmdir,chmod,write,pwrite64,\
    ftruncate,fallocate,sendto,sendmsg,clone,clone3,vfork,execve";

/// Why `strace` cannot be used here; `None` if it can.
pub fn missing() -> Option<String> {
    let found = ["/usr/bin/strace", "/usr/local/bin/strace"].iter().any(|path| Path::new(path).exists());
    (!found).then(|| "strace is not installed (apt-get install strace)".to_owned())
}

/// What `strace` does with the calls named.
#[derive(Clone, Copy, Debug)]
pub enum Act<'s> {
    /// Ends the process with SIGKILL before its call of this number, from 1.
    Kill(usize),
    /// Lets the call of this number fail with an error.
    Fail(usize, &'s str),
    /// Lets it and all after it fail.
    FailFrom(usize, &'s str),
}

/// Runs `command`, acting on one of its `calls`.
#[track_caller]
pub fn inject(command: &Command, calls: &str, act: Act<'_>) -> Output {
    let what = match act {
        Act::Kill(number) => format!("signal=KILL:when={number}"),
        Act::Fail(number, error) => format!("error={error}:when={number}"),
        Act::FailFrom(number, error) => format!("error={error}:when={number}+"),
    };
    run(&mut self::command(command, calls, &what))
}

/// `command` under `strace`, which does with `calls` what the rest of an `inject=` says.
pub fn command(command: &Command, calls: &str, what: &str) -> Command {
    let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{what}"));
    under(command, &["-o", "/dev/null", "-e", &trace, "-e", &inject])
}

/// Runs `command` and lists the `calls` of its first process, as `strace` writes them.
#[track_caller]
pub fn calls(command: &Command, calls: &str) -> (Output, Vec<String>) {
    trace(command, calls, &[])
}

/// As [`calls`], each with the seconds that it took at its end: `<0.001213>`.
#[track_caller]
pub fn timed_calls(command: &Command, calls: &str) -> (Output, Vec<String>) {
    trace(command, calls, &["-T"])
}

#[track_caller]
fn trace(command: &Command, calls: &str, more: &[&str]) -> (Output, Vec<String>) {
    let folder = temporary_folder();
    let file = folder.path().join("calls");
    let (path, trace) = (file.to_string_lossy(), format!("trace={calls}"));
    let output = run(&mut under(command, &[&["-o", &path, "-e", &trace], more].concat()));
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}\n{output}", file.display()));
    let first = text.split(' ').next().unwrap_or_default().to_owned();
    let mine = text.lines().filter_map(|line| line.strip_prefix(&first)).map(|line| line.trim().to_owned());
    // The end of a call that was interrupted by another thread's, and signals, are no calls.
    (output, mine.filter(|line| !line.starts_with(['<', '-', '+'])).collect())
}

fn under(command: &Command, options: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    // With the paths of descriptors; bytecode is of no interest, and long.
    strace.args(["-f", "-qq", "-y", "-s", "64", "-e", "abbrev=all"]).args(options).arg("--");
    strace.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        set(&mut strace, name, value);
    }
    strace
}

fn set(command: &mut Command, name: &OsStr, value: Option<&OsStr>) {
    match value {
        Some(value) => command.env(name, value),
        None => command.env_remove(name),
    };
}
