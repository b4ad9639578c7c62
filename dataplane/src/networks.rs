//! Networks: made, changed and removed. All of one, or nothing.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use dataplane_common::address::{Ip, Mac};
use dataplane_common::layout::NETWORK_CAPACITY;
use dataplane_common::network::Network as MapNetwork;

use crate::attachment::State;
use crate::disconnect;
use crate::error::{Error, Result};
use crate::item::{self, Item, device_of, gateway_mac};
use crate::kernel::Kernel;
use crate::name::Name;
use crate::network::{Kind, Mtu, Network, Request};
use crate::pool::{Pool, next_subnet};
use crate::refused::Refused;
use crate::session::Session;
use crate::store::NetworkRow;
use crate::subnet::overlap;
use crate::uplink;

/// Makes a network.
pub async fn create(session: &mut Session, name: Name, kind: Kind, mut request: Request) -> Result<Network> {
    refuse_taken(session, &name)?;
    request.subnets = subnets(session, &name, kind, &mut request).await?;
    let id = free_number(session)?;
    let refused = |why| Refused::Network { name: name.to_string(), why };
    let network = request.check(id, name.clone(), kind).map_err(refused)?;
    let boot_id = session.instance.boot_id.clone();
    let mut row = NetworkRow { boot_id, state: State::Creating, network };
    session.store.put_network(&row)?;
    let made = make(session, &row.network).await;
    row.state = State::Ready;
    match made.and_then(|()| session.store.put_network(&row)) {
        Ok(()) => Ok(row.network),
        Err(error) => match unmake(session, &row).await {
            Ok(()) => Err(error),
            Err(more) => Err(Error::Several(vec![error, more])),
        },
    }
}

/// Makes what the kernel has of a network.
pub(crate) async fn make(session: &mut Session, network: &Network) -> Result<()> {
    let items = items(session, network).await?;
    let mut kernel = Kernel::new(&session.netlink);
    kernel.make(&items).await?;
    if network.kind.has_addresses() {
        let device = kernel.number(&device_of(network)).await?;
        let entry = entry(session, network, device)?;
        session.datapath()?.tables.peers.set_network(network.index, entry)?;
    }
    Ok(())
}

/// What a network wants of the host.
pub(crate) async fn items(session: &Session, network: &Network) -> Result<Vec<Item>> {
    Ok(item::of_network(network, mtu(session, network).await?))
}

/// The MTU of a network's links just now.
pub(crate) async fn mtu(session: &Session, network: &Network) -> Result<u32> {
    match network.mtu {
        Mtu::Bytes(mtu) => Ok(mtu),
        Mtu::Auto => uplink::mtu(&session.netlink).await,
    }
}

/// What the programs read of a network.
pub(crate) fn entry(session: &Session, network: &Network, device: u32) -> Result<MapNetwork> {
    let flags = [
        (MapNetwork::ICC, network.icc),
        (MapNetwork::INTERNAL, network.internal),
        (MapNetwork::ROUTED, network.kind == Kind::Routed),
        (MapNetwork::FOREIGN, network.foreign_bridge.is_some()),
    ];
    let flags = flags.iter().filter(|(_, is_set)| *is_set).fold(0, |all, (flag, _)| all | flag);
    let mut entry = MapNetwork::new(flags);
    entry.device = device;
    for subnet in &network.subnets {
        if let IpNetwork::V4(cidr) = subnet.cidr {
            entry.gateway_v4 = subnet.gateway.into();
            entry.broadcast = Ip::v4(cidr.broadcast().octets());
        } else {
            entry.gateway_v6 = subnet.gateway.into();
        }
    }
    entry.gateway_mac = if network.kind == Kind::Routed { Mac::default() } else { gateway_mac(network) };
    let [_, first] = session.neighbours_of_slot(network.index, None)?;
    entry.first = first.map_or(0, |slot| slot + 1);
    Ok(entry)
}

/// Finishes a change that was cut short, and makes a network of an earlier boot anew.
pub(crate) async fn renew(session: &mut Session, row: NetworkRow) -> Result<()> {
    let boot_id = session.instance.boot_id.clone();
    if row.boot_id == boot_id {
        enter(session, &row.network).await?;
    } else {
        // What a try that was cut short has made is in the way of the next.
        take_from_host(session, &row).await?;
        make(session, &row.network).await?;
    }
    session.store.put_network(&NetworkRow { boot_id, state: State::Ready, ..row })
}

