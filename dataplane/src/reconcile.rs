//! Reconcile: compares the whole of intent with the kernel, and repairs.
//!
//! Looks first and writes only what differs: on a healthy host it writes nothing.

use std::collections::HashSet;
use std::fs;

use dataplane_common::direction::Direction;

use crate::attachment::Attachment;
use crate::error::{Error, Result};
use crate::expedite::Expedited;
use crate::hook::{self, Found};
use crate::object::{self, Datapath};
use crate::session::Session;
use crate::upgrade;

/// One difference between intent and kernel, in words.
pub type Finding = String;

/// Finds every difference, and repairs it unless `check` is set.
pub async fn reconcile(session: &mut Session, check: bool) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let rows = session.store.attachments()?;
    if session.datapath.is_none() && (!rows.is_empty() || object::layout_dir(&session.instance).exists()) {
        findings.push("pins of programs or maps are missing or damaged: all made anew".to_owned());
        if check {
            return Ok(findings);
        }
        upgrade::upgrade(session).await?;
    }
    let Some(mut datapath) = session.datapath.take() else { return Ok(findings) };
    let done = compare(session, &mut datapath, &rows, check, &mut findings).await;
    session.datapath = Some(datapath);
    done.map(|()| findings)
}

/// Makes the kernel what these rows say: their limits, and their hooks if somebody removed them.
pub async fn restore(session: &mut Session, rows: &[Attachment]) -> Result<()> {
    let Some(mut datapath) = session.datapath.take() else { return Ok(()) };
    let mut errors = Vec::new();
    for row in rows {
        errors.extend(compare_one(session, &mut datapath, row, false, &mut Vec::new()).await.err());
    }
    session.datapath = Some(datapath);
    Error::join(errors)
}

async fn compare(
    session: &mut Session,
    datapath: &mut Datapath,
    rows: &[Attachment],
    check: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let expedited = if check { None } else { Some(Expedited::for_links(2 * rows.len())) };
    let mut errors = Vec::new();
    for row in rows {
        errors.extend(compare_one(session, datapath, row, check, findings).await.err());
    }
    errors.extend(strays(session, datapath, rows, check, findings).err());
    drop(expedited);
    Error::join(errors)
}

async fn compare_one(
    session: &Session,
    datapath: &mut Datapath,
    row: &Attachment,
    check: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let name = &row.interface;
    let limits = row.limits.to_map()?;
    let slot = datapath.tables.slot(row.ifindex)?;
    if slot != Some(row.slot) {
        findings.push(format!("{name}: not in the map of interfaces: entered"));
        if !check {
            datapath.tables.set_slot(row.ifindex, row.slot)?;
        }
    }
    if datapath.tables.limits(row.slot)? != limits {
        findings.push(format!("{name}: other limits in the map than were set: set"));
        if !check {
            datapath.tables.set_limits(row.slot, limits)?;
        }
    }
    for direction in Direction::ALL {
        let found = hook::find(&session.instance, &session.netlink, datapath, row, direction).await?;
        let problem = match found {
            Found::Ours => continue,
            Found::Outdated => "runs another program: swapped",
            Found::Nothing => "not attached: attached",
            Found::Elsewhere => "attached to another interface: attached here",
        };
        findings.push(format!("{name}: {} {problem}", direction.name()));
        if !check {
            repair(session, datapath, row, direction, found).await?;
        }
    }
    Ok(())
}

async fn repair(
    session: &Session,
    datapath: &Datapath,
    row: &Attachment,
    direction: Direction,
    found: Found,
) -> Result<()> {
    let Session { instance, netlink, .. } = session;
    match found {
        Found::Ours => Ok(()),
        Found::Outdated => hook::swap(instance, netlink, datapath, row, direction).await,
        Found::Elsewhere => {
            hook::detach_direction(instance, row, direction)?;
            hook::attach_one(instance, netlink, datapath, row, direction).await
        }
        Found::Nothing => {
            hook::prepare(instance)?;
            hook::prepare_device(netlink, row).await?;
            hook::attach_one(instance, netlink, datapath, row, direction).await
        }
    }
}

/// Links and map entries that no row explains.
fn strays(
    session: &Session,
    datapath: &mut Datapath,
    rows: &[Attachment],
    check: bool,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let slots: HashSet<u32> = rows.iter().map(|row| row.slot).collect();
    let pins = fs::read_dir(hook::link_dir(&session.instance)).into_iter().flatten().flatten();
    for pin in pins {
        let name = pin.file_name().to_string_lossy().into_owned();
        let slot = name.rsplit('_').next().and_then(|slot| slot.parse::<u32>().ok());
        if slot.is_none_or(|slot| !slots.contains(&slot)) {
            findings.push(format!("{}: a link that nothing asks for: detached", pin.path().display()));
            if !check {
                hook::detach_link(&pin.path())?;
            }
        }
    }
    let interfaces: HashSet<u32> = rows.iter().map(|row| row.ifindex).collect();
    for (ifindex, slot) in datapath.tables.slots()? {
        if !interfaces.contains(&ifindex) {
            findings
                .push(format!("interface {ifindex}: in the map (slot {slot}), but not attached: removed"));
            if !check {
                datapath.tables.release(ifindex)?;
            }
        }
    }
    Ok(())
}
