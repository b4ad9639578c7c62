//! Intent, in one SQLite database.
//!
//! The kernel follows it: a row is written `creating` before anything is done, and `ready` when
//! all of it is. A row in any other state, found while the instance's lock is held, is what a
//! killed command left. Rows die with the boot whose id they carry, as their hooks do.
//!
//! Refuses a database that is damaged, of a newer version, or another program's.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction};

use crate::attachment::Attachment;
use crate::error::{Error, Result};

mod attachments;
mod columns;
mod endpoints;
mod leases;
mod networks;
mod sandboxes;

pub use leases::Lease;
pub use networks::NetworkRow;

/// What the first version had, and every later one has.
const SCHEMA: &str = "
    CREATE TABLE attachment (
        slot             INTEGER PRIMARY KEY,
        boot_id          TEXT NOT NULL,
        interface        TEXT NOT NULL,
        ifindex          INTEGER NOT NULL UNIQUE,
        mac              TEXT NOT NULL,
        hook             TEXT NOT NULL,
        sort             TEXT NOT NULL,
        made_clsact      INTEGER NOT NULL,
        state            TEXT NOT NULL,
        from_rate INTEGER, from_burst INTEGER, from_latency INTEGER,
        to_rate   INTEGER, to_burst   INTEGER, to_latency   INTEGER
    ) STRICT;
    CREATE TABLE place (
        pins             TEXT NOT NULL
    ) STRICT;
    CREATE TABLE departed (
        interface        TEXT PRIMARY KEY,
        limits           TEXT NOT NULL
    ) STRICT;
";

/// From version 2 to 3: networks, sandboxes, endpoints.
const NETWORKS: &str = "
    ALTER TABLE attachment ADD COLUMN role TEXT NOT NULL DEFAULT 'plain';
    CREATE TABLE network (
        id               INTEGER PRIMARY KEY,
        name             TEXT NOT NULL UNIQUE,
        boot_id          TEXT NOT NULL,
        state            TEXT NOT NULL,
        spec             TEXT NOT NULL
    ) STRICT;
    CREATE TABLE sandbox (
        name             TEXT PRIMARY KEY,
        boot_id          TEXT NOT NULL,
        state            TEXT NOT NULL,
        spec             TEXT NOT NULL
    ) STRICT;
    CREATE TABLE endpoint (
        slot             INTEGER PRIMARY KEY,
        network          INTEGER NOT NULL REFERENCES network(id),
        sandbox          TEXT NOT NULL REFERENCES sandbox(name),
        boot_id          TEXT NOT NULL,
        state            TEXT NOT NULL,
        spec             TEXT NOT NULL,
        UNIQUE (network, sandbox)
    ) STRICT;
    CREATE INDEX endpoint_of_network ON endpoint (network, slot);
    CREATE INDEX endpoint_of_sandbox ON endpoint (sandbox);
    CREATE TABLE lease (
        network          INTEGER NOT NULL REFERENCES network(id),
        address          TEXT NOT NULL,
        slot             INTEGER,
        boot_id          TEXT NOT NULL,
        freed            INTEGER,
        PRIMARY KEY (network, address)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX lease_freed ON lease (network, freed);
    CREATE INDEX lease_of_slot ON lease (slot);
    CREATE INDEX attachment_unfinished ON attachment (state) WHERE state != 'ready';
    CREATE INDEX sandbox_unfinished ON sandbox (state) WHERE state != 'ready';
    CREATE INDEX endpoint_unfinished ON endpoint (state) WHERE state != 'ready';
    CREATE INDEX endpoint_mac ON endpoint (network, spec ->> '$.mac');
    CREATE TABLE setting (
        name             TEXT PRIMARY KEY,
        value            TEXT NOT NULL
    ) STRICT;
";

/// "dpct": tells our databases from others'.
const APPLICATION_ID: i32 = 0x6470_6374;
/// Version of [`SCHEMA`] with [`NETWORKS`].
const SCHEMA_VERSION: i32 = 3;
/// The oldest that is carried over.
const OLDEST_VERSION: i32 = 2;
/// How long a command waits for another program that holds the database.
const BUSY: Duration = Duration::from_secs(5);
/// How old a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// Nothing is in it yet.
    Empty,
    /// Of a version that is carried over.
    Older,
    /// Of ours.
    Current,
}

