//! Attach and detach: the difference between tcx and clsact ends here.
//!
//! tcx (Linux 6.6): a link a direction, pinned, since a link lives as long as somebody holds it.
//! clsact: a filter a direction under a priority and handle of ours; it lives with its device.
//! Refuses, to a new attachment, a place that somebody else's filter has; and pins that are no
//! links of ours.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use dataplane_common::direction::Direction;

use crate::attachment::{Attachment, Hook, State};
use crate::error::{Attempt, Error, Result};
use crate::features;
use crate::instance::Instance;
use crate::netlink::{Filter, Netlink};
use crate::object::{self, Datapath};
use crate::private_dir;
use crate::sys::{self, LinkInfo, Order};

/// Ours among the filters of a priority: "dp".
const HANDLE: u32 = 0x6470;

/// The kind of hook that is taken where nobody chose one.
pub fn best() -> Result<Hook> {
    Ok(if features::has_tcx()? { Hook::Tcx } else { Hook::Clsact })
}

/// What hangs on an interface in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Our program, as it should.
    Ours,
    /// Ours, but another program than the pinned one (an upgrade that was cut short).
    Outdated,
    /// Nothing of ours.
    Nothing,
    /// Ours, on another interface: it was moved to another namespace.
    Elsewhere,
}

/// Where the link pins lie.
pub fn link_dir(instance: &Instance) -> PathBuf {
    instance.pins.join("links")
}

fn link_pin(instance: &Instance, slot: u32, direction: Direction) -> PathBuf {
    link_dir(instance).join(format!("{}_{slot}", direction.name()))
}

/// What is pinned where the links lie.
#[derive(Debug, Default)]
pub struct Pinned {
    /// By our names, with the slots in them.
    pub links: Vec<(u32, PathBuf)>,
    /// By other names.
    pub others: Vec<PathBuf>,
}

/// Lists the pins where the links lie.
pub fn pinned(instance: &Instance) -> Result<Pinned> {
    let mut pinned = Pinned::default();
    for pin in private_dir::entries(&link_dir(instance))? {
        match slot_of(&pin) {
            Some(slot) => pinned.links.push((slot, pin)),
            None => pinned.others.push(pin),
        }
    }
    Ok(pinned)
}

fn slot_of(pin: &Path) -> Option<u32> {
    let (direction, slot) = pin.file_name()?.to_str()?.rsplit_once('_')?;
    Direction::ALL.iter().find(|ours| ours.name() == direction)?;
    slot.parse().ok()
}

/// Attaches both directions. What it did before it failed is left for [`detach`].
pub async fn attach(
    instance: &Instance,
    netlink: &Netlink,
    datapath: &Datapath,
    attachment: &Attachment,
) -> Result<()> {
    for direction in Direction::ALL {
        attach_one(instance, netlink, datapath, attachment, direction).await?;
    }
    Ok(())
}

/// Attaches one direction.
pub async fn attach_one(
    instance: &Instance,
    netlink: &Netlink,
    datapath: &Datapath,
    attachment: &Attachment,
    direction: Direction,
) -> Result<()> {
    let Attachment { interface, ifindex, order, .. } = attachment;
    let program = datapath.program(attachment.role, direction);
    match attachment.hook {
        Hook::Tcx => {
            let call = || format!("attach {} to {interface}", direction.name());
            let link = sys::link_create(program, *ifindex, direction, *order).attempt(call)?;
            sys::pin(link.as_fd(), &link_pin(instance, attachment.slot, direction)).attempt(call)
        }
        Hook::Clsact => {
            let place = (priority(*order), HANDLE);
            netlink.put_filter(interface, *ifindex, direction, place, program, false).await
        }
    }
}

/// Takes our programs off an interface. What is already gone is fine.
pub async fn detach(
    instance: &Instance,
    netlink: &Netlink,
    attachment: &Attachment,
    alive: bool,
) -> Result<()> {
    let mut errors = Vec::new();
    for direction in Direction::ALL {
        let done = match attachment.hook {
            Hook::Tcx => detach_link(&link_pin(instance, attachment.slot, direction)),
            Hook::Clsact if alive => remove_filter(instance, netlink, attachment, direction).await,
            Hook::Clsact => Ok(()),
        };
        errors.extend(done.err());
    }
    if attachment.made_clsact && alive && unused(netlink, attachment).await {
        errors.extend(netlink.remove_clsact(&attachment.interface, attachment.ifindex).await.err());
    }
    Error::join(errors)
}

