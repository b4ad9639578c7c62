//! Reconcile: compares the whole of intent with the kernel, and repairs.
//!
//! Looks first and writes only what differs: on a healthy host it writes nothing.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use dataplane_common::direction::Direction;

use crate::attachment::{Attachment, Hook};
use crate::error::{Error, Result};
use crate::expedite::Expedited;
use crate::holding::{self, Fault};
use crate::hook::{self, Found};
use crate::object::{self, Datapath};
use crate::session::Session;
use crate::upgrade;

/// One difference between intent and kernel. Prints as what is wrong.
#[derive(Debug)]
pub enum Difference {
    /// The pins cannot be used.
    Pins,
    /// The map of interfaces does not lead to the attachment's slot.
    Slot(Attachment),
    /// The map holds other limits.
    Limits(Attachment),
    /// Something else than our program is at a hook.
    Hook(Attachment, Direction, Found),
    /// A link that no attachment asks for.
    StrayLink(PathBuf),
    /// An interface in the map that no attachment asks for.
    StrayInterface(u32),
    /// Something of a network or an endpoint.
    Network(Fault),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pins => write!(f, "pins of programs or maps are missing or damaged"),
            Self::Slot(row) => write!(f, "{}: not in the map of interfaces", row.interface),
            Self::Limits(row) => write!(f, "{}: the map has other limits than were set", row.interface),
            Self::Hook(row, direction, found) => {
                let problem = match found {
                    Found::Ours => "is attached",
                    Found::Outdated => "is another program",
                    Found::Nothing => "is not attached",
                    Found::Elsewhere => "is attached to another interface",
                };
                write!(f, "{}: {} {problem}", row.interface, direction.name())
            }
            Self::StrayLink(pin) => write!(f, "{}: a link that nothing asks for", pin.display()),
            Self::StrayInterface(ifindex) => write!(f, "interface {ifindex}: in the map, but not attached"),
            Self::Network(fault) => fault.fmt(f),
        }
    }
}

impl Difference {
    /// What repairs it, as something that was done.
    pub fn repair(&self) -> &'static str {
        match self {
            Self::Pins => "all made anew",
            Self::Slot(_) => "entered",
            Self::Limits(_) => "set",
            Self::Hook(_, _, Found::Outdated) => "swapped",
            Self::Hook(..) => "attached",
            Self::StrayLink(_) => "detached",
            Self::StrayInterface(_) => "removed",
            Self::Network(fault) => fault.repair(),
        }
    }
}

/// So often a host is looked at: a bridge, its ports, what they carry.
const ROUNDS: usize = 4;

/// Finds every difference; writes nothing.
pub async fn compare(session: &Session) -> Result<Vec<Difference>> {
    let rows = session.store.attachments()?;
    let Some(datapath) = &session.datapath else {
        let needed = !session.store.is_empty()? || object::layout_dir(&session.instance).exists();
        return Ok(if needed { vec![Difference::Pins] } else { Vec::new() });
    };
    let mut differences = Vec::new();
    for row in &rows {
        differences.extend(compare_row(session, datapath, row).await?);
    }
    differences.extend(strays(session, datapath, &rows)?);
    differences.extend(holding::compare(session).await?.into_iter().map(Difference::Network));
    Ok(differences)
}

/// Finds every difference and repairs it; answers what it found.
pub async fn reconcile(session: &mut Session) -> Result<Vec<Difference>> {
    let mut differences = compare(session).await?;
    if matches!(differences.as_slice(), [Difference::Pins]) {
        upgrade::upgrade(session).await?;
        differences.extend(compare(session).await?);
    }
    repair(session, &differences).await?;
    // What was made may show what else is amiss: a bridge that was gone has lost its ports.
    for _ in 1..ROUNDS {
        if !differences.iter().any(|difference| matches!(difference, Difference::Network(_))) {
            break;
        }
        let more = compare(session).await?;
        if more.is_empty() {
            break;
        }
        repair(session, &more).await?;
        differences.extend(more);
    }
    Ok(differences)
}