/// The open database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the database, makes it if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        Self::connect(path, OpenFlags::default())?.settle()
    }

    /// Opens a database that is there; `None` where there is none.
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        match Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX) {
            Err(_) if !path.exists() => Ok(None),
            other => other?.settle().map(Some),
        }
    }

    /// The rows of another instance's database, which is not changed.
    pub fn peek(path: &Path) -> Result<Vec<Attachment>> {
        let store = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // A first command that was killed has left it empty.
        if store.judge()? == Age::Empty { Ok(Vec::new()) } else { store.attachments() }
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self> {
        let store = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            Ok(Self { connection, path: path.to_owned() })
        });
        store.map_err(|error| classify(path, error))
    }

    fn settle(mut self) -> Result<Self> {
        let is_new = self.judge()? != Age::Current;
        // A crash of the machine may take the last commits, never the database's integrity:
        // the hooks they speak of are gone with it. So commits need not wait for the disk,
        // and neither does the end of a command.
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
        let set = self.connection.execute_batch(settings);
        // What refers to what is kept by the order of our own writes. An error in the midst of an undo
        // would keep every later command from ending it.
        set.and_then(|()| self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false))
            .and_then(|_| self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true))
            .map_err(|error| classify(&self.path, error))?;
        if is_new {
            self.bring_up_to_date()?;
        }
        Ok(self)
    }

    /// How old the database is; refuses another program's, and a newer dpctl's.
    fn judge(&self) -> Result<Age> {
        let number = |query: &str| self.connection.query_row(query, [], |row| row.get::<_, i32>(0));
        let found = || {
            let tables = number("SELECT count(*) FROM sqlite_schema")?;
            Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?, tables))
        };
        let problem = match found().map_err(|error| classify(&self.path, error))? {
            (APPLICATION_ID, SCHEMA_VERSION, _) => return Ok(Age::Current),
            (APPLICATION_ID, OLDEST_VERSION..SCHEMA_VERSION, _) => return Ok(Age::Older),
            (0, 0, 0) => return Ok(Age::Empty),
            (APPLICATION_ID, 0..OLDEST_VERSION, _) => "made by an older dpctl; run: dpctl reset",
            (APPLICATION_ID, _, _) => "made by a newer dpctl; use that one, or another --state-dir",
            _ => "not a database of dpctl; use another --state-dir",
        };
        Err(Error::State { path: self.path.clone(), problem })
    }

    fn bring_up_to_date(&mut self) -> Result<()> {
        self.write(|transaction| {
            // Another command may have been first.
            let number = |query: &str| transaction.query_row(query, [], |row| row.get::<_, i32>(0));
            if number("SELECT count(*) FROM sqlite_schema")? == 0 {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            } else if number("PRAGMA user_version")? == SCHEMA_VERSION {
                return Ok(());
            }
            transaction.execute_batch(NETWORKS)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)
        })
    }

    /// Remembers where the pins lie, and refuses to be used with others while anything is
    /// attached: hooks would be doubled, or forgotten.
    pub fn settle_place(&mut self, pins: &Path) -> Result<()> {
        let known = self.connection.query_row("SELECT pins FROM place", [], |row| row.get::<_, String>(0));
        let known = known.optional().map_err(|error| classify(&self.path, error))?;
        let place = pins.display().to_string();
        if known.as_ref() == Some(&place) {
            return Ok(());
        }
        if let Some(known) = known
            && !self.is_empty()?
        {
            return Err(Error::OtherPins {
                database: self.path.clone(),
                known: known.into(),
                asked: pins.into(),
            });
        }
        self.write(|transaction| {
            transaction.execute("DELETE FROM place", [])?;
            transaction.execute("INSERT INTO place VALUES (?1)", [&place]).map(drop)
        })
    }

    /// Whether nothing is kept: no attachment, network or sandbox.
    pub fn is_empty(&self) -> Result<bool> {
        let query = "SELECT NOT EXISTS (SELECT 1 FROM attachment) AND NOT EXISTS (SELECT 1 FROM network)
                     AND NOT EXISTS (SELECT 1 FROM sandbox)";
        self.connection.query_row(query, [], |row| row.get(0)).map_err(|error| classify(&self.path, error))
    }

    /// Whether something of an earlier boot is kept that has not been looked at in this one.
    pub fn is_of_other_boots(&self, boot_id: &str) -> Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM network WHERE boot_id != ?1)";
        let rows = self.read(query, [boot_id], |row| row.get(0))?;
        Ok(rows.first().copied().unwrap_or(false))
    }

    /// A setting of the operator's, or of ours.
    pub fn setting(&self, name: &str) -> Result<Option<String>> {
        Ok(self
            .read("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0))?
            .into_iter()
            .next())
    }

    /// Sets a setting; `None` goes back to what it is without.
    pub fn set_setting(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        self.write(|transaction| match value {
            Some(value) => {
                transaction.execute("INSERT OR REPLACE INTO setting VALUES (?1, ?2)", [name, value]).map(drop)
            }
            None => transaction.execute("DELETE FROM setting WHERE name = ?1", [name]).map(drop),
        })
    }

    /// Marks all that there is for removal: all or none.
    pub fn mark_all_removing(&mut self) -> Result<()> {
        let removing = crate::attachment::State::Removing.name();
        self.write(|transaction| {
            ["attachment", "endpoint", "network", "sandbox"].iter().try_for_each(|table| {
                transaction.execute(&format!("UPDATE {table} SET state = ?1"), [removing]).map(drop)
            })
        })
    }

    /// Runs a query and reads its rows.
    fn read<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let run = || {
            let mut statement = self.connection.prepare_cached(query)?;
            statement.query_map(parameters, read)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        run().map_err(|error| classify(&self.path, error))
    }

    fn write(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<()> {
        let run = || {
            let transaction =
                self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            work(&transaction)?;
            transaction.commit()
        };
        run().map_err(|error| classify(&self.path, error))
    }
}

/// Why `SQLite` could not open a database, which it does not say: nothing need be wrong with it.
fn cannot_open(path: PathBuf) -> Error {
    // As many files as SQLite has open.
    let files = (0..4).map(|_| File::open(&path)).collect::<io::Result<Vec<_>>>();
    match files {
        Ok(_) if path.is_dir() => Error::State {
            path,
            problem: "a directory, not a database; move it away, or use another --state-dir",
        },
        Ok(_) => {
            Error::Busy { path, problem: "it, or its -wal or -shm, could not be opened just now; try again" }
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Error::State { path, problem: "cannot be made in this directory; use another --state-dir" }
        }
        Err(source) => Error::Io { call: format!("open {}", path.display()), source },
    }
}

fn classify(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.to_owned();
    let senseless = matches!(
        error,
        rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::IntegralValueOutOfRange(..)
    );
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => cannot_open(path),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::State {
            path,
            problem: "damaged, or not a database; run: dpctl reset (removes every hook and starts anew)",
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy {
            path,
            problem: "locked by another program for more than 5 s; end it (fuser names it), and try again",
        },
        Some(ErrorCode::DiskFull) => {
            Error::Busy { path, problem: "the disk is full; make room, and try again" }
        }
        _ if senseless => Error::State {
            path,
            problem: "holds a row that makes no sense; run: dpctl reset (removes every hook and starts anew)",
        },
        _ => Error::Store { path, source: error },
    }
}
