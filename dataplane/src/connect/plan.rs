//! What an endpoint is to have: addresses, MAC, name, routes. Everything is looked at and refused
//! here, and nothing is changed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dataplane_common::address::Mac;

use super::Request;
use crate::attachment::State;
use crate::endpoint::{Endpoint, mac_of};
use crate::error::{Error, Result};
use crate::inside;
use crate::item::device_of;
use crate::network::{Kind, Network};
use crate::pool::{can_be_had, next_fresh};
use crate::refused::{PORTS, Refused};
use crate::sandbox::{Place, Sandbox};
use crate::session::Session;
use crate::store::Lease;
use crate::subnet::{Subnet, Unfit};
use crate::sys;

/// The metric of a sandbox's first default route; each later one gets the next number.
const FIRST_METRIC: u32 = 100;
/// The kernel's `IFNAMSIZ`, less the closing zero.
const LONGEST_NAME: usize = 15;

/// By family (whether it is IPv4), a place in a subnet.
type Cursors = Vec<(bool, u128)>;

/// What is to be made.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The endpoint.
    pub(crate) endpoint: Endpoint,
    /// The places of the addresses that were given out by themselves.
    pub(crate) cursors: Cursors,
}

/// Plans an endpoint, or refuses. Changes nothing.
pub(crate) async fn plan(
    session: &Session,
    network: &Network,
    sandbox: &Sandbox,
    request: Request,
) -> Result<Planned> {
    let name = format!("{}/{}", network.name, sandbox.name);
    refuse(session, network, sandbox, &request, &name)?;
    let others = session.store.endpoints_of_sandbox(sandbox.name.as_str())?;
    let interface = interface(sandbox, network, &others, request.interface.as_deref(), &name)?;
    let slot = session.store.free_slot()?;
    let (addresses, cursors) = addresses(session, network, sandbox, &request.addresses, &name)?;
    let mac = mac(session, network, &addresses, request.mac, &name)?;
    let mtu = mtu(session, network).await?;
    let endpoint = Endpoint {
        slot,
        network: network.index,
        sandbox: sandbox.name.clone(),
        boot_id: session.instance.boot_id.clone(),
        state: State::Creating,
        interface,
        addresses,
        mac,
        mtu,
        metric: metric(network, &others, &request, &name)?,
        sysctls: sysctls(request.sysctls, &name)?,
        limits: request.limits,
    };
    Ok(Planned { endpoint, cursors })
}

fn cannot(name: &str, why: impl Into<String>) -> Error {
    Refused::Cannot { name: name.to_owned(), why: why.into() }.into()
}

fn refuse(
    session: &Session,
    network: &Network,
    sandbox: &Sandbox,
    request: &Request,
    name: &str,
) -> Result<()> {
    if let Place::Joined(other) = &sandbox.place {
        return Err(cannot(name, format!("has joined {other}, and shares its network; connect that")));
    }
    if session.store.endpoint(network.index, sandbox.name.as_str())?.is_some() {
        let (network, sandbox) = (network.name.to_string(), sandbox.name.to_string());
        return Err(Refused::Connected { network, sandbox }.into());
    }
    let is_hosts = sandbox.cookie
        == sys::netns_cookie()
            .map_err(|source| Error::Io { call: "read the namespace cookie".to_owned(), source })?;
    match network.kind {
        Kind::Host if !is_hosts => Err(cannot(
            name,
            "has a network namespace of its own; a host network is for a sandbox that is the host's: dpctl sandbox create NAME --netns /proc/self/ns/net",
        )),
        Kind::Bridge | Kind::Routed if is_hosts => Err(cannot(
            name,
            "the sandbox is the host's own namespace, where a veth leads nowhere; connect it to a host network",
        )),
        Kind::Host | Kind::None if *request != Request::default() => Err(cannot(
            name,
            format!("a {} network has no interface, so it takes no options", network.kind.name()),
        )),
        Kind::Bridge if session.store.count_endpoints(network.index)? >= PORTS => {
            Err(Refused::Ports { name: network.name.to_string() }.into())
        }
        Kind::Bridge | Kind::Routed | Kind::Host | Kind::None => {
            // Found gone before anything is made.
            inside::open(sandbox).map(drop)
        }
    }
}

