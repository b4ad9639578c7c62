//! Which commit a run was of.

use std::process::Command;

use anyhow::Result;

use crate::{command, workspace};

/// The commit's short name, and what the tree has beyond it.
pub(crate) fn current() -> Result<(String, &'static str)> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        command::output("ask git", git.args(arguments).current_dir(workspace::root()))
    };
    let head = git(&["rev-parse", "--short", "HEAD"])?;
    if !head.status.success() {
        return Ok(("none".to_owned(), ""));
    }
    let changes =
        if git(&["status", "--porcelain"])?.stdout.is_empty() { "" } else { ", with uncommitted changes" };
    Ok((String::from_utf8_lossy(&head.stdout).trim().to_owned(), changes))
}
