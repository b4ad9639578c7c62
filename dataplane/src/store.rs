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
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, params};

use dataplane_common::layout::CAPACITY;
use dataplane_common::limit::Shape;
use dataplane_common::rate::Rate;
use dataplane_common::size::Bytes;
use dataplane_common::time::Nanos;

use crate::attachment::{Attachment, Hook, Limits, State};
use crate::error::{Error, Result};
use crate::sys::Order;

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

/// "dpct": tells our databases from others'.
const APPLICATION_ID: i32 = 0x6470_6374;
/// Version of [`SCHEMA`].
const SCHEMA_VERSION: i32 = 2;
/// How long a command waits for another program that holds the database.
const BUSY: Duration = Duration::from_secs(5);
/// As many departed interfaces are remembered.
const DEPARTED: u32 = 256;

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
        if store.judge()? { Ok(Vec::new()) } else { store.attachments() }
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self> {
        let store = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            Ok(Self { connection, path: path.to_owned() })
        });
        store.map_err(|error| classify(path, error))
    }

    fn settle(mut self) -> Result<Self> {
        let is_new = self.judge()?;
        // A crash of the machine may take the last commits, never the database's integrity:
        // the hooks they speak of are gone with it. So commits need not wait for the disk,
        // and neither does the end of a command.
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
        let set = self.connection.execute_batch(settings);
        set.and_then(|()| self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true))
            .map_err(|error| classify(&self.path, error))?;
        if is_new {
            self.create()?;
        }
        Ok(self)
    }

    /// Whether the database is a new one; refuses another program's, and a newer dpctl's.
    fn judge(&self) -> Result<bool> {
        let number = |query: &str| self.connection.query_row(query, [], |row| row.get::<_, i32>(0));
        let found = || {
            let tables = number("SELECT count(*) FROM sqlite_schema")?;
            Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?, tables))
        };
        let problem = match found().map_err(|error| classify(&self.path, error))? {
            (APPLICATION_ID, SCHEMA_VERSION, _) => return Ok(false),
            (0, 0, 0) => return Ok(true),
            (APPLICATION_ID, 0..SCHEMA_VERSION, _) => "made by an older dpctl; run: dpctl reset",
            (APPLICATION_ID, _, _) => "made by a newer dpctl; use that one, or another --state-dir",
            _ => "not a database of dpctl; use another --state-dir",
        };
        Err(Error::State { path: self.path.clone(), problem })
    }

    fn create(&mut self) -> Result<()> {
        self.write(|transaction| {
            // Another command may have been first.
            let tables: u32 =
                transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables == 0 {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            }
            Ok(())
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
            && !self.attachments()?.is_empty()
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

    /// All attachments, by name.
    pub fn attachments(&self) -> Result<Vec<Attachment>> {
        let read = || {
            let mut statement =
                self.connection.prepare("SELECT * FROM attachment ORDER BY interface, ifindex")?;
            let rows = statement.query_map([], attachment)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| classify(&self.path, error))
    }

    /// Adds rows, or replaces those of the same slots: all or none.
    pub fn put<'a>(&mut self, attachments: impl IntoIterator<Item = &'a Attachment>) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare(
                "INSERT OR REPLACE INTO attachment VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?;
            let mut forget = transaction.prepare("DELETE FROM departed WHERE interface = ?1")?;
            for a in attachments {
                let [from, to] = a.limits.0.map(columns);
                statement.execute(params![
                    a.slot, a.boot_id, a.interface, a.ifindex, a.mac.to_string(), a.hook.name(), a.order.name(),
                    a.made_clsact, a.state.name(), from.0, from.1, from.2, to.0, to.1, to.2,
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

type Columns = (Option<u64>, Option<u64>, Option<u64>);

fn columns(shape: Option<Shape>) -> Columns {
    match shape {
        Some(shape) => (Some(shape.rate.bits_per_s()), Some(shape.burst.bytes()), Some(shape.latency.ns())),
        None => (None, None, None),
    }
}

fn shape(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Shape>> {
    let Some(rate) = row.get::<_, Option<u64>>(first)? else { return Ok(None) };
    let rate = Rate::from_bits_per_s(rate).ok_or(rusqlite::Error::IntegralValueOutOfRange(first, 0))?;
    let burst = Bytes::from_bytes(row.get(first + 1)?);
    Ok(Some(Shape { rate, burst, latency: Nanos::from_ns(row.get(first + 2)?) }))
}

fn attachment(row: &Row<'_>) -> rusqlite::Result<Attachment> {
    let wrong = |column: usize| {
        rusqlite::Error::InvalidColumnType(column, String::new(), rusqlite::types::Type::Text)
    };
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
    })
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
