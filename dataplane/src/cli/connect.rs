//! `dpctl connect NETWORK SANDBOX`, `dpctl disconnect NETWORK SANDBOX`

use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;

use dataplane_common::address::Mac;

use super::limit_options::{LimitOptions, NOTATION};
use super::network::{self, label};
use super::{Global, note_departed, sandbox};
use crate::attachment::Limits;
use crate::connect::{Request, connect};
use crate::disconnect::disconnect;
use crate::error::{Error, Result};
use crate::refused::Refused;
use crate::session::Session;

/// Connects a sandbox to a network
///
/// A sandbox can be on several networks. The default route of the first one wins, unless a later
/// one is connected with --default-route or a lower --metric.
#[derive(Debug, Args)]
#[command(after_help = NOTATION)]
pub struct Connect {
    /// The network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// The sandbox
    #[arg(value_name = "SANDBOX")]
    sandbox: String,
    /// An address, one of each family [default: the next free one]
    #[arg(long, value_name = "IP")]
    ip: Vec<IpAddr>,
    /// A MAC [default: made from the address]
    #[arg(long, value_name = "MAC")]
    mac: Option<Mac>,
    /// What the sandbox calls the interface [default: eth0, or the next that is free]
    #[arg(long, value_name = "IFACE")]
    name: Option<String>,
    #[command(flatten)]
    limits: LimitOptions,
    /// Its default route wins over those that are there
    #[arg(long, conflicts_with = "metric")]
    default_route: bool,
    /// The metric of its default route; the lowest wins
    #[arg(long, value_name = "NUMBER")]
    metric: Option<u32>,
    /// Sets a switch of the sandbox's network stack; IFNAME stands for the interface
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    sysctl: Vec<(String, String)>,
}

/// Disconnects sandboxes from a network
#[derive(Debug, Args)]
pub struct Disconnect {
    /// The network
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Sandboxes
    #[arg(value_name = "SANDBOX", required_unless_present = "all")]
    sandboxes: Vec<String>,
    /// All that are on it
    #[arg(long, conflicts_with = "sandboxes")]
    all: bool,
}

impl Connect {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let limits = self.limits.request();
        if !limits.is_empty() && limits.limits() == Limits::default() {
            return Err(Error::Usage("connect: --burst and --latency go with a rate".to_owned()));
        }
        let request = Request {
            addresses: self.ip,
            mac: self.mac,
            interface: self.name,
            limits: limits.limits(),
            default_route: self.default_route,
            metric: self.metric,
            sysctls: self.sysctl.into_iter().collect(),
        };
        request.limits.to_map()?;
        let mut session = Session::change_few(&global.directories(), "connect").await?;
        let connected = async {
            let network = network::known(&session, &self.network)?.network;
            let sandbox = sandbox::known(&session, &self.sandbox)?;
            connect(&mut session, &network, &sandbox, request).await
        };
        match connected.await {
            Ok(_) => {
                self.limits.note_surprises();
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Err(session.give_up(error)),
        }
    }
}

impl Disconnect {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        let Some(mut session) = Session::existing_few(&global.directories(), "disconnect").await? else {
            return Err(Refused::None { name: self.network, kind: "network" }.into());
        };
        note_departed(&session.departed);
        let network = network::known(&session, &self.network)?.network;
        let endpoints = if self.all {
            session.store.endpoints_of_network(network.index)?
        } else {
            let find = |name: &String| {
                let not_connected =
                    || Refused::NotConnected { network: network.name.to_string(), sandbox: name.clone() };
                sandbox::known(&session, name)?;
                let endpoint = session.store.endpoint(network.index, name)?;
                endpoint.ok_or_else(|| not_connected().into())
            };
            self.sandboxes.iter().map(find).collect::<Result<Vec<_>>>()?
        };
        disconnect(&mut session, &endpoints).await?;
        Ok(ExitCode::SUCCESS)
    }
}
