//! Networks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::Store;
use super::columns::{json, makes_no_sense, state};
use super::leases::cursors;
use crate::attachment::State;
use crate::error::Result;
use crate::network::{Kind, Mtu, Network};
use crate::subnet::Subnet;

/// A network with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRow {
    /// The boot that its devices live in.
    pub boot_id: String,
    /// How far the last command got.
    pub state: State,
    /// What it shall be.
    pub network: Network,
}

#[derive(Deserialize, Serialize)]
struct Spec {
    kind: String,
    subnets: Vec<SubnetSpec>,
    mtu: Option<u32>,
    icc: bool,
    internal: bool,
    bridge: Option<String>,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize)]
struct SubnetSpec {
    cidr: IpNetwork,
    gateway: IpAddr,
    range: IpNetwork,
    reserved: BTreeMap<String, IpAddr>,
}

impl Store {
    /// All networks, by name.
    pub fn networks(&self) -> Result<Vec<NetworkRow>> {
        self.read("SELECT * FROM network ORDER BY name", [], network)
    }

    /// One network.
    pub fn network(&self, name: &str) -> Result<Option<NetworkRow>> {
        let rows = self.read("SELECT * FROM network WHERE name = ?1", [name], network)?;
        Ok(rows.into_iter().next())
    }

    /// One network, by its number.
    pub fn network_numbered(&self, id: u32) -> Result<Option<NetworkRow>> {
        let rows = self.read("SELECT * FROM network WHERE id = ?1", [id], network)?;
        Ok(rows.into_iter().next())
    }

    /// Those that a killed command left half-way, and those of other boots.
    pub fn unfinished_networks(&self, boot_id: &str) -> Result<Vec<NetworkRow>> {
        self.read("SELECT * FROM network WHERE state != 'ready' OR boot_id != ?1", [boot_id], network)
    }

    /// Adds a network, or replaces it.
    pub fn put_network(&mut self, row: &NetworkRow) -> Result<()> {
        let spec = spec(&row.network);
        let NetworkRow { boot_id, state, network } = row;
        self.write(|transaction| {
            let query = "INSERT INTO network VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT (id) DO UPDATE SET name = ?2, boot_id = ?3, state = ?4, spec = ?5";
            let parameters = params![network.index, network.name.as_str(), boot_id, state.name(), spec];
            transaction.execute(query, parameters).map(drop)
        })
    }

    /// Removes a network, and the memory of its addresses.
    pub fn remove_network(&mut self, id: u32) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM lease WHERE network = ?1", [id])?;
            transaction.execute("DELETE FROM setting WHERE name IN (?1, ?2)", cursors(id))?;
            transaction.execute("DELETE FROM network WHERE id = ?1", [id]).map(drop)
        })
    }
}

fn spec(network: &Network) -> String {
    let subnets = network.subnets.iter().map(|subnet| SubnetSpec {
        cidr: subnet.cidr,
        gateway: subnet.gateway,
        range: subnet.range,
        reserved: subnet.reserved.iter().map(|(name, address)| (name.to_string(), *address)).collect(),
    });
    json(&Spec {
        kind: network.kind.name().to_owned(),
        subnets: subnets.collect(),
        mtu: match network.mtu {
            Mtu::Auto => None,
            Mtu::Bytes(bytes) => Some(bytes),
        },
        icc: network.icc,
        internal: network.internal,
        bridge: network.foreign_bridge.clone(),
        labels: network.labels.clone(),
    })
}

fn network(row: &Row<'_>) -> rusqlite::Result<NetworkRow> {
    let wrong = || makes_no_sense(4);
    let spec: Spec = serde_json::from_str(&row.get::<_, String>(4)?).map_err(|_wrong| wrong())?;
    let subnet = |spec: SubnetSpec| {
        let name = |(name, address): (String, IpAddr)| Some((name.parse().ok()?, address));
        let reserved = spec.reserved.into_iter().map(name).collect::<Option<_>>()?;
        Some(Subnet { cidr: spec.cidr, gateway: spec.gateway, range: spec.range, reserved })
    };
    Ok(NetworkRow {
        boot_id: row.get(2)?,
        state: state(row, 3)?,
        network: Network {
            index: row.get(0)?,
            name: row.get::<_, String>(1)?.parse().map_err(|_wrong| makes_no_sense(1))?,
            kind: Kind::from_name(&spec.kind).ok_or_else(wrong)?,
            subnets: spec.subnets.into_iter().map(subnet).collect::<Option<_>>().ok_or_else(wrong)?,
            mtu: spec.mtu.map_or(Mtu::Auto, Mtu::Bytes),
            icc: spec.icc,
            internal: spec.internal,
            foreign_bridge: spec.bridge,
            labels: spec.labels,
        },
    })
}
