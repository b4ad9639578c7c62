//! The command line: what was typed, made into what is meant.

pub mod attach;
pub mod completions;
pub mod config;
pub mod connect;
pub mod detach;
pub mod doctor;
pub mod limit;
pub mod limit_options;
pub mod ls;
pub mod man;
pub mod network;
pub mod networks;
pub mod output;
pub mod progress;
pub mod reconcile;
pub mod reset;
pub mod sandbox;
pub mod show;
pub mod stats;
pub mod table;
pub mod upgrade;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::attachment::Attachment;
use crate::error::Result;
use crate::expedite;
use crate::instance::Directories;
use crate::netns::NetNs;
use crate::open::require_root;
use crate::session::departure;

/// Connects containers to networks, and limits and counts their traffic, with eBPF programs on their
/// veths.
#[derive(Debug, Parser)]
#[command(name = "dpctl", version, max_term_width = 80, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that stand before or after the command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// How listings are printed: table or json
    #[arg(short, long, global = true, value_enum, hide_possible_values = true, default_value_t = Format::Table)]
    output: Format,
    /// Work in this network namespace (a name as for ip -n, or a path)
    #[arg(short = 'n', long = "namespace", global = true, value_name = "NETNS")]
    namespace: Option<String>,
    /// Where the database lies
    #[arg(
        long,
        global = true,
        env = "DPCTL_STATE_DIR",
        value_name = "DIR",
        default_value = "/var/lib/dataplane"
    )]
    state_dir: PathBuf,
    /// Where the pins lie; a bpffs is mounted there if there is none
    #[arg(
        long,
        global = true,
        env = "DPCTL_BPFFS_DIR",
        value_name = "DIR",
        default_value = "/sys/fs/bpf/dataplane"
    )]
    bpffs_dir: PathBuf,
    /// When to use colour: auto, always or never
    #[arg(long, global = true, value_enum, hide_possible_values = true, default_value_t = Color::Auto)]
    color: Color,
}

/// How listings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs: one JSON array
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Attach(attach::Attach),
    Detach(detach::Detach),
    Limit(limit::LimitCommand),
    Network(network::NetworkCommand),
    Sandbox(sandbox::SandboxCommand),
    Connect(connect::Connect),
    Disconnect(connect::Disconnect),
    Config(config::Config),
    Ls(ls::Ls),
    Show(show::Show),
    Stats(stats::Stats),
    Doctor(doctor::Doctor),
    Reconcile(reconcile::Reconcile),
    Upgrade(upgrade::Upgrade),
    Reset(reset::Reset),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true, name = expedite::SUBCOMMAND)]
    Hold,
}

impl Cli {
    /// Whether the command needs more than it was started with.
    pub fn opens_files(&self) -> bool {
        !matches!(self.command, Command::Completions(_) | Command::Man(_))
    }

    /// Enters the namespace asked for. To be called before any thread is started.
    pub fn enter_namespace(&self) -> Result<()> {
        match &self.global.namespace {
            Some(name) => {
                require_root("-n")?;
                NetNs::open(name)?.enter()
            }
            None => Ok(()),
        }
    }

    /// Runs the command.
    pub async fn run(self) -> Result<ExitCode> {
        let global = self.global;
        match self.command {
            Command::Attach(command) => command.run(&global).await,
            Command::Detach(command) => command.run(&global).await,
            Command::Limit(command) => command.run(&global).await,
            Command::Network(command) => command.run(&global).await,
            Command::Sandbox(command) => command.run(&global).await,
            Command::Connect(command) => command.run(&global).await,
            Command::Disconnect(command) => command.run(&global).await,
            Command::Config(command) => command.run(&global).await,
            Command::Ls(command) => command.run(&global).await,
            Command::Show(command) => command.run(&global).await,
            Command::Stats(command) => command.run(&global).await,
            Command::Doctor(command) => command.run(&global).await,
            Command::Reconcile(command) => command.run(&global).await,
            Command::Upgrade(command) => command.run(&global).await,
            Command::Reset(command) => command.run(&global).await,
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
            Command::Hold => expedite::hold().await.map(|()| ExitCode::SUCCESS),
        }
    }
}

impl Global {
    fn directories(&self) -> Directories {
        Directories { state: self.state_dir.clone(), bpffs: self.bpffs_dir.clone() }
    }
}

/// A line beside the result: something to know, not an error.
fn note(text: &str) {
    output::tell(text);
}

/// So many interfaces, in words.
fn interfaces(count: usize) -> String {
    if count == 1 { "1 interface".to_owned() } else { format!("{count} interfaces") }
}

/// Says which attachments were found gone, and what to do.
fn note_departed(departed: &[Attachment]) {
    const FEW: usize = 5;
    for row in departed.iter().take(FEW) {
        note(&departure(row));
    }
    if departed.len() > FEW {
        note(&format!("{} more interfaces are gone, and their limits with them", departed.len() - FEW));
    }
}
