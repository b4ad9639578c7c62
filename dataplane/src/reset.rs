//! Reset: removes every hook, pin and switch of ours, and the database.
//!
//! Works without the database, since that may be what is broken: links are found by their
//! pins, clsact filters by the programs they run. Goes on past errors, and names what it left.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use aya::programs::ProgramInfo;

use dataplane_common::direction::Direction;

use crate::attachment::{Hook, State};
use crate::bpffs;
use crate::error::{Attempt, Error, Result};
use crate::expedite::{self, Expedited};
use crate::hook;
use crate::instance::{Directories, Instance};
use crate::netlink::{Filter, Netlink};
use crate::object::{self, Staging};
use crate::pin::{Kind, open_own_pin};
use crate::private_dir::{self, remove_if_empty};
use crate::store::Store;

/// What a reset did.
#[derive(Debug, Default)]
pub struct Report {
    /// Interfaces and links that were let go.
    pub detached: usize,
    /// Pins below our directory that are not ours.
    pub left: Vec<PathBuf>,
}

/// Removes everything of this instance.
pub async fn reset(directories: &Directories) -> Result<Report> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot("reset"));
    }
    let instance = Instance::find(directories)?;
    bpffs::refuse_private(&instance.bpffs)?;
    let mut report = Report::default();
    if ![&instance.state, &instance.pins, &instance.mount_record].iter().any(|path| path.exists()) {
        return Ok(report);
    }
    let lock = instance.lock()?;
    // What finds the filters is looked at before any of it is removed.
    let programs = pinned_programs(&instance)?;
    let mut errors = Vec::new();
    errors.extend(expedite::restore_abandoned().err());
    mark_all_removing(&instance);
    errors.extend(detach_filters(&instance, &programs, &mut report).await.err());
    errors.extend(detach_links(&instance, &mut report).err());
    errors.extend(remove_all_pins(&instance, &mut report).err());
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        errors.extend(remove_file(&instance.state.join(file)).err());
    }
    errors.extend(remove_file(&instance.lock_path()).err());
    drop(lock);
    // The directories may be the user's own, or hold other instances: only empty ones go.
    remove_if_empty(&instance.pins);
    if private_dir::is_empty(&instance.bpffs) {
        remove_if_empty(&instance.bpffs);
        errors.extend(bpffs::release(&instance.mount_record).err());
        remove_if_empty(&instance.bpffs);
    }
    remove_if_empty(&instance.state);
    instance.mount_record.parent().iter().for_each(|dir| remove_if_empty(dir));
    Error::join(errors).map(|()| report)
}

/// Should this reset be killed, the next command goes on from the rows. Rows that cannot be read
/// keep nothing from being removed.
fn mark_all_removing(instance: &Instance) {
    if instance.database().exists() {
        let marked = Store::open(&instance.database()).and_then(|mut store| {
            let rows = store.attachments()?;
            store.mark(&rows, State::Removing)
        });
        tracing::debug!("marked: {marked:?}");
    }
}

/// Filters on clsact, known by the ids of the programs that are pinned here.
async fn detach_filters(instance: &Instance, programs: &HashSet<u32>, report: &mut Report) -> Result<()> {
    let netlink = Netlink::open()?;
    // To open one that is not there would make it, and an empty one says that nothing is ours.
    let rows = instance
        .database()
        .exists()
        .then(|| Store::open(&instance.database()).and_then(|store| store.attachments()).ok())
        .flatten();
    // Without the database, a clsact that nobody uses is taken for ours.
    let made_clsact = |ifindex: u32| {
        rows.as_ref().is_none_or(|rows| {
            rows.iter()
                .any(|row| row.ifindex == ifindex && row.made_clsact && row.boot_id == instance.boot_id)
        })
    };
    // Also where the pin of the program that runs was lost or replaced.
    let has_place = |ifindex: u32, filter: &Filter| {
        rows.iter().flatten().any(|row| {
            row.ifindex == ifindex
                && row.boot_id == instance.boot_id
                && row.hook == Hook::Clsact
                && hook::is_ours(filter, row.order)
        })
    };
    let mut errors = Vec::new();
    for device in netlink.devices().await? {
        let (mut ours, mut others) = (0, 0);
        for direction in Direction::ALL {
            for filter in netlink.filters(device.ifindex, direction).await? {
                if programs.contains(&filter.program_id) || has_place(device.ifindex, &filter) {
                    let gone = netlink
                        .remove_filter(device.ifindex, direction, filter.priority, filter.handle)
                        .await;
                    errors.extend(gone.err());
                    ours += 1;
                } else {
                    others += 1;
                }
            }
        }
        if ours > 0 {
            report.detached += 1;
            if others == 0 && made_clsact(device.ifindex) {
                errors.extend(netlink.remove_clsact(&device.name, device.ifindex).await.err());
            }
        }
    }
    Error::join(errors)
}

fn detach_links(instance: &Instance, report: &mut Report) -> Result<()> {
    let pins: Vec<PathBuf> = fs::read_dir(hook::link_dir(instance))
        .into_iter()
        .flatten()
        .flatten()
        .map(|pin| pin.path())
        .collect();
    let _expedited = Expedited::for_links(pins.len());
    let mut errors = Vec::new();
    for pin in &pins {
        errors.extend(hook::detach_link(pin).err());
    }
    report.detached += pins.len().div_ceil(2);
    Error::join(errors)
}

fn remove_all_pins(instance: &Instance, report: &mut Report) -> Result<()> {
    let mut errors = Vec::new();
    let mut ours = vec![hook::link_dir(instance), Staging::Load.dir(instance)];
    for dir in &ours {
        errors.extend(object::remove_pins(dir).err());
    }
    // A set is whole, or under a name whose content any command throws away.
    let layout = object::layout_dir(instance);
    if let Err(error) = fs::rename(&layout, Staging::Load.dir(instance)) {
        tracing::debug!("{}: {error}", layout.display());
    }
    ours.extend([layout, Staging::Upgrade.dir(instance)]);
    ours.extend(object::other_layouts(instance));
    for dir in ours {
        errors.extend(object::remove_pins(&dir).err());
    }
    for entry in fs::read_dir(&instance.pins).into_iter().flatten().flatten() {
        // Other instances are their own.
        let name = entry.file_name().to_string_lossy().into_owned();
        if !private_dir::is_kernels_own(&entry.path()) && !name.starts_with("netns_") {
            report.left.push(entry.path());
        }
    }
    Error::join(errors)
}

/// Ids of the programs that are pinned here. What is no program of ours is passed over; one that
/// cannot be looked at is an error, since its filters would stay.
fn pinned_programs(instance: &Instance) -> Result<HashSet<u32>> {
    let mut dirs = vec![object::layout_dir(instance)];
    dirs.extend(object::other_layouts(instance));
    dirs.extend([Staging::Load, Staging::Upgrade].map(|staging| staging.dir(instance)));
    let mut ids = HashSet::new();
    for pin in dirs.iter().flat_map(|dir| Direction::ALL.map(|direction| dir.join(direction.name()))) {
        match open_own_pin(&pin, Kind::Program, "a program") {
            Ok(_program) => {
                let info = ProgramInfo::from_pin(&pin).map_err(|error| Error::Load(error.to_string()))?;
                ids.insert(info.id());
            }
            Err(Error::Bpffs { .. } | Error::ForeignPin { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(ids)
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).attempt(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
