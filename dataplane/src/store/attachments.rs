//! Attachments, and the names of those that went with their interfaces.

use rusqlite::{OptionalExtension, Row, params};

use dataplane_common::layout::CAPACITY;

use super::columns::{columns, makes_no_sense, shape};
use super::{Store, classify};
use crate::attachment::{Attachment, Hook, Limits, Role, State};
use crate::error::Result;
use crate::sys::Order;

/// As many departed interfaces are remembered.
const DEPARTED: u32 = 256;

impl Store {
    /// All attachments, by name.
    pub fn attachments(&self) -> Result<Vec<Attachment>> {
        self.read("SELECT * FROM attachment ORDER BY interface, ifindex", [], attachment)
    }

    /// All but those of endpoints, by name.
    pub fn plain_attachments(&self) -> Result<Vec<Attachment>> {
        let query = "SELECT * FROM attachment WHERE role = 'plain' ORDER BY interface, ifindex";
        self.read(query, [], attachment)
    }

    /// Those that a killed command left half-way.
    pub fn unfinished_attachments(&self) -> Result<Vec<Attachment>> {
        self.read("SELECT * FROM attachment WHERE state != 'ready'", [], attachment)
    }

    /// That of a slot.
    pub fn attachment_at(&self, slot: u32) -> Result<Option<Attachment>> {
        let rows = self.read("SELECT * FROM attachment WHERE slot = ?1", [slot], attachment)?;
        Ok(rows.into_iter().next())
    }

    /// Adds rows, or replaces those of the same slots: all or none.
    pub fn put<'a>(&mut self, attachments: impl IntoIterator<Item = &'a Attachment>) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare(
                "INSERT OR REPLACE INTO attachment VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?;
            let mut forget = transaction.prepare("DELETE FROM departed WHERE interface = ?1")?;
            for a in attachments {
                let [from, to] = a.limits.0.map(columns);
                statement.execute(params![
                    a.slot, a.boot_id, a.interface, a.ifindex, a.mac.to_string(), a.hook.name(), a.order.name(),
                    a.made_clsact, a.state.name(), from.0, from.1, from.2, to.0, to.1, to.2, a.role.name(),
                ])?;
                forget.execute([&a.interface])?;
            }
            Ok(())
        })
    }

    /// Marks rows: all or none.
    pub fn mark(&mut self, attachments: &[Attachment], state: State) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare("UPDATE attachment SET state = ?2 WHERE slot = ?1")?;
            for attachment in attachments {
                statement.execute(params![attachment.slot, state.name()])?;
            }
            Ok(())
        })
    }

    /// Removes rows: all or none.
    pub fn remove(&mut self, attachments: &[Attachment]) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare("DELETE FROM attachment WHERE slot = ?1")?;
            for attachment in attachments {
                statement.execute([attachment.slot])?;
            }
            Ok(())
        })
    }

    /// Removes the rows of interfaces that are gone, and remembers their names and limits.
    pub fn depart(&mut self, attachments: &[Attachment]) -> Result<()> {
        self.write(|transaction| {
            for attachment in attachments {
                transaction.execute("DELETE FROM attachment WHERE slot = ?1", [attachment.slot])?;
                transaction.execute(
                    "INSERT OR REPLACE INTO departed VALUES (?1, ?2)",
                    params![attachment.interface, attachment.limits.as_options()],
                )?;
            }
            transaction.execute(
                "DELETE FROM departed WHERE rowid NOT IN (SELECT rowid FROM departed ORDER BY rowid DESC LIMIT ?1)",
                [DEPARTED],
            )?;
            Ok(())
        })
    }

    /// The options that the limit of a departed interface was set with.
    pub fn departed(&self, interface: &str) -> Result<Option<String>> {
        self.connection
            .query_row("SELECT limits FROM departed WHERE interface = ?1", [interface], |row| row.get(0))
            .optional()
            .map_err(|error| classify(&self.path, error))
    }
}

fn attachment(row: &Row<'_>) -> rusqlite::Result<Attachment> {
    let wrong = makes_no_sense;
    let text = |column: usize| row.get::<_, String>(column);
    let slot: u32 = row.get(0)?;
    if slot >= CAPACITY {
        return Err(rusqlite::Error::IntegralValueOutOfRange(0, slot.into()));
    }
    Ok(Attachment {
        slot,
        boot_id: text(1)?,
        interface: text(2)?,
        ifindex: row.get(3)?,
        mac: text(4)?.parse().map_err(|_wrong| wrong(4))?,
        hook: Hook::from_name(&text(5)?).ok_or_else(|| wrong(5))?,
        order: Order::from_name(&text(6)?).ok_or_else(|| wrong(6))?,
        made_clsact: row.get(7)?,
        state: State::from_name(&text(8)?).ok_or_else(|| wrong(8))?,
        limits: Limits([shape(row, 9)?, shape(row, 12)?]),
        role: Role::from_name(&text(15)?).ok_or_else(|| wrong(15))?,
    })
}