/// Removes networks, with their endpoints.
pub async fn remove(session: &mut Session, rows: &[NetworkRow]) -> Result<()> {
    let ids: Vec<u32> = rows.iter().map(|row| row.network.index).collect();
    let mut endpoints = Vec::new();
    for id in &ids {
        endpoints.extend(session.store.endpoints_of_network(*id)?);
    }
    session.store.mark_removing(&ids, &[], &endpoints)?;
    disconnect::unmake(session, &endpoints).await?;
    for row in rows {
        unmake(session, row).await?;
    }
    Ok(())
}

/// Takes a network out of the kernel, as much of it as there is, and forgets it.
pub(crate) async fn unmake(session: &mut Session, row: &NetworkRow) -> Result<()> {
    let network = &row.network;
    if let Some(datapath) = &mut session.datapath
        && datapath.tables.peers.network(network.index)? != MapNetwork::default()
    {
        datapath.tables.peers.set_network(network.index, MapNetwork::default())?;
    }
    if row.boot_id == session.instance.boot_id {
        take_from_host(session, row).await?;
    }
    session.store.remove_network(network.index)
}

async fn take_from_host(session: &Session, row: &NetworkRow) -> Result<()> {
    let mut errors = Vec::new();
    for item in item::of_network(&row.network, 0) {
        match item {
            Item::Bridge { name, mac, .. } => {
                // One that was never made may be another's, in whose way its making was.
                let is_known = row.state != State::Creating;
                if let Some(device) = session.netlink.device(&name).await?
                    && device.kind == "bridge"
                    && (is_known || device.mac == mac)
                {
                    errors.extend(session.netlink.remove_link(&name, device.ifindex).await.err());
                }
            }
            Item::Rule(rule) => errors.extend(session.netlink.remove_rule(&rule).await.err()),
            Item::Route { destination, device: None, metric, .. } => {
                let route =
                    crate::netlink::Route { destination, ifindex: None, gateway: None, source: None, metric };
                errors.extend(session.netlink.remove_route(&route).await.err());
            }
            // These go with the bridge.
            Item::Port { .. }
            | Item::Up { .. }
            | Item::Sysctl { .. }
            | Item::Address { .. }
            | Item::Route { .. }
            | Item::Neighbour { .. }
            | Item::Station { .. } => {}
        }
    }
    Error::join(errors)
}

/// What of a network can change while it is in use.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Whether endpoints may talk to each other.
    pub icc: Option<bool>,
    /// Whether it leads nowhere beyond itself.
    pub internal: Option<bool>,
    /// Labels to be set.
    pub labels: BTreeMap<String, String>,
}

/// Changes a network in place: holds for the next packet.
pub async fn set(session: &mut Session, row: NetworkRow, change: Change) -> Result<()> {
    let before = row.network.clone();
    let network = Network {
        icc: change.icc.unwrap_or(before.icc),
        internal: change.internal.unwrap_or(before.internal),
        labels: before.labels.iter().chain(&change.labels).map(|(k, v)| (k.clone(), v.clone())).collect(),
        ..before.clone()
    };
    network.judge_change().map_err(|why| Refused::Network { name: network.name.to_string(), why })?;
    let mut row = NetworkRow { state: State::Changing, network, ..row };
    session.store.put_network(&row)?;
    let done = enter(session, &row.network).await;
    if done.is_err() {
        row.network = before;
    }
    row.state = State::Ready;
    session.store.put_network(&row)?;
    done
}

/// Writes to the map what the programs read of a network.
pub(crate) async fn enter(session: &mut Session, network: &Network) -> Result<()> {
    if !network.kind.has_addresses() {
        return Ok(());
    }
    let device = Kernel::new(&session.netlink).number(&device_of(network)).await?;
    let entry = entry(session, network, device)?;
    session.datapath()?.tables.peers.set_network(network.index, entry)
}

/// Refuses a name that a network or a sandbox has.
pub fn refuse_taken(session: &Session, name: &Name) -> Result<()> {
    let taken = |kind| Err(Refused::Taken { name: name.to_string(), kind }.into());
    if session.store.network(name.as_str())?.is_some() {
        return taken("network");
    }
    if session.store.sandbox(name.as_str())?.is_some() {
        return taken("sandbox");
    }
    Ok(())
}

fn free_number(session: &Session) -> Result<u32> {
    let taken: Vec<u32> = session.store.networks()?.iter().map(|row| row.network.index).collect();
    (1..NETWORK_CAPACITY)
        .find(|id| !taken.contains(id))
        .ok_or_else(|| Refused::Networks { capacity: NETWORK_CAPACITY - 1 }.into())
}

