//! What a person at a terminal sees that a pipe does not.

use std::process::Command;

use dataplane_tests::command::{Output, run};
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::netns::Namespace;
use dataplane_tests::skip;
use dataplane_tests::strace;

use crate::pairs::add_pairs;

/// Enough calls of 5 ms each for more than a second of work.
const MANY: usize = 60;
const SLOWLY: &str = "delay_enter=5000";

/// The command at a terminal of its own.
fn at_a_terminal(command: &Command) -> Output {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    run(Command::new("script").args(["-qec", &line.join(" "), "/dev/null"]).env("TERM", "xterm"))
}

#[test]
fn long_work_shows_a_bar_on_a_terminal_and_nothing_in_a_pipe() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let host = Namespace::new();
    let many = add_pairs(&host, MANY).join(" ");
    let dpctl = Dpctl::new(&host);
    let attach = dpctl.command(&format!("attach --rate 1mbit {many}"));
    let seen = at_a_terminal(&strace::command(&attach, "bpf", SLOWLY)).ok();
    assert!(seen.stdout.contains(&format!("of {MANY} interfaces")), "{seen}");
    assert_eq!(dpctl.json("ls").as_array().map(Vec::len), Some(MANY));
    let detach = run(&mut strace::command(&dpctl.command("detach --all"), "bpf", SLOWLY)).ok();
    assert!(!detach.stderr.contains("interfaces,") && !detach.stdout.contains("of"), "{detach}");
    let quick = at_a_terminal(&attach).ok();
    assert!(!quick.stdout.contains("interfaces,"), "less than a second: {quick}");
    dpctl.leaves_nothing();
}
