//! `dpctl man`

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use super::Cli;
use super::output::print;
use crate::error::{Attempt, Error, Result};

/// Prints a manual page, for man -l -
#[derive(Debug, Args)]
#[command(after_help = "Example: dpctl man attach | man -l -")]
pub struct Man {
    /// A command, with its verb; dpctl itself if none is named
    command: Vec<String>,
}

impl Man {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut dpctl = Cli::command();
        dpctl.build();
        let mut page = &dpctl;
        for word in &self.command {
            page = page.find_subcommand(word).ok_or_else(|| {
                let words = self.command.join(" ");
                Error::Usage(format!("man: no command '{}'; dpctl --help lists them", words.escape_debug()))
            })?;
        }
        let page = Page::new(page.clone());
        let mut text = Vec::new();
        page.render(&mut text).attempt(|| "write the manual".to_owned())?;
        print(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}
