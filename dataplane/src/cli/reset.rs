//! `dpctl reset [--yes]`

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;

use super::{Global, interfaces, note};
use crate::error::{Attempt, Error, Result};
use crate::reset::reset;

/// Removes every network, sandbox, hook, pin and file that dpctl has for this network namespace
#[derive(Debug, Args)]
pub struct Reset {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Reset {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        if !self.yes && std::io::stdin().is_terminal() && !confirmed()? {
            return Err(Error::Usage("reset: nothing was changed".to_owned()));
        }
        let report = reset(&global.directories()).await?;
        for pin in &report.left {
            note(&format!("{}: not ours, left alone", pin.display()));
        }
        let left = "nothing of dpctl is left in this network namespace";
        note(&match report.detached {
            0 => format!("nothing was attached; {left}"),
            count => format!("{} detached; {left}", interfaces(count)),
        });
        Ok(ExitCode::SUCCESS)
    }
}

fn confirmed() -> Result<bool> {
    let asked = || -> std::io::Result<bool> {
        eprint!(
            "dpctl: remove every network, sandbox and limit of this network namespace, and all that dpctl keeps for it? [y/N] "
        );
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    };
    asked().attempt(|| "ask".to_owned())
}
