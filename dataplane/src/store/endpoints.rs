//! Endpoints, with their leases: a row and its addresses come and go together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use dataplane_common::layout::CAPACITY;
use dataplane_common::limit::Shape;
use dataplane_common::rate::Rate;
use dataplane_common::size::Bytes;
use dataplane_common::time::Nanos;

use super::Store;
use super::columns::{columns, json, makes_no_sense, state};
use super::leases;
use crate::attachment::{Attachment, Limits, State};
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};

#[derive(Deserialize, Serialize)]
struct Spec {
    interface: String,
    addresses: Vec<IpAddr>,
    mac: String,
    mtu: u32,
    metric: Option<u32>,
    sysctls: BTreeMap<String, String>,
    limits: [(Option<u64>, Option<u64>, Option<u64>); 2],
}

impl Store {
    /// All endpoints, by network and sandbox.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let query = "SELECT endpoint.* FROM endpoint JOIN network ON network.id = network
                     ORDER BY network.name, sandbox";
        self.read(query, [], endpoint)
    }

    /// Those of a network, by slot.
    pub fn endpoints_of_network(&self, network: u32) -> Result<Vec<Endpoint>> {
        self.read("SELECT * FROM endpoint WHERE network = ?1 ORDER BY slot", [network], endpoint)
    }

    /// Those of a sandbox.
    pub fn endpoints_of_sandbox(&self, sandbox: &str) -> Result<Vec<Endpoint>> {
        self.read("SELECT * FROM endpoint WHERE sandbox = ?1 ORDER BY slot", [sandbox], endpoint)
    }

    /// Those that a killed command left half-way.
    pub fn unfinished_endpoints(&self) -> Result<Vec<Endpoint>> {
        self.read("SELECT * FROM endpoint WHERE state != 'ready'", [], endpoint)
    }

    /// The slots of all.
    pub fn endpoint_slots(&self) -> Result<Vec<u32>> {
        self.read("SELECT slot FROM endpoint", [], |row| row.get(0))
    }

    /// The one of a sandbox on a network.
    pub fn endpoint(&self, network: u32, sandbox: &str) -> Result<Option<Endpoint>> {
        let query = "SELECT * FROM endpoint WHERE network = ?1 AND sandbox = ?2";
        Ok(self.read(query, params![network, sandbox], endpoint)?.into_iter().next())
    }

    /// The one of a slot.
    pub fn endpoint_at(&self, slot: u32) -> Result<Option<Endpoint>> {
        Ok(self.read("SELECT * FROM endpoint WHERE slot = ?1", [slot], endpoint)?.into_iter().next())
    }

    /// How many a network has.
    pub fn count_endpoints(&self, network: u32) -> Result<usize> {
        let query = "SELECT count(*) FROM endpoint WHERE network = ?1";
        let count = self.read(query, [network], |row| row.get::<_, u32>(0))?;
        Ok(count.first().map_or(0, |count| *count as usize))
    }

    /// Whose a MAC is in a network.
    pub fn owner_of_mac(&self, network: u32, mac: &str) -> Result<Option<String>> {
        let query = "SELECT sandbox FROM endpoint WHERE network = ?1 AND spec ->> '$.mac' = ?2";
        Ok(self.read(query, params![network, mac], |row| row.get(0))?.into_iter().next())
    }

    /// A slot that neither an endpoint nor an attachment has.
    pub fn free_slot(&self) -> Result<u32> {
        let past_all = "SELECT 1 + max(coalesce((SELECT max(slot) FROM attachment), -1),
                                       coalesce((SELECT max(slot) FROM endpoint), -1))";
        let gap = "SELECT slot + 1 FROM
                     (SELECT -1 AS slot UNION SELECT slot FROM attachment UNION SELECT slot FROM endpoint) AS taken
                   WHERE NOT EXISTS (SELECT 1 FROM attachment WHERE attachment.slot = taken.slot + 1)
                     AND NOT EXISTS (SELECT 1 FROM endpoint WHERE endpoint.slot = taken.slot + 1)
                   ORDER BY slot LIMIT 1";
        for query in [past_all, gap] {
            let slots = self.read(query, [], |row| row.get::<_, u32>(0))?;
            if let Some(slot) = slots.into_iter().find(|slot| *slot < CAPACITY) {
                return Ok(slot);
            }
        }
        Err(Error::Full { capacity: CAPACITY, asked: 1 })
    }

    /// The endpoints around a slot in a network: the one before and the one after. Before all of
    /// them, without a slot, is none.
    pub fn neighbours_of_slot(
        &self,
        network: u32,
        slot: Option<u32>,
        boot_id: &str,
    ) -> Result<[Option<u32>; 2]> {
        let slot = slot.map_or(-1, i64::from);
        let one = |query: &str| -> Result<Option<u32>> {
            let rows =
                self.read(query, params![network, slot, boot_id], |row| row.get::<_, Option<u32>>(0))?;
            Ok(rows.into_iter().flatten().next())
        };
        Ok([
            one(
                "SELECT max(slot) FROM endpoint WHERE network = ?1 AND slot < ?2 AND state = 'ready' AND boot_id = ?3",
            )?,
            one(
                "SELECT min(slot) FROM endpoint WHERE network = ?1 AND slot > ?2 AND state = 'ready' AND boot_id = ?3",
            )?,
        ])
    }

    /// Adds an endpoint with leases for its addresses, or replaces it.
    pub fn put_endpoint(&mut self, endpoint: &Endpoint) -> Result<()> {
        self.put_planned(endpoint, &[])
    }

    /// The same, with how far its network's addresses were given out then, by family (whether it is
    /// IPv4): what is refused gives out none.
    pub fn put_planned(&mut self, endpoint: &Endpoint, cursors: &[(bool, u128)]) -> Result<()> {
        let spec = spec(endpoint);
        self.write(|transaction| {
            for (is_ipv4, place) in cursors {
                let parameters = [leases::cursor(endpoint.network, *is_ipv4), place.to_string()];
                transaction.execute("INSERT OR REPLACE INTO setting VALUES (?1, ?2)", parameters)?;
            }
            transaction.execute(
                "INSERT INTO endpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (slot) DO UPDATE SET boot_id = ?4, state = ?5, spec = ?6",
                params![
                    endpoint.slot,
                    endpoint.network,
                    endpoint.sandbox.as_str(),
                    endpoint.boot_id,
                    endpoint.state.name(),
                    spec
                ],
            )?;
            leases::take(transaction, endpoint)
        })
    }

    /// Marks an endpoint and its attachment ready: both or neither.
    pub fn ready(&mut self, endpoint: &Endpoint) -> Result<()> {
        self.write(|transaction| {
            for table in ["endpoint", "attachment"] {
                let query = format!("UPDATE {table} SET state = ?2 WHERE slot = ?1");
                transaction.execute(&query, params![endpoint.slot, State::Ready.name()])?;
            }
            Ok(())
        })
    }

    /// Keeps the limits that endpoints had when their devices went, and forgets their attachments.
    pub fn lose(&mut self, attachments: &[Attachment]) -> Result<()> {
        for attachment in attachments {
            let endpoint = self.endpoint_at(attachment.slot)?;
            self.write(|transaction| {
                transaction.execute("DELETE FROM attachment WHERE slot = ?1", [attachment.slot])?;
                if let Some(endpoint) = endpoint {
                    let spec = spec(&Endpoint { limits: attachment.limits, ..endpoint });
                    let query = "UPDATE endpoint SET spec = ?2 WHERE slot = ?1";
                    transaction.execute(query, params![attachment.slot, spec])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Marks networks and sandboxes for removal, with these endpoints of theirs: all or none. What
    /// is left of it after a kill is removed by the next command.
    pub fn mark_removing(
        &mut self,
        networks: &[u32],
        sandboxes: &[&str],
        endpoints: &[Endpoint],
    ) -> Result<()> {
        let removing = State::Removing.name();
        self.write(|transaction| {
            for id in networks {
                transaction.execute("UPDATE network SET state = ?2 WHERE id = ?1", params![id, removing])?;
            }
            for name in sandboxes {
                transaction
                    .execute("UPDATE sandbox SET state = ?2 WHERE name = ?1", params![name, removing])?;
            }
            for endpoint in endpoints {
                let query = "UPDATE endpoint SET state = ?2 WHERE slot = ?1";
                transaction.execute(query, params![endpoint.slot, removing])?;
            }
            Ok(())
        })
    }

    /// Removes endpoints with their attachments, and gives their addresses back.
    pub fn remove_endpoints(&mut self, endpoints: &[Endpoint]) -> Result<()> {
        self.write(|transaction| {
            endpoints.iter().try_for_each(|endpoint| {
                leases::give_back(transaction, endpoint)?;
                transaction.execute("DELETE FROM attachment WHERE slot = ?1", [endpoint.slot])?;
                transaction.execute("DELETE FROM endpoint WHERE slot = ?1", [endpoint.slot]).map(drop)
            })
        })
    }
}

fn spec(endpoint: &Endpoint) -> String {
    json(&Spec {
        interface: endpoint.interface.clone(),
        addresses: endpoint.addresses.clone(),
        mac: endpoint.mac.to_string(),
        mtu: endpoint.mtu,
        metric: endpoint.metric,
        sysctls: endpoint.sysctls.clone(),
        limits: endpoint.limits.0.map(columns),
    })
}

fn endpoint(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    let wrong = || makes_no_sense(5);
    let spec: Spec = serde_json::from_str(&row.get::<_, String>(5)?).map_err(|_wrong| wrong())?;
    let slot: u32 = row.get(0)?;
    if slot >= CAPACITY {
        return Err(rusqlite::Error::IntegralValueOutOfRange(0, slot.into()));
    }
    let limit = |(rate, burst, latency)| -> rusqlite::Result<Option<Shape>> {
        let Some(((rate, burst), latency)) = Option::zip(rate, burst).zip(latency) else { return Ok(None) };
        let rate = Rate::from_bits_per_s(rate).ok_or_else(wrong)?;
        Ok(Some(Shape { rate, burst: Bytes::from_bytes(burst), latency: Nanos::from_ns(latency) }))
    };
    let [from, to] = spec.limits.map(limit);
    Ok(Endpoint {
        slot,
        network: row.get(1)?,
        sandbox: row.get::<_, String>(2)?.parse().map_err(|_wrong| makes_no_sense(2))?,
        boot_id: row.get(3)?,
        state: state(row, 4)?,
        interface: spec.interface,
        addresses: spec.addresses,
        mac: spec.mac.parse().map_err(|_wrong| wrong())?,
        mtu: spec.mtu,
        metric: spec.metric,
        sysctls: spec.sysctls,
        limits: Limits([from?, to?]),
    })
}
