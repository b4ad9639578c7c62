//! `dpctl upgrade`

use std::process::ExitCode;

use clap::Args;

use super::{Global, note, note_departed};
use crate::error::Result;
use crate::session::Session;
use crate::settle;
use crate::upgrade::upgrade;

/// Swaps the programs of every hook for those of this dpctl, without a gap
#[derive(Debug, Args)]
pub struct Upgrade {}

impl Upgrade {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let Some(mut session) = Session::repair(&global.directories(), "upgrade")? else {
            note("nothing is attached, so there is nothing to upgrade");
            return Ok(ExitCode::SUCCESS);
        };
        let departed = settle::settle(&mut session).await?;
        note_departed(&departed);
        let done = upgrade(&mut session).await?;
        let state =
            if done.kept_state { "counters and backlogs go on" } else { "counters and backlogs start anew" };
        note(&format!(
            "{} interfaces run the programs of dpctl {}; {state}",
            done.interfaces,
            env!("CARGO_PKG_VERSION")
        ));
        Ok(ExitCode::SUCCESS)
    }
}
