//! Connect: a sandbox joins a network. All of it, or nothing.
//!
//! What it is to have is planned first ([`plan`]), and written down; then the veth is made, with
//! its other end born in the sandbox; its programs are attached while it is down; the sandbox's
//! side is set up; and only then does the host's side come up and the network know the address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;

use dataplane_common::address::Mac;
use dataplane_common::neighbour::{announcement_v4, announcement_v6};
use dataplane_common::network::Endpoint as MapEndpoint;

use crate::attachment::{Attachment, Limits, Role, State};
use crate::disconnect::{self, unmake};
use crate::endpoint::Endpoint;
use crate::error::{Attempt, Error, Result};
use crate::expedite::Expedited;
use crate::files;
use crate::hook;
use crate::inside;
use crate::item::{self, device_of};
use crate::kernel::Kernel;
use crate::netlink::NewVeth;
use crate::netns::NetNs;
use crate::network::{Kind, Network};
use crate::sandbox::{Place, Sandbox};
use crate::session::Session;
use crate::sys;

pub mod plan;

/// How to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Addresses, one of each family at the most; the rest are the next free ones.
    pub addresses: Vec<IpAddr>,
    /// A MAC; else it is made from the address.
    pub mac: Option<Mac>,
    /// What the sandbox calls its end; else `eth0`, or the next that is free.
    pub interface: Option<String>,
    /// What may pass.
    pub limits: Limits,
    /// Whether the default route of this network is to win over those that are there.
    pub default_route: bool,
    /// The metric of the default route.
    pub metric: Option<u32>,
    /// Set in the sandbox.
    pub sysctls: BTreeMap<String, String>,
}

/// Connects a sandbox to a network.
pub async fn connect(
    session: &mut Session,
    network: &Network,
    sandbox: &Sandbox,
    request: Request,
) -> Result<Endpoint> {
    request.limits.to_map()?;
    let plan::Planned { endpoint, cursors } = plan::plan(session, network, sandbox, request).await?;
    session.store.put_planned(&endpoint, &cursors)?;
    make(session, network, sandbox, endpoint).await
}

/// Makes a planned endpoint; on an error nothing of it is left.
pub(crate) async fn make(
    session: &mut Session,
    network: &Network,
    sandbox: &Sandbox,
    mut endpoint: Endpoint,
) -> Result<Endpoint> {
    session.store.put_endpoint(&endpoint)?;
    let made = act(session, network, sandbox, &endpoint).await;
    match made.and_then(|()| session.store.ready(&endpoint)) {
        Ok(()) => {
            endpoint.state = State::Ready;
            Ok(endpoint)
        }
        Err(error) => match unmake(session, std::slice::from_ref(&endpoint)).await {
            Ok(()) => Err(error),
            Err(more) => Err(Error::Several(vec![error, more])),
        },
    }
}

async fn act(session: &mut Session, network: &Network, sandbox: &Sandbox, endpoint: &Endpoint) -> Result<()> {
    if !network.kind.has_addresses() {
        return Ok(());
    }
    // Its first grace period is waited for while the veth is made.
    let expedited = Expedited::for_links(2);
    let netns = inside::open(sandbox)?;
    hook::prepare(&session.instance)?;
    session.datapath()?;
    let ifindex = add_veth(session, network, endpoint, &netns).await?;
    let attachment = attachment(session, endpoint, ifindex)?;
    session.store.put(std::slice::from_ref(&attachment))?;
    attach(session, network, endpoint, &attachment).await?;
    drop(expedited);
    set_up_inside(network, endpoint, &netns)?;
    let items = item::on_host(network, endpoint);
    let mut kernel = Kernel::new(&session.netlink).knows(&endpoint.host_side(), ifindex);
    kernel.make(&items).await?;
    enter(session, network, endpoint)?;
    if sandbox.place == Place::Own && sandbox.made_files {
        let others = session.store.endpoints_of_sandbox(sandbox.name.as_str())?;
        files::set_hosts(&sandbox.name, &disconnect::addresses(&others))?;
    }
    announce(endpoint, &netns)
}

