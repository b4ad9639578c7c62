//! What a test says besides pass and fail: figures, and why it could not run.

use std::io::{self, Write};

/// Ends the test with `skipped: <test>: reason` on standard output.
///
/// For what a machine may lack. Where the kernel should have it, fail instead.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        fn here() {}
        let test = ::std::any::type_name_of_val(&here).trim_end_matches("::here");
        let test = test.split_once("::").map_or(test, |(_, name)| name);
        $crate::skip::say(&::std::format!("skipped: {test}: {}", ::std::format!($($reason)*)));
        return;
    }};
}

/// A line on standard output, also of a test that passes: `println!` would be swallowed.
pub fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("standard output is open");
}