fn interface(
    sandbox: &Sandbox,
    network: &Network,
    others: &[Endpoint],
    asked: Option<&str>,
    name: &str,
) -> Result<String> {
    // A namespace of somebody else's has interfaces that no row speaks of.
    let found = match sandbox.place {
        Place::At(_) if network.kind.has_addresses() => {
            inside::run(&inside::open(sandbox)?, |netlink| async move { netlink.devices().await })?
        }
        Place::At(_) | Place::Own | Place::Joined(_) => Vec::new(),
    };
    let is_taken = |interface: &str| {
        others.iter().any(|other| other.interface == interface)
            || found.iter().any(|device| device.name == interface)
    };
    let Some(asked) = asked else {
        return Ok((0..u32::MAX).map(|n| format!("eth{n}")).find(|name| !is_taken(name)).unwrap_or_default());
    };
    let is_wrong = |c: char| c == '/' || c == ':' || c == '%' || c.is_whitespace() || c.is_control();
    let is_name = !asked.is_empty() && asked.len() <= LONGEST_NAME && !asked.contains(is_wrong);
    if !is_name || matches!(asked, "." | ".." | "lo" | "all" | "default") {
        let shown: String = asked.chars().take(30).collect();
        return Err(cannot(name, format!("--name '{}': not an interface name", shown.escape_debug())));
    }
    if is_taken(asked) {
        return Err(Refused::Interface { name: name.to_owned(), interface: asked.to_owned() }.into());
    }
    Ok(asked.to_owned())
}

/// One address of each family that the network has.
fn addresses(
    session: &Session,
    network: &Network,
    sandbox: &Sandbox,
    asked: &[IpAddr],
    name: &str,
) -> Result<(Vec<IpAddr>, Cursors)> {
    for (place, second) in asked.iter().enumerate() {
        if let Some(first) = asked[..place].iter().find(|first| first.is_ipv4() == second.is_ipv4()) {
            return Err(Refused::Twice { name: name.to_owned(), first: *first, second: *second }.into());
        }
        if !network.subnets.iter().any(|subnet| subnet.cidr.is_ipv4() == second.is_ipv4()) {
            return Err(Refused::Family { name: name.to_owned(), address: *second }.into());
        }
    }
    let (mut addresses, mut cursors) = (Vec::new(), Vec::new());
    for subnet in &network.subnets {
        let asked = asked.iter().find(|address| address.is_ipv4() == subnet.cidr.is_ipv4());
        let kept = subnet.reserved.get(&sandbox.name);
        let address = if let Some(address) = asked.or(kept) {
            asked_for(session, network, sandbox, subnet, *address, name)?
        } else {
            let (address, cursor) = next(session, network, subnet)?;
            cursors.extend(cursor.map(|place| (subnet.cidr.is_ipv4(), place)));
            address
        };
        addresses.push(address);
    }
    Ok((addresses, cursors))
}

fn asked_for(
    session: &Session,
    network: &Network,
    sandbox: &Sandbox,
    subnet: &Subnet,
    address: IpAddr,
    name: &str,
) -> Result<IpAddr> {
    let refused = |why| Refused::Address { name: name.to_owned(), why };
    subnet.judge("--ip", address).map_err(refused)?;
    let taken = |owner| refused(Unfit::Taken { what: "--ip".to_owned(), address, owner });
    let is_kept_for_it = subnet.reserved.get(&sandbox.name) == Some(&address);
    if let Some(owner) = subnet.owner(address)
        && !is_kept_for_it
    {
        return Err(taken(owner).into());
    }
    if let Some(Lease::Taken(slot)) = session.store.lease(network.index, address)? {
        let owner = session.store.endpoint_at(slot)?;
        return Err(taken(owner.map_or("another".to_owned(), |owner| owner.sandbox.to_string())).into());
    }
    Ok(address)
}

