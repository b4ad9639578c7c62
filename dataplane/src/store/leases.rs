//! Leases: which address is whose, and which were given back when.
//!
//! An address that was given back is remembered, so that it is given out last. The first part of
//! a subnet that was never given out is found by a cursor, not by reading what is taken.

use std::net::IpAddr;

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Store, classify};
use crate::endpoint::Endpoint;
use crate::error::Result;

/// Who has an address of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The endpoint of this slot.
    Taken(u32),
    /// Nobody any more.
    GivenBack,
}

impl Store {
    /// The lease of an address; `None`: nobody ever had it.
    pub fn lease(&self, network: u32, address: IpAddr) -> Result<Option<Lease>> {
        let query = "SELECT slot FROM lease WHERE network = ?1 AND address = ?2";
        let parameters = params![network, address.to_string()];
        let slot = self.connection.query_row(query, parameters, |row| row.get::<_, Option<u32>>(0));
        let slot = slot.optional().map_err(|error| classify(&self.path, error))?;
        Ok(slot.map(|slot| slot.map_or(Lease::GivenBack, Lease::Taken)))
    }

    /// Addresses that were given back, the one that rests longest first.
    pub fn given_back(&self, network: u32) -> Result<Vec<IpAddr>> {
        let query = "SELECT address FROM lease WHERE network = ?1 AND freed IS NOT NULL ORDER BY freed";
        let rows = self.read(query, [network], |row| row.get::<_, String>(0))?;
        Ok(rows.iter().filter_map(|address| address.parse().ok()).collect())
    }

    /// The place of the last address of a family that was given out of a network's subnet by
    /// itself; 0 where none was.
    pub fn cursor(&self, network: u32, is_ipv4: bool) -> Result<u128> {
        let value = self.setting(&cursor(network, is_ipv4))?;
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}

/// The settings that keep the cursors of a network.
pub(super) fn cursors(network: u32) -> [String; 2] {
    [true, false].map(|is_ipv4| cursor(network, is_ipv4))
}

pub(super) fn cursor(network: u32, is_ipv4: bool) -> String {
    format!("cursor_{}_{network}", if is_ipv4 { "v4" } else { "v6" })
}

/// Records the addresses of an endpoint as its own.
pub(super) fn take(transaction: &Transaction<'_>, endpoint: &Endpoint) -> rusqlite::Result<()> {
    let query = "INSERT INTO lease VALUES (?1, ?2, ?3, ?4, NULL)
                 ON CONFLICT (network, address) DO UPDATE SET slot = ?3, boot_id = ?4, freed = NULL";
    let mut statement = transaction.prepare_cached(query)?;
    endpoint.addresses.iter().try_for_each(|address| {
        let parameters = params![endpoint.network, address.to_string(), endpoint.slot, endpoint.boot_id];
        statement.execute(parameters).map(drop)
    })
}

/// Lets the addresses of an endpoint rest.
pub(super) fn give_back(transaction: &Transaction<'_>, endpoint: &Endpoint) -> rusqlite::Result<()> {
    let query = "UPDATE lease SET slot = NULL,
                        freed = 1 + (SELECT coalesce(max(freed), 0) FROM lease WHERE network = ?1)
                 WHERE network = ?1 AND slot = ?2";
    transaction.prepare_cached(query)?.execute(params![endpoint.network, endpoint.slot]).map(drop)
}
