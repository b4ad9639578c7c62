//! `dpctl ls`

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use clap::Args;

use dataplane_common::direction::Direction;
use dataplane_common::limit::Shape;

use super::output::{AttachmentRow, json, print};
use super::table::{Align, Table};
use super::{Color, Format, Global, note, note_departed};
use crate::attachment::Attachment;
use crate::error::Result;
use crate::hook;
use crate::netlink::Device;
use crate::session::Session;

/// Lists the attachments with the limits in force
///
/// A limit goes with its interface: what disappeared since the last command is named once, on
/// standard error, with what to run for the container's new veth.
#[derive(Debug, Args)]
pub struct Ls {}

impl Ls {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let rows = match Session::look(&global.directories(), "ls").await? {
            Some(session) => {
                note_departed(&session.departed);
                let rows = named_now(&session, &session.netlink.devices().await?)?;
                // While another command attaches or detaches, hooks come and go.
                if session.is_settled {
                    note_lost(&rows, &hook::lost(&session.instance, &session.netlink, &rows).await?);
                }
                rows
            }
            None => Vec::new(),
        };
        if rows.is_empty() && global.output == Format::Table {
            note("nothing is attached; dpctl attach --rate 128kbit IFACE does it");
        } else {
            print(&render(&rows, global.output, global.color)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A limit that was set is not in force where somebody has removed a hook.
fn note_lost(rows: &[Attachment], lost: &HashSet<u32>) {
    let mut names = rows.iter().filter(|row| lost.contains(&row.slot)).map(|row| row.interface.as_str());
    let Some(first) = names.next() else { return };
    let others = names.count();
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    note(&format!("{first}{more}: not in force, since hooks are missing; run: dpctl reconcile"));
}

/// The attachments under the names that their interfaces have now, sorted by them.
pub(super) fn named_now(session: &Session, devices: &[Device]) -> Result<Vec<Attachment>> {
    let names: HashMap<u32, &str> =
        devices.iter().map(|device| (device.ifindex, device.name.as_str())).collect();
    let mut rows = session.store.attachments()?;
    for row in &mut rows {
        if let Some(name) = names.get(&row.ifindex) {
            row.interface = (*name).to_owned();
        }
    }
    rows.sort_by(|a, b| a.interface.cmp(&b.interface));
    Ok(rows)
}

/// Attachments as a table or as JSON.
pub(super) fn render(rows: &[Attachment], format: Format, color: Color) -> Result<String> {
    match format {
        Format::Json => json(&rows.iter().map(AttachmentRow::new).collect::<Vec<_>>()),
        Format::Table => Ok(table(rows).render(color)),
    }
}

fn table(rows: &[Attachment]) -> Table {
    let mut table = Table::new(&[
        ("INTERFACE", Align::Left),
        ("DIRECTION", Align::Left),
        ("RATE", Align::Right),
        ("BURST", Align::Right),
        ("LATENCY", Align::Right),
        ("HOOK", Align::Left),
    ]);
    for row in rows {
        let [from, to] = Direction::ALL.map(|direction| row.limits.of(direction));
        let name = row.interface.clone();
        let hook = row.hook.name().to_owned();
        if from == to {
            table.row(cells(name, "both", from, hook));
        } else {
            table.row(cells(name, words(Direction::FromContainer), from, hook));
            table.row(cells(String::new(), words(Direction::ToContainer), to, String::new()));
        }
    }
    table
}

fn cells(name: String, direction: &str, shape: Option<Shape>, hook: String) -> [String; 6] {
    let [rate, burst, latency] = match shape {
        Some(shape) => [shape.rate.to_string(), shape.burst.to_string(), shape.latency.to_string()],
        None => ["no limit".to_owned(), "-".to_owned(), "-".to_owned()],
    };
    [name, direction.to_owned(), rate, burst, latency, hook]
}

/// A direction for people.
pub(super) fn words(direction: Direction) -> &'static str {
    match direction {
        Direction::FromContainer => "from container",
        Direction::ToContainer => "to container",
    }
}
