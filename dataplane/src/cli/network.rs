//! `dpctl network create|rm|ls|inspect|set`

use std::net::IpAddr;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use ipnetwork::IpNetwork;

use super::networks::{NetworkOut, network_out};
use super::output::{json, print};
use super::table::{Align, Table};
use super::{Format, Global, note, note_departed};
use crate::error::{Error, Result};
use crate::name::Name;
use crate::network::{Kind, Request};
use crate::networks::{self, Change};
use crate::refused::Refused;
use crate::session::Session;
use crate::store::NetworkRow;

/// Makes, lists and removes networks
#[derive(Debug, Args)]
pub struct NetworkCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(Create),
    Rm(Rm),
    Ls(Ls),
    Inspect(Inspect),
    Set(Set),
}

/// Makes a network
///
/// Endpoints of one network reach each other, their gateway and the host; endpoints of different
/// networks do not.
#[derive(Debug, Args)]
struct Create {
    /// Its name: a-z, 0-9, `_`, `.` and `-`
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is made of
    #[arg(long, value_enum, default_value_t = KindChoice::Bridge)]
    kind: KindChoice,
    /// Its addresses, one subnet of each family [default: the next free one of the pools]
    #[arg(long, value_name = "CIDR")]
    subnet: Vec<IpNetwork>,
    /// The host's address in it [default: the first]
    #[arg(long, value_name = "IP")]
    gateway: Vec<IpAddr>,
    /// The part of a subnet that addresses are given out from [default: all of it]
    #[arg(long, value_name = "CIDR")]
    ip_range: Vec<IpNetwork>,
    /// Keeps an address for the sandbox of this name
    #[arg(long, value_name = "NAME=IP", value_parser = reservation)]
    reserve: Vec<(Name, IpAddr)>,
    /// Of its links: bytes, or auto for that of the uplink
    #[arg(long, value_name = "BYTES", default_value = "auto", value_parser = mtu)]
    mtu: MtuChoice,
    /// Whether its endpoints may talk to each other [default: on]
    #[arg(long, value_enum)]
    icc: Option<Switch>,
    /// Nothing beyond the network and its gateway
    #[arg(long)]
    internal: bool,
    /// A bridge that exists, instead of one of our own
    #[arg(long, value_name = "IFACE")]
    bridge: Option<String>,
    /// For your own use
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
}

/// Removes networks
#[derive(Debug, Args)]
struct Rm {
    /// Networks
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Disconnects their endpoints first
    #[arg(long)]
    force: bool,
}

/// Lists the networks
#[derive(Debug, Args)]
struct Ls {}

/// Shows all of networks, with their endpoints, as JSON
#[derive(Debug, Args)]
struct Inspect {
    /// Networks
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Changes a network in place; holds for the next packet
#[derive(Debug, Args)]
struct Set {
    /// The network
    #[arg(value_name = "NAME")]
    name: String,
    /// Whether its endpoints may talk to each other
    #[arg(long, value_enum)]
    icc: Option<Switch>,
    /// Whether there is nothing beyond the network and its gateway
    #[arg(long, value_enum)]
    internal: Option<Switch>,
    /// Sets a label
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindChoice {
    /// A Linux bridge, with our programs between its ports
    Bridge,
    /// No bridge: a point-to-point link for each endpoint, and no limit of 1,023 of them
    Routed,
    /// The host's own network
    Host,
    /// Loopback alone
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug)]
enum MtuChoice {
    Auto,
    Bytes(u32),
}

fn mtu(text: &str) -> Result<MtuChoice, &'static str> {
    match text {
        "auto" => Ok(MtuChoice::Auto),
        text => text.parse().map(MtuChoice::Bytes).map_err(|_wrong| "a number of bytes, or auto"),
    }
}

fn reservation(text: &str) -> Result<(Name, IpAddr), String> {
    let (name, address) = text.split_once('=').ok_or("write it as NAME=IP")?;
    let name = name.parse().map_err(|why: crate::name::NotAName| why.to_string())?;
    let address = address.parse().map_err(|_wrong| format!("{address}: not an address"))?;
    Ok((name, address))
}

