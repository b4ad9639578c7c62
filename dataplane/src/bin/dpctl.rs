//! The `dpctl` command: logging, parse, run, exit code.

use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use dataplane::cli::Cli;
use dataplane::cli::output::{print, tell};
use dataplane::descriptors;
use dataplane::error::Error;

const USAGE: u8 = 2;
const REST: u8 = 1;

fn main() -> ExitCode {
    panic::set_hook(Box::new(give_up));
    panic::catch_unwind(run).unwrap_or_else(|_told| ExitCode::from(REST))
}

fn run() -> ExitCode {
    let filter = EnvFilter::try_from_env("DPCTL_LOG").unwrap_or_else(|_unset| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let files = if cli.opens_files() { descriptors::ensure() } else { Ok(()) };
    let done = files.and_then(|()| cli.enter_namespace()).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::Io { call: "start a runtime".to_owned(), source })?;
        runtime.block_on(cli.run())
    });
    done.unwrap_or_else(|error| fail(&error))
}

/// A bug of ours: one line, and the next command settles what this one leaves.
fn give_up(panic: &PanicHookInfo<'_>) {
    let text = panic.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    tell(&format!("{}; this is a bug of dpctl: please report it", words.join(" ")));
}

fn fail(error: &Error) -> ExitCode {
    tell(&error.to_string());
    ExitCode::from(error.exit_code().max(REST))
}

/// Help goes out as it is; a complaint becomes one line.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match print(&error.render().to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        };
    }
    let text = error.to_string();
    let command = command_of(&text);
    if error.kind() == ErrorKind::MissingSubcommand
        || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        tell(&format!("which command? {command} --help lists them"));
        return ExitCode::from(USAGE);
    }
    let complaint = text.split("\n\n").next().unwrap_or(&text);
    let words: Vec<&str> = complaint.split_whitespace().collect();
    let complaint = words.join(" ");
    let complaint = complaint.trim_start_matches("error: ");
    // A bad value says itself what is expected.
    let bad_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    let lists = if command == "dpctl" { "commands and options" } else { "what it takes" };
    let hint = if bad_value { String::new() } else { format!("; {command} --help lists {lists}") };
    tell(&format!("{complaint}{hint}"));
    ExitCode::from(USAGE)
}

/// The command that a complaint is about, by the usage that clap adds: `dpctl limit set`.
fn command_of(text: &str) -> String {
    let usage = text.lines().find_map(|line| line.trim_start().strip_prefix("Usage: ")).unwrap_or("dpctl");
    let is_command = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
    usage.split(' ').take_while(is_command).collect::<Vec<_>>().join(" ")
}
