//! `dpctl reconcile [--check]`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{json, print};
use super::{Format, Global, note, note_departed};
use crate::error::{Error, Result};
use crate::reconcile::reconcile;
use crate::session::Session;
use crate::settle;

/// Compares what was asked for with the kernel, and repairs
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Only say what differs; exit with 8 if anything does
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    finding: String,
    repaired: bool,
}

/// `doctor` and `reconcile --check` found something.
pub(super) const FINDINGS: u8 = 8;

impl Reconcile {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let findings = if self.check {
            match Session::look(&global.directories(), "reconcile").await {
                Ok(Some(mut session)) => {
                    note_departed(&session.departed);
                    reconcile(&mut session, true).await?
                }
                Ok(None) => Vec::new(),
                Err(error @ (Error::Bpffs { .. } | Error::Layout { .. })) => vec![error.to_string()],
                Err(error) => return Err(error),
            }
        } else if let Some(mut session) = Session::repair(&global.directories(), "reconcile")? {
            let departed = settle::settle(&mut session).await?;
            note_departed(&departed);
            reconcile(&mut session, false).await?
        } else {
            Vec::new()
        };
        let nothing = findings.is_empty();
        match global.output {
            Format::Json => {
                let row = |finding| Row { finding, repaired: !self.check };
                print(&json(&findings.into_iter().map(row).collect::<Vec<_>>())?)?;
            }
            Format::Table if nothing => note("all is as it should be"),
            Format::Table => {
                print(&(findings.join("\n") + "\n"))?;
            }
        }
        Ok(if self.check && !nothing { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
    }
}
