//! The scenario `attach`: what it costs to attach, and what the limit does to packets and flows.
//!
//! Four parts, each with its own namespaces and its own table, the short ones first.

mod goodput;
mod limiter;
mod mass;
mod packet;
mod pins;
mod progress;
mod single;
mod switch;
mod table;
mod udp;
mod veths;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use dataplane_common::direction::Direction;
use serde_json::json;

use crate::attach::progress::Progress;
use crate::attach::table::Table;
use crate::instance::sweep;
use crate::interrupt;
use crate::lookup;
use crate::machine::Machine;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// One part alone
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Veths of the part `mass`
    #[arg(long, value_name = "N", default_value_if("quick", "true", "2000"), default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(100..=16_000))]
    veths: u32,
    /// Seconds that each TCP measurement takes
    #[arg(long, value_name = "S", default_value_if("quick", "true", "5"), default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Fewer veths, seconds, rates and rounds: whether it works, not what it costs
    #[arg(long)]
    quick: bool,
    /// How the result is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs: one JSON object
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A packet through the programs
    Packet,
    /// One veth, attached in every way
    Single,
    /// Thousands of veths in one command
    Mass,
    /// TCP and UDP through a limit
    Goodput,
}

/// What is meant.
#[derive(Clone, Copy, Debug)]
struct Plan {
    veths: u32,
    window: Duration,
    quick: bool,
}

impl Part {
    const ALL: [Self; 4] = [Self::Packet, Self::Single, Self::Mass, Self::Goodput];

    /// About how long it takes.
    fn estimate(self, plan: &Plan) -> Duration {
        match self {
            Self::Packet => packet::estimate(plan),
            Self::Single => single::estimate(plan),
            Self::Mass => mass::estimate(plan),
            Self::Goodput => goodput::estimate(plan) + udp::estimate(plan),
        }
    }

    fn run(self, plan: &Plan, progress: &mut Progress) -> Result<Vec<Table>> {
        Ok(match self {
            Self::Packet => vec![packet::run(plan, progress)?],
            Self::Single => vec![single::run(plan, progress)?],
            Self::Mass => vec![mass::run(plan, progress)?],
            Self::Goodput => vec![goodput::run(plan, progress)?, udp::run(plan, progress)?],
        })
    }
}

impl Attach {
    pub(crate) fn run(&self) -> Result<()> {
        ensure!(rustix::process::geteuid().is_root(), "measuring makes network namespaces: run it as root");
        let plan = Plan { veths: self.veths, window: Duration::from_secs(self.seconds), quick: self.quick };
        let parts: Vec<Part> =
            Part::ALL.into_iter().filter(|part| self.only.is_none_or(|only| only == *part)).collect();
        let dpctl = lookup::dpctl()?;
        sweep();
        let machine = Machine::look(&dpctl);
        let people = self.output == Format::Table;
        if people {
            print!("{machine}");
        }
        let mut progress = Progress::new(parts.iter().map(|part| part.estimate(&plan)).sum());
        let mut tables = Vec::new();
        for part in parts {
            interrupt::check()?;
            for table in part.run(&plan, &mut progress)? {
                if people {
                    print!("{table}");
                }
                tables.push(table);
            }
        }
        if !people {
            let parts: Vec<_> = tables.iter().map(Table::json).collect();
            println!("{:#}", json!({ "machine": machine.json(), "quick": plan.quick, "parts": parts }));
        }
        Ok(())
    }
}

/// As people say it.
fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::FromContainer => "from container",
        Direction::ToContainer => "to container",
    }
}

/// `10 Mbit`, of a round number of bits a second.
fn rate(bits_per_s: u64) -> String {
    match bits_per_s {
        ..1_000_000 => format!("{} kbit", bits_per_s / 1000),
        1_000_000..1_000_000_000 => format!("{} Mbit", bits_per_s / 1_000_000),
        1_000_000_000.. => format!("{} Gbit", bits_per_s / 1_000_000_000),
    }
}
