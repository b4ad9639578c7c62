//! Bytes of Ethernet frames with IPv4 inside. Pure; tests build the same packets another way.

use std::net::{IpAddr, SocketAddrV4};

/// Length of an Ethernet header.
pub(super) const ETHERNET: usize = 14;
/// What an interface with the usual MTU takes, its Ethernet header included.
pub(super) const LARGEST: usize = ETHERNET + 1500;
const UDP_HEADER: usize = 8;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// From whom to whom a frame goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// MAC addresses as they begin a frame: of the next hop, and of the sender.
    pub(super) macs: [u8; 12],
    /// The sender's address and port.
    pub(super) from: SocketAddrV4,
    /// The receiver's, as the sender knows it.
    pub(super) to: SocketAddrV4,
}

/// Why a frame cannot be sent over a bed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unfit {
    Ipv6,
    NotIp,
    Fragment,
    TooLong,
    Malformed,
}

/// A frame with this payload in a UDP datagram.
pub(super) fn udp(way: &Way, payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    let mut frame = way.macs.to_vec();
    frame.extend([0x08, 0x00, 0x45, 0]);
    frame.extend(length(20 + UDP_HEADER + payload.len()));
    // Not to be fragmented, 64 hops, sum and addresses to come.
    frame.extend([0, 0, 0x40, 0, 64, UDP]);
    frame.extend([0; 10]);
    frame.extend(way.from.port().to_be_bytes());
    frame.extend(way.to.port().to_be_bytes());
    frame.extend(length(UDP_HEADER + payload.len()));
    frame.extend([0xff, 0xff]); // any but 0, which means "no sum"
    frame.extend(payload);
    redirect(&mut frame, way);
    frame
}

/// Whether a frame can go another way than it was made for: that its headers are where
/// [`redirect`] writes.
pub(super) fn judge(frame: &[u8]) -> Result<(), Unfit> {
    match frame.get(12..ETHERNET).ok_or(Unfit::Malformed)? {
        [0x08, 0x00] => {}
        [0x86, 0xdd] => return Err(Unfit::Ipv6),
        _ => return Err(Unfit::NotIp),
    }
    let header = frame.get(ETHERNET..ETHERNET + 20).ok_or(Unfit::Malformed)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let begins = usize::from(header[0] & 0xf) * 4;
    if header[0] >> 4 != 4 || begins < 20 || length < begins || frame.len() - ETHERNET < length {
        // A length of 0 is that of a packet of more than 64 KiB, before it was cut into frames.
        return Err(if length == 0 && frame.len() > LARGEST { Unfit::TooLong } else { Unfit::Malformed });
    }
    if frame.len() > LARGEST {
        return Err(Unfit::TooLong);
    }
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(Unfit::Fragment);
    }
    let body = &frame[ETHERNET + begins..ETHERNET + length];
    let fits = match header[9] {
        TCP => body.len() >= 20 && (20..=body.len()).contains(&(usize::from(body[12] >> 4) * 4)),
        UDP => body.len() >= 8 && usize::from(u16::from_be_bytes([body[4], body[5]])) == body.len(),
        ICMP => body.len() >= 8,
        _ => true,
    };
    if fits { Ok(()) } else { Err(Unfit::Malformed) }
}

/// Sends a frame that was judged well another way: MAC and IPv4 addresses, the port that it goes
/// to, 64 hops; the sums made anew, whatever they were. Other bytes stay.
pub(super) fn redirect(frame: &mut [u8], way: &Way) {
    frame[..12].copy_from_slice(&way.macs);
    let (begins, ends) = bounds(frame);
    let (header, body) = frame[ETHERNET..ends].split_at_mut(begins - ETHERNET);
    header[8] = 64;
    header[12..16].copy_from_slice(&way.from.ip().octets());
    header[16..20].copy_from_slice(&way.to.ip().octets());
    if let TCP | UDP = header[9] {
        body[2..4].copy_from_slice(&way.to.port().to_be_bytes());
    }
    make_sums(header, body);
}

/// Whether a frame with IPv4 in it is for this address.
pub(super) fn is_to(frame: &[u8], address: IpAddr) -> bool {
    let to: Option<[u8; 4]> = frame.get(30..34).and_then(|to| to.try_into().ok());
    to.is_some_and(|to| IpAddr::from(to) == address)
}

/// Whether all sums in a frame that was judged well are right.
pub(super) fn is_sound(frame: &[u8]) -> bool {
    let (begins, ends) = bounds(frame);
    let mut packet = frame[ETHERNET..ends].to_vec();
    let (header, body) = packet.split_at_mut(begins - ETHERNET);
    make_sums(header, body);
    packet == frame[ETHERNET..ends]
}

fn make_sums(header: &mut [u8], body: &mut [u8]) {
    put_sum(header, 10, 0);
    let protocol = header[9];
    let pseudo_header = add(&header[12..20]) + u64::from(protocol) + body.len() as u64;
    match protocol {
        TCP => put_sum(body, 16, pseudo_header),
        ICMP => put_sum(body, 2, 0),
        UDP if body[6..8] != [0, 0] => {
            put_sum(body, 6, pseudo_header);
            if body[6..8] == [0, 0] {
                body[6..8].fill(0xff); // the other zero: 0 means "no sum"
            }
        }
        _ => {}
    }
}

/// Whether two frames that were judged well have the same in them, but for what a path may write:
/// addresses, ports, hops, sums.
pub(super) fn is_same(sent: &[u8], got: &[u8]) -> bool {
    let (sent, got) = (content(sent), content(got));
    let protocol = sent.0;
    let written = |at: usize| match protocol {
        TCP => at < 4 || (16..18).contains(&at),
        UDP => at < 4 || (6..8).contains(&at),
        // Sum and identifier of an echo request.
        ICMP => (2..6).contains(&at),
        _ => false,
    };
    let same = |(at, (sent, got)): (usize, (&u8, &u8))| sent == got || written(at);
    (protocol, sent.1.len()) == (got.0, got.1.len()) && sent.1.iter().zip(got.1).enumerate().all(same)
}

/// Protocol and payload of the packet.
fn content(frame: &[u8]) -> (u8, &[u8]) {
    let (begins, ends) = bounds(frame);
    (frame[ETHERNET + 9], &frame[begins..ends])
}

/// Where the packet's payload begins and ends in a frame that was judged well.
fn bounds(frame: &[u8]) -> (usize, usize) {
    let packet = &frame[ETHERNET..];
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    (ETHERNET + usize::from(packet[0] & 0xf) * 4, ETHERNET + length)
}

/// RFC 1071, put into the place `at` of `bytes`.
fn put_sum(bytes: &mut [u8], at: usize, before: u64) {
    bytes[at..at + 2].fill(0);
    let mut sum = before + add(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    bytes[at..at + 2].copy_from_slice(&(!u16::try_from(sum).unwrap_or(0)).to_be_bytes());
}

fn add(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    bytes.chunks(2).map(word).sum()
}

#[cfg(test)]
mod tests;
