//! Disconnect: takes endpoints away. What is gone already is fine, so that it finishes what a
//! killed command has begun.

use std::net::IpAddr;

use dataplane_common::network::Endpoint as MapEndpoint;

use crate::attachment::State;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::expedite::Expedited;
use crate::files;
use crate::item::device_of;
use crate::netlink::Neighbour;
use crate::network::Kind;
use crate::sandbox::Place;
use crate::session::Session;
use crate::store::NetworkRow;
use crate::tables::Peers;

/// Devices to be removed are put in this group: "dp".
const GROUP: u32 = 0x6470;

/// Disconnects endpoints, all at once.
pub async fn disconnect(session: &mut Session, endpoints: &[Endpoint]) -> Result<()> {
    session.store.mark_removing(&[], &[], endpoints)?;
    unmake(session, endpoints).await
}

/// Takes endpoints out of the kernel, as much of them as there is, and forgets them.
pub(crate) async fn unmake(session: &mut Session, endpoints: &[Endpoint]) -> Result<()> {
    if endpoints.is_empty() {
        return Ok(());
    }
    for endpoint in endpoints {
        leave(session, endpoint)?;
    }
    // Without them, links would be detached and devices removed at a wait each.
    let expedited = Expedited::for_links(2 * endpoints.len());
    remove_devices(session, endpoints).await?;
    for endpoint in endpoints {
        if let Some(row) = session.store.attachment_at(endpoint.slot)? {
            session.discard(&row, false).await?;
        }
    }
    drop(expedited);
    forget_neighbours(session, endpoints).await?;
    session.store.remove_endpoints(endpoints)?;
    forget_hosts(session, endpoints)
}

/// Makes an endpoint unknown in its network, and its slot nobody's.
fn leave(session: &mut Session, endpoint: &Endpoint) -> Result<()> {
    if endpoint.addresses.is_empty() {
        return Ok(());
    }
    let [before, after] = session.neighbours_of_slot(endpoint.network, Some(endpoint.slot))?;
    let Some(datapath) = &mut session.datapath else { return Ok(()) };
    let peers = &mut datapath.tables.peers;
    for address in endpoint.owned() {
        peers.forget_owner(endpoint.network, address, endpoint.slot)?;
    }
    lead_to(peers, endpoint.network, before, after)?;
    let entry = peers.endpoint(endpoint.slot)?;
    if entry.network == endpoint.network {
        peers.remove_device(entry.ifindex)?;
        peers.set_endpoint(endpoint.slot, MapEndpoint::default())?;
    }
    Ok(())
}

/// Makes what stands before a place in a network's list lead to a slot, unless it does.
pub(crate) fn lead_to(peers: &mut Peers, network: u32, before: Option<u32>, to: Option<u32>) -> Result<()> {
    let next = to.map_or(0, |slot| slot + 1);
    if let Some(slot) = before {
        let mut entry = peers.endpoint(slot)?;
        if entry.next == next {
            return Ok(());
        }
        entry.next = next;
        return peers.set_endpoint(slot, entry);
    }
    let mut entry = peers.network(network)?;
    if entry.first == next {
        return Ok(());
    }
    entry.first = next;
    peers.set_network(network, entry)
}

/// One alone is removed by itself; many are put in a group, which the kernel removes at once.
async fn remove_devices(session: &Session, endpoints: &[Endpoint]) -> Result<()> {
    let netlink = &session.netlink;
    let mut found = Vec::new();
    for endpoint in endpoints {
        if endpoint.boot_id == session.instance.boot_id
            && let Some(device) = netlink.device(&endpoint.host_side()).await?
            && device.is_veth()
            // One that was never made may be another's, in whose way its making was.
            && (endpoint.state != State::Creating || device.mac == endpoint.host_mac())
        {
            found.push(device);
        }
    }
    match found.as_slice() {
        [] => Ok(()),
        [one] => netlink.remove_link(&one.name, one.ifindex).await,
        many => {
            for device in many {
                netlink.set_group(&device.name, device.ifindex, GROUP).await?;
            }
            netlink.remove_group(GROUP).await
        }
    }
}

/// Neighbours on a bridge do not go with the port that they are behind.
async fn forget_neighbours(session: &Session, endpoints: &[Endpoint]) -> Result<()> {
    let mut network: Option<(NetworkRow, Option<u32>)> = None;
    let mut errors = Vec::new();
    for endpoint in endpoints {
        if network.as_ref().is_none_or(|(row, _)| row.network.index != endpoint.network) {
            network = match session.store.network_numbered(endpoint.network)? {
                Some(row) => {
                    let device = session.netlink.device(&device_of(&row.network)).await?;
                    Some((row, device.map(|device| device.ifindex)))
                }
                None => None,
            };
        }
        let Some((row, Some(ifindex))) = &network else { continue };
        if row.network.kind == Kind::Bridge && row.network.foreign_bridge.is_none() {
            for address in &endpoint.addresses {
                let neighbour = Neighbour { ifindex: *ifindex, address: *address, mac: endpoint.mac };
                errors.extend(session.netlink.remove_neighbour(&neighbour).await.err());
            }
        }
    }
    Error::join(errors)
}

/// The addresses that endpoints have.
pub(crate) fn addresses(endpoints: &[Endpoint]) -> Vec<IpAddr> {
    endpoints.iter().flat_map(|endpoint| endpoint.addresses.iter().copied()).collect()
}

fn forget_hosts(session: &Session, endpoints: &[Endpoint]) -> Result<()> {
    for endpoint in endpoints {
        let name = &endpoint.sandbox;
        let Some(sandbox) = session.store.sandbox(name.as_str())? else { continue };
        if sandbox.place == Place::Own && sandbox.made_files && files::dir(name).exists() {
            let left = session.store.endpoints_of_sandbox(name.as_str())?;
            files::set_hosts(name, &addresses(&left))?;
        }
    }
    Ok(())
}
