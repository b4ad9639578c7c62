//! The `dpctl` command: logging, parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use dataplane::cli::Cli;
use dataplane::cli::output::{print, tell};
use dataplane::error::Error;

const USAGE: u8 = 2;
const REST: u8 = 1;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("DPCTL_LOG").unwrap_or_else(|_unset| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let done = cli.enter_namespace().and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::Io { call: "start a runtime".to_owned(), source })?;
        runtime.block_on(cli.run())
    });
    done.unwrap_or_else(|error| fail(&error))
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
    if error.kind() == ErrorKind::MissingSubcommand
        || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    {
        tell("which command? dpctl --help lists them");
        return ExitCode::from(USAGE);
    }
    let text = error.to_string();
    let complaint = text.split("\n\n").next().unwrap_or(&text);
    let words: Vec<&str> = complaint.split_whitespace().collect();
    let complaint = words.join(" ");
    let complaint = complaint.trim_start_matches("error: ");
    // A bad value says itself what is expected.
    let bad_value = matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue);
    let hint = if bad_value { "" } else { "; dpctl --help lists commands and options" };
    tell(&format!("{complaint}{hint}"));
    ExitCode::from(USAGE)
}