/// Makes the kernel what these rows say: their limits, and their hooks if somebody removed them.
pub async fn restore(session: &mut Session, rows: &[Attachment]) -> Result<()> {
    let mut differences = Vec::new();
    if let Some(datapath) = &session.datapath {
        for row in rows {
            differences.extend(compare_row(session, datapath, row).await?);
        }
    }
    repair(session, &differences).await
}

async fn compare_row(session: &Session, datapath: &Datapath, row: &Attachment) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    if datapath.tables.slot(row.ifindex)? != Some(row.slot) {
        differences.push(Difference::Slot(row.clone()));
    }
    if datapath.tables.limits(row.slot)? != row.limits.to_map()? {
        differences.push(Difference::Limits(row.clone()));
    }
    for direction in Direction::ALL {
        let found = hook::find(&session.instance, &session.netlink, datapath, row, direction).await?;
        if found != Found::Ours {
            differences.push(Difference::Hook(row.clone(), direction, found));
        }
    }
    Ok(differences)
}

/// Links and map entries that no row explains.
fn strays(session: &Session, datapath: &Datapath, rows: &[Attachment]) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    let slots: HashSet<u32> = rows.iter().map(|row| row.slot).collect();
    let pinned = hook::pinned(&session.instance)?;
    let strays = pinned.links.into_iter().filter(|(slot, _)| !slots.contains(slot));
    differences.extend(strays.map(|(_, pin)| Difference::StrayLink(pin)));
    let interfaces: HashSet<u32> = rows.iter().map(|row| row.ifindex).collect();
    let in_map = datapath.tables.slots()?.into_iter().map(|(ifindex, _)| ifindex);
    differences
        .extend(in_map.filter(|ifindex| !interfaces.contains(ifindex)).map(Difference::StrayInterface));
    Ok(differences)
}

async fn repair(session: &mut Session, differences: &[Difference]) -> Result<()> {
    // The switch is for the whole system, so it is not touched before something is amiss.
    let of_tcx = |difference: &&Difference| match difference {
        Difference::Hook(row, ..) => row.hook == Hook::Tcx,
        Difference::StrayLink(_) => true,
        Difference::Pins
        | Difference::Slot(_)
        | Difference::Limits(_)
        | Difference::StrayInterface(_)
        | Difference::Network(_) => false,
    };
    let links = differences.iter().filter(of_tcx).count();
    let expedited = Expedited::for_links(links);
    let mut errors = Vec::new();
    for difference in differences {
        errors.extend(repair_one(session, difference).await.err());
    }
    drop(expedited);
    Error::join(errors)
}

async fn repair_one(session: &mut Session, difference: &Difference) -> Result<()> {
    match difference {
        Difference::Pins => Ok(()),
        Difference::Slot(row) => session.datapath()?.tables.set_slot(row.ifindex, row.slot),
        Difference::Limits(row) => session.datapath()?.tables.set_limits(row.slot, row.limits.to_map()?),
        Difference::Hook(row, direction, found) => repair_hook(session, row, *direction, *found).await,
        Difference::StrayLink(pin) => hook::detach_link(pin),
        Difference::StrayInterface(ifindex) => session.datapath()?.tables.release(*ifindex),
        Difference::Network(fault) => holding::mend_one(session, fault).await,
    }
}

async fn repair_hook(
    session: &mut Session,
    row: &Attachment,
    direction: Direction,
    found: Found,
) -> Result<()> {
    session.datapath()?;
    let Session { instance, netlink, store, datapath: Some(datapath), .. } = session else {
        return Ok(());
    };
    match found {
        Found::Ours => return Ok(()),
        Found::Outdated => return hook::swap(instance, netlink, datapath, row, direction).await,
        Found::Elsewhere => hook::detach_direction(instance, row, direction)?,
        Found::Nothing => {}
    }
    hook::prepare(instance)?;
    if hook::prepare_device(netlink, row).await? && !row.made_clsact {
        store.put(&[Attachment { made_clsact: true, ..row.clone() }])?;
    }
    hook::attach_one(instance, netlink, datapath, row, direction).await
}
