//! Attach: from interfaces and limits to programs that run on them. All of them, or none.

use std::collections::{HashMap, HashSet};

use crate::attachment::{Attachment, Hook, Limits, Role, State};
use crate::error::{Error, Result};
use crate::expedite::Expedited;
use crate::features;
use crate::hook;
use crate::netlink::Device;
use crate::reconcile;
use crate::session::Session;
use crate::sys::Order;

use dataplane_common::layout::{self, CAPACITY};

/// How to attach.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The limits that shall hold afterwards.
    pub limits: Limits,
    /// The kind of hook; `None`: tcx where the kernel has it.
    pub hook: Option<Hook>,
    /// Where among others' programs; `None`: last, or where it is.
    pub order: Option<Order>,
}

/// Attaches interfaces, or sets the limits of those that are attached. Calls `progress` with
/// the number done so far.
pub async fn attach(
    session: &mut Session,
    devices: &[Device],
    request: Request,
    progress: impl FnMut(usize),
) -> Result<()> {
    let map_limits = request.limits.to_map()?;
    let mut plan = plan(session, devices, request)?;
    look_at_clsact(session, &mut plan.fresh).await?;
    hook::prepare(&session.instance)?;
    session.datapath()?;
    refuse_strays(session, &plan.fresh)?;
    let Plan { mut fresh, changed, before } = plan;
    session.store.put(fresh.iter().chain(&changed))?;
    match act(session, &mut fresh, &changed, map_limits, progress).await {
        Ok(()) => Ok(()),
        Err(error) => match undo(session, &fresh, &before).await {
            Ok(()) => Err(error),
            Err(more) => Err(Error::Several(vec![error, more])),
        },
    }
}

async fn act(
    session: &mut Session,
    fresh: &mut [Attachment],
    changed: &[Attachment],
    limits: layout::Limits,
    mut progress: impl FnMut(usize),
) -> Result<()> {
    let expedited = Expedited::for_links(links(fresh));
    for (done, row) in fresh.iter_mut().enumerate() {
        attach_one(session, row, limits).await?;
        progress(done + 1);
    }
    drop(expedited);
    reconcile::restore(session, changed).await?;
    session.store.put(&in_state(fresh.iter().chain(changed), State::Ready))
}

struct Plan {
    fresh: Vec<Attachment>,
    changed: Vec<Attachment>,
    before: Vec<Attachment>,
}

fn plan(session: &Session, devices: &[Device], request: Request) -> Result<Plan> {
    let rows = session.store.attachments()?;
    let by_ifindex: HashMap<u32, &Attachment> = rows.iter().map(|row| (row.ifindex, row)).collect();
    let endpoints = session.store.endpoint_slots()?;
    let taken: HashSet<u32> = rows.iter().map(|row| row.slot).chain(endpoints).collect();
    let mut free = (0..CAPACITY).filter(|slot| !taken.contains(slot));
    let hook = choose_hook(request.hook)?;
    let mut plan = Plan { fresh: Vec::new(), changed: Vec::new(), before: Vec::new() };
    let asked = devices.iter().filter(|device| !by_ifindex.contains_key(&device.ifindex)).count();
    for device in devices {
        match by_ifindex.get(&device.ifindex) {
            Some(row) => {
                refuse_other_hook(row, device, request)?;
                plan.before.push((*row).clone());
                plan.changed.push(Attachment {
                    interface: device.name.clone(),
                    mac: device.mac,
                    limits: request.limits,
                    state: State::Changing,
                    ..(*row).clone()
                });
            }
            None => match free.next() {
                None => return Err(Error::Full { capacity: CAPACITY, asked }),
                Some(slot) => {
                    plan.fresh.push(Attachment {
                        slot,
                        boot_id: session.instance.boot_id.clone(),
                        interface: device.name.clone(),
                        ifindex: device.ifindex,
                        mac: device.mac,
                        hook,
                        order: request.order.unwrap_or_default(),
                        made_clsact: false,
                        state: State::Creating,
                        limits: request.limits,
                        role: Role::Plain,
                    });
                }
            },
        }
    }
    Ok(plan)
}

