//! `cargo xtask TASK`: everything that a person or the CI does in this tree, one module a task.

mod apt;
mod bench;
mod build;
mod command;
mod commit;
mod demo;
mod ebpf;
mod interrupt;
mod licences;
mod lint;
mod packages;
mod setup;
mod sources;
mod tally;
mod test;
#[cfg(test)]
mod tidy;
mod toolchain;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Set-up, build, test and measure dataplane",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing on this machine (Debian 12)
    Setup {
        /// Also Docker, Podman and the other tools that tests compare with
        #[arg(long)]
        peers: bool,
    },
    /// Build the eBPF object and target/release/dpctl
    Build,
    /// Check form, lints, licences and documentation
    Lint,
    /// Build, then run the unit tests and, as root, the kernel tests
    Test {
        /// Everything in its full length; the summary goes to tests/runs/
        #[arg(long)]
        full: bool,
        /// Parts of test names
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Build, then run the kernel tests on Debian's kernels, under QEMU
    Vm {
        /// Every test on this one; without it the usual ones, and the tests that take five minutes
        #[arg(long)]
        kernel: Option<vm::Choice>,
        /// Parts of test names
        #[arg(value_name = "FILTER", last = true)]
        filters: Vec<String>,
    },
    /// Build, then limit a veth and show what comes through
    Demo,
    /// Build, then measure: all scenarios, kept in target/bench, or what is named
    Bench {
        /// A command of dpbench with its own arguments; options alone are those of `run`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup { peers } => setup::run(peers),
        Task::Build => build::run(),
        Task::Lint => lint::run(),
        Task::Test { full, filters } => test::run(full, &filters),
        Task::Vm { kernel, filters } => vm::run(kernel, &filters),
        Task::Demo => demo::run(),
        Task::Bench { arguments } => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, the causes behind colons; never a backtrace.
            eprintln!("error: {error:#}");
            if interrupt::check().is_err() { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}
