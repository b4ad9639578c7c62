//! The harness panics where a test would fail. Here that is an error of one line, and what was
//! set up is taken down by its guards on the way out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

/// Longer than any that has something to say.
const LONGEST: usize = 500;

/// The first since it was last asked for: the others follow from it.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// From here on a panic prints nothing.
pub(crate) fn hush() {
    set_hook(Box::new(|panic| {
        let message = message(panic.payload());
        FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }));
}

/// Does `act`; a panic in it, or in a thread that it waits for, is its error.
pub(crate) fn caught<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    let taken = || FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
    taken();
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done,
        Err(payload) => bail!("{}", taken().unwrap_or_else(|| message(&*payload))),
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    one_line(text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words"))
}

/// What a harness says in many lines, the empty ones left out.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !matches!(*line, "" | "stdout:" | "stderr:"));
    let line = lines.collect::<Vec<_>>().join("; ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_told_in_one_line() {
        let text = "this command failed:\n$ ip link add\nexit code 2\nstdout: \nstderr: File exists\n";
        assert_eq!(one_line(text), "this command failed:; $ ip link add; exit code 2; stderr: File exists");
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = caught::<()>(|| panic!("it broke:\n  badly")).expect_err("an error");
        assert!(format!("{error:#}").contains("it broke:; badly"));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(one_line(&"ü".repeat(LONGEST + 7)).chars().count(), LONGEST + 3);
    }
}
