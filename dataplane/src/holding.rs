//! Whether networks and endpoints are in the kernel as the database says, and what mends it.
//!
//! Looks at the host once and at each sandbox once; writes nothing while it looks.

use std::fmt;

use dataplane_common::network::Endpoint as MapEndpoint;

use crate::attachment::State;
use crate::connect;
use crate::disconnect;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::inside;
use crate::item::{self, Item, device_of};
use crate::kernel::{Kernel, Snapshot};
use crate::netlink::Netlink;
use crate::networks;
use crate::sandbox::{Place, Sandbox};
use crate::sandboxes;
use crate::session::Session;
use crate::store::NetworkRow;

/// One difference between intent and kernel.
#[derive(Debug)]
pub enum Fault {
    /// Something that the host lacks of a network or an endpoint.
    Host(String, Item),
    /// Something that a sandbox lacks of an endpoint.
    Inside(String, Item, Endpoint),
    /// The map has something else of a network.
    NetworkEntry(NetworkRow),
    /// The maps have something else of an endpoint.
    EndpointEntry(String, Endpoint),
    /// An address in the map that nobody has.
    StrayOwner(u32, std::net::IpAddr, u32),
    /// An endpoint whose veth is gone, with its sandbox still there.
    Lost(String, Endpoint),
    /// An endpoint whose sandbox is gone.
    Orphan(String, Endpoint),
    /// A sandbox whose namespace is gone.
    NoNamespace(Sandbox),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name, item) => write!(f, "{name}: missing: {item}"),
            Self::Inside(name, item, _) => write!(f, "{name}: missing in the sandbox: {item}"),
            Self::NetworkEntry(row) => write!(f, "{}: not in the map of networks as it is", row.network.name),
            Self::EndpointEntry(name, _) => write!(f, "{name}: not in the maps as it is"),
            Self::StrayOwner(network, address, _) => {
                write!(f, "{address} of network {network}: in the map, but nobody's")
            }
            Self::Lost(name, endpoint) => write!(f, "{name}: its veth {} is gone", endpoint.host_side()),
            Self::Orphan(name, _) => write!(f, "{name}: its sandbox's namespace is gone"),
            Self::NoNamespace(sandbox) => write!(f, "{}: its namespace is gone", sandbox.name),
        }
    }
}

impl Fault {
    /// Whether it is the maps alone that differ.
    const fn is_entry(&self) -> bool {
        matches!(self, Self::NetworkEntry(_) | Self::EndpointEntry(..) | Self::StrayOwner(..))
    }

    /// What mends it, as something that was done.
    pub const fn repair(&self) -> &'static str {
        match self {
            Self::Host(..) | Self::Inside(..) => "made",
            Self::NetworkEntry(_) | Self::EndpointEntry(..) => "entered",
            Self::StrayOwner(..) | Self::Orphan(..) | Self::NoNamespace(_) => "removed",
            Self::Lost(..) => "made anew",
        }
    }
}

/// Finds every difference.
pub async fn compare(session: &Session) -> Result<Vec<Fault>> {
    let networks = session.store.networks()?;
    let sandboxes = session.store.sandboxes()?;
    let mut faults = Vec::new();
    if networks.is_empty() && sandboxes.is_empty() {
        return Ok(faults);
    }
    let host = Snapshot::take(&session.netlink).await?;
    for row in &networks {
        compare_network(session, &host, row, &mut faults).await?;
    }
    for sandbox in &sandboxes {
        let netns = match inside::open(&holder(sandbox, &sandboxes)) {
            Ok(netns) => Some(netns),
            Err(Error::NoHostSide { .. }) => None,
            Err(error) => return Err(error),
        };
        if netns.is_none() {
            faults.push(Fault::NoNamespace(sandbox.clone()));
        }
        for endpoint in session.store.endpoints_of_sandbox(sandbox.name.as_str())? {
            let Some(row) = networks.iter().find(|row| row.network.index == endpoint.network) else {
                continue;
            };
            let name = format!("{}/{}", row.network.name, sandbox.name);
            match &netns {
                None => faults.push(Fault::Orphan(name, endpoint)),
                Some(_) if !row.network.kind.has_addresses() => {}
                Some(_) if session.store.attachment_at(endpoint.slot)?.is_none() => {
                    faults.push(Fault::Lost(name, endpoint));
                }
                Some(netns) => {
                    compare_endpoint(session, &host, row, &name, &endpoint, &mut faults)?;
                    let items = item::in_sandbox(&row.network, &endpoint);
                    let missing = inside::run(netns, |netlink| missing_of(netlink, items))?;
                    faults.extend(
                        missing.into_iter().map(|item| Fault::Inside(name.clone(), item, endpoint.clone())),
                    );
                }
            }
        }
    }
    faults.extend(stray_owners(session)?);
    Ok(faults)
}

