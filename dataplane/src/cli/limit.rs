//! `dpctl limit set|show|clear veth123`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::limit_options::{LimitOptions, NOTATION};
use super::ls::render;
use super::output::print;
use super::{Global, note_departed};
use crate::attachment::Limits;
use crate::error::{Error, Result};
use crate::limits;
use crate::select;
use crate::session::Session;

/// Sets, shows and clears the limits of what is attached
#[derive(Debug, Args)]
pub struct LimitCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Changes what is named, with the next packet; the rest stays as it is
    Set(Set),
    /// Shows limits
    Show(Targets),
    /// Takes the limits off; traffic is counted still
    Clear(Targets),
}

#[derive(Debug, Args)]
#[command(after_help = NOTATION)]
struct Set {
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    targets: Targets,
}

#[derive(Debug, Args)]
struct Targets {
    /// Interfaces, after the word dev if you like
    #[arg(value_name = "[dev] IFACE", required = true)]
    words: Vec<String>,
}

impl Targets {
    /// The interfaces meant. `network` and `group` are words of the language that nothing
    /// stands behind yet.
    fn interfaces(&self) -> Result<&[String]> {
        let names = match self.words.as_slice() {
            [word, _, ..] if word == "dev" => &self.words[1..],
            [word, _, ..] if word == "network" || word == "group" => {
                return Err(Error::Usage(format!(
                    "limit {word}: not there yet; limits are set on interfaces"
                )));
            }
            words => words,
        };
        select::check_names(names)?;
        Ok(names)
    }
}

impl LimitCommand {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        match self.verb {
            Verb::Set(set) => set.run(global).await?,
            Verb::Show(targets) => show(&targets, global).await?,
            Verb::Clear(targets) => clear(&targets, global).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Set {
    async fn run(self, global: &Global) -> Result<()> {
        let names = self.targets.interfaces()?;
        let request = self.limits.request();
        if request.is_empty() {
            return Err(Error::Usage(
                "limit set: which limit? Give --rate or another, or use limit clear".to_owned(),
            ));
        }
        let Some(mut session) = Session::existing(&global.directories(), "limit set").await? else {
            return Err(Error::nothing_attached(names.first()));
        };
        note_departed(&session.departed);
        let rows = session.attachments_of(names).await?;
        if let Some(row) = rows.iter().find(|row| request.over(row.limits) == Limits::default()) {
            return Err(Error::Usage(format!(
                "limit set: {} has no limit to change; give a rate",
                row.interface
            )));
        }
        self.limits.note_surprises();
        limits::set(&mut session, &rows, |present| request.over(present))
    }
}

async fn clear(targets: &Targets, global: &Global) -> Result<()> {
    let names = targets.interfaces()?;
    let Some(mut session) = Session::existing(&global.directories(), "limit clear").await? else {
        return Err(Error::nothing_attached(names.first()));
    };
    note_departed(&session.departed);
    let rows = session.attachments_of(names).await?;
    limits::set(&mut session, &rows, |_| Limits::default())
}

async fn show(targets: &Targets, global: &Global) -> Result<()> {
    let names = targets.interfaces()?;
    let Some(session) = Session::look(&global.directories(), "limit show").await? else {
        return Err(Error::nothing_attached(names.first()));
    };
    note_departed(&session.departed);
    let mut rows = session.attachments_of(names).await?;
    rows.sort_by(|a, b| a.interface.cmp(&b.interface));
    print(&render(&rows, global.output, global.color)?)
}
