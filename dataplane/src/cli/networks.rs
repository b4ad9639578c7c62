//! Networks, sandboxes and endpoints as rows for programs. docs/json.md has every key.

use std::collections::BTreeMap;

use serde::Serialize;

use dataplane_common::direction::Direction;
use dataplane_common::rate::Rate;

use super::output::LimitRow;
use crate::attachment::Limits;
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::item::device_of;
use crate::network::{Mtu, Network};
use crate::sandbox::{Place, Sandbox};
use crate::session::Session;
use crate::store::NetworkRow;

/// A network.
#[derive(Debug, Serialize)]
pub struct NetworkOut {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) subnets: Vec<SubnetOut>,
    mtu_bytes: Option<u32>,
    pub(super) icc: bool,
    pub(super) internal: bool,
    interface: Option<String>,
    foreign_bridge: bool,
    labels: BTreeMap<String, String>,
    pub(super) endpoints: Vec<EndpointOut>,
}

/// One of its subnets.
#[derive(Debug, Serialize)]
pub struct SubnetOut {
    pub(super) cidr: String,
    pub(super) gateway: String,
    ip_range: String,
    reserved: BTreeMap<String, String>,
}

/// An endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointOut {
    pub(super) network: String,
    pub(super) sandbox: String,
    pub(super) interface: Option<String>,
    ifindex: Option<u32>,
    hook: Option<&'static str>,
    order: Option<&'static str>,
    pub(super) sandbox_interface: Option<String>,
    pub(super) addresses: Vec<String>,
    pub(super) mac: Option<String>,
    gateway: Vec<String>,
    mtu_bytes: Option<u32>,
    metric: Option<u32>,
    pub(super) state: &'static str,
    from_container: Option<LimitRow>,
    to_container: Option<LimitRow>,
}

impl EndpointOut {
    /// The rates in force, for people.
    pub(super) fn rates(&self) -> [String; 2] {
        [&self.from_container, &self.to_container].map(|limit| {
            let rate = limit.as_ref().and_then(|limit| Rate::from_bits_per_s(limit.rate_bits_per_s));
            rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string())
        })
    }
}

/// A sandbox.
#[derive(Debug, Serialize)]
pub struct SandboxOut {
    pub(super) name: String,
    pub(super) netns: String,
    pub(super) joined: Option<String>,
    pub(super) own: bool,
    pub(super) endpoints: Vec<EndpointOut>,
}

/// A network's row.
pub fn network_out(session: &Session, row: &NetworkRow) -> Result<NetworkOut> {
    let network = &row.network;
    let endpoints = session.store.endpoints_of_network(network.index)?;
    let mut endpoints =
        endpoints.iter().map(|one| endpoint_out(session, network, one)).collect::<Result<Vec<_>>>()?;
    endpoints.sort_by(|a, b| a.sandbox.cmp(&b.sandbox));
    let subnets = network.subnets.iter().map(|subnet| SubnetOut {
        cidr: subnet.cidr.to_string(),
        gateway: subnet.gateway.to_string(),
        ip_range: subnet.range.to_string(),
        reserved: subnet.reserved.iter().map(|(name, ip)| (name.to_string(), ip.to_string())).collect(),
    });
    Ok(NetworkOut {
        name: network.name.to_string(),
        kind: network.kind.name(),
        subnets: subnets.collect(),
        mtu_bytes: match network.mtu {
            Mtu::Auto => None,
            Mtu::Bytes(bytes) => Some(bytes),
        },
        icc: network.icc,
        internal: network.internal,
        interface: network.kind.has_addresses().then(|| device_of(network)),
        foreign_bridge: network.foreign_bridge.is_some(),
        labels: network.labels.clone(),
        endpoints,
    })
}

/// An endpoint's row, with the limits in force.
pub fn endpoint_out(session: &Session, network: &Network, endpoint: &Endpoint) -> Result<EndpointOut> {
    let has_interface = network.kind.has_addresses();
    let attachment = session.store.attachment_at(endpoint.slot)?;
    let is_lost = has_interface && attachment.is_none();
    let limits: Limits = attachment.as_ref().map_or(endpoint.limits, |row| row.limits);
    let limit = |direction| limits.of(direction).map(LimitRow::from);
    let with_prefix = |address: &std::net::IpAddr| {
        let subnet = network.subnets.iter().find(|subnet| subnet.cidr.is_ipv4() == address.is_ipv4());
        subnet.map_or_else(|| address.to_string(), |subnet| format!("{address}/{}", subnet.cidr.prefix()))
    };
    Ok(EndpointOut {
        network: network.name.to_string(),
        sandbox: endpoint.sandbox.to_string(),
        interface: has_interface.then(|| endpoint.host_side()),
        ifindex: attachment.as_ref().map(|row| row.ifindex),
        hook: attachment.as_ref().map(|row| row.hook.name()),
        order: attachment.as_ref().map(|row| row.order.name()),
        sandbox_interface: has_interface.then(|| endpoint.interface.clone()),
        addresses: endpoint.addresses.iter().map(with_prefix).collect(),
        mac: has_interface.then(|| endpoint.mac.to_string()),
        gateway: network.subnets.iter().map(|subnet| subnet.gateway.to_string()).collect(),
        mtu_bytes: has_interface.then_some(endpoint.mtu),
        metric: endpoint.metric,
        state: if is_lost { "lost" } else { endpoint.state.name() },
        from_container: limit(Direction::FromContainer),
        to_container: limit(Direction::ToContainer),
    })
}

/// All endpoints, by network and sandbox.
pub fn endpoints_out(session: &Session) -> Result<Vec<EndpointOut>> {
    let networks = session.store.networks()?;
    let network = |id: u32| networks.iter().map(|row| &row.network).find(|network| network.index == id);
    let endpoints = session.store.endpoints()?;
    let rows = endpoints.iter().filter_map(|one| Some(endpoint_out(session, network(one.network)?, one)));
    rows.collect()
}

/// A sandbox's row.
pub fn sandbox_out(session: &Session, sandbox: &Sandbox) -> Result<SandboxOut> {
    let networks = session.store.networks()?;
    let network = |id: u32| networks.iter().map(|row| &row.network).find(|network| network.index == id);
    let (holder, joined) = match &sandbox.place {
        Place::Joined(other) => (session.store.sandbox(other.as_str())?, Some(other.to_string())),
        Place::Own | Place::At(_) => (Some(sandbox.clone()), None),
    };
    let path = holder.as_ref().and_then(Sandbox::path);
    let endpoints = session.store.endpoints_of_sandbox(sandbox.name.as_str())?;
    let rows = endpoints.iter().filter_map(|one| Some(endpoint_out(session, network(one.network)?, one)));
    Ok(SandboxOut {
        name: sandbox.name.to_string(),
        netns: path.map(|path| path.display().to_string()).unwrap_or_default(),
        joined,
        own: sandbox.place == Place::Own,
        endpoints: rows.collect::<Result<_>>()?,
    })
}
