//! Standard output, whose reader may go away.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Writes all of `text`; a reader that has seen enough is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.context("write to standard output"),
    }
}
