//! What a command works with: the instance's lock, its database, netlink, and the pins.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::hook;
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
    /// If this command has made the instance, the directories that its own were made on.
    pub grounds: Option<Vec<PathBuf>>,
    /// Whether no other command was at work when the session was opened.
    pub is_settled: bool,
}

impl Session {
    /// Of an instance whose lock somebody else holds, for taking away: with its pins, if they can be
    /// used.
    pub fn bare(instance: Instance, store: Store) -> Result<Self> {
        let netlink = Netlink::open()?;
        let datapath = Datapath::open(&instance).ok().flatten();
        let (lock, grounds) = (None, None);
        Ok(Self { instance, store, netlink, datapath, departed: Vec::new(), lock, grounds, is_settled: true })
    }

    /// Takes an attachment out of the kernel: hooks, pins and its entry in the maps.
    pub(crate) async fn discard(&mut self, row: &Attachment, alive: bool) -> Result<()> {
        hook::detach(&self.instance, &self.netlink, row, alive).await?;
        if let Some(datapath) = &mut self.datapath
            && datapath.tables.slot(row.ifindex)? == Some(row.slot)
        {
            datapath.tables.release(row.ifindex)?;
        }
        Ok(())
    }

    /// The endpoints before and after a slot in a network, of those whose veths are of this boot.
    pub fn neighbours_of_slot(&self, network: u32, slot: Option<u32>) -> Result<[Option<u32>; 2]> {
        self.store.neighbours_of_slot(network, slot, &self.instance.boot_id)
    }

    /// The open pins; loads the programs if this is the first use.
    pub fn datapath(&mut self) -> Result<&mut Datapath> {
        match &mut self.datapath {
            Some(datapath) => Ok(datapath),
            none => Ok(none.insert(Datapath::open_or_load(&self.instance)?)),
        }
    }

    /// The attachments of these interfaces, in their order: all, or the first that has none. Names
    /// are the kernel's, alternative ones too; the rows bear the first name.
    pub async fn attachments_of(&self, names: &[String]) -> Result<Vec<Attachment>> {
        let rows = self.store.attachments()?;
        let by_ifindex: HashMap<u32, &Attachment> = rows.iter().map(|row| (row.ifindex, row)).collect();
        let devices = self.netlink.devices().await?;
        let by_name: HashMap<&str, &Device> =
            devices.iter().flat_map(|device| device.names().map(move |name| (name, device))).collect();
        let mut found = Vec::with_capacity(names.len());
        let mut seen = HashSet::new();
        for name in names {
            let device = by_name.get(name.as_str()).copied();
            let attachment = device.and_then(|device| Some((device, *by_ifindex.get(&device.ifindex)?)));
            let Some((device, attachment)) = attachment else {
                return Err(self.not_attached(name, device.is_some(), &rows, &devices)?);
            };
            if !seen.insert(device.ifindex) {
                return Err(given_twice(name, &device.name));
            }
            found.push(Attachment { interface: device.name.clone(), ..attachment.clone() });
        }
        Ok(found)
    }

    fn not_attached(
        &self,
        name: &str,
        exists: bool,
        rows: &[Attachment],
        devices: &[Device],
    ) -> Result<Error> {
        if exists {
            let hint = Some("dpctl ls lists what is".to_owned());
            return Ok(Error::NotAttached { name: name.to_owned(), hint });
        }
        let known = rows.iter().find(|row| row.interface == name);
        // A number is no identity.
        let is_it =
            |row: &Attachment, device: &&Device| (device.ifindex, device.mac) == (row.ifindex, row.mac);
        let here = known.and_then(|row| devices.iter().find(|device| is_it(row, device)));
        if let Some(device) = here {
            let hint = format!("it is called {0} now, and is attached still; name it {0}", device.name);
            return Ok(Error::NoSuchInterface { name: name.to_owned(), near: Vec::new(), hint: Some(hint) });
        }
        // Gone since the session was opened, or found so by a command that is still at work.
        let departed = match known {
            Some(row) => Some(row.limits.as_options()),
            None => self.store.departed(name)?,
        };
        Ok(match departed {
            Some(options) => Error::NotAttached {
                name: name.to_owned(),
                hint: Some(format!(
                    "the interface is gone, and its limit with it; {}",
                    attach_anew(&options)
                )),
            },
            None => Error::NoSuchInterface {
                name: name.to_owned(),
                near: near(name, rows.iter().map(|row| row.interface.as_str())),
                hint: None,
            },
        })
    }
}

/// A device by two of its names in one command.
pub fn given_twice(name: &str, other: &str) -> Error {
    Error::Usage(format!("{name}: another name of {other}, given twice; name each interface once"))
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
