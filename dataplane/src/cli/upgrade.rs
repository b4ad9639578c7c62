//! `dpctl upgrade`

use std::process::ExitCode;

use clap::Args;

use super::{Global, interfaces, note, note_departed};
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
        let state =
            if done.kept_state { "counters and backlogs go on" } else { "counters and backlogs start anew" };
        note(&format!(
            "{} on the programs of dpctl {}; {state}",
            interfaces(done.interfaces),
            env!("CARGO_PKG_VERSION")
        ));
        Ok(ExitCode::SUCCESS)
    }
}
