use super::*;
use crate::frames::{A, B, arp, ethernet, extension, fragment, ip, ipv4, ipv6, udp};

fn read(frame: &Vec<u8>) -> Result<Headers, Malformed> {
    headers(frame, u32::try_from(frame.len()).expect("short"))
}

fn packet(ether_type: u16, bytes: &[u8]) -> Result<Packet, Malformed> {
    match read(&ethernet(B, A, ether_type, bytes))?.inner {
        Inner::Ip(packet) => Ok(packet),
        Inner::Arp(arp) => panic!("{arp:?}"),
    }
}

#[test]
fn reads_who_sends_to_whom() {
    let frame = ethernet(B, A, 0x0800, &ipv4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9)));
    let packet = Packet {
        source: ip("10.0.0.2"),
        destination: ip("10.0.0.3"),
        protocol: 17,
        hops: 64,
        payload: 34,
        fragment: Fragment::Whole,
    };
    assert_eq!(read(&frame), Ok(Headers { to: B, from: A, inner: Inner::Ip(packet) }));
}

#[test]
fn reads_arp_in_both_forms() {
    for (operation, is_request) in [(1, true), (2, false)] {
        let frame = ethernet(B, A, 0x0806, &arp(operation, A, "10.0.0.2", "10.0.0.1"));
        let expected = Arp { is_request, sender_mac: A, sender: ip("10.0.0.2"), target: ip("10.0.0.1") };
        assert_eq!(read(&frame).map(|headers| headers.inner), Ok(Inner::Arp(expected)));
    }
    let reverse = ethernet(B, A, 0x0806, &arp(3, A, "10.0.0.2", "10.0.0.1"));
    assert_eq!(read(&reverse), Err(Malformed::Header));
}

#[test]
fn follows_extension_headers_to_the_payload() {
    let chain = extension(60, &extension(17, &udp(7, 9)));
    let packet = packet(0x86dd, &ipv6("fd00::2", "fd00::3", 0, 64, &chain)).expect("well formed");
    assert_eq!((packet.protocol, packet.payload), (17, 14 + 40 + 16));
}

#[test]
fn tells_the_pieces_of_a_datagram() {
    let piece = |offset, more| {
        packet(0x86dd, &ipv6("fd00::2", "fd00::3", 44, 64, &fragment(17, offset, more, &udp(7, 9))))
            .map(|packet| packet.fragment)
    };
    assert_eq!(piece(0, true), Ok(Fragment::First));
    assert_eq!(piece(185, true), Ok(Fragment::Later));
    assert_eq!(piece(370, false), Ok(Fragment::Later));
    assert_eq!(piece(0, false), Ok(Fragment::Whole), "an atomic fragment (RFC 6946)");
    for (bits, expected) in
        [(0x2000u16, Fragment::First), (0x2001, Fragment::Later), (0x4000, Fragment::Whole)]
    {
        let mut bytes = ipv4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9));
        bytes[6..8].copy_from_slice(&bits.to_be_bytes());
        assert_eq!(packet(0x0800, &bytes).map(|packet| packet.fragment), Ok(expected));
    }
}

#[test]
fn what_follows_a_later_fragment_is_payload() {
    // "Routing header", says the byte that is the middle of somebody's data.
    let later = fragment(43, 100, false, &[0; 16]);
    let packet = packet(0x86dd, &ipv6("fd00::2", "fd00::3", 44, 64, &later)).expect("well formed");
    assert_eq!((packet.fragment, packet.protocol), (Fragment::Later, 43));
}

#[test]
fn refuses_tags_and_types_that_are_neither_ip_nor_arp() {
    let inner = ipv4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9));
    for ether_type in [0x8100, 0x88a8, 0x9100, 0x8863, 0x8864, 0x8847, 0x88cc, 0x0026, 0x05dc] {
        assert_eq!(read(&ethernet(B, A, ether_type, &inner)), Err(Malformed::EtherType), "{ether_type:x}");
    }
    // The type says IPv6 and the body is IPv4, and the other way round.
    let mut padded = inner.clone();
    padded.resize(60, 0);
    assert_eq!(packet(0x86dd, &padded), Err(Malformed::Header));
    assert_eq!(packet(0x0800, &ipv6("fd00::2", "fd00::3", 17, 64, &udp(7, 9))), Err(Malformed::Header));
}