/// Removes our filter; one of another program in its place stays. Without pins nobody can tell
/// whose program it is, and the place decides.
async fn remove_filter(
    instance: &Instance,
    netlink: &Netlink,
    attachment: &Attachment,
    direction: Direction,
) -> Result<()> {
    let filters = netlink.filters(attachment.ifindex, direction).await?;
    let Some(filter) = filters.iter().find(|filter| is_ours(filter, attachment.order)) else {
        return Ok(());
    };
    let programs = object::pinned_programs(instance)?;
    if !programs.is_empty() && !programs.contains(&filter.program_id) {
        return Ok(());
    }
    netlink.remove_filter(attachment.ifindex, direction, filter.priority, filter.handle).await
}

/// Refuses a clsact device where a filter already has our place: another instance's.
pub async fn refuse_taken(netlink: &Netlink, attachment: &Attachment) -> Result<()> {
    for direction in Direction::ALL {
        let filters = netlink.filters(attachment.ifindex, direction).await?;
        if filters.iter().any(|filter| is_ours(filter, attachment.order)) {
            return Err(Error::PlaceTaken {
                name: attachment.interface.clone(),
                direction: direction.name(),
                priority: priority(attachment.order),
            });
        }
    }
    Ok(())
}

/// Detaches one direction of a tcx attachment, wherever its device is now.
pub fn detach_direction(instance: &Instance, attachment: &Attachment, direction: Direction) -> Result<()> {
    detach_link(&link_pin(instance, attachment.slot, direction))
}

/// Makes what [`attach_one`] needs on the device itself.
pub async fn prepare_device(netlink: &Netlink, attachment: &Attachment) -> Result<bool> {
    match attachment.hook {
        Hook::Tcx => Ok(false),
        Hook::Clsact => netlink.add_clsact(&attachment.interface, attachment.ifindex).await,
    }
}

async fn unused(netlink: &Netlink, attachment: &Attachment) -> bool {
    for direction in Direction::ALL {
        if !netlink.filters(attachment.ifindex, direction).await.is_ok_and(|filters| filters.is_empty()) {
            return false;
        }
    }
    true
}

/// Opens one of our links; `None` if there is no such pin. Another object of that name is refused.
fn open_link(pin: &Path) -> Result<Option<(OwnedFd, LinkInfo)>> {
    let link = match sys::open_pin(pin) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.attempt(|| format!("open {}", pin.display()))?,
    };
    match sys::link_info(link.as_fd()).attempt(|| format!("examine {}", pin.display()))? {
        Some(info) => Ok(Some((link, info))),
        None => Err(Error::ForeignPin {
            path: pin.to_owned(),
            found: "another kind of object".to_owned(),
            wanted: "a tcx link".to_owned(),
        }),
    }
}