/// The sandbox whose namespace a sandbox has: another, where it has joined that.
fn holder(sandbox: &Sandbox, all: &[Sandbox]) -> Sandbox {
    match &sandbox.place {
        Place::Joined(other) => all.iter().find(|one| one.name == *other).unwrap_or(sandbox).clone(),
        Place::Own | Place::At(_) => sandbox.clone(),
    }
}

async fn missing_of(netlink: Netlink, items: Vec<Item>) -> Result<Vec<Item>> {
    let snapshot = Snapshot::take(&netlink).await?;
    Ok(items.into_iter().filter(|item| !snapshot.has(item)).collect())
}

async fn compare_network(
    session: &Session,
    host: &Snapshot,
    row: &NetworkRow,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    let network = &row.network;
    if !network.kind.has_addresses() {
        return Ok(());
    }
    // An MTU that follows the uplink is that of when the device was made.
    let made = host.device(&device_of(network)).map(|device| device.mtu);
    let mtu = match (network.mtu, made) {
        (crate::network::Mtu::Auto, Some(mtu)) => mtu,
        _ => networks::mtu(session, network).await?,
    };
    let items = item::of_network(network, mtu);
    let missing = items.into_iter().filter(|item| !host.has(item));
    faults.extend(missing.map(|item| Fault::Host(network.name.to_string(), item)));
    if let (Some(datapath), Some(device)) = (&session.datapath, host.device(&device_of(network))) {
        let wanted = networks::entry(session, network, device.ifindex)?;
        if datapath.tables.peers.network(network.index)? != wanted {
            faults.push(Fault::NetworkEntry(row.clone()));
        }
    }
    Ok(())
}

fn compare_endpoint(
    session: &Session,
    host: &Snapshot,
    row: &NetworkRow,
    name: &str,
    endpoint: &Endpoint,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    let items = item::on_host(&row.network, endpoint);
    let missing = items.into_iter().filter(|item| !host.has(item));
    faults.extend(missing.map(|item| Fault::Host(name.to_owned(), item)));
    let Some(datapath) = &session.datapath else { return Ok(()) };
    let peers = &datapath.tables.peers;
    let Some(device) = host.device(&endpoint.host_side()) else { return Ok(()) };
    let is_known = endpoint
        .owned()
        .into_iter()
        .map(|address| Ok(peers.owner(endpoint.network, address)? == Some(endpoint.slot)))
        .collect::<Result<Vec<bool>>>()?;
    let is_whole = is_known.into_iter().all(|known| known)
        && peers.endpoint(endpoint.slot)? == wanted(session, endpoint, device.ifindex)?
        && peers.is_entered(device.ifindex)?;
    if !is_whole {
        faults.push(Fault::EndpointEntry(name.to_owned(), endpoint.clone()));
    }
    Ok(())
}

/// What the map shall have of an endpoint.
fn wanted(session: &Session, endpoint: &Endpoint, ifindex: u32) -> Result<MapEndpoint> {
    let [_, after] = session.neighbours_of_slot(endpoint.network, Some(endpoint.slot))?;
    let mut wanted = MapEndpoint::new(endpoint.identity(), endpoint.network, ifindex, endpoint.host_mac());
    wanted.next = after.map_or(0, |slot| slot + 1);
    Ok(wanted)
}

fn stray_owners(session: &Session) -> Result<Vec<Fault>> {
    let Some(datapath) = &session.datapath else { return Ok(Vec::new()) };
    let mut strays = Vec::new();
    for (network, address, slot) in datapath.tables.peers.owners()? {
        let owner = session.store.endpoint_at(slot)?;
        let is_owned =
            owner.is_some_and(|owner| owner.network == network && owner.owned().contains(&address));
        if !is_owned {
            strays.push(Fault::StrayOwner(network, address, slot));
        }
    }
    Ok(strays)
}

