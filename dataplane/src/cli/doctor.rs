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
                    let (mut what, mut mark) = (*what, mark);
                    for line in lines(words) {
                        table.row([what.to_owned(), mark.to_owned(), line]);
                        (what, mark) = ("", "");
                    }
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

/// Words in lines that leave room for the two columns before them; a longer word has its own, and
/// so has a command at the end, which is there to be copied.
fn lines(text: &str) -> Vec<String> {
    const WIDTH: usize = 58;
    let commands = [": dpctl ", ": rm ", ": mount "];
    let command = commands.iter().filter_map(|begin| text.rfind(begin)).max().map_or(text.len(), |at| at + 1);
    let (text, command) = text.split_at(command);
    let command = command.strip_prefix(' ').into_iter();
    let mut lines = vec![String::new()];
    for word in text.split(' ').chain(command) {
        let line = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(last) if line == 0 || line + 1 + word.chars().count() <= WIDTH => {
                last.extend([if line == 0 { "" } else { " " }, word]);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_results_are_broken_between_words() {
        assert_eq!(lines("on"), ["on"]);
        let (long, path) = ("word ".repeat(30), "/".repeat(70));
        let broken = lines(&format!("{long}{path} end"));
        assert_eq!(broken.join(" "), format!("{long}{path} end"));
        assert!(broken.iter().all(|line| line.len() <= 58 || *line == path), "{broken:?}");
        let command = format!("rm -r '/srv/a b' {path}");
        let broken = lines(&format!("{long}if it is gone: {command}"));
        assert_eq!(broken.last(), Some(&command), "a command is never broken: {broken:?}");
    }
}