/// The number of the device that a pinned link is on still, in that device's namespace. What is no
/// link of ours is on none.
pub fn device_of(pin: &Path) -> Result<Option<u32>> {
    match open_link(pin) {
        Ok(link) => Ok(link.map(|(_link, info)| info.ifindex).filter(|ifindex| *ifindex != 0)),
        Err(Error::ForeignPin { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Detaches a pinned link now and removes its pin. Unpinning alone would detach it later, by a
/// worker of the kernel.
pub fn detach_link(pin: &Path) -> Result<()> {
    let Some((link, _info)) = open_link(pin)? else { return Ok(()) };
    match sys::link_detach(link.as_fd()) {
        // ENOLINK: its device is gone already.
        Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOLINK | libc::ENOENT)) => {
            return Err(error).attempt(|| format!("detach {}", pin.display()));
        }
        _ => {}
    }
    fs::remove_file(pin).attempt(|| format!("remove {}", pin.display()))
}

/// Puts the datapath's program in place of the one that runs, without a gap.
pub async fn swap(
    instance: &Instance,
    netlink: &Netlink,
    datapath: &Datapath,
    attachment: &Attachment,
    direction: Direction,
) -> Result<()> {
    let program = datapath.program(attachment.role, direction);
    match attachment.hook {
        Hook::Tcx => {
            let pin = link_pin(instance, attachment.slot, direction);
            let call = || format!("upgrade {} of {}", direction.name(), attachment.interface);
            let link = sys::open_pin(&pin).attempt(call)?;
            sys::link_update(link.as_fd(), program).attempt(call)
        }
        Hook::Clsact => {
            let Attachment { interface, ifindex, order, .. } = attachment;
            let place = (priority(*order), HANDLE);
            netlink.put_filter(interface, *ifindex, direction, place, program, true).await
        }
    }
}

/// What hangs on the attachment's interface.
pub async fn find(
    instance: &Instance,
    netlink: &Netlink,
    datapath: &Datapath,
    attachment: &Attachment,
    direction: Direction,
) -> Result<Found> {
    let program = datapath.program_id(attachment.role, direction);
    match attachment.hook {
        Hook::Tcx => Ok(match link(instance, attachment.slot, direction)? {
            None => Found::Nothing,
            Some(link) if link.ifindex != attachment.ifindex => Found::Elsewhere,
            Some(link) if link.direction != Some(direction) => Found::Elsewhere,
            Some(link) if link.program_id != program => Found::Outdated,
            Some(_) => Found::Ours,
        }),
        Hook::Clsact => {
            let filters = netlink.filters(attachment.ifindex, direction).await?;
            Ok(match filters.iter().find(|filter| is_ours(filter, attachment.order)) {
                None => Found::Nothing,
                Some(filter) if filter.program_id != program => Found::Outdated,
                Some(_) => Found::Ours,
            })
        }
    }
}

/// The slots of the attachments that have lost a hook, as far as few calls tell: a pin that is
/// gone, a clsact that is gone. [`find`] tells all, with calls for each attachment. What is just being
/// attached or detached has lost nothing.
pub async fn lost(instance: &Instance, netlink: &Netlink, rows: &[Attachment]) -> Result<HashSet<u32>> {
    let is_there = |row: &&Attachment| {
        matches!(row.state, State::Ready | State::Changing) && row.boot_id == instance.boot_id
    };
    let of = |hook| rows.iter().filter(is_there).filter(move |row| row.hook == hook);
    let mut lost = HashSet::new();
    if of(Hook::Tcx).next().is_some() {
        let mut pins: HashMap<u32, usize> = HashMap::new();
        for (slot, _) in pinned(instance)?.links {
            *pins.entry(slot).or_default() += 1;
        }
        let whole = Direction::ALL.len();
        lost.extend(of(Hook::Tcx).map(|row| row.slot).filter(|slot| pins.get(slot) != Some(&whole)));
    }
    if of(Hook::Clsact).next().is_some() {
        let qdiscs = netlink.ingress_qdiscs().await?;
        let has_clsact = |row: &&Attachment| qdiscs.get(&row.ifindex).is_some_and(|kind| kind == "clsact");
        lost.extend(of(Hook::Clsact).filter(|row| !has_clsact(row)).map(|row| row.slot));
    }
    Ok(lost)
}

/// Ids of the programs on the attachment's interface, ours and others', in the order they run;
/// 0 for a filter of another kind.
pub async fn programs(netlink: &Netlink, attachment: &Attachment, direction: Direction) -> Result<Vec<u32>> {
    match attachment.hook {
        Hook::Tcx => sys::programs_on(attachment.ifindex, direction)
            .attempt(|| format!("list the programs on {}", attachment.interface)),
        Hook::Clsact => {
            let mut filters = netlink.filters(attachment.ifindex, direction).await?;
            filters.sort_by_key(|filter| filter.priority);
            Ok(filters.into_iter().map(|filter| filter.program_id).collect())
        }
    }
}

/// Whether a tcx link of the attachment is on the interface of that number; a clsact filter
/// cannot be asked.
pub fn leads_here(instance: &Instance, attachment: &Attachment) -> Result<bool> {
    let link = link(instance, attachment.slot, Direction::FromContainer)?;
    Ok(link.is_some_and(|link| link.ifindex == attachment.ifindex))
}

fn link(instance: &Instance, slot: u32, direction: Direction) -> Result<Option<LinkInfo>> {
    let link = open_link(&link_pin(instance, slot, direction))?;
    Ok(link.map(|(_link, info)| info))
}

/// Makes what [`attach`] needs before the first interface.
pub fn prepare(instance: &Instance) -> Result<()> {
    private_dir::make(&link_dir(instance))
}

fn priority(order: Order) -> u16 {
    match order {
        Order::First => 1,
        // Past what tc hands out itself (49152 downwards), so ours runs after what is there.
        Order::Last => 0xc470,
    }
}

/// Whether a filter has the place that ours have on clsact.
pub fn is_ours(filter: &Filter, order: Order) -> bool {
    filter.priority == priority(order) && filter.handle == HANDLE
}
