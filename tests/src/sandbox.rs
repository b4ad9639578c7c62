//! Sandboxes that `dpctl` made, and whether they reach each other.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::dpctl::Dpctl;
use crate::netns::{Namespace, unique_name};

/// Long enough for a handshake on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// As long as a connection that must not come about is waited for.
const SHORT: Duration = Duration::from_millis(300);

/// A sandbox of its own namespace, made by `dpctl sandbox create`.
#[derive(Debug)]
pub struct Sandbox {
    /// Its namespace.
    pub namespace: Namespace,
}

impl Sandbox {
    /// A new one.
    #[track_caller]
    pub fn new(dpctl: &Dpctl<'_>) -> Self {
        let name = unique_name();
        dpctl.run(&format!("sandbox create {name}"));
        Self { namespace: Namespace::named(&name) }
    }

    /// A new one on a network.
    #[track_caller]
    pub fn on(dpctl: &Dpctl<'_>, network: &str) -> Self {
        let sandbox = Self::new(dpctl);
        dpctl.run(&format!("connect {network} {}", sandbox.name()));
        sandbox
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// The row of its endpoint on a network.
    #[track_caller]
    pub fn endpoint(&self, dpctl: &Dpctl<'_>, network: &str) -> serde_json::Value {
        let rows = dpctl.json("ls");
        let is_it = |row: &&serde_json::Value| row["network"] == network && row["sandbox"] == self.name();
        rows.as_array().into_iter().flatten().find(is_it).cloned().unwrap_or_default()
    }

    /// Its addresses on a network: IPv4's first, where the network has both.
    #[track_caller]
    pub fn addresses(&self, dpctl: &Dpctl<'_>, network: &str) -> Vec<IpAddr> {
        let endpoint = self.endpoint(dpctl, network);
        let addresses = endpoint["addresses"].as_array().cloned().unwrap_or_default();
        let address = |text: &serde_json::Value| text.as_str()?.split('/').next()?.parse().ok();
        addresses.iter().filter_map(address).collect()
    }
}

/// Whether a connection from one namespace to an address of another comes about and carries data.
#[track_caller]
pub fn connects(from: &Namespace, to: &Namespace, address: IpAddr) -> bool {
    within(from, to, address, PATIENCE)
}

/// The same where it must not: waits no longer than it has to.
#[track_caller]
pub fn is_kept_apart(from: &Namespace, to: &Namespace, address: IpAddr) -> bool {
    !within(from, to, address, SHORT)
}

#[track_caller]
fn within(from: &Namespace, to: &Namespace, address: IpAddr, patience: Duration) -> bool {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let listener = to.enter(|| TcpListener::bind((any, 0))).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let stream = from.enter(|| TcpStream::connect_timeout(&SocketAddr::new(address, port), patience));
    let Ok(mut stream) = stream else { return false };
    let (mut other, _) = listener.accept().expect("it has connected");
    stream.set_read_timeout(Some(patience)).expect("not zero");
    other.write_all(b"!").is_ok() && stream.read_exact(&mut [0]).is_ok()
}
