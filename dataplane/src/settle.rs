//! Finishes or undoes what a killed command left, and clears away what lost its interface.
//!
//! Runs under the instance's lock, before anything else: so whatever it finds unfinished
//! belongs to a command that is no more. On a settled instance it writes nothing.

use std::collections::HashMap;

use dataplane_common::direction::Direction;

use crate::attachment::{Attachment, Hook, State};
use crate::error::Result;
use crate::expedite::Expedited;
use crate::hook::{self, Found};
use crate::netlink::{Device, Lookup};
use crate::object::{Staging, remove_earlier_layouts, remove_pins};
use crate::session::Session;
use crate::upgrade;

/// Finishes or throws away pins that a killed command was making; to be done before any are
/// opened.
pub async fn settle_pins(session: &mut Session) -> Result<()> {
    remove_pins(&Staging::Load.dir(&session.instance))?;
    if Staging::Upgrade.dir(&session.instance).exists() {
        upgrade::upgrade(session).await?;
    }
    remove_earlier_layouts(&session.instance)
}

/// Settles the instance; answers the attachments whose interface was found gone.
pub async fn settle(session: &mut Session) -> Result<Vec<Attachment>> {
    let rows = session.store.attachments()?;
    let (present, past): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.boot_id == session.instance.boot_id);
    let mut departed = past;
    let devices = if present.is_empty() { Vec::new() } else { session.netlink.devices().await? };
    let devices: HashMap<u32, Device> = devices.into_iter().map(|device| (device.ifindex, device)).collect();
    let expedited = Expedited::for_links(links_to_go(&present));
    let mut removed = Vec::new();
    for row in present {
        let gone = is_gone(session, &row, &devices).await?;
        match row.state {
            // It never came to be, or was let go: either way it did not depart.
            State::Creating | State::Removing => {
                discard(session, &row, !gone).await?;
                removed.push(row);
            }
            State::Ready | State::Changing if gone => {
                discard(session, &row, false).await?;
                departed.push(row);
            }
            State::Ready => {}
            State::Changing => {
                if let Some(datapath) = &mut session.datapath {
                    datapath.tables.set_limits(row.slot, row.limits.to_map()?)?;
                }
                session.store.mark(std::slice::from_ref(&row), State::Ready)?;
            }
        }
    }
    drop(expedited);
    if !removed.is_empty() {
        session.store.remove(&removed)?;
    }
    if !departed.is_empty() {
        session.store.depart(&departed)?;
    }
    Ok(departed)
}

/// The rows whose interface is there, and those whose interface is gone. Changes nothing.
pub async fn present(
    session: &Session,
    rows: Vec<Attachment>,
    devices: Vec<Device>,
) -> Result<(Vec<Attachment>, Vec<Attachment>)> {
    let devices: HashMap<u32, Device> = devices.into_iter().map(|device| (device.ifindex, device)).collect();
    let (mut here, mut gone) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        // Only what looks as if it had gone is looked at closely: this is asked every second.
        let is_plain = devices.get(&row.ifindex).is_some_and(|device| device.mac == row.mac);
        if !is_plain && is_gone(session, &row, &devices).await? {
            gone.push(row);
        } else {
            here.push(row);
        }
    }
    Ok((here, gone))
}

/// Links of rows that a killed command left half-way: as many as it was asked for.
fn links_to_go(rows: &[Attachment]) -> usize {
    let unfinished = |row: &&Attachment| matches!(row.state, State::Creating | State::Removing);
    2 * rows.iter().filter(unfinished).filter(|row| row.hook == Hook::Tcx).count()
}

/// Takes an attachment out of the kernel: hooks, pins and its entry in the maps.
pub(crate) async fn discard(session: &mut Session, row: &Attachment, alive: bool) -> Result<()> {
    hook::detach(&session.instance, &session.netlink, row, alive).await?;
    if let Some(datapath) = &mut session.datapath
        && datapath.tables.slot(row.ifindex)? == Some(row.slot)
    {
        datapath.tables.release(row.ifindex)?;
    }
    Ok(())
}

/// Whether the interface of an attachment is gone, another one with its number or not.
///
/// A number is no identity, and a link follows its device into other namespaces: so the device
/// must be here, with its MAC and not without our link, or else with our program on it.
async fn is_gone(session: &Session, row: &Attachment, devices: &HashMap<u32, Device>) -> Result<bool> {
    let mac = match devices.get(&row.ifindex) {
        Some(device) => device.mac,
        // A list may lack one that is there: it cannot be read, or the list never came to rest.
        None => match session.netlink.device_numbered(row.ifindex).await? {
            Lookup::Found(device) => device.mac,
            Lookup::None => return Ok(true),
            Lookup::Unreadable => row.mac,
        },
    };
    let Some(datapath) = &session.datapath else {
        return Ok(mac != row.mac && !hook::leads_here(&session.instance, row)?);
    };
    let direction = Direction::FromContainer;
    let ours = datapath.program_id(direction);
    let runs_here = hook::programs(&session.netlink, row, direction).await?.contains(&ours);
    if mac != row.mac {
        return Ok(!runs_here);
    }
    let found = hook::find(&session.instance, &session.netlink, datapath, row, direction).await?;
    Ok(found == Found::Elsewhere || found == Found::Ours && !runs_here)
}
