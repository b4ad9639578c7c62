//! `dpctl detach veth123`

use std::process::ExitCode;

use clap::Args;

use super::progress::Progress;
use super::{Global, note_departed};
use crate::detach::detach;
use crate::error::{Error, Result};
use crate::select;
use crate::session::Session;

/// Takes limit and counters off interfaces
#[derive(Debug, Args)]
pub struct Detach {
    /// Interfaces
    #[arg(value_name = "IFACE", required_unless_present = "all")]
    interfaces: Vec<String>,
    /// All that are attached
    #[arg(long, conflicts_with = "interfaces")]
    all: bool,
}

impl Detach {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        select::check_names(&self.interfaces)?;
        let Some(mut session) = Session::existing(&global.directories(), "detach").await? else {
            return Err(Error::nothing_attached(self.interfaces.first()));
        };
        // Asked to be let go, and gone: that is done.
        note_departed(&session.departed);
        let gone: Vec<&str> = session.departed.iter().map(|row| row.interface.as_str()).collect();
        let names: Vec<String> =
            self.interfaces.iter().filter(|name| !gone.contains(&name.as_str())).cloned().collect();
        let rows = if self.all {
            session.store.plain_attachments()?
        } else {
            session.attachments_of(&names).await?
        };
        if rows.is_empty() && self.all && gone.is_empty() {
            return Err(Error::nothing_attached(None));
        }
        let progress = Progress::new("detach", rows.len());
        detach(&mut session, &rows, |done| progress.set(done)).await?;
        progress.finish();
        Ok(ExitCode::SUCCESS)
    }
}
