//! `dpctl stats [--watch]`

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use dataplane_common::counters::Counters;
use dataplane_common::direction::Direction;

use super::ls::{named_now, words};
use super::output::{Pace, StatsRow, json, print, print_on};
use super::table::{Align, Table};
use super::{Format, Global, note, note_departed};
use crate::attachment::{Attachment, Role};
use crate::error::{Error, Result};
use crate::select;
use crate::session::{Session, departure};
use crate::settle;

/// Shows packets, bytes and drops, per direction
///
/// Bytes are counted as limits count them: whole Ethernet frames, a large packet as the frames
/// that it becomes. EARLY: dropped at random, since the backlog was past burst + half of rate x
/// latency. FULL: dropped, since it was past burst + rate x latency. REFUSED: dropped, since an
/// endpoint may not send it, or nobody may have it.
#[derive(Debug, Args)]
pub struct Stats {
    /// Interfaces; all if none is named
    #[arg(value_name = "IFACE")]
    interfaces: Vec<String>,
    /// Print them every second, with the rates of that second, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Why packets of endpoints were refused since the programs were loaded, for the whole host
    #[arg(long, conflicts_with_all = ["watch", "interfaces"])]
    reasons: bool,
    /// Stop after N rounds of --watch
    #[arg(long, value_name = "N", requires = "watch")]
    count: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Reason {
    reason: &'static str,
    packets: u64,
}

fn print_reasons(session: &Session, global: &Global) -> Result<ExitCode> {
    let refused = match &session.datapath {
        Some(datapath) => datapath.tables.refused()?,
        None => Vec::new(),
    };
    let rows: Vec<Reason> =
        refused.iter().map(|(reason, packets)| Reason { reason: reason.name(), packets: *packets }).collect();
    print(&match global.output {
        Format::Json => json(&rows)?,
        Format::Table => {
            let mut table = Table::new(&[("REASON", Align::Left), ("PACKETS", Align::Right)]);
            for row in &rows {
                table.row([row.reason.to_owned(), row.packets.to_string()]);
            }
            table.render(global.color)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

const ROUND: Duration = Duration::from_secs(1);

impl Stats {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        select::check_names(&self.interfaces)?;
        let Some(session) = Session::look(&global.directories(), "stats").await? else {
            return self.nothing(global);
        };
        note_departed(&session.departed);
        if self.reasons {
            return print_reasons(&session, global);
        }
        let rows = match self.interfaces.as_slice() {
            [] => named_now(&session, &session.netlink.devices().await?)?,
            names => session.attachments_of(names).await?,
        };
        let first = Reading::take(&session, rows)?;
        if self.watch {
            self.watch(&session, global, first).await?;
        } else {
            print(&first.render(global, None)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Named interfaces are followed by their attachments, so a new name changes nothing.
    async fn watch(&self, session: &Session, global: &Global, first: Reading) -> Result<()> {
        let asked: HashSet<Key> = first.rows.iter().map(|(row, _)| key(row)).collect();
        let mut last = first;
        let mut gone = HashSet::new();
        let mut rounds = self.count;
        let mut clock = tokio::time::interval(ROUND);
        clock.tick().await;
        while rounds != Some(0) {
            tokio::select! {
                _ = clock.tick() => {}
                _ = tokio::signal::ctrl_c() => break,
            }
            let devices = session.netlink.devices().await?;
            let rows = named_now(session, &devices)?;
            let (mut rows, departed) = settle::present(session, rows, devices).await?;
            if !self.interfaces.is_empty() {
                rows.retain(|row| asked.contains(&key(row)));
            }
            let now = Reading::take(session, rows)?;
            for words in last.missing_in(&now, &departed) {
                if gone.insert(words.clone()) {
                    note(&words);
                }
            }
            if !self.interfaces.is_empty() && now.rows.is_empty() {
                return Err(Error::NoneLeft);
            }
            // Home, and clear what a longer table left.
            let on_screen = global.output == Format::Table && std::io::stdout().is_terminal();
            let home = if on_screen { "\x1b[H\x1b[J" } else { "" };
            if !print_on(&format!("{home}{}", now.render(global, Some(&last))?))? {
                break;
            }
            last = now;
            rounds = rounds.map(|rounds| rounds - 1);
        }
        Ok(())
    }

    fn nothing(&self, global: &Global) -> Result<ExitCode> {
        if !self.interfaces.is_empty() {
            return Err(Error::nothing_attached(self.interfaces.first()));
        }
        match global.output {
            Format::Json => print(&json(&[] as &[StatsRow])?)?,
            Format::Table => note("nothing is attached, so nothing is counted"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What an attachment is followed by: slots are used again.
type Key = (u32, u32);

fn key(row: &Attachment) -> Key {
    (row.slot, row.ifindex)
}

/// All counters at one moment.
struct Reading {
    at: Instant,
    rows: Vec<(Attachment, [Counters; 2])>,
}

impl Reading {
    fn take(session: &Session, attachments: Vec<Attachment>) -> Result<Self> {
        let at = Instant::now();
        let mut rows = Vec::with_capacity(attachments.len());
        for attachment in attachments {
            if let Some(datapath) = &session.datapath {
                let counters = datapath.tables.counters(attachment.slot)?;
                rows.push((attachment, counters));
            }
        }
        Ok(Self { at, rows })
    }

    /// What to say of those that are here and not in a later reading.
    fn missing_in(&self, later: &Self, departed: &[Attachment]) -> Vec<String> {
        let left: HashSet<_> = later.rows.iter().map(|(row, _)| key(row)).collect();
        let departed: HashSet<_> = departed.iter().map(key).collect();
        let missing = self.rows.iter().map(|(row, _)| row).filter(|row| !left.contains(&key(row)));
        let words = missing.map(|row| {
            // A command that has settled meanwhile has said so.
            if departed.contains(&key(row)) {
                departure(row)
            } else {
                format!("{}: not attached any more", row.interface)
            }
        });
        words.collect()
    }

    fn render(&self, global: &Global, before: Option<&Self>) -> Result<String> {
        let paces = before.map(|before| self.paces(before)).unwrap_or_default();
        match global.output {
            Format::Json => {
                let row = |(attachment, counters): &(Attachment, [Counters; 2])| {
                    let pace = paces.get(&key(attachment)).copied().map_or([None; 2], |pace| pace.map(Some));
                    StatsRow::new(attachment, *counters, pace)
                };
                json(&self.rows.iter().map(row).collect::<Vec<_>>())
            }
            Format::Table => Ok(self.table(&paces, before.is_some()).render(global.color)),
        }
    }

    fn paces(&self, before: &Self) -> HashMap<Key, [Pace; 2]> {
        let seconds = (self.at - before.at).as_secs_f64().max(0.001);
        let old: HashMap<Key, &[Counters; 2]> = before.rows.iter().map(|(row, c)| (key(row), c)).collect();
        let pace = |now: &Counters, old: &Counters| Pace {
            packets_per_s: precise(now.packets.saturating_sub(old.packets)) / seconds,
            bits_per_s: precise(now.bytes.saturating_sub(old.bytes)) * 8.0 / seconds,
        };
        let rows = self.rows.iter().filter_map(|(row, now)| Some((key(row), now, *old.get(&key(row))?)));
        rows.map(|(key, now, old)| (key, [pace(&now[0], &old[0]), pace(&now[1], &old[1])])).collect()
    }

    fn table(&self, paces: &HashMap<Key, [Pace; 2]>, watch: bool) -> Table {
        let mut columns = vec![("INTERFACE", Align::Left), ("DIRECTION", Align::Left)];
        if watch {
            columns.extend([("BIT/S", Align::Right), ("PACKETS/S", Align::Right)]);
        }
        columns.extend([("PACKETS", Align::Right), ("BYTES", Align::Right)]);
        columns.extend([("EARLY", Align::Right), ("FULL", Align::Right)]);
        let has_endpoints = self.rows.iter().any(|(row, _)| row.role == Role::Endpoint);
        columns.extend(has_endpoints.then_some(("REFUSED", Align::Right)));
        let mut table = Table::new(&columns);
        for (attachment, counters) in &self.rows {
            for direction in Direction::ALL {
                let first = direction == Direction::FromContainer;
                let name = if first { attachment.interface.clone() } else { String::new() };
                let mut cells = vec![name, words(direction).to_owned()];
                if watch {
                    let pace = paces.get(&key(attachment)).map(|pace| pace[direction.index()]);
                    cells.push(pace.map_or("-".to_owned(), |pace| scaled(pace.bits_per_s)));
                    cells.push(pace.map_or("-".to_owned(), |pace| scaled(pace.packets_per_s)));
                }
                let c = counters[direction.index()];
                cells.extend([c.packets, c.bytes, c.dropped_early, c.dropped_full].map(|n| n.to_string()));
                cells.extend(has_endpoints.then(|| c.dropped_refused.to_string()));
                table.row(cells);
            }
        }
        table
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; 52 bits are plenty")]
fn precise(count: u64) -> f64 {
    count as f64
}

/// Three digits and k, M, G or T.
fn scaled(value: f64) -> String {
    let (mut value, mut prefix) = (value, "");
    for next in ["k", "M", "G", "T"] {
        if value < 999.5 {
            break;
        }
        (value, prefix) = (value / 1000.0, next);
    }
    if prefix.is_empty() || value >= 99.95 {
        format!("{value:.0}{prefix}")
    } else {
        format!("{value:.1}{prefix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (999.6, "1.0k"),
            (128_000.0, "128k"),
            (1.5e6, "1.5M"),
            (99.96e9, "100G"),
        ] {
            assert_eq!(scaled(value), text);
        }
    }
}
