//! `dpctl upgrade`

use std::process::ExitCode;

use clap::Args;

use super::{Global, note, note_departed};
use crate::error::Result;
use crate::session::Session;
use crate::upgrade::upgrade;

/// Swaps the programs of every hook for those of this dpctl, without a gap
#[derive(Debug, Args)]
pub struct Upgrade {}

impl Upgrade {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let Some(mut session) = Session::repair(&global.directories(), "upgrade").await? else {
            note("nothing is attached, so there is nothing to upgrade");
            return Ok(ExitCode::SUCCESS);
        };
        note_departed(&session.departed);
        let done = upgrade(&mut session).await?;
        let version = env!("CARGO_PKG_VERSION");
        let state =
            if done.kept_state { "counters and backlogs go on" } else { "counters and backlogs start anew" };
        note(&match done.interfaces {
            0 => format!("nothing is attached; the next attach uses the programs of dpctl {version}"),
            1 => format!("1 interface now runs the programs of dpctl {version}; {state}"),
            many => format!("{many} interfaces now run the programs of dpctl {version}; {state}"),
        });
        Ok(ExitCode::SUCCESS)
    }
}
