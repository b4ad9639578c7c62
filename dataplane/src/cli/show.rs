//! `dpctl show veth123`

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use dataplane_common::counters::Counters;
use dataplane_common::direction::Direction;

use super::ls::words;
use super::output::{AttachmentRow, StatsRow, json, print};
use super::{Format, Global, note_departed};
use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::hook::{self, Found};
use crate::select;
use crate::session::Session;

/// Shows all there is to know of attachments
#[derive(Debug, Args)]
pub struct Show {
    /// Interfaces
    #[arg(value_name = "IFACE", required = true)]
    interfaces: Vec<String>,
}

/// One attachment with its counters and neighbours.
#[derive(Debug, Serialize)]
struct Detail {
    #[serde(flatten)]
    attachment: AttachmentRow,
    slot: u32,
    limiter: &'static str,
    counters: StatsRow,
    programs_from_container: Vec<u32>,
    programs_to_container: Vec<u32>,
    own_program_ids: Vec<u32>,
}

/// How limits are kept: later ones may pace as well.
const LIMITER: &str = "virtual queue with early random drop";

impl Show {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        select::check_names(&self.interfaces)?;
        let Some(session) = Session::look(&global.directories(), "show").await? else {
            return Err(Error::nothing_attached(self.interfaces.first()));
        };
        note_departed(&session.departed);
        let rows = session.attachments_of(&self.interfaces).await?;
        let mut details = Vec::new();
        let mut text = String::new();
        for row in &rows {
            let [from, to] = Direction::ALL;
            let programs = [
                hook::programs(&session.netlink, row, from).await?,
                hook::programs(&session.netlink, row, to).await?,
            ];
            let counters = match &session.datapath {
                Some(datapath) => datapath.tables.counters(row.slot)?,
                None => [Counters::default(); 2],
            };
            let own = session
                .datapath
                .as_ref()
                .map(|datapath| Direction::ALL.map(|d| datapath.program_id(row.role, d)));
            let mut is_outdated = [false; 2];
            for direction in Direction::ALL {
                if let Some(datapath) = &session.datapath {
                    let Session { instance, netlink, .. } = &session;
                    let found = hook::find(instance, netlink, datapath, row, direction).await?;
                    is_outdated[direction.index()] = found == Found::Outdated;
                }
            }
            text.push_str(&describe(row, counters, &programs, own, is_outdated));
            let [from, to] = programs;
            details.push(Detail {
                attachment: AttachmentRow::new(row),
                slot: row.slot,
                limiter: LIMITER,
                counters: StatsRow::new(row, counters, [None; 2]),
                programs_from_container: from,
                programs_to_container: to,
                own_program_ids: own.map(|own| own.to_vec()).unwrap_or_default(),
            });
        }
        print(&match global.output {
            Format::Json => json(&details)?,
            Format::Table => text,
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(
    row: &Attachment,
    counters: [Counters; 2],
    programs: &[Vec<u32>; 2],
    own: Option<[u32; 2]>,
    is_outdated: [bool; 2],
) -> String {
    let mut text = format!(
        "{}  ifindex {}  mac {}  hook {}\n  limiter  {LIMITER}\n",
        row.interface,
        row.ifindex,
        row.mac,
        row.hook.name()
    );
    for direction in Direction::ALL {
        let c = counters[direction.index()];
        let limit = row.limits.of(direction).map_or("no limit".to_owned(), |shape| {
            format!("rate {} burst {} latency {}", shape.rate, shape.burst, shape.latency)
        });
        let ids = programs[direction.index()].iter().map(|id| {
            let ours = own.is_some_and(|own| own[direction.index()] == *id);
            if ours { format!("{id} (ours)") } else { id.to_string() }
        });
        let mut ids = ids.collect::<Vec<_>>();
        if own.is_none_or(|own| !programs[direction.index()].contains(&own[direction.index()])) {
            let wrong =
                if is_outdated[direction.index()] { "ours is of another dpctl" } else { "ours missing" };
            ids.push(format!("{wrong}; run: dpctl reconcile"));
        }
        let ids = ids.join(", ");
        let written = write!(
            text,
            "  {}\n    limit     {limit}\n    passed    {} packets, {} bytes\n    dropped   {} early, {} full, {} bytes\n    programs  {}\n",
            words(direction),
            c.packets,
            c.bytes,
            c.dropped_early,
            c.dropped_full,
            c.dropped_bytes,
            ids,
        );
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }
    text
}