/// An address that nobody ever had, with its place; else the one that rests longest.
fn next(session: &Session, network: &Network, subnet: &Subnet) -> Result<(IpAddr, Option<u128>)> {
    let (id, is_v4) = (network.index, subnet.cidr.is_ipv4());
    let store = &session.store;
    let after = store.cursor(id, is_v4)?;
    let fresh = next_fresh(subnet, after, |address| store.lease(id, address).map(|lease| lease.is_some()))?;
    if let Some((address, place)) = fresh {
        return Ok((address, Some(place)));
    }
    let resting = session.store.given_back(id)?;
    let longest = resting.into_iter().find(|address| can_be_had(subnet, *address));
    longest.map(|address| (address, None)).ok_or_else(|| {
        Refused::NoAddress { name: network.name.to_string(), range: subnet.range.to_string() }.into()
    })
}

fn mac(
    session: &Session,
    network: &Network,
    addresses: &[IpAddr],
    asked: Option<Mac>,
    name: &str,
) -> Result<Mac> {
    let refused = |mac, why| Refused::Mac { name: name.to_owned(), mac, why };
    let mac = match asked {
        Some(mac) if mac.is_group() => return Err(refused(mac, "a group's address, not a station's").into()),
        Some(mac) if mac == Mac::default() => return Err(refused(mac, "nobody's").into()),
        Some(mac) => mac,
        None => addresses.first().map_or(Mac::default(), |address| mac_of(*address)),
    };
    let taken = |owner: String| Refused::MacTaken { name: name.to_owned(), mac, owner };
    if network.kind.has_addresses() {
        if network.kind == Kind::Bridge && mac == crate::item::gateway_mac(network) {
            return Err(taken("the gateway".to_owned()).into());
        }
        if let Some(owner) = session.store.owner_of_mac(network.index, &mac.to_string())? {
            return Err(taken(owner).into());
        }
    }
    Ok(mac)
}

/// That of the network's device, which was made for it; one look-up, however many links there are.
async fn mtu(session: &Session, network: &Network) -> Result<u32> {
    match network.mtu {
        crate::network::Mtu::Bytes(mtu) => Ok(mtu),
        crate::network::Mtu::Auto if !network.kind.has_addresses() => Ok(0),
        crate::network::Mtu::Auto => {
            let device = session.netlink.device(&device_of(network)).await?;
            Ok(device.map_or(1500, |device| device.mtu))
        }
    }
}

fn metric(network: &Network, others: &[Endpoint], request: &Request, name: &str) -> Result<Option<u32>> {
    let asked = request.default_route || request.metric.is_some();
    if network.internal && asked {
        return Err(cannot(name, "an internal network leads nowhere, so it gives no default route"));
    }
    if network.internal || !network.kind.has_addresses() {
        return Ok(None);
    }
    let metrics: Vec<u32> = others.iter().filter_map(|other| other.metric).collect();
    if let Some(metric) = request.metric {
        return if metrics.contains(&metric) {
            Err(cannot(name, format!("--metric {metric}: another default route of the sandbox has it")))
        } else if metric == 0 {
            Err(cannot(name, "--metric 0: from 1 on, the lowest wins"))
        } else {
            Ok(Some(metric))
        };
    }
    if request.default_route {
        let least = metrics.iter().min().copied().unwrap_or(FIRST_METRIC + 1);
        if least <= 1 {
            return Err(cannot(name, "--default-route: another has metric 1, which nothing wins over"));
        }
        return Ok(Some(least - 1));
    }
    Ok((FIRST_METRIC..u32::MAX).find(|metric| !metrics.contains(metric)))
}

/// Those of the network stack alone: all others would be the host's.
fn sysctls(asked: BTreeMap<String, String>, name: &str) -> Result<BTreeMap<String, String>> {
    for key in asked.keys() {
        let is_plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if !key.starts_with("net.") || !is_plain || key.contains("..") {
            let why = format!("--sysctl '{}': only those of net. are a sandbox's own", key.escape_debug());
            return Err(cannot(name, why));
        }
    }
    Ok(asked)
}
