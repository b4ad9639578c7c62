//! Reset: removes every hook, pin and switch of ours, and the database.
//!
//! Works without the database, since that may be what is broken: links are found by their
//! pins, clsact filters by the programs they run. Goes on past errors, and names what it left;
//! but while a hook is left, so is everything that finds it, for the next try.

use std::collections::HashSet;
use std::path::PathBuf;

use dataplane_common::direction::Direction;

use crate::attachment::Hook;
use crate::bpffs;
use crate::error::{Error, Result};
use crate::expedite::{self, Expedited};
use crate::hook;
use crate::instance::{Directories, Instance};
use crate::item;
use crate::netlink::{Filter, Netlink};
use crate::networks;
use crate::object;
use crate::sandboxes;
use crate::session::Session;
use crate::store::Store;
use crate::unmake::unmake;

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
    let programs = object::pinned_programs(&instance)?;
    expedite::restore_abandoned();
    mark_all_removing(&instance);
    let networks = take_down(directories, &mut report).await;
    let filters = detach_filters(&instance, &programs, &mut report).await;
    let links = detach_links(&instance, &mut report);
    let is_stuck = filters.is_err() || links.is_err() || networks.is_err();
    let mut errors: Vec<Error> = [networks, filters, links].into_iter().filter_map(Result::err).collect();
    if is_stuck {
        return Error::join(errors).map(|()| report);
    }
    match unmake(&instance, lock) {
        Ok(left) => report.left.extend(left),
        Err(error) => errors.push(error),
    }
    Error::join(errors).map(|()| report)
}

/// Endpoints, networks and sandboxes: by the database, or where that cannot be read, by the names
/// that ours have.
async fn take_down(directories: &Directories, report: &mut Report) -> Result<()> {
    let instance = Instance::find(directories)?;
    if !instance.database().exists() {
        return Ok(());
    }
    let Ok(store) = Store::open(&instance.database()) else { return take_down_by_name().await };
    let (Ok(endpoints), Ok(networks), Ok(sandboxes)) =
        (store.endpoints(), store.networks(), store.sandboxes())
    else {
        return take_down_by_name().await;
    };
    let mut session = Session::bare(instance, store)?;
    report.detached += endpoints.len();
    networks::remove(&mut session, &networks).await?;
    sandboxes::remove(&mut session, &sandboxes).await
}

/// Namespaces of sandboxes stay, since nothing says whose they are.
async fn take_down_by_name() -> Result<()> {
    let netlink = Netlink::open()?;
    let mut errors = Vec::new();
    for device in netlink.devices().await? {
        let is_ours = item::is_ours(&device.name) && (device.is_veth() || device.kind == "bridge");
        if is_ours {
            errors.extend(netlink.remove_link(&device.name, device.ifindex).await.err());
        }
    }
    for rule in netlink.rules().await? {
        errors.extend(netlink.remove_rule(&rule).await.err());
    }
    for listed in netlink.routes().await? {
        if listed.is_ours && listed.route.ifindex.is_none() {
            errors.extend(netlink.remove_route(&listed.route).await.err());
        }
    }
    Error::join(errors)
}

/// Should this reset be killed, the next command goes on from the rows. Rows that cannot be read
/// keep nothing from being removed.
fn mark_all_removing(instance: &Instance) {
    if instance.database().exists() {
        let marked = Store::open(&instance.database()).and_then(|mut store| store.mark_all_removing());
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
    let hook::Pinned { links: pins, others } = hook::pinned(instance)?;
    let _expedited = Expedited::for_links(pins.len());
    let mut errors = Vec::new();
    for (_, pin) in &pins {
        match hook::detach_link(pin) {
            Err(Error::ForeignPin { path, .. }) => report.left.push(path),
            other => errors.extend(other.err()),
        }
    }
    report.detached += pins.len().div_ceil(2);
    report.left.extend(others);
    Error::join(errors)
}
