//! Sandboxes.

use std::path::PathBuf;

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::Store;
use super::columns::{json, makes_no_sense, state};
use crate::error::Result;
use crate::sandbox::{Place, Sandbox};

#[derive(Deserialize, Serialize)]
struct Spec {
    path: Option<PathBuf>,
    joined: Option<String>,
    cookie: u64,
    made_files: bool,
}

impl Store {
    /// All sandboxes, by name.
    pub fn sandboxes(&self) -> Result<Vec<Sandbox>> {
        self.read("SELECT * FROM sandbox ORDER BY name", [], sandbox)
    }

    /// One sandbox.
    pub fn sandbox(&self, name: &str) -> Result<Option<Sandbox>> {
        let rows = self.read("SELECT * FROM sandbox WHERE name = ?1", [name], sandbox)?;
        Ok(rows.into_iter().next())
    }

    /// Those that a killed command left half-way.
    pub fn unfinished_sandboxes(&self) -> Result<Vec<Sandbox>> {
        self.read("SELECT * FROM sandbox WHERE state != 'ready'", [], sandbox)
    }

    /// Adds a sandbox, or replaces it.
    pub fn put_sandbox(&mut self, sandbox: &Sandbox) -> Result<()> {
        let (path, joined) = match &sandbox.place {
            Place::Own => (None, None),
            Place::At(path) => (Some(path.clone()), None),
            Place::Joined(other) => (None, Some(other.to_string())),
        };
        let spec = json(&Spec { path, joined, cookie: sandbox.cookie, made_files: sandbox.made_files });
        self.write(|transaction| {
            let query = "INSERT INTO sandbox VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (name) DO UPDATE SET boot_id = ?2, state = ?3, spec = ?4";
            let parameters = params![sandbox.name.as_str(), sandbox.boot_id, sandbox.state.name(), spec];
            transaction.execute(query, parameters).map(drop)
        })
    }

    /// Removes a sandbox.
    pub fn remove_sandbox(&mut self, name: &str) -> Result<()> {
        self.write(|transaction| transaction.execute("DELETE FROM sandbox WHERE name = ?1", [name]).map(drop))
    }
}

fn sandbox(row: &Row<'_>) -> rusqlite::Result<Sandbox> {
    let spec: Spec = serde_json::from_str(&row.get::<_, String>(3)?).map_err(|_wrong| makes_no_sense(3))?;
    let place = match (spec.path, spec.joined) {
        (None, None) => Place::Own,
        (Some(path), None) => Place::At(path),
        (None, Some(other)) => Place::Joined(other.parse().map_err(|_wrong| makes_no_sense(3))?),
        (Some(_), Some(_)) => return Err(makes_no_sense(3)),
    };
    Ok(Sandbox {
        name: row.get::<_, String>(0)?.parse().map_err(|_wrong| makes_no_sense(0))?,
        boot_id: row.get(1)?,
        state: state(row, 2)?,
        place,
        cookie: spec.cookie,
        made_files: spec.made_files,
    })
}
