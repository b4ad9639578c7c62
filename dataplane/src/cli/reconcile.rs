//! `dpctl reconcile [--check]`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{json, print};
use super::{Format, Global, note, note_departed};
use crate::error::{Error, Result};
use crate::holding;
use crate::open::require_root;
use crate::reconcile::{Difference, compare, reconcile};
use crate::remains::{self, Cleared, Remainder};
use crate::session::Session;

/// Compares what was asked for with the kernel, and repairs
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Only say what differs; exit with 8 if anything does
    #[arg(long)]
    check: bool,
    /// Make sandboxes of our own that ended with an earlier boot anew, with their endpoints; else
    /// they are removed
    #[arg(long, conflicts_with = "check")]
    restore: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    finding: String,
    repair: &'static str,
    repaired: bool,
}

/// `doctor` and `reconcile --check` found something.
pub(super) const FINDINGS: u8 = 8;

impl Reconcile {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        require_root("reconcile")?;
        // All is looked at before anything is changed.
        let remainders = remains::find(&global.directories())?;
        let mut rows = if self.check { check(global).await? } else { repair(global, self.restore).await? };
        let Cleared { cleared, left, doubtful, errors } =
            if self.check { to_be_cleared(remainders) } else { remains::clear(remainders) };
        let row =
            |gone: &Remainder| Row { finding: gone.problem(), repair: "removed", repaired: !self.check };
        rows.extend(cleared.iter().map(row));
        let nothing = rows.is_empty();
        match global.output {
            Format::Json => print(&json(&rows)?)?,
            Format::Table if nothing && errors.is_empty() => note("all is as it should be"),
            Format::Table => print(&rows.iter().map(Row::line).collect::<String>())?,
        }
        for pin in &left {
            note(&format!("{}: not ours, left alone", pin.display()));
        }
        doubtful.iter().filter_map(Remainder::advice).for_each(|advice| note(&advice));
        // Of other instances: what was done for this one is said by now.
        Error::join(errors)?;
        Ok(if self.check && !nothing { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
    }
}

impl Row {
    fn line(&self) -> String {
        let repair = if self.repaired { format!(": {}", self.repair) } else { String::new() };
        format!("{}{repair}\n", self.finding)
    }
}

fn to_be_cleared(remainders: Vec<Remainder>) -> Cleared {
    let (cleared, doubtful) = remainders.into_iter().partition(|remainder| remainder.doubt.is_none());
    Cleared { cleared, doubtful, ..Cleared::default() }
}

async fn check(global: &Global) -> Result<Vec<Row>> {
    let row = |finding: String, repair| Row { finding, repair, repaired: false };
    match Session::look(&global.directories(), "reconcile").await {
        Ok(Some(session)) => {
            note_departed(&session.departed);
            let differences = compare(&session).await?;
            Ok(differences.iter().map(|found| row(found.to_string(), found.repair())).collect())
        }
        Ok(None) => Ok(Vec::new()),
        Err(error @ (Error::Bpffs { .. } | Error::Layout { .. })) => {
            Ok(vec![row(error.to_string(), Difference::Pins.repair())])
        }
        Err(error) => Err(error),
    }
}

async fn repair(global: &Global, restore: bool) -> Result<Vec<Row>> {
    let Some(mut session) = Session::repair(&global.directories(), "reconcile").await? else {
        return Ok(Vec::new());
    };
    note_departed(&session.departed);
    let restored = if restore { holding::restore(&mut session).await? } else { Vec::new() };
    let anew = |name: String| Row {
        finding: format!("{name}: gone with its boot"),
        repair: "made anew",
        repaired: true,
    };
    let differences = reconcile(&mut session).await?;
    let row = |found: &Difference| Row { finding: found.to_string(), repair: found.repair(), repaired: true };
    Ok(restored.into_iter().map(anew).chain(differences.iter().map(row)).collect())
}
