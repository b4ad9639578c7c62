//! What a packet costs on the wire: a GSO packet is charged as the frames it becomes.
//!
//! Segments are counted from lengths and `gso_size`; a container can send packets with a
//! virtio header whose own count is a lie.

/// The bytes of a packet, where they can be read.
pub trait Octets {
    /// The `N` bytes at `offset` from the start of the Ethernet header; `None` past the end.
    fn bytes<const N: usize>(&self, offset: u32) -> Option<[u8; N]>;
}

const ETHERNET: u32 = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Ethernet, IPv4 and TCP without options: what segments repeat that are not understood.
const LEAST_HEADERS: u32 = ETHERNET + 20 + 20;

/// A packet as it is on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Frames that it becomes.
    pub frames: u32,
    /// Their bytes, each with its Ethernet header, without preamble and FCS.
    pub bytes: u32,
}

/// What `len` bytes of packet become as frames of `gso_size` payload bytes each, every one with
/// `headers` bytes of its own; one frame of `len` bytes where `gso_size` is 0.
#[inline(always)]
pub fn wire(len: u32, gso_size: u32, headers: u32) -> Wire {
    if gso_size == 0 || len <= headers {
        return Wire { frames: 1, bytes: len };
    }
    // `max(1)`: the compiler must see that the divisor is not zero, or it leaves a panic path
    // that the kernel refuses.
    let frames = (len - headers).div_ceil(gso_size.max(1));
    Wire { frames, bytes: len.saturating_add((frames - 1).saturating_mul(headers)) }
}

/// Length of the headers that each segment of a GSO packet repeats: Ethernet, VLAN tags, IP
/// and TCP or UDP. What is not understood counts as the least there is.
#[inline(always)]
pub fn header_len(packet: &impl Octets) -> u32 {
    headers(packet).unwrap_or(LEAST_HEADERS)
}

#[inline(always)]
fn headers(packet: &impl Octets) -> Option<u32> {
    let mut l3 = ETHERNET;
    let mut start = start_of(packet, l3)?;
    for _ in 0..2 {
        if matches!(start.ether_type, 0x8100 | 0x88a8) {
            l3 += 4;
            start = start_of(packet, l3)?;
        }
    }
    let (l4, protocol) = match start.ether_type {
        // A header of less than 20 bytes is a lie.
        0x0800 if start.header[0] & 0x0f >= 5 => {
            (l3 + u32::from(start.header[0] & 0x0f) * 4, start.header[9])
        }
        // Extension headers in front of an offloaded TCP segment do not occur in practice;
        // with them the segment counts as if it had the least headers.
        0x86dd => (l3 + 40, start.header[6]),
        _ => return None,
    };
    match protocol {
        TCP => packet.bytes(l4 + 12).map(|[offset]| l4 + u32::from((offset >> 4).max(5)) * 4),
        UDP => Some(l4 + 8),
        _ => None,
    }
}

/// How a layer 3 header begins, and the type that stands in front of it: one read for both.
struct Start {
    ether_type: u16,
    header: [u8; 10],
}

#[inline(always)]
fn start_of(packet: &impl Octets, l3: u32) -> Option<Start> {
    let [high, low, header @ ..] = packet.bytes::<12>(l3 - 2)?;
    Some(Start { ether_type: u16::from_be_bytes([high, low]), header })
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Octets for Vec<u8> {
        fn bytes<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
            self.get(offset as usize..)?.first_chunk().copied()
        }
    }

    fn ipv4_tcp(options: u8) -> Vec<u8> {
        let mut p = vec![0; 14 + 20 + 20 + usize::from(options)];
        p[12..14].copy_from_slice(&[0x08, 0x00]);
        p[14] = 0x45;
        p[14 + 9] = TCP;
        p[14 + 20 + 12] = (5 + options / 4) << 4;
        p
    }

    #[test]
    fn plain_frame_costs_its_length() {
        assert_eq!(wire(1514, 0, 0), Wire { frames: 1, bytes: 1514 });
    }

    #[test]
    fn gso_packet_costs_the_frames_it_becomes() {
        // 45 segments of 1,448 bytes with 66 bytes of headers: 45 full frames of 1,514.
        assert_eq!(wire(66 + 45 * 1448, 1448, 66), Wire { frames: 45, bytes: 45 * 1514 });
        // One byte more is one frame more.
        assert_eq!(wire(66 + 45 * 1448 + 1, 1448, 66), Wire { frames: 46, bytes: 45 * 1514 + 67 });
    }

    #[test]
    fn headers_include_options_and_tags() {
        assert_eq!(header_len(&ipv4_tcp(0)), 54);
        assert_eq!(header_len(&ipv4_tcp(12)), 66);
        let mut tagged = ipv4_tcp(12);
        tagged.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
        assert_eq!(header_len(&tagged), 70);
    }

    #[test]
    fn ipv6_udp_headers() {
        let mut p = vec![0; 62];
        p[12..14].copy_from_slice(&[0x86, 0xdd]);
        p[14 + 6] = UDP;
        assert_eq!(header_len(&p), 62);
    }

    #[test]
    fn what_is_not_understood_counts_as_the_least() {
        for cut in 0..54 {
            assert_eq!(header_len(&ipv4_tcp(0)[..cut].to_vec()), if cut > 46 { 54 } else { LEAST_HEADERS });
        }
        assert_eq!(header_len(&vec![0xff; 100]), LEAST_HEADERS);
    }

    #[test]
    fn hostile_lengths_do_not_wrap() {
        for len in [0, 1, 54, 65_535, u32::MAX] {
            for gso in [0, 1, 1448, u32::MAX] {
                for headers in [0, 54, u32::MAX] {
                    assert!(wire(len, gso, headers).bytes >= len);
                }
            }
        }
    }

    /// From UDP over IPv4 to two tags and the longest headers of IPv4 and TCP.
    fn check_bounds(bytes: &Vec<u8>) {
        let length = header_len(bytes);
        assert!((14 + 20 + 8..=14 + 8 + 60 + 60).contains(&length), "{length}: {bytes:x?}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_headers_within_bounds(bytes in proptest::collection::vec(0u8.., 0..200)) {
            check_bounds(&bytes);
        }

        #[test]
        fn any_packet_has_headers_within_bounds(
            mut bytes in proptest::collection::vec(0u8.., 54..200),
            tags in 0..4usize,
            ether_type in proptest::prop_oneof![proptest::strategy::Just(0x0800u16), proptest::strategy::Just(0x86dd)],
            protocol in proptest::prop_oneof![proptest::strategy::Just(TCP), proptest::strategy::Just(UDP)],
        ) {
            for _ in 0..tags {
                bytes.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
            }
            let l3 = 14 + 4 * tags;
            bytes[l3 - 2..l3].copy_from_slice(&ether_type.to_be_bytes());
            (bytes[l3 + 9], bytes[l3 + 6]) = (protocol, protocol);
            check_bounds(&bytes);
        }

        #[test]
        fn frames_of_any_packet_hold_its_bytes(len in 0u32..1 << 21, gso in 0u32..70_000, headers in 14u32..=142) {
            let wire = wire(len, gso, headers);
            proptest::prop_assert!(wire.frames >= 1 && wire.bytes >= len);
            if wire.frames > 1 {
                let payload = u64::from(len - headers);
                proptest::prop_assert!(u64::from(wire.frames) * u64::from(gso) >= payload);
                proptest::prop_assert!(u64::from(wire.frames - 1) * u64::from(gso) < payload);
            }
        }
    }
}
