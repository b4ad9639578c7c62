//! Runs a command to its end, with a deadline, and keeps what it said.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// A command that takes longer hangs.
const DEADLINE: Duration = Duration::from_mins(2);

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command as one would type it.
    pub command: String,
    /// Its exit code; 128 and the signal's number if a signal ended it, as in a shell.
    pub code: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Output {
    /// This output, which must be that of a command that succeeded.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often only the success matters")]
    pub fn ok(self) -> Self {
        assert!(self.code == 0, "this command failed:\n{self}");
        self
    }

    /// Its standard output as JSON, all of it.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not one JSON value ({e}):\n{self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "$ {command}\nexit code {code}\nstdout: {stdout}\nstderr: {stderr}")
    }
}

/// Runs `command` to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    run_with_input(command, b"")
}

/// Runs `command` with `input` as its standard input.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let line = line(command);
    // A group of its own, so that what it started can be ended with it.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("start `{line}`: {e}"));
    thread::scope(|scope| {
        let stdin = child.stdin.take();
        // A command may end without reading its input: that is no error of ours.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input).is_ok()));
        let stdout = child.stdout.take().map(|pipe| scope.spawn(move || text(pipe)));
        let stderr = child.stderr.take().map(|pipe| scope.spawn(move || text(pipe)));
        let in_time = ends_within(&child, DEADLINE);
        if !in_time {
            end_group(&child);
        }
        let status = child.wait().unwrap_or_else(|e| panic!("wait for `{line}`: {e}"));
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let read = |pipe: Option<thread::ScopedJoinHandle<'_, String>>| {
            pipe.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let output = Output { command: line, code, stdout: read(stdout), stderr: read(stderr) };
        assert!(in_time, "ended after {DEADLINE:?}:\n{output}");
        output
    })
}

/// Whether `child` ends by itself within `deadline`.
pub fn ends_within(child: &Child, deadline: Duration) -> bool {
    let Ok(pidfd) = pidfd_open(pid(child), PidfdFlags::empty()) else {
        return true; // already waited for
    };
    let end = Instant::now() + deadline;
    let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).expect("a deadline of a test fits");
        match poll(&mut ended, Some(&timeout)) {
            Err(Errno::INTR) => {} // a signal of somebody else's says nothing of the child
            ready => return ready.is_ok_and(|ready| ready > 0),
        }
    }
}

/// The process id of `child`, in the form that rustix takes.
pub fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn end_group(child: &Child) {
    if let Err(error) = kill_process_group(pid(child), Signal::KILL) {
        eprintln!("end process group {}: {error}", child.id());
    }
}

fn text(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = pipe.read_to_end(&mut bytes) {
        eprintln!("read a command's output: {error}");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
