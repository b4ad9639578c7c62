//! `dpctl ls`

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use dataplane_common::direction::Direction;
use dataplane_common::limit::Shape;

use super::networks::{EndpointOut, endpoints_out};
use super::output::{AttachmentRow, json, print};
use super::table::{Align, Table};
use super::{Color, Format, Global, note, note_departed};
use crate::attachment::{Attachment, Role};
use crate::error::Result;
use crate::hook;
use crate::netlink::Device;
use crate::session::Session;

/// Lists endpoints and attachments: who is who, with the limits in force
///
/// A limit goes with its interface: what disappeared since the last command is named once, on
/// standard error, with what to run for the container's new veth.
#[derive(Debug, Args)]
pub struct Ls {}

impl Ls {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let (rows, endpoints) = match Session::look(&global.directories(), "ls").await? {
            Some(session) => {
                note_departed(&session.departed);
                let rows = named_now(&session, &session.netlink.devices().await?)?;
                // While another command attaches or detaches, hooks come and go.
                if session.is_settled {
                    note_lost(&rows, &hook::lost(&session.instance, &session.netlink, &rows).await?);
                }
                let endpoints = endpoints_out(&session)?;
                note_lost_endpoints(&endpoints);
                (rows, endpoints)
            }
            None => (Vec::new(), Vec::new()),
        };
        match global.output {
            Format::Json => print(&json(&merged(&rows, &endpoints))?)?,
            Format::Table if rows.is_empty() && endpoints.is_empty() => {
                note("nothing is attached; dpctl attach --rate 128kbit IFACE does it");
            }
            Format::Table => {
                let plain: Vec<&Attachment> = rows.iter().filter(|row| row.role == Role::Plain).collect();
                let mut text = String::new();
                if !endpoints.is_empty() {
                    text.push_str(&endpoint_table(&endpoints).render(global.color));
                }
                if !plain.is_empty() {
                    text.push_str(if endpoints.is_empty() { "" } else { "\n" });
                    text.push_str(&table(&plain).render(global.color));
                }
                print(&text)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A row of the listing. An endpoint's has all that an attachment's has.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Row<'e> {
    Endpoint(&'e EndpointOut),
    Attachment(AttachmentRow),
}

/// Endpoints, then the attachments of others' interfaces.
fn merged<'e>(rows: &[Attachment], endpoints: &'e [EndpointOut]) -> Vec<Row<'e>> {
    let plain = rows.iter().filter(|row| row.role == Role::Plain);
    let plain = plain.map(|row| Row::Attachment(AttachmentRow::new(row)));
    endpoints.iter().map(Row::Endpoint).chain(plain).collect()
}

/// An endpoint whose veth somebody has deleted is made anew by `reconcile`, and by nothing else.
fn note_lost_endpoints(endpoints: &[EndpointOut]) {
    let mut lost = endpoints.iter().filter(|endpoint| endpoint.state == "lost");
    let Some(first) = lost.next() else { return };
    let others = lost.count();
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    note(&format!("{}/{}{more}: the interface is gone; run: dpctl reconcile", first.network, first.sandbox));
}

fn endpoint_table(endpoints: &[EndpointOut]) -> Table {
    let mut table = Table::new(&[
        ("ENDPOINT", Align::Left),
        ("INTERFACE", Align::Left),
        ("ADDRESS", Align::Left),
        ("MAC", Align::Left),
        ("FROM", Align::Right),
        ("TO", Align::Right),
    ]);
    for endpoint in endpoints {
        let [from, to] = endpoint.rates();
        let none = || "-".to_owned();
        let mut addresses = endpoint.addresses.iter();
        table.row([
            format!("{}/{}", endpoint.network, endpoint.sandbox),
            endpoint.interface.clone().unwrap_or_else(none),
            addresses.next().cloned().unwrap_or_else(none),
            endpoint.mac.clone().unwrap_or_else(none),
            from,
            to,
        ]);
        for address in addresses {
            let empty = String::new;
            table.row([empty(), empty(), address.clone(), empty(), empty(), empty()]);
        }
    }
    table
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
        Format::Table => Ok(table(&rows.iter().collect::<Vec<_>>()).render(color)),
    }
}

fn table(rows: &[&Attachment]) -> Table {
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
