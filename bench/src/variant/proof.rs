//! Whether a bed does what its name says, asked by what its ends see, before anything is measured.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dataplane_tests::eventually::within;
use dataplane_tests::netns::Namespace;

use super::{Tool, tool};
use crate::bed::Bed;

/// What has not arrived after this time does not come.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the server has to see.
const PUBLISHED: &[u8] = b"as published";
/// What it must not see.
const DIRECT: &[u8] = b"past the host";

pub(super) const TC: Tool = Tool { program: "tc", package: "iproute2" };

/// By TCP and by UDP what is sent to the bed's address must reach the server, which must see
/// `client` as the other end.
pub(super) fn is_seen_as(bed: &Bed, client: Ipv4Addr) -> Result<()> {
    for (protocol, seen) in [("TCP", tcp_peer(bed)?), ("UDP", udp_peer(bed)?)] {
        ensure!(seen == client, "the server sees {seen} by {protocol}, and should see {client}");
    }
    Ok(())
}

/// Whoever sends to the container's own address must not get there.
pub(super) fn refuses_direct(bed: &Bed) -> Result<()> {
    let (server, client) = datagrams(bed)?;
    // One path, one order: had the first passed, it would be read first.
    client.send_to(DIRECT, bed.listen).context("send to the container's own address")?;
    client.send_to(PUBLISHED, bed.connect).context("send to the published port")?;
    let (text, _) = receive(&server)?;
    ensure!(text == PUBLISHED, "packets to the container's own address pass, and should be dropped");
    Ok(())
}

/// The queueing discipline `kind` of a device must have sent something.
pub(super) fn has_queued(inside: &Namespace, device: &str, kind: &str) -> Result<()> {
    let text = tool::run(inside, TC.command()?.args(["-s", "qdisc", "show", "dev", device]), "")?;
    match packets(&text, kind) {
        None => bail!("{device} has no {kind}"),
        Some(0) => bail!("no packet went through {kind} of {device}"),
        Some(_) => Ok(()),
    }
}

/// `4` of `qdisc tbf 1: dev ...` with ` Sent 320 bytes 4 pkt (dropped 0, ...` below.
fn packets(text: &str, kind: &str) -> Option<u64> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("qdisc {kind} ")));
    lines.nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

fn tcp_peer(bed: &Bed) -> Result<IpAddr> {
    let listener = bed.server.enter(|| TcpListener::bind(bed.listen)).context("listen")?;
    listener.set_nonblocking(true).context("listen")?;
    let client = bed.client.enter(|| TcpStream::connect_timeout(&bed.connect, PATIENCE));
    let _client = client.with_context(|| format!("connect to {}", bed.connect))?;
    // Somebody between may have answered for the server.
    let peer = within(PATIENCE, || listener.accept().ok());
    let (_, peer) = peer.context("a connection does not reach the server")?;
    Ok(peer.ip())
}

fn udp_peer(bed: &Bed) -> Result<IpAddr> {
    let (server, client) = datagrams(bed)?;
    client.send_to(PUBLISHED, bed.connect).context("send a datagram")?;
    let (text, peer) = receive(&server)?;
    ensure!(text == PUBLISHED, "another datagram reaches the server than was sent");
    Ok(peer.ip())
}

fn datagrams(bed: &Bed) -> Result<(UdpSocket, UdpSocket)> {
    let server = bed.server.enter(|| UdpSocket::bind(bed.listen)).context("listen for datagrams")?;
    server.set_read_timeout(Some(PATIENCE)).context("listen for datagrams")?;
    let client = bed.client.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)));
    Ok((server, client.context("make a socket")?))
}

fn receive(server: &UdpSocket) -> Result<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 64];
    let (length, peer) = server.recv_from(&mut buffer).context("a datagram does not reach the server")?;
    Ok((buffer[..length].to_vec(), peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_those_of_the_kind_asked_for() {
        let text = "qdisc htb 1: root refcnt 2\n Sent 9 bytes 3 pkt (dropped 0, overlimits 0 requeues 0)\n \
                    backlog 0b\nqdisc ingress ffff: parent\n Sent 72 bytes 1 pkt (dropped 0\n";
        assert_eq!(
            [packets(text, "htb"), packets(text, "ingress"), packets(text, "tbf")],
            [Some(3), Some(1), None]
        );
    }
}
