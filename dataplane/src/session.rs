//! What a command works with: the instance's lock, its database, netlink, and the pins.
//!
//! Opening a session first settles what a killed command left, and clears away attachments
//! whose interface is gone.

use std::collections::HashMap;

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::expedite;
use crate::instance::{Directories, Instance, Lock};
use crate::netlink::{Device, Netlink};
use crate::object::Datapath;
use crate::settle;
use crate::store::Store;

/// An open instance.
#[derive(Debug)]
pub struct Session {
    /// Where everything lies.
    pub instance: Instance,
    /// Intent.
    pub store: Store,
    /// The kernel's devices.
    pub netlink: Netlink,
    /// The pins; `None` before the first attach.
    pub datapath: Option<Datapath>,
    /// Attachments found gone when the session was opened.
    pub departed: Vec<Attachment>,
    lock: Option<Lock>,
}

impl Session {
    /// For a command that changes something: makes what is missing and takes the lock.
    pub async fn change(directories: &Directories, command: &'static str) -> Result<Self> {
        let mut session = Self::locked(directories, command)?;
        session.datapath = Datapath::open(&session.instance)?;
        session.departed = settle::settle(&mut session).await?;
        Ok(session)
    }

    /// For a command that changes what is there; `None` where nothing ever was, and nothing is
    /// made then.
    pub async fn existing(directories: &Directories, command: &'static str) -> Result<Option<Self>> {
        require_root(command)?;
        if Instance::find(directories)?.exists() {
            Self::change(directories, command).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// As [`change`](Self::change), but settles nothing, and pins that cannot be used count as
    /// none: for the commands that make them anew.
    pub fn repair(directories: &Directories, command: &'static str) -> Result<Option<Self>> {
        require_root(command)?;
        if !Instance::find(directories)?.exists() {
            return Ok(None);
        }
        let mut session = Self::locked(directories, command)?;
        session.datapath = match Datapath::open(&session.instance) {
            Err(Error::Bpffs { .. } | Error::Layout { .. }) => None,
            other => other?,
        };
        Ok(Some(session))
    }

    fn locked(directories: &Directories, command: &'static str) -> Result<Self> {
        require_root(command)?;
        let instance = Instance::find(directories)?;
        let lock = instance.prepare()?;
        expedite::restore_abandoned()?;
        let store = Store::open(&instance.database())?;
        let netlink = Netlink::open()?;
        Ok(Self { instance, store, netlink, datapath: None, departed: Vec::new(), lock: Some(lock) })
    }

    /// For a command that only looks; `None` where there is nothing to see. It settles what it
    /// finds unfinished unless another command is at work, and then keeps the lock to itself
    /// no longer than that.
    pub async fn look(directories: &Directories, command: &'static str) -> Result<Option<Self>> {
        require_root(command)?;
        let instance = Instance::find(directories)?;
        if !instance.exists() {
            return Ok(None);
        }
        crate::bpffs::refuse_private(&instance.bpffs)?;
        let lock = instance.try_lock();
        if lock.is_some() {
            expedite::restore_abandoned()?;
        }
        let store = Store::open(&instance.database())?;
        let netlink = Netlink::open()?;
        let datapath = Datapath::open(&instance)?;
        let mut session = Self { instance, store, netlink, datapath, departed: Vec::new(), lock };
        if session.lock.is_some() {
            session.departed = settle::settle(&mut session).await?;
            session.lock = None;
        }
        Ok(Some(session))
    }

    /// The open pins; loads the programs if this is the first use.
    pub fn datapath(&mut self) -> Result<&mut Datapath> {
        if self.datapath.is_none() {
            self.datapath = Some(Datapath::open_or_load(&self.instance)?);
        }
        self.datapath.as_mut().ok_or_else(|| Error::Load("no programs".to_owned()))
    }

    /// The attachments of these interfaces, in their order: all, or the first that has none.
    pub async fn attachments_of(&self, names: &[String]) -> Result<Vec<Attachment>> {
        let rows = self.store.attachments()?;
        let by_ifindex: HashMap<u32, &Attachment> = rows.iter().map(|row| (row.ifindex, row)).collect();
        let devices = self.netlink.devices().await?;
        let devices: HashMap<&str, &Device> =
            devices.iter().map(|device| (device.name.as_str(), device)).collect();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let attachment = devices.get(name.as_str()).and_then(|device| by_ifindex.get(&device.ifindex));
            match attachment {
                Some(attachment) => {
                    found.push(Attachment { interface: name.clone(), ..(*attachment).clone() });
                }
                None => return Err(self.not_attached(name, devices.contains_key(name.as_str()), &rows)?),
            }
        }
        Ok(found)
    }

    fn not_attached(&self, name: &str, exists: bool, rows: &[Attachment]) -> Result<Error> {
        let departed = self.store.departed(name)?;
        Ok(match (departed, exists) {
            (Some(options), false) => Error::NotAttached {
                name: name.to_owned(),
                hint: Some(format!(
                    "the interface is gone, and its limit with it; {}",
                    attach_anew(&options)
                )),
            },
            (_, true) => {
                Error::NotAttached { name: name.to_owned(), hint: Some("dpctl ls lists what is".to_owned()) }
            }
            (None, false) => Error::NoSuchInterface {
                name: name.to_owned(),
                near: near(name, rows.iter().map(|row| row.interface.as_str())),
                hint: None,
            },
        })
    }
}

/// What to run for a container that has come back with another veth.
pub fn attach_anew(options: &str) -> String {
    let gap = if options.is_empty() { "" } else { " " };
    format!("a container that restarted has a new veth: dpctl attach {options}{gap}--pid PID")
}

/// The names most like `name`, at most three.
pub fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = names
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, other)| other.to_owned()).collect()
}

/// Refuses anybody but root.
pub fn require_root(command: &'static str) -> Result<()> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(Error::NotRoot(command)) }
}