/// The subnets that were asked for, or free ones of the pools; none overlaps anything of the host.
async fn subnets(
    session: &Session,
    name: &Name,
    kind: Kind,
    request: &mut Request,
) -> Result<Vec<IpNetwork>> {
    if !kind.has_addresses() {
        return Ok(request.subnets.clone());
    }
    if let Some(bridge) = &request.bridge {
        return subnets_of_bridge(session, name, bridge.clone(), request).await;
    }
    let taken = taken(session).await?;
    if request.subnets.is_empty() {
        let cidrs: Vec<IpNetwork> = taken.iter().map(|(cidr, _)| *cidr).collect();
        let pools = pools(session)?;
        let mut found = Vec::new();
        for is_v4 in [true, false] {
            let pools: Vec<Pool> =
                pools.iter().copied().filter(|pool| pool.cidr.is_ipv4() == is_v4).collect();
            if !pools.is_empty() {
                let none = || Refused::NoSubnet { name: name.to_string() };
                found.push(next_subnet(&pools, &cidrs).ok_or_else(none)?);
            }
        }
        return Ok(found);
    }
    for subnet in &request.subnets {
        if let Some((_, other)) = taken.iter().find(|(cidr, _)| overlap(*cidr, *subnet)) {
            let (name, subnet, other) = (name.to_string(), subnet.to_string(), other.clone());
            return Err(Refused::Overlap { name, subnet, other }.into());
        }
    }
    Ok(request.subnets.clone())
}

/// Somebody else's bridge brings its own: its addresses are the gateways, unless others are given.
async fn subnets_of_bridge(
    session: &Session,
    name: &Name,
    bridge: String,
    request: &mut Request,
) -> Result<Vec<IpNetwork>> {
    let cannot = |why: String| Refused::Cannot { name: name.to_string(), why };
    let Some(device) = session.netlink.device(&bridge).await? else {
        return Err(cannot(format!("--bridge {bridge}: no such interface in this network namespace")).into());
    };
    if device.kind != "bridge" {
        return Err(cannot(format!("--bridge {bridge}: a {} device, not a bridge", device.kind)).into());
    }
    if item::is_ours(&bridge) {
        return Err(cannot(format!("--bridge {bridge}: belongs to another network of ours")).into());
    }
    let mut subnets: Vec<IpNetwork> = request.subnets.clone();
    let is_given = !subnets.is_empty();
    for address in session.netlink.addresses().await? {
        let is_link_local = matches!(address.cidr, IpNetwork::V6(cidr) if cidr.ip().is_unicast_link_local());
        let is_second = subnets.iter().any(|other| other.is_ipv4() == address.cidr.is_ipv4());
        let is_elsewhere = is_given && !subnets.iter().any(|subnet| subnet.contains(address.cidr.ip()));
        if address.ifindex != device.ifindex || is_link_local || is_elsewhere || (is_second && !is_given) {
            continue;
        }
        let whole = IpNetwork::new(address.cidr.network(), address.cidr.prefix());
        subnets.extend(whole.ok().filter(|_| !is_given));
        if !request.gateways.iter().any(|gateway| gateway.is_ipv4() == address.cidr.is_ipv4()) {
            request.gateways.push(address.cidr.ip());
        }
    }
    if subnets.is_empty() {
        let why =
            format!("--bridge {bridge}: has no address; give the network's with --subnet and --gateway");
        return Err(cannot(why).into());
    }
    Ok(subnets)
}

/// What has addresses on this host already, with words for it.
pub(crate) async fn taken(session: &Session) -> Result<Vec<(IpNetwork, String)>> {
    let rows = session.store.networks()?;
    let of_networks = rows.iter().flat_map(|row| {
        let subnets = row.network.subnets.iter();
        subnets.map(|subnet| (subnet.cidr, format!("{} of network {}", subnet.cidr, row.network.name)))
    });
    let mut taken: Vec<(IpNetwork, String)> = of_networks.collect();
    taken.extend(uplink::of_others(&session.netlink).await?);
    Ok(taken)
}

/// Where subnets come from when none is asked for.
pub fn pools(session: &Session) -> Result<Vec<Pool>> {
    match session.store.setting(POOL)? {
        Some(text) => Ok(text.split_whitespace().filter_map(|word| word.parse().ok()).collect()),
        None => Ok(Pool::defaults()),
    }
}

/// The setting that names the pools.
pub const POOL: &str = "pool";