/// Which of them will get a clsact of ours, to be known before one is made.
async fn look_at_clsact(session: &Session, fresh: &mut [Attachment]) -> Result<()> {
    if fresh.iter().all(|row| row.hook == Hook::Tcx) {
        return Ok(());
    }
    let qdiscs = session.netlink.ingress_qdiscs().await?;
    for row in fresh {
        match qdiscs.get(&row.ifindex).map(String::as_str) {
            None => row.made_clsact = true,
            Some("clsact") => hook::refuse_taken(&session.netlink, row).await?,
            Some(_) => return Err(Error::IngressQdisc { name: row.interface.clone() }),
        }
    }
    Ok(())
}

fn choose_hook(asked: Option<Hook>) -> Result<Hook> {
    match asked {
        Some(Hook::Tcx) if !features::has_tcx()? => Err(Error::Kernel {
            feature: "tcx",
            since: "6.6",
            instead: "use --hook clsact, or leave --hook out",
        }),
        // Known before anything is written.
        Some(Hook::Clsact) if !features::has_clsact()? => Err(Error::Kernel {
            feature: "clsact (sch_ingress, cls_bpf)",
            since: "4.5",
            instead: "use --hook tcx, or leave --hook out",
        }),
        Some(hook) => Ok(hook),
        None => hook::best(),
    }
}

/// Hook and order of what is attached are not changed in place.
fn refuse_other_hook(row: &Attachment, device: &Device, request: Request) -> Result<()> {
    let other = |present, asked| Error::OtherHook { name: device.name.clone(), present, asked };
    match (request.hook, request.order) {
        (Some(hook), _) if hook != row.hook => Err(other(row.hook.name(), hook.name())),
        (_, Some(order)) if order != row.order => Err(other(row.order.name(), order.name())),
        _ => Ok(()),
    }
}

/// Hooks that this database does not know must not be doubled, nor undone.
fn refuse_strays(session: &mut Session, fresh: &[Attachment]) -> Result<()> {
    let in_map: HashSet<u32> =
        session.datapath()?.tables.slots()?.into_iter().map(|(ifindex, _)| ifindex).collect();
    let pinned: HashSet<u32> =
        hook::pinned(&session.instance)?.links.into_iter().map(|(slot, _)| slot).collect();
    for row in fresh {
        let name = match (in_map.contains(&row.ifindex), pinned.contains(&row.slot)) {
            (true, _) => row.interface.clone(),
            (false, true) => format!("slot {}", row.slot),
            (false, false) => continue,
        };
        return Err(Error::UnknownHook { name, database: session.instance.database() });
    }
    Ok(())
}

async fn attach_one(session: &mut Session, row: &mut Attachment, limits: layout::Limits) -> Result<()> {
    row.made_clsact = hook::prepare_device(&session.netlink, row).await?;
    // Filled before it is attached: the first packet finds its limit.
    session.datapath()?.tables.prepare(row.slot, row.ifindex, limits)?;
    let Session { instance, netlink, datapath, .. } = session;
    match datapath {
        Some(datapath) => hook::attach(instance, netlink, datapath, row).await,
        None => Err(Error::Load("no programs".to_owned())),
    }
}

fn links(rows: &[Attachment]) -> usize {
    2 * rows.iter().filter(|row| row.hook == Hook::Tcx).count()
}

/// Takes back what was attached, in reverse, and gives the others their old limits. A row that
/// cannot be undone stays unfinished, for the next command.
async fn undo(session: &mut Session, fresh: &[Attachment], before: &[Attachment]) -> Result<()> {
    let expedited = Expedited::for_links(links(fresh));
    let mut errors = Vec::new();
    let mut undone = Vec::with_capacity(fresh.len());
    for row in fresh.iter().rev() {
        match session.discard(row, true).await {
            Ok(()) => undone.push(row.clone()),
            Err(error) => errors.push(error),
        }
    }
    drop(expedited);
    let restored = reconcile::restore(session, before).await;
    let state = if restored.is_ok() { State::Ready } else { State::Changing };
    errors.extend(restored.err());
    errors.extend(session.store.remove(&undone).err());
    errors.extend(session.store.put(&in_state(before.iter(), state)).err());
    Error::join(errors)
}

fn in_state<'a>(rows: impl Iterator<Item = &'a Attachment>, state: State) -> Vec<Attachment> {
    rows.map(|row| Attachment { state, ..row.clone() }).collect()
}
