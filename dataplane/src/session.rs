//! What a command works with: the instance's lock, its database, netlink, and the pins.

use std::collections::HashMap;

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::lockfile::LockFile;
use crate::netlink::{Device, Netlink};
use crate::object::Datapath;
use crate::store::Store;

/// An open instance.
#[derive(Debug)]
pub struct Session {
    /// Where everything lies.
    pub instance: Instance,
    /// Intent.
    pub store: Store,
    /// The kernel's devices and filters.
    pub netlink: Netlink,
    /// The pins; `None` before the first attach.
    pub datapath: Option<Datapath>,
    /// Attachments found gone when the session was opened.
    pub departed: Vec<Attachment>,
    /// Held for as long as the command changes something.
    pub lock: Option<LockFile>,
}

impl Session {
    /// The open pins; loads the programs if this is the first use.
    pub fn datapath(&mut self) -> Result<&mut Datapath> {
        match &mut self.datapath {
            Some(datapath) => Ok(datapath),
            none => Ok(none.insert(Datapath::open_or_load(&self.instance)?)),
        }
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
        // Gone since the session was opened, or found so by a command that is still at work.
        let leaving = rows.iter().find(|row| row.interface == name).filter(|_| !exists);
        let departed = match leaving {
            Some(row) => Some(row.limits.as_options()),
            None => self.store.departed(name)?,
        };
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

/// What to say of an attachment whose interface is gone.
pub fn departure(row: &Attachment) -> String {
    let anew = attach_anew(&row.limits.as_options());
    format!("{}: the interface is gone, and its limit with it; {anew}", row.interface)
}

/// What to run for a container that has come back with another veth.
fn attach_anew(options: &str) -> String {
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
