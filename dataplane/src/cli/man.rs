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
    /// A command; dpctl itself if none is named
    command: Option<String>,
}

impl Man {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut dpctl = Cli::command();
        dpctl.build();
        let page = match &self.command {
            None => Page::new(dpctl),
            Some(name) => match dpctl.find_subcommand(name) {
                Some(command) => Page::new(command.clone()),
                None => {
                    return Err(Error::Usage(format!(
                        "man: no command '{}'; dpctl --help lists them",
                        name.escape_debug()
                    )));
                }
            },
        };
        let mut text = Vec::new();
        page.render(&mut text).attempt(|| "write the manual".to_owned())?;
        print(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}
