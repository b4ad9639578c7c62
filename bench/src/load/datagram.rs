//! Datagrams that can be told from all others, and sockets for them.
//!
//! Each begins with the mark of its series and its number; the rest is the same in all of a
//! length. What is not so byte for byte is not counted as received.

use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

use super::batch::{Wait, receive};
use super::{PATIENCE, batch};
use crate::bed::Bed;

/// Enough for a server that looks away for some milliseconds.
const RECEIVE_BUFFER: usize = 16 << 20;
/// Mark and number.
const HEAD: usize = 8;
/// Bytes of payload that hold a head and fit a frame of the usual MTU.
pub(super) const PAYLOADS: RangeInclusive<u64> = 8..=1472;
/// Datagrams that are compared before anything is timed.
const PROBES: u32 = 256;

/// The datagrams of one measurement.
pub(super) struct Series {
    mark: [u8; 4],
    filling: Vec<u8>,
}

impl Series {
    /// With so many bytes of payload each, 8 at the least.
    pub(super) fn new(payload: usize) -> Self {
        static MARK: AtomicU32 = AtomicU32::new(1);
        let mark = MARK.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Self { mark, filling: (0..=250).cycle().take(payload.saturating_sub(HEAD)).collect() }
    }

    /// The payload of datagram `number`.
    pub(super) fn payload(&self, number: u32) -> Vec<u8> {
        [&self.mark[..], &number.to_be_bytes(), &self.filling].concat()
    }

    /// Makes the payload of another datagram that of `number`.
    pub(super) fn renumber(payload: &mut [u8], number: u32) {
        payload[4..HEAD].copy_from_slice(&number.to_be_bytes());
    }

    /// Which datagram this is; none where a byte is another than was sent.
    pub(super) fn number(&self, payload: &[u8]) -> Option<u32> {
        let (head, filling) = payload.split_at_checked(HEAD)?;
        let number = u32::from_be_bytes(head[4..].try_into().ok()?);
        (head[..4] == self.mark && filling == self.filling).then_some(number)
    }

    /// How many of these have come and were not read; waits for none.
    pub(super) fn drain(&self, server: &UdpSocket, buffers: &mut [Vec<u8>]) -> Result<u64> {
        let mut count = 0;
        loop {
            let lengths = receive(server, buffers, Wait::No).context("receive")?;
            if lengths.is_empty() {
                return Ok(count);
            }
            let got = buffers.iter().zip(lengths);
            count += got.filter(|(buffer, length)| self.number(&buffer[..*length]).is_some()).count() as u64;
        }
    }
}

/// A socket where the bed's server listens.
pub(super) fn server(bed: &Bed) -> Result<UdpSocket> {
    let server = bed.server.enter(|| UdpSocket::bind(bed.listen)).context("bind the server")?;
    set_socket_recv_buffer_size_force(&server, RECEIVE_BUFFER).context("widen the server's buffer")?;
    Ok(server)
}

/// The same for what is counted at the interface: reads nothing, and the kernel does not answer
/// that the port is closed.
pub(super) fn sink(bed: &Bed) -> Result<UdpSocket> {
    let sink = bed.server.enter(|| UdpSocket::bind(bed.listen)).context("bind the server")?;
    set_socket_recv_buffer_size(&sink, 0).context("narrow the server's buffer")?;
    Ok(sink)
}

/// A socket of the bed's client that is connected to the server.
pub(super) fn client(bed: &Bed) -> Result<UdpSocket> {
    let client = bed.client.enter(|| UdpSocket::bind("0.0.0.0:0")).context("bind the client")?;
    bed.client
        .enter(|| client.connect(bed.connect))
        .with_context(|| format!("connect to {}", bed.connect))?;
    Ok(client)
}

/// Sends a series with so many bytes of payload each from socket to socket; each must arrive.
pub(super) fn prove(bed: &Bed, payload: usize) -> Result<()> {
    let (server, client) = (server(bed)?, client(bed)?);
    let series = Series::new(payload);
    let probes: Vec<_> = (0..PROBES).map(|number| series.payload(number)).collect();
    compare(&series, &client, &probes, &server)
}

/// Sends `messages`, which carry the first datagrams of `series`, by `out`; each must arrive.
pub(super) fn compare(
    series: &Series,
    out: impl AsFd + Copy,
    messages: &[Vec<u8>],
    server: &UdpSocket,
) -> Result<()> {
    server.set_read_timeout(Some(PATIENCE))?;
    let mut next = 0;
    let mut buffers = batch::buffers();
    // Few at a time: what is compared is bytes, not how much a queue holds.
    for few in messages.chunks(8) {
        ensure!(batch::send(out, few).context("send")? == few.len(), "the kernel took no more datagrams");
        let end = next + u32::try_from(few.len()).unwrap_or(0);
        while next < end {
            let lengths = receive(server, &mut buffers, Wait::ForOne).context("receive")?;
            if lengths.is_empty() {
                bail!("datagram {next} did not arrive within {PATIENCE:.0?}");
            }
            for (buffer, length) in buffers.iter().zip(lengths) {
                let got = series.number(&buffer[..length]);
                ensure!(got == Some(next), "datagram {next} did not arrive as it was sent");
                next += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_with_any_other_byte_is_none_of_the_series() {
        let series = Series::new(64);
        let mut payload = series.payload(7);
        Series::renumber(&mut payload, 8);
        assert_eq!((payload.len(), series.number(&payload)), (64, Some(8)));
        for at in (0..4).chain(HEAD..64) {
            payload[at] ^= 1;
            assert_eq!(series.number(&payload), None, "byte {at}");
            payload[at] ^= 1;
        }
        assert_eq!(series.number(&payload[..63]), None);
        assert_eq!(series.number(&payload[..7]), None);
        assert_eq!(Series::new(64).number(&payload), None, "another series");
    }
}