/// Makes the veth and answers the number of its host side.
async fn add_veth(session: &Session, network: &Network, endpoint: &Endpoint, netns: &NetNs) -> Result<u32> {
    let here = endpoint.host_side();
    let bridge = match network.kind {
        Kind::Bridge => Some(Kernel::new(&session.netlink).number(&device_of(network)).await?),
        Kind::Routed | Kind::Host | Kind::None => None,
    };
    let veth = NewVeth {
        here: (&here, endpoint.host_mac()),
        there: (&endpoint.interface, endpoint.mac),
        mtu: endpoint.mtu,
        netns: netns.as_fd(),
        bridge,
    };
    session.netlink.add_veth(&veth).await?;
    Kernel::new(&session.netlink).number(&here).await
}

fn attachment(session: &Session, endpoint: &Endpoint, ifindex: u32) -> Result<Attachment> {
    Ok(Attachment {
        slot: endpoint.slot,
        boot_id: session.instance.boot_id.clone(),
        interface: endpoint.host_side(),
        ifindex,
        mac: endpoint.host_mac(),
        hook: hook::best()?,
        order: sys::Order::Last,
        made_clsact: false,
        state: State::Creating,
        limits: endpoint.limits,
        role: Role::Endpoint,
    })
}

/// Fills the maps and attaches the programs; nothing reaches the endpoint yet.
async fn attach(
    session: &mut Session,
    network: &Network,
    endpoint: &Endpoint,
    attachment: &Attachment,
) -> Result<()> {
    let ifindex = attachment.ifindex;
    let own = MapEndpoint::new(endpoint.identity(), network.index, ifindex, endpoint.host_mac());
    let limits = attachment.limits.to_map()?;
    let tables = &mut session.datapath()?.tables;
    tables.peers.set_endpoint(endpoint.slot, own)?;
    tables.peers.enter_device(ifindex)?;
    tables.prepare(endpoint.slot, ifindex, limits)?;
    hook::prepare_device(&session.netlink, attachment).await?;
    let Session { instance, netlink, datapath, .. } = session;
    match datapath {
        Some(datapath) => hook::attach(instance, netlink, datapath, attachment).await,
        None => Err(Error::Load("no programs".to_owned())),
    }
}

/// Makes the sandbox's side what it shall be; it comes up, with nobody on the other side yet.
pub(crate) fn set_up_inside(network: &Network, endpoint: &Endpoint, netns: &NetNs) -> Result<()> {
    let items = item::in_sandbox(network, endpoint);
    inside::run(netns, |netlink| async move { Kernel::new(&netlink).make(&items).await })
}

/// Makes the endpoint known in its network.
pub(crate) fn enter(session: &mut Session, network: &Network, endpoint: &Endpoint) -> Result<()> {
    link_up(session, network.index, endpoint.slot)?;
    let peers = &mut session.datapath()?.tables.peers;
    endpoint
        .owned()
        .into_iter()
        .try_for_each(|address| peers.set_owner(network.index, address, endpoint.slot))
}

/// Puts an endpoint into the list of those of its network, which copies of broadcasts walk. The
/// list is in the order of slots, so that it can be compared with the rows.
fn link_up(session: &mut Session, network: u32, slot: u32) -> Result<()> {
    let [before, after] = session.neighbours_of_slot(network, Some(slot))?;
    let peers = &mut session.datapath()?.tables.peers;
    let mut own = peers.endpoint(slot)?;
    own.next = after.map_or(0, |slot| slot + 1);
    peers.set_endpoint(slot, own)?;
    disconnect::lead_to(peers, network, before, Some(slot))
}

/// Tells the network who has the addresses now: somebody may remember another.
fn announce(endpoint: &Endpoint, netns: &NetNs) -> Result<()> {
    let v4 = endpoint.address(true).map(|address| announcement_v4(endpoint.mac, address.into()));
    let v6 = endpoint.address(false).map(|address| announcement_v6(endpoint.mac, address.into()));
    let frames: Vec<&[u8]> =
        v4.iter().map(<[u8; 42]>::as_slice).chain(v6.iter().map(<[u8; 86]>::as_slice)).collect();
    let interface = endpoint.interface.clone();
    inside::run(netns, |netlink| async move {
        let ifindex = Kernel::new(&netlink).number(&interface).await?;
        sys::send_frames(ifindex, &frames).attempt(|| format!("announce {interface}"))
    })
}