pub(super) fn label(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    if key.is_empty() {
        return Err("a label has a key");
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// A name as typed.
pub(super) fn name(text: &str) -> Result<Name> {
    text.parse().map_err(|why| {
        let shown: String = text.chars().take(30).collect();
        Refused::Name { name: format!("'{}'", shown.escape_debug()), why }.into()
    })
}

/// A network that is there.
pub(super) fn known(session: &Session, name: &str) -> Result<NetworkRow> {
    session.store.network(name)?.ok_or_else(|| none(name))
}

fn none(name: &str) -> Error {
    Refused::None { name: name.to_owned(), kind: "network" }.into()
}

impl NetworkCommand {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        match self.action {
            Action::Create(command) => command.run(global).await,
            Action::Rm(command) => command.run(global).await,
            Action::Ls(Ls {}) => ls(global).await,
            Action::Inspect(command) => command.run(global).await,
            Action::Set(command) => command.run(global).await,
        }
    }
}

impl From<KindChoice> for Kind {
    fn from(kind: KindChoice) -> Self {
        match kind {
            KindChoice::Bridge => Self::Bridge,
            KindChoice::Routed => Self::Routed,
            KindChoice::Host => Self::Host,
            KindChoice::None => Self::None,
        }
    }
}

impl Create {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        let name = name(&self.name)?;
        let request = Request {
            subnets: self.subnet,
            gateways: self.gateway,
            ranges: self.ip_range,
            reserved: self.reserve,
            mtu: match self.mtu {
                MtuChoice::Auto => None,
                MtuChoice::Bytes(bytes) => Some(bytes),
            },
            icc: self.icc.map(|icc| icc == Switch::On),
            internal: self.internal,
            bridge: self.bridge,
            labels: self.label.into_iter().collect(),
        };
        // What contradicts itself is refused before anything is made.
        let judged = request.judge(&name, self.kind.into());
        judged.map_err(|why| Refused::Network { name: name.to_string(), why })?;
        let mut session = Session::change_few(&global.directories(), "network create").await?;
        match networks::create(&mut session, name, self.kind.into(), request).await {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(session.give_up(error)),
        }
    }
}

impl Rm {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        let Some(mut session) = Session::existing(&global.directories(), "network rm").await? else {
            return Err(self.names.first().map_or(Error::NothingAttached, |name| none(name)));
        };
        note_departed(&session.departed);
        let rows = self.names.iter().map(|name| known(&session, name)).collect::<Result<Vec<_>>>()?;
        for row in &rows {
            let endpoints = session.store.endpoints_of_network(row.network.index)?;
            if !endpoints.is_empty() && !self.force {
                let few: Vec<String> = endpoints.iter().take(3).map(|one| one.sandbox.to_string()).collect();
                let more = endpoints.len() - few.len();
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                let users = format!("{}{more}", few.join(", "));
                return Err(Refused::InUse { name: row.network.name.to_string(), users }.into());
            }
        }
        networks::remove(&mut session, &rows).await?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn ls(global: &Global) -> Result<ExitCode> {
    let rows = all(global).await?;
    match global.output {
        Format::Json => print(&json(&rows)?)?,
        Format::Table if rows.is_empty() => note("no networks; dpctl network create NAME makes one"),
        Format::Table => print(&table(&rows).render(global.color))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn all(global: &Global) -> Result<Vec<NetworkOut>> {
    let Some(session) = Session::look(&global.directories(), "network ls").await? else {
        return Ok(Vec::new());
    };
    note_departed(&session.departed);
    session.store.networks()?.iter().map(|row| network_out(&session, row)).collect()
}

fn table(rows: &[NetworkOut]) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("SUBNET", Align::Left),
        ("GATEWAY", Align::Left),
        ("ICC", Align::Left),
        ("ENDPOINTS", Align::Right),
    ]);
    for row in rows {
        let icc = if row.icc { "on" } else { "off" };
        let icc = if row.internal { format!("{icc}, internal") } else { icc.to_owned() };
        let first = row.subnets.first();
        let of = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
        table.row([
            row.name.clone(),
            row.kind.to_owned(),
            of(first.map(|subnet| &subnet.cidr)),
            of(first.map(|subnet| &subnet.gateway)),
            if row.subnets.is_empty() { "-".to_owned() } else { icc },
            row.endpoints.len().to_string(),
        ]);
        for more in row.subnets.iter().skip(1) {
            let none = String::new;
            table.row([none(), none(), more.cidr.clone(), more.gateway.clone(), none(), none()]);
        }
    }
    table
}

impl Inspect {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        let Some(session) = Session::look(&global.directories(), "network inspect").await? else {
            return Err(self.names.first().map_or(Error::NothingAttached, |name| none(name)));
        };
        let rows = self.names.iter().map(|name| network_out(&session, &known(&session, name)?));
        print(&json(&rows.collect::<Result<Vec<_>>>()?)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Set {
    async fn run(self, global: &Global) -> Result<ExitCode> {
        if self.icc.is_none() && self.internal.is_none() && self.label.is_empty() {
            return Err(Error::Usage(
                "network set: nothing to change; --icc, --internal or --label".to_owned(),
            ));
        }
        let Some(mut session) = Session::existing(&global.directories(), "network set").await? else {
            return Err(none(&self.name));
        };
        let row = known(&session, &self.name)?;
        let change = Change {
            icc: self.icc.map(|icc| icc == Switch::On),
            internal: self.internal.map(|internal| internal == Switch::On),
            labels: self.label.into_iter().collect(),
        };
        networks::set(&mut session, row, change).await?;
        Ok(ExitCode::SUCCESS)
    }
}
