//! `dpbench`: what packet paths cost, `dpctl`'s beside the kernel's own, measured in one run.
//!
//! The lab, in reading order: [`run`] (what was asked, what is kept), [`scenario`] (a question),
//! [`variant`] (who is compared), [`rounds`] (how often, in which order), [`results`].
//!
//! To follow `dpbench attach`, which holds `dpctl` to its promises, read [`attach`] (the parts, in
//! their order), one of its parts (what is compared), [`instance`] and [`rivals`] (who is
//! compared), [`measure`] (how often, and which number stands for all), its own `table`.

mod attach;
mod bed;
mod compare;
mod crowd;
mod effort;
mod flows;
mod folder;
mod input;
mod instance;
mod interrupt;
mod lab;
mod list;
mod load;
mod lookup;
mod machine;
mod measure;
mod names;
mod offers;
mod panics;
mod programs;
mod read;
mod report;
mod results;
mod rivals;
mod rounds;
mod run;
mod scenario;
mod skb;
mod stats;
mod stdout;
mod stolen;
mod strays;
mod sys;
mod test_runs;
mod usage;
mod variant;
mod view;

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
    Report(report::Report),
    /// List scenarios and variants, and what each needs
    List(list::List),
    /// Tell what changed beyond noise from one run to another
    Compare(compare::Compare),
    /// Attach and limit: a packet, one veth, thousands of veths, TCP and UDP through a limit
    Attach(attach::Attach),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::refuse(&error),
    };
    panics::hush();
    // Signals go to the main thread, so the system calls of this one are not cut short, which
    // the harness does not expect.
    let work = std::thread::spawn(move || {
        panics::caught(|| {
            interrupt::catch()?;
            match arguments.command {
                Command::Run(run) => run.run().map(|()| ExitCode::SUCCESS),
                Command::Report(report) => report.run().map(|()| ExitCode::SUCCESS),
                Command::List(list) => list.run().map(|()| ExitCode::SUCCESS),
                Command::Compare(compare) => compare.run(),
                Command::Attach(attach) => attach.run().map(|()| ExitCode::SUCCESS),
            }
        })
    });
    match work.join() {
        Ok(done) => done.unwrap_or_else(|error| usage::fail(&error)),
        // It is caught above, unless taking down panics as well.
        Err(_panic) => ExitCode::FAILURE,
    }
}
