//! `dpctl completions SHELL`

use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::output::print;
use crate::error::Result;

/// Prints the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "Example: dpctl completions bash > /etc/bash_completion.d/dpctl")]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut shown(&Cli::command()), "dpctl", &mut text);
        print(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The command without what is hidden, which not every shell's generator leaves out.
fn shown(dpctl: &Command) -> Command {
    let commands = dpctl.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new("dpctl").version(env!("CARGO_PKG_VERSION")).args(dpctl.get_arguments()).subcommands(commands)
}
