//! Packets for tables: built layer by layer, sums computed from scratch; and a readable diff.
//!
//! Knows nothing of the code under test: no offset here is shared with it.

use std::fmt::Write;
use std::net::IpAddr;

/// MAC addresses of every packet: from the box, to the host.
const MACS: [u8; 12] = [0x02, 0x77, 0, 0, 1, 1, 0x02, 0x77, 0, 0, 1, 2];
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Flags of every TCP segment.
const ACK: u8 = 0x10;

/// A packet under construction.
#[derive(Clone, Debug)]
#[must_use]
pub struct Packet {
    tags: Vec<[u8; 4]>,
    network: Network,
    transport: Transport,
    payload: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Network {
    Raw { ether_type: u16 },
    Ip { source: IpAddr, destination: IpAddr, options: Vec<u8> },
}

#[derive(Clone, Debug)]
enum Transport {
    Raw { protocol: u8 },
    Udp { source: u16, destination: u16 },
    Tcp { source: u16, destination: u16, options: Vec<u8> },
}

impl Packet {
    /// An Ethernet frame with nothing but a type and, later, a payload.
    pub fn ethernet(ether_type: u16) -> Self {
        let transport = Transport::Raw { protocol: 0 };
        Self { tags: vec![], network: Network::Raw { ether_type }, transport, payload: vec![] }
    }

    /// An IPv4 or IPv6 packet, by the kind of the addresses, of a protocol without a builder.
    #[track_caller]
    pub fn ip(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, protocol: u8) -> Self {
        let (source, destination) = (source.into(), destination.into());
        assert_eq!(source.is_ipv4(), destination.is_ipv4(), "addresses of one family");
        let network = Network::Ip { source, destination, options: vec![] };
        Self { network, transport: Transport::Raw { protocol }, ..Self::ethernet(0) }
    }

    /// A UDP datagram from and to an address and port.
    #[track_caller]
    pub fn udp(from: (impl Into<IpAddr>, u16), to: (impl Into<IpAddr>, u16)) -> Self {
        let transport = Transport::Udp { source: from.1, destination: to.1 };
        Self { transport, ..Self::ip(from.0, to.0, UDP) }
    }

    /// A TCP segment with ACK set, from and to an address and port.
    #[track_caller]
    pub fn tcp(from: (impl Into<IpAddr>, u16), to: (impl Into<IpAddr>, u16)) -> Self {
        let transport = Transport::Tcp { source: from.1, destination: to.1, options: vec![] };
        Self { transport, ..Self::ip(from.0, to.0, TCP) }
    }

    /// With an 802.1Q tag inside those that it has.
    pub fn vlan(self, id: u16) -> Self {
        self.tag(0x8100, id)
    }

    /// With a tag of any type inside those that it has.
    pub fn tag(mut self, ether_type: u16, id: u16) -> Self {
        let ([a, b], [c, d]) = (ether_type.to_be_bytes(), id.to_be_bytes());
        self.tags.push([a, b, c, d]);
        self
    }

    /// With IPv4 options; a multiple of 4 bytes.
    #[track_caller]
    pub fn ip_options(mut self, bytes: &[u8]) -> Self {
        match &mut self.network {
            Network::Ip { source: IpAddr::V4(_), options, .. } => options.extend_from_slice(bytes),
            Network::Ip { .. } | Network::Raw { .. } => panic!("options are IPv4's: {self:?}"),
        }
        self
    }

    /// With TCP options; a multiple of 4 bytes.
    #[track_caller]
    pub fn tcp_options(mut self, bytes: &[u8]) -> Self {
        match &mut self.transport {
            Transport::Tcp { options, .. } => options.extend_from_slice(bytes),
            Transport::Udp { .. } | Transport::Raw { .. } => panic!("options are TCP's: {self:?}"),
        }
        self
    }

    /// With these bytes last.
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// With `length` bytes last, no two neighbours alike.
    pub fn payload_of(self, length: usize) -> Self {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        self.payload(&bytes)
    }

    /// The frame.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut frame = MACS.to_vec();
        frame.extend(self.tags.iter().flatten());
        match &self.network {
            Network::Raw { ether_type } => {
                frame.extend(ether_type.to_be_bytes());
                frame.extend(&self.payload);
            }
            Network::Ip { source, destination, options } => {
                let body = self.transport_bytes(*source, *destination);
                match (source, destination) {
                    (IpAddr::V4(source), IpAddr::V4(destination)) => {
                        let header =
                            ipv4(source.octets(), destination.octets(), options, self.protocol(), &body);
                        frame.extend([0x08, 0x00].iter().chain(&header));
                    }
                    (source, destination) => {
                        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                        frame.extend(length16(body.len()));
                        frame.extend([self.protocol(), 64]);
                        frame.extend(octets(*source).iter().chain(&octets(*destination)));
                    }
                }
                frame.extend(body);
            }
        }
        frame
    }

    fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Raw { protocol } => protocol,
            Transport::Udp { .. } => UDP,
            Transport::Tcp { .. } => TCP,
        }
    }

    fn transport_bytes(&self, source_address: IpAddr, destination_address: IpAddr) -> Vec<u8> {
        let (mut bytes, sum_at) = match &self.transport {
            Transport::Raw { .. } => return self.payload.clone(),
            Transport::Udp { source, destination } => {
                let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                ([ports, length16(8 + self.payload.len()).to_vec(), vec![0, 0]].concat(), 6)
            }
            Transport::Tcp { source, destination, options } => {
                let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                let words = u8::try_from((20 + options.len()) / 4).expect("at most 40 bytes of options");
                let numbers = [0, 0, 0, 1, 0, 0, 0, 1, words << 4, ACK, 0xff, 0xff, 0, 0, 0, 0];
                ([&ports[..], &numbers, options].concat(), 16)
            }
        };
        bytes.extend(&self.payload);
        let pseudo_header = [
            octets(source_address),
            octets(destination_address),
            vec![0, self.protocol()],
            length16(bytes.len()).to_vec(),
        ];
        let sum = match checksum(&[pseudo_header.concat(), bytes.clone()].concat()) {
            0 if self.protocol() == UDP => 0xffff, // 0 means "no sum"
            sum => sum,
        };
        bytes[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

fn ipv4(source: [u8; 4], destination: [u8; 4], options: &[u8], protocol: u8, body: &[u8]) -> Vec<u8> {
    let length = 20 + options.len();
    let words = u8::try_from(length / 4).expect("at most 40 bytes of options");
    let [high, low] = length16(length + body.len());
    let start = [0x40 | words, 0, high, low, 0, 1, 0x40, 0, 64, protocol, 0, 0];
    let mut header = [&start[..], &source, &destination, options].concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// RFC 1071, over bytes whose checksum field is zero. A packet longer than IP can say, as GSO
/// packets may be, gets length 0, as Linux does.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u64 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

fn length16(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(0).to_be_bytes()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Rows of 16 bytes that differ, expected above got, each differing byte marked; `None` if
/// the packets are equal.
pub fn diff(expected: &[u8], got: &[u8]) -> Option<String> {
    if expected == got {
        return None;
    }
    let mut text = format!("expected {} bytes, got {}\n", expected.len(), got.len());
    for row in (0..expected.len().max(got.len())).step_by(16) {
        let cell =
            |bytes: &[u8], at: usize| bytes.get(at).map_or("  ".to_owned(), |byte| format!("{byte:02x}"));
        let line = |bytes: &[u8]| (row..row + 16).map(|at| cell(bytes, at)).collect::<Vec<_>>().join(" ");
        let (want, have) = (line(expected), line(got));
        if want != have {
            let mark = |at: usize| if expected.get(at) == got.get(at) { "  " } else { "^^" };
            let marks = (row..row + 16).map(mark).collect::<Vec<_>>().join(" ");
            writeln!(
                text,
                "{row:04x} expected {want}\n     got      {have}\n              {}",
                marks.trim_end()
            )
            .expect("a string takes all");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 4] = [10, 77, 1, 2];
    const B: [u8; 4] = [10, 77, 2, 2];

    #[test]
    fn a_datagram_equals_one_written_by_hand() {
        let built = Packet::udp((A, 1000), (B, 53)).payload(b"abc").build();
        // As scapy builds it: IP(src, dst, id=1, flags="DF", ttl=64)/UDP(sport=1000, dport=53)/b"abc".
        let by_hand = [
            0x02, 0x77, 0, 0, 1, 1, 0x02, 0x77, 0, 0, 1, 2, 0x08, 0x00, // Ethernet
            0x45, 0, 0, 31, 0, 1, 0x40, 0, 64, 17, 0x23, 0x30, 10, 77, 1, 2, 10, 77, 2, 2, // IPv4
            0x03, 0xe8, 0, 53, 0, 11, 0x1f, 0xbb, 0x61, 0x62, 0x63, // UDP
        ];
        if let Some(diff) = diff(&by_hand, &built) {
            panic!("{diff}");
        }
    }

    #[test]
    fn sums_verify() {
        for packet in [
            Packet::tcp((A, 1), (B, 2)).tcp_options(&[1, 1, 1, 1]).payload_of(101),
            Packet::udp((A, 1), (B, 2)).ip_options(&[1, 1, 1, 0]).payload_of(0),
            Packet::udp(([0xfd77, 1, 0, 0, 0, 0, 0, 2], 1), ([0xfd77, 2, 0, 0, 0, 0, 0, 2], 2)).payload_of(7),
        ] {
            let frame = packet.build();
            let (pseudo, transport) = match frame[12] {
                0x08 => {
                    let header = usize::from(frame[14] & 0xf) * 4;
                    assert_eq!(checksum(&frame[14..14 + header]), 0, "IPv4 header of {packet:?}");
                    (frame[26..34].to_vec(), &frame[14 + header..])
                }
                _ => (frame[22..54].to_vec(), &frame[54..]),
            };
            let tail = [vec![0, packet.protocol()], length16(transport.len()).to_vec()].concat();
            assert_eq!(checksum(&[pseudo, tail, transport.to_vec()].concat()), 0, "{packet:?}");
        }
    }

    #[test]
    fn tags_stand_between_addresses_and_type() {
        let frame = Packet::ip(A, B, 47).tag(0x88a8, 5).vlan(7).build();
        assert_eq!(frame[12..22], [0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 0x08, 0x00]);
    }

    #[test]
    fn a_diff_marks_the_bytes_that_differ() {
        let text = diff(&[0, 1, 2], &[0, 9]).expect("they differ");
        assert_eq!(text.lines().last().map(str::trim), Some("^^ ^^"), "{text}");
        assert_eq!(diff(&[1], &[1]), None);
    }
}