#[test]
fn refuses_lengths_that_lie() {
    let set = |at: usize, value: u8| {
        let mut bytes = ipv4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9));
        bytes[at] = value;
        packet(0x0800, &bytes)
    };
    assert_eq!(set(0, 0x44), Err(Malformed::Header), "a header of 16 bytes");
    assert_eq!(set(0, 0x55), Err(Malformed::Header), "version 5");
    assert_eq!(set(3, 19), Err(Malformed::Header), "shorter than its header");
    assert_eq!(set(0, 0x4f), Err(Malformed::Header), "a header longer than the packet");
    assert_eq!(set(3, 29), Err(Malformed::Short), "longer than the frame");
    let mut bytes = ipv6("fd00::2", "fd00::3", 17, 64, &udp(7, 9));
    bytes[5] = 9;
    assert_eq!(packet(0x86dd, &bytes), Err(Malformed::Short));
}

#[test]
fn refuses_source_routes_and_every_option_but_router_alert() {
    let with_options = |options: &[u8]| {
        let mut bytes = ipv4("10.0.0.2", "10.0.0.3", 17, &[]);
        let words = u8::try_from(options.len() / 4).expect("40 bytes at the most");
        bytes[0] = 0x45 + words;
        bytes[3] = 20 + words * 4;
        bytes.extend(options);
        packet(0x0800, &bytes)
    };
    assert!(with_options(&[148, 4, 0, 0]).is_ok(), "router alert");
    for options in [
        &[131, 7, 4, 10, 0, 0, 9, 0][..],
        &[137, 7, 4, 10, 0, 0, 9, 0],
        &[1, 131, 7, 4, 10, 0, 0, 9],
        &[148, 4, 0, 0, 131, 3, 4, 0],
        &[7, 4, 4, 0],
        &[1, 1, 1, 1],
        &[148, 1, 0, 0],
    ] {
        assert_eq!(with_options(options), Err(Malformed::Options), "{options:?}");
    }
    let routing = |kind| [&[17, 0, kind, 1, 0, 0, 0, 0][..], &udp(7, 9)].concat();
    assert_eq!(packet(0x86dd, &ipv6("fd00::2", "fd00::3", 43, 64, &routing(0))), Err(Malformed::SourceRoute));
    assert!(packet(0x86dd, &ipv6("fd00::2", "fd00::3", 43, 64, &routing(4))).is_ok());
}

#[test]
fn refuses_chains_of_headers_that_nobody_sends() {
    let chain = (0..8).fold(udp(7, 9), |rest, place| extension(if place == 0 { 17 } else { 60 }, &rest));
    assert_eq!(packet(0x86dd, &ipv6("fd00::2", "fd00::3", 60, 64, &chain)), Err(Malformed::Extensions));
    assert_eq!(packet(0x86dd, &ipv6("fd00::2", "fd00::3", 59, 64, &[])), Err(Malformed::Extensions));
    assert_eq!(packet(0x86dd, &ipv6("fd00::2", "fd00::3", 60, 64, &[17, 0])), Err(Malformed::Short));
}

#[test]
fn a_packet_too_long_for_its_length_field_is_read() {
    let mut bytes = ipv4("10.0.0.2", "10.0.0.3", 6, &[0; 20]);
    bytes[2..4].copy_from_slice(&[0, 0]);
    let frame = ethernet(B, A, 0x0800, &bytes);
    assert!(headers(&frame, 14 + 70_000).is_ok());
    assert_eq!(headers(&frame, 14 + 40), Err(Malformed::Header));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_the_payload_lies_within(
        mut bytes in proptest::collection::vec(0u8.., 0..200),
        ether_type in proptest::prop_oneof![
            proptest::strategy::Just(0x0800u16),
            proptest::strategy::Just(0x86dd),
            proptest::strategy::Just(0x0806),
            0u16..
        ],
        version in proptest::prop_oneof![proptest::strategy::Just(0x45u8), proptest::strategy::Just(0x60), 0u8..],
    ) {
        if let Some(head) = bytes.get_mut(12..15) {
            head.copy_from_slice(&[ether_type.to_be_bytes()[0], ether_type.to_be_bytes()[1], version]);
        }
        if let Ok(Headers { inner: Inner::Ip(packet), .. }) = read(&bytes) {
            proptest::prop_assert!(packet.payload >= 34);
        }
    }
}
