//! `dpbench SCENARIO`: what `dpctl` costs, beside the kernel's own ways, measured in one run.
//!
//! To follow one measurement read [`attach`] (the parts, in their order), one of its parts
//! (what is compared), [`lab`] and [`rivals`] (who is compared), [`measure`] (how often, and
//! which number stands for all), [`report`] (the table).

mod attach;
mod flows;
mod interrupt;
mod lab;
mod machine;
mod measure;
mod pins;
mod programs;
mod progress;
mod report;
mod rivals;
mod switch;
mod sys;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures dpctl against the kernel's own ways, in namespaces of its own
#[derive(Parser)]
#[command(name = "dpbench", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Attach and limit: a packet, one veth, thousands of veths, TCP and UDP through a limit
    Attach(attach::Attach),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Signals go to the main thread, so the system calls of this one are not cut short, which
    // the harness does not expect.
    let work = std::thread::spawn(move || {
        interrupt::catch().and_then(|()| match arguments.scenario {
            Scenario::Attach(attach) => attach.run(),
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
