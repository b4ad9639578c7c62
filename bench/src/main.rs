//! `dpbench SCENARIO`: what `dpctl` costs, beside the kernel's own ways, measured in one run.
//!
//! To follow one measurement read [`attach`] (the parts, in their order), one of its parts
//! (what is compared), [`lab`] and [`rivals`] (who is compared), [`measure`] (how often, and
//! which number stands for all), [`report`] (the table).

mod attach;
mod bed;
mod crowd;
mod figures;
mod flows;
mod instance;
mod interrupt;
mod load;
mod machine;
mod markup;
mod measure;
mod offers;
mod page;
mod pins;
mod plot;
mod programs;
mod progress;
mod remarks;
mod report;
mod results;
mod retell;
mod rivals;
mod rounds;
mod run;
mod scenario;
mod skb;
#[cfg(test)]
mod specimen;
mod stats;
mod stolen;
mod summary;
mod switch;
mod sys;
mod test_runs;
mod variant;
mod view;
mod wording;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures dpctl against the kernel's own ways, in namespaces of its own
#[derive(Parser)]
#[command(name = "dpbench", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure scenarios over variants, and keep what came of it
    Run(run::Run),
    /// Tell again what a run found: a table, a page, plots
    Report(retell::Report),
    /// Attach and limit: a packet, one veth, thousands of veths, TCP and UDP through a limit
    Attach(attach::Attach),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Signals go to the main thread, so the system calls of this one are not cut short, which
    // the harness does not expect.
    let work = std::thread::spawn(move || {
        interrupt::catch().and_then(|()| match arguments.command {
            Command::Run(run) => run.run(),
            Command::Report(report) => report.run(),
            Command::Attach(attach) => attach.run(),
        })
    });
    match work.join() {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("dpbench: {error:#}");
            if interrupt::check().is_err() { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
        // The harness panics where a test would fail; it has said why.
        Err(_panic) => ExitCode::FAILURE,
    }
}

/// As a shell says it of a command that SIGINT ended.
const INTERRUPTED: u8 = 130;
