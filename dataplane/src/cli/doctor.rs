//! `dpctl doctor`

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{json, print};
use super::reconcile::FINDINGS;
use super::table::{Align, Table};
use super::{Format, Global};
use crate::doctor::{Check, Verdict, examine};
use crate::error::Result;
use crate::features::Otherwise;

/// Says what this host has, what is used instead of what it lacks, and what is wrong
#[derive(Debug, Args)]
pub struct Doctor {}

#[derive(Debug, Serialize)]
struct Row {
    check: &'static str,
    ok: bool,
    result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise: Option<&'static str>,
}

impl Doctor {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let checks = examine(&global.directories()).await?;
        let healthy = checks.iter().all(|check| check.verdict != Verdict::Wrong);
        print(&match global.output {
            Format::Json => json(&checks.iter().map(row).collect::<Vec<_>>())?,
            Format::Table => {
                let mut table =
                    Table::new(&[("CHECK", Align::Left), ("", Align::Left), ("RESULT", Align::Left)]);
                for Check { what, words, verdict, .. } in &checks {
                    let mark = match verdict {
                        Verdict::Fine => "ok",
                        Verdict::Known => "--",
                        Verdict::Wrong => "!!",
                    };
                    table.row([(*what).to_owned(), mark.to_owned(), words.clone()]);
                }
                table.render(global.color)
            }
        })?;
        Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
    }
}

fn row(check: &Check) -> Row {
    Row {
        check: check.what,
        ok: check.verdict != Verdict::Wrong,
        result: check.words.clone(),
        since: check.feature.map(|feature| feature.since),
        otherwise: check.feature.map(|feature| match feature.otherwise {
            Otherwise::Refused => "refused",
            Otherwise::Instead(instead) => instead,
        }),
    }
}
