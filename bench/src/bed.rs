//! A path between a client and a server, as somebody has built it, gone on drop.
//!
//! ```text
//!   direct    client eth0 ───────────────────────────────── eth0 server
//!   bridged   client eth0 ── veth1 [ br0      ] veth2 ───── eth0 server
//!   routed    client eth0 ── veth1   forwards   veth2 ───── eth0 server
//!   engine    client eth0 ── veth1   forwards   br0 ─ veth2 ─ eth0 server
//! ```
//!
//! The server is the container; the client is another one, or somebody outside. Addresses are
//! 10.78.0.2 and 10.79.0.2; the host has the .1 beside each. IPv6 is off, so that nothing but the
//! load is on the path once it flows.

use std::any::Any;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dataplane_tests::eventually::eventually;
use dataplane_tests::meter::Interface;
use dataplane_tests::netns::Namespace;

/// The client's address on every bed.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
/// The server's address on every bed.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);
/// The host's address beside the client.
pub(crate) const CLIENT_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// The host's address beside the server.
pub(crate) const SERVER_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
/// The port that servers listen on, TCP and UDP.
pub(crate) const PORT: u16 = 8080;
/// The interface of client and server.
pub(crate) const INSIDE: &str = "eth0";
/// The host side of the client's veth.
pub(crate) const CLIENT_VETH: &str = "veth1";
/// The host side of the server's veth.
pub(crate) const SERVER_VETH: &str = "veth2";
/// The bridge, where there is one.
pub(crate) const BRIDGE: &str = "br0";

/// The path; everything on it is removed on drop.
pub(crate) struct Bed {
    /// First, so that it goes before the namespaces that it works on.
    keep: Vec<Box<dyn Any + Send + Sync>>,
    /// Where clients run.
    pub(crate) client: Namespace,
    /// Where servers run.
    pub(crate) server: Namespace,
    /// What is between them; none where they are joined directly.
    pub(crate) host: Option<Arc<Namespace>>,
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// What the client connects to: another address where the path translates.
    pub(crate) connect: SocketAddr,
}

impl Bed {
    /// One veth, client and server at its ends, in one subnet.
    pub(crate) fn direct() -> Self {
        let bed = Self::new(None);
        let server = bed.server.name();
        bed.client.ip(&format!("link add {INSIDE} type veth peer name {INSIDE} netns {server}"));
        bed.one_subnet()
    }

    /// Two ports of one bridge, in one subnet.
    pub(crate) fn bridged() -> Self {
        let bed = Self::joined();
        bridge(bed.host(), &[CLIENT_VETH, SERVER_VETH]);
        bed.one_subnet()
    }

    /// Two subnets, between which the host forwards.
    pub(crate) fn routed() -> Self {
        let bed = Self::joined();
        bed.two_subnets(SERVER_VETH, 24)
    }

    /// Two subnets, the server's behind a bridge, as container engines lay them. The caller adds
    /// what the engine does there, and says where clients connect to.
    pub(crate) fn engine() -> Self {
        let bed = Self::joined();
        bridge(bed.host(), &[SERVER_VETH]);
        // Wide enough for the addresses of as many containers as N says.
        bed.two_subnets(BRIDGE, 16)
    }

    /// Clients connect to this address instead.
    pub(crate) fn reached_at(self, connect: SocketAddr) -> Self {
        Self { connect, ..self }
    }

    /// Keeps something as long as the bed, and drops it before.
    pub(crate) fn keep(&mut self, thing: impl Any + Send + Sync) {
        self.keep.insert(0, Box::new(thing));
    }

    /// The namespace between; only where there is one.
    pub(crate) fn host(&self) -> &Arc<Namespace> {
        self.host.as_ref().unwrap_or_else(|| panic!("a direct veth has no host between"))
    }

    /// Counters of the server's interface: what arrived there.
    pub(crate) fn server_side(&self) -> Interface<'_> {
        Interface::new(&self.server, INSIDE)
    }

    /// Counters of the client's interface.
    pub(crate) fn client_side(&self) -> Interface<'_> {
        Interface::new(&self.client, INSIDE)
    }

    /// Client, server and what is between, not joined yet.
    pub(crate) fn new(host: Option<Arc<Namespace>>) -> Self {
        let listen = SocketAddr::new(SERVER.into(), PORT);
        let (client, server) = (Namespace::new(), Namespace::new());
        for inside in [&client, &server].into_iter().chain(host.as_deref()) {
            inside.sysctl("ipv6/conf/all/disable_ipv6", "1");
            inside.sysctl("ipv6/conf/default/disable_ipv6", "1");
        }
        Self { keep: Vec::new(), client, server, host, listen, connect: listen }
    }

    /// A host with both veths, bare.
    fn joined() -> Self {
        let host = Arc::new(Namespace::new());
        host.sysctl("ipv4/ip_forward", "1");
        let bed = Self::new(Some(Arc::clone(&host)));
        for (veth, inside) in [(CLIENT_VETH, &bed.client), (SERVER_VETH, &bed.server)] {
            let inside = inside.name();
            host.ip(&format!("link add {veth} up type veth peer name {INSIDE} netns {inside}"));
        }
        bed
    }

    /// The host's addresses are `/24` beside the client, and `prefix` long beside the server.
    fn two_subnets(self, server_side: &str, prefix: u8) -> Self {
        self.host().ip_batch(&format!(
            "address add {CLIENT_GATEWAY}/24 dev {CLIENT_VETH}
             address add {SERVER_GATEWAY}/{prefix} dev {server_side}"
        ));
        inside(&self.client, CLIENT, 24, Some(CLIENT_GATEWAY));
        inside(&self.server, SERVER, prefix, Some(SERVER_GATEWAY));
        self.up()
    }

    fn one_subnet(self) -> Self {
        inside(&self.client, CLIENT, 8, None);
        inside(&self.server, SERVER, 8, None);
        self.up()
    }

    /// Returns once both ends have carrier.
    pub(crate) fn up(self) -> Self {
        for end in [&self.client, &self.server] {
            eventually("both ends of the bed are up", || {
                end.ip(&format!("link show dev {INSIDE}")).stdout.contains("state UP")
            });
        }
        self
    }
}

fn inside(namespace: &Namespace, address: Ipv4Addr, prefix: u8, gateway: Option<Ipv4Addr>) {
    let route = gateway.map(|gateway| format!("route add default via {gateway}\n")).unwrap_or_default();
    namespace
        .ip_batch(&format!("address add {address}/{prefix} dev {INSIDE}\nlink set {INSIDE} up\n{route}"));
}

fn bridge(host: &Namespace, ports: &[&str]) {
    // Spanning tree off and no forwarding delay: the ports carry frames at once.
    host.ip(&format!("link add {BRIDGE} up type bridge forward_delay 0"));
    for port in ports {
        host.ip(&format!("link set {port} master {BRIDGE}"));
    }
}
