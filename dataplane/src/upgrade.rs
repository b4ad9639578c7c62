//! Upgrade: puts this dpctl's programs in place of those that run, without a gap.
//!
//! With pins of the same layout the new programs take over the maps, so backlogs and counters
//! go on. Otherwise new maps are made beside the old, the limits are written to them from the
//! store, and then each hook is swapped; counters and backlogs start anew. A killed upgrade
//! leaves its staging directory, and the next command does the upgrade again.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use dataplane_common::direction::Direction;

use crate::attachment::{Attachment, State};
use crate::error::{Attempt, Error, Result};
use crate::holding;
use crate::hook::{self, Found};
use crate::object::{self, Datapath, Staging};
use crate::pin::{Kind, open_own_pin};
use crate::session::Session;
use crate::sys;
use crate::tables;

/// What an upgrade did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Interfaces whose programs were swapped.
    pub interfaces: usize,
    /// Whether counters and backlogs went on.
    pub kept_state: bool,
}

/// Swaps the programs of every attachment: all, or none.
pub async fn upgrade(session: &mut Session) -> Result<Upgraded> {
    let layout = object::layout_dir(&session.instance);
    let before = Datapath::open_in(&layout).ok();
    let rows: Vec<Attachment> =
        session.store.attachments()?.into_iter().filter(|row| current(session, row)).collect();
    let staging = object::stage(&session.instance, Staging::Upgrade)?;
    let staged = load(&staging, before.is_some().then_some(layout.as_path()), &rows);
    let staged = match staged {
        Ok(datapath) if before.is_none() => fill(session, datapath).await,
        other => other,
    };
    let done = match staged {
        Ok(datapath) => swap_all(session, &datapath, &rows)
            .await
            .and_then(|swapped| object::publish(&session.instance, &staging).map(|()| swapped)),
        Err(error) => return Err(object::abandon(&staging, error)),
    };
    let interfaces = match (done, &before) {
        (Ok(swapped), _) => swapped,
        // What runs of another layout cannot be put back, so the next command goes on.
        (Err(error), None) => return Err(error),
        (Err(error), Some(before)) => {
            return Err(match swap_all(session, before, &rows).await {
                Ok(_) => object::abandon(&staging, error),
                Err(more) => Error::Several(vec![error, more]),
            });
        }
    };
    for old in object::other_layouts(&session.instance)? {
        object::remove_pins(&old)?;
    }
    session.datapath = Datapath::open(&session.instance)?;
    Ok(Upgraded { interfaces, kept_state: before.is_some() })
}

/// Loads a set into `staging`: on the maps pinned in `layout`, or on new ones with the limits of
/// `rows`.
fn load(staging: &Path, layout: Option<&Path>, rows: &[Attachment]) -> Result<Datapath> {
    object::load_into(staging, layout)?;
    // The maps gain a second name, so that the staged set is whole by itself.
    for (layout, name) in layout.iter().flat_map(|layout| tables::NAMES.map(|name| (layout, name))) {
        let map = open_own_pin(&layout.join(name), Kind::Map, name)?;
        repin(&map, &staging.join(name))?;
    }
    let mut datapath = Datapath::open_in(staging)?;
    if layout.is_none() {
        for row in rows {
            datapath.tables.prepare(row.slot, row.ifindex, row.limits.to_map()?)?;
        }
    }
    Ok(datapath)
}

/// Enters networks and endpoints into new maps, before anything runs on them.
async fn fill(session: &mut Session, datapath: Datapath) -> Result<Datapath> {
    let present = session.datapath.replace(datapath);
    let filled = holding::enter_all(session).await;
    let datapath = std::mem::replace(&mut session.datapath, present);
    filled.and_then(|()| datapath.ok_or_else(|| Error::Load("no programs".to_owned())))
}

/// Swaps the hooks of all rows; answers how many of them had any.
async fn swap_all(session: &Session, datapath: &Datapath, rows: &[Attachment]) -> Result<usize> {
    let mut swapped = 0;
    for row in rows {
        let mut hooked = false;
        for direction in Direction::ALL {
            hooked |= swap(session, datapath, row, direction).await?;
        }
        swapped += usize::from(hooked);
    }
    Ok(swapped)
}

fn current(session: &Session, row: &Attachment) -> bool {
    row.boot_id == session.instance.boot_id && matches!(row.state, State::Ready | State::Changing)
}

/// Swaps what is there. What is missing is for `reconcile`, what is elsewhere is not ours any more.
async fn swap(
    session: &Session,
    datapath: &Datapath,
    row: &Attachment,
    direction: Direction,
) -> Result<bool> {
    match hook::find(&session.instance, &session.netlink, datapath, row, direction).await? {
        Found::Ours | Found::Outdated => {
            hook::swap(&session.instance, &session.netlink, datapath, row, direction).await.map(|()| true)
        }
        Found::Nothing | Found::Elsewhere => Ok(false),
    }
}

fn repin(map: &OwnedFd, path: &Path) -> Result<()> {
    sys::pin(map.as_fd(), path).attempt(|| format!("pin {}", path.display()))
}
