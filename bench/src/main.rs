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
    let done = interrupt::catch().and_then(|()| match Arguments::parse().scenario {
        Scenario::Attach(attach) => attach.run(),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dpbench: {error:#}");
            if interrupt::check().is_err() { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}
