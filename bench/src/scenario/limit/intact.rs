//! What passes a limiter arrives as it was sent, in either direction; before anything is timed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dataplane_common::direction::Direction;

use crate::bed::{Bed, CLIENT};
use crate::variant::{Limit, Variant};

/// Fast enough to be done at once.
const RATE: u64 = 100_000_000;
/// Of a series, each in a frame of its own.
const DATAGRAMS: u8 = 20;
const PAYLOAD: usize = 1400;
/// Some twenty frames.
const LENGTH: usize = 32 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// Builds the limiter in both directions and sends through each.
pub(super) fn prove(variant: &dyn Variant) -> Result<()> {
    let limiter = variant.limiter().context("it does not limit")?;
    Direction::ALL.into_iter().try_for_each(|direction| {
        let bed = limiter.build(Limit { bits_per_s: RATE, direction })?;
        there_and_back(&bed).with_context(|| format!("{} bytes {}", LENGTH, direction.name()))?;
        datagrams(&bed).with_context(|| format!("datagrams {}", direction.name()))
    })
}

fn there_and_back(bed: &Bed) -> Result<()> {
    let listener = bed.server.enter(|| TcpListener::bind(bed.listen)).context("listen")?;
    let mut client =
        bed.client.enter(|| TcpStream::connect_timeout(&bed.connect, PATIENCE)).context("connect")?;
    let (mut server, _) = listener.accept().context("accept")?;
    let data: Vec<u8> = (0..LENGTH).map(|place| (place % 251).to_le_bytes()[0]).collect();
    pass(&mut client, &mut server, &data)?;
    pass(&mut server, &mut client, &data)
}

/// One at a time: what is compared is bytes, not how much a queue holds.
fn datagrams(bed: &Bed) -> Result<()> {
    let server = bed.server.enter(|| UdpSocket::bind(bed.listen)).context("bind the server")?;
    let client =
        bed.client.enter(|| UdpSocket::bind(SocketAddr::new(CLIENT.into(), 0))).context("bind the client")?;
    client.connect(bed.connect)?;
    server.connect(client.local_addr()?)?;
    for (from, to) in [(&client, &server), (&server, &client)] {
        to.set_read_timeout(Some(PATIENCE))?;
        let mut arrived = [0; PAYLOAD + 1];
        for number in 0..DATAGRAMS {
            let sent: Vec<u8> = (number..=250).cycle().take(PAYLOAD).collect();
            from.send(&sent).context("send a datagram")?;
            let length = to.recv(&mut arrived).with_context(|| format!("receive datagram {number}"))?;
            ensure!(arrived[..length] == sent, "datagram {number} arrived as another one");
        }
    }
    Ok(())
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, data: &[u8]) -> Result<()> {
    from.set_write_timeout(Some(PATIENCE))?;
    to.set_read_timeout(Some(PATIENCE))?;
    from.write_all(data).context("send")?;
    let mut arrived = vec![0; data.len()];
    to.read_exact(&mut arrived).context("receive")?;
    ensure!(arrived == data, "other bytes arrived than were sent");
    Ok(())
}
