//! `dpctl sandbox create|rm|ls|inspect|exec`

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::network::name;
use super::networks::{SandboxOut, sandbox_out};
use super::output::{json, print, tell};
use super::table::{Align, Table};
use super::{Format, Global, note, note_departed};
use crate::error::{Attempt, Error, Result};
use crate::exec::exec;
use crate::open::require_root;
use crate::refused::Refused;
use crate::sandbox::{Place, Sandbox};
use crate::sandboxes;
use crate::session::Session;

/// Makes, lists and removes sandboxes: containers' network stacks
#[derive(Debug, Args)]
pub struct SandboxCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(Create),
    Rm(Rm),
    Ls(Ls),
    Inspect(Inspect),
    Exec(Exec),
}

/// Makes a sandbox
///
/// Without options it is a network namespace of its own, which `ip netns` lists by the same name.
#[derive(Debug, Args)]
struct Create {
    /// Its name: a-z, 0-9, `_`, `.` and `-`
    #[arg(value_name = "NAME")]
    name: String,
    /// A network namespace that exists: a path, a name as for `ip netns`, or a process's number
    #[arg(long, value_name = "NETNS|PID", conflicts_with = "join")]
    netns: Option<String>,
    /// That of another sandbox
    #[arg(long, value_name = "SANDBOX")]
    join: Option<String>,
}

/// Removes sandboxes, with their endpoints
#[derive(Debug, Args)]
struct Rm {
    /// Sandboxes
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Also where processes live in them: they go on, without a network
    #[arg(long)]
    force: bool,
}

/// Lists the sandboxes
#[derive(Debug, Args)]
struct Ls {}

/// Shows all of sandboxes, with their endpoints, as JSON
#[derive(Debug, Args)]
struct Inspect {
    /// Sandboxes
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Becomes a command in a sandbox
///
/// With the sandbox's own hosts, hostname and resolv.conf, which lie in /etc/netns/NAME.
#[derive(Debug, Args)]
struct Exec {
    /// The sandbox
    #[arg(value_name = "NAME")]
    name: String,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// A sandbox that is there.
pub(super) fn known(session: &Session, name: &str) -> Result<Sandbox> {
    session.store.sandbox(name)?.ok_or_else(|| none(name))
}

fn none(name: &str) -> Error {
    Refused::None { name: name.to_owned(), kind: "sandbox" }.into()
}

impl SandboxCommand {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        match self.action {
            Action::Create(command) => command.run(global).await,
            Action::Rm(command) => command.run(global).await,
            Action::Ls(Ls {}) => ls(global).await,
            Action::Inspect(command) => command.run(global).await,
            Action::Exec(command) => command.run(global).await,
        }
    }
}

impl Create {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        let own = name(&self.name)?;
        let place = match (&self.netns, &self.join) {
            (Some(netns), _) => {
                let path = place_of(netns);
                Place::At(std::path::absolute(&path).attempt(|| format!("{}", path.display()))?)
            }
            (None, Some(other)) => Place::Joined(name(other)?),
            (None, None) => Place::Own,
        };
        let mut session = Session::change_few(&global.directories(), "sandbox create").await?;
        match sandboxes::create(&mut session, own, place) {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(session.give_up(error)),
        }
    }
}

/// Where a namespace is found that was given as a number, a name or a path.
fn place_of(netns: &str) -> PathBuf {
    match netns.parse::<u32>() {
        Ok(pid) => PathBuf::from(format!("/proc/{pid}/ns/net")),
        Err(_) if netns.contains('/') => PathBuf::from(netns),
        Err(_) => PathBuf::from(crate::sandbox::NAMESPACES).join(netns),
    }
}

impl Rm {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        let Some(mut session) = Session::existing(&global.directories(), "sandbox rm").await? else {
            return Err(self.names.first().map_or(Error::NothingAttached, |name| none(name)));
        };
        note_departed(&session.departed);
        let sandboxes = self.names.iter().map(|name| known(&session, name)).collect::<Result<Vec<_>>>()?;
        let all = session.store.sandboxes()?;
        for sandbox in &sandboxes {
            let has_joined = |other: &&Sandbox| other.place == Place::Joined(sandbox.name.clone());
            let stays = |other: &&Sandbox| !self.names.iter().any(|name| name == other.name.as_str());
            if let Some(other) = all.iter().filter(has_joined).find(stays) {
                let (name, users) = (sandbox.name.to_string(), other.name.to_string());
                return Err(Refused::Joined { name, users }.into());
            }
            if sandbox.place == Place::Own && !self.force {
                let count = sandboxes::count_alive(sandbox)?;
                if count > 0 {
                    return Err(Refused::Alive { name: sandbox.name.to_string(), count }.into());
                }
            }
        }
        sandboxes::remove(&mut session, &sandboxes).await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn ls(global: &Global) -> Result<ExitCode> {
    let rows = match Session::look(&global.directories(), "sandbox ls").await? {
        None => Vec::new(),
        Some(session) => {
            note_departed(&session.departed);
            let sandboxes = session.store.sandboxes()?;
            sandboxes.iter().map(|sandbox| sandbox_out(&session, sandbox)).collect::<Result<Vec<_>>>()?
        }
    };
    match global.output {
        Format::Json => print(&json(&rows)?)?,
        Format::Table if rows.is_empty() => note("no sandboxes; dpctl sandbox create NAME makes one"),
        Format::Table => print(&table(&rows).render(global.color))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[SandboxOut]) -> Table {
    let mut table =
        Table::new(&[("NAME", Align::Left), ("NAMESPACE", Align::Left), ("NETWORKS", Align::Left)]);
    for row in rows {
        let networks: Vec<&str> = row.endpoints.iter().map(|endpoint| endpoint.network.as_str()).collect();
        let netns = match &row.joined {
            Some(other) => format!("that of {other}"),
            None => row.netns.clone(),
        };
        let networks = if networks.is_empty() { "-".to_owned() } else { networks.join(", ") };
        table.row([row.name.clone(), netns, networks]);
    }
    table
}

impl Inspect {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        let Some(session) = Session::look(&global.directories(), "sandbox inspect").await? else {
            return Err(self.names.first().map_or(Error::NothingAttached, |name| none(name)));
        };
        let rows = self.names.iter().map(|name| sandbox_out(&session, &known(&session, name)?));
        print(&json(&rows.collect::<Result<Vec<_>>>()?)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Exec {
    /// Our own failures answer 125, as those of `docker exec` do.
    async fn run(self, global: &Global) -> Result<ExitCode> {
        const FAILED: u8 = 125;
        let code = match self.become_it(global).await {
            Ok((error, code)) => {
                tell(&error.to_string());
                code
            }
            Err(error) => {
                tell(&error.to_string());
                FAILED
            }
        };
        Ok(ExitCode::from(code))
    }

    async fn become_it(&self, global: &Global) -> Result<(Error, u8)> {
        require_root("sandbox exec")?;
        let Some(session) = Session::look(&global.directories(), "sandbox exec").await? else {
            return Err(none(&self.name));
        };
        let sandbox = match known(&session, &self.name)? {
            Sandbox { place: Place::Joined(other), .. } => known(&session, other.as_str())?,
            sandbox => sandbox,
        };
        drop(session);
        exec(&sandbox, &self.command)
    }
}
