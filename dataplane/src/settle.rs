//! Finishes or undoes what a killed command left, and clears away what lost its interface.
//!
//! Runs under the instance's lock, before anything else: so whatever it finds unfinished
//! belongs to a command that is no more. On a settled instance it writes nothing.

use std::collections::HashMap;

use dataplane_common::direction::Direction;

use crate::attachment::{Attachment, Hook, Role, State};
use crate::disconnect;
use crate::error::Result;
use crate::expedite::Expedited;
use crate::hook::{self, Found};
use crate::netlink::{Device, Lookup};
use crate::networks;
use crate::object::{Staging, remove_earlier_layouts, remove_pins};
use crate::sandboxes;
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

/// Settles what a killed command left, and no more: for commands that must not cost more the more
/// there is. What lost its interface is left to the others.
pub async fn settle_unfinished(session: &mut Session) -> Result<()> {
    let unfinished = session.store.unfinished_attachments()?;
    let is_known = |row: &Attachment| row.boot_id == session.instance.boot_id;
    if session.store.is_of_other_boots(&session.instance.boot_id)? || !unfinished.iter().all(is_known) {
        session.departed = settle(session).await?;
        return Ok(());
    }
    if unfinished.iter().any(|row| row.role == Role::Plain || row.state == State::Changing) {
        session.departed = settle(session).await?;
        return Ok(());
    }
    settle_networks(session).await
}

/// Settles the instance; answers the attachments whose interface was found gone.
pub async fn settle(session: &mut Session) -> Result<Vec<Attachment>> {
    let rows = session.store.attachments()?;
    let (present, past): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.boot_id == session.instance.boot_id);
    let (mut lost, mut departed): (Vec<_>, Vec<_>) =
        past.into_iter().partition(|row| row.role == Role::Endpoint);
    let devices = if present.is_empty() { Vec::new() } else { session.netlink.devices().await? };
    let devices: HashMap<u32, Device> = devices.into_iter().map(|device| (device.ifindex, device)).collect();
    let expedited = Expedited::for_links(links_to_go(&present));
    let mut removed = Vec::new();
    for row in present {
        let gone = is_gone(session, &row, &devices).await?;
        match row.state {
            // Its veth goes first, with the endpoint.
            State::Creating | State::Removing if row.role == Role::Endpoint => {}
            // It never came to be, or was let go: either way it did not depart.
            State::Creating | State::Removing => {
                session.discard(&row, !gone).await?;
                removed.push(row);
            }
            State::Ready | State::Changing if gone => {
                session.discard(&row, false).await?;
                if row.role == Role::Endpoint { lost.push(row) } else { departed.push(row) }
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
    if !lost.is_empty() {
        session.store.lose(&lost)?;
    }
    settle_networks(session).await?;
    Ok(departed)
}

/// Finishes or undoes endpoints, networks and sandboxes, and makes the networks of an earlier boot
/// anew.
async fn settle_networks(session: &mut Session) -> Result<()> {
    let endpoints = session.store.unfinished_endpoints()?;
    disconnect::unmake(session, &endpoints).await?;
    for row in session.store.unfinished_networks(&session.instance.boot_id)? {
        match row.state {
            State::Creating | State::Removing => networks::unmake(session, &row).await?,
            State::Changing | State::Ready => {
                // A bridge of somebody else's may not be there yet; that keeps nobody from the rest.
                if let Err(error) = networks::renew(session, row).await {
                    tracing::warn!("{error}; dpctl reconcile tries again");
                }
            }
        }
    }
    for sandbox in session.store.unfinished_sandboxes()? {
        sandboxes::unmake(session, &sandbox)?;
    }
    Ok(())
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
    let ours = datapath.program_id(row.role, direction);
    let runs_here = hook::programs(&session.netlink, row, direction).await?.contains(&ours);
    if mac != row.mac {
        return Ok(!runs_here);
    }
    let found = hook::find(&session.instance, &session.netlink, datapath, row, direction).await?;
    Ok(found == Found::Elsewhere || found == Found::Ours && !runs_here)
}