/// Enters all that the maps lack: for new ones.
pub(crate) async fn enter_all(session: &mut Session) -> Result<()> {
    let faults = compare(session).await?;
    for fault in faults.iter().filter(|fault| fault.is_entry()) {
        mend_one(session, fault).await?;
    }
    Ok(())
}

/// Mends one of them.
pub(crate) async fn mend_one(session: &mut Session, fault: &Fault) -> Result<()> {
    match fault {
        Fault::Host(_, Item::Bridge { name, mac, mtu }) => match session.netlink.device(name).await? {
            Some(device) if device.kind == "bridge" => {
                session.netlink.set_mac_and_mtu(name, device.ifindex, *mac, *mtu).await
            }
            _ => {
                let item = Item::Bridge { name: name.clone(), mac: *mac, mtu: *mtu };
                Kernel::new(&session.netlink).make(&[item]).await
            }
        },
        Fault::Host(_, item) => Kernel::mending(&session.netlink).make(std::slice::from_ref(item)).await,
        Fault::Inside(_, item, endpoint) => {
            let Some(sandbox) = session.store.sandbox(endpoint.sandbox.as_str())? else { return Ok(()) };
            let item = item.clone();
            inside::run(&inside::open(&sandbox)?, |netlink| async move {
                Kernel::mending(&netlink).make(&[item]).await
            })
        }
        Fault::NetworkEntry(row) => networks::enter(session, &row.network).await,
        Fault::EndpointEntry(_, endpoint) => enter(session, endpoint).await,
        Fault::StrayOwner(network, address, slot) => {
            session.datapath()?.tables.peers.forget_owner(*network, *address, *slot)
        }
        Fault::Lost(_, endpoint) => make_anew(session, endpoint).await,
        Fault::Orphan(_, endpoint) => disconnect::disconnect(session, std::slice::from_ref(endpoint)).await,
        Fault::NoNamespace(sandbox) => sandboxes::remove(session, std::slice::from_ref(sandbox)).await,
    }
}

async fn enter(session: &mut Session, endpoint: &Endpoint) -> Result<()> {
    let Some(row) = session.store.network_numbered(endpoint.network)? else { return Ok(()) };
    let ifindex = Kernel::new(&session.netlink).number(&endpoint.host_side()).await?;
    let entry = wanted(session, endpoint, ifindex)?;
    let peers = &mut session.datapath()?.tables.peers;
    peers.set_endpoint(endpoint.slot, entry)?;
    peers.enter_device(ifindex)?;
    connect::enter(session, &row.network, endpoint)
}

async fn make_anew(session: &mut Session, endpoint: &Endpoint) -> Result<()> {
    let network = session.store.network_numbered(endpoint.network)?;
    let sandbox = session.store.sandbox(endpoint.sandbox.as_str())?;
    let (Some(row), Some(sandbox)) = (network, sandbox) else { return Ok(()) };
    let boot_id = session.instance.boot_id.clone();
    let endpoint = Endpoint { state: State::Creating, boot_id, ..endpoint.clone() };
    connect::make(session, &row.network, &sandbox, endpoint).await.map(drop)
}

/// Makes sandboxes of our own that ended with an earlier boot anew, with their endpoints.
pub async fn restore(session: &mut Session) -> Result<Vec<String>> {
    let mut restored = Vec::new();
    for sandbox in session.store.sandboxes()? {
        if sandbox.place != Place::Own || sandboxes::is_alive(&sandbox)? {
            continue;
        }
        let name = sandbox.name.to_string();
        let endpoints = session.store.endpoints_of_sandbox(&name)?;
        sandboxes::restore(session, sandbox)?;
        restored.push(name);
        for endpoint in endpoints {
            make_anew(session, &endpoint).await?;
            restored.push(format!("{}/{}", network_name(session, endpoint.network)?, endpoint.sandbox));
        }
    }
    Ok(restored)
}

fn network_name(session: &Session, id: u32) -> Result<String> {
    let row = session.store.network_numbered(id)?;
    Ok(row.map_or_else(|| id.to_string(), |row| row.network.name.to_string()))
}
