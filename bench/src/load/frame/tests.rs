use std::net::Ipv4Addr;

use dataplane_tests::packet::{Packet, diff};
use proptest::prelude::*;

use super::*;

const FROM: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
const TO: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);
const ELSEWHERE: [[u8; 4]; 2] = [[192, 0, 2, 1], [198, 51, 100, 255]];

/// With the MAC addresses that the builder of packets gives all of them.
fn way() -> Way {
    let macs = [0x02, 0x77, 0, 0, 1, 1, 0x02, 0x77, 0, 0, 1, 2];
    Way { macs, from: SocketAddrV4::new(FROM, 4000), to: SocketAddrV4::new(TO, 8080) }
}

fn same(expected: &[u8], got: &[u8]) {
    if let Some(diff) = diff(expected, got) {
        panic!("{diff}");
    }
}

#[test]
fn a_datagram_is_what_the_builder_of_packets_makes() {
    for payload in [&b""[..], b"abc", &[0; 64]] {
        let mut expected = Packet::udp((FROM, 4000), (TO, 8080)).payload(payload).build();
        // The builder numbers its packets 1.
        expected[18..20].fill(0);
        let mut built = udp(&way(), payload);
        redirect(&mut expected, &way());
        same(&expected, &built);
        built[18..20].copy_from_slice(&[0, 1]);
        redirect(&mut built, &way());
        same(&Packet::udp((FROM, 4000), (TO, 8080)).payload(payload).build(), &built);
    }
}

#[test]
fn redirected_packets_equal_those_made_for_the_way() {
    let [a, b] = ELSEWHERE;
    let pairs = [
        (Packet::udp((a, 53), (b, 9)).payload_of(101), Packet::udp((FROM, 53), (TO, 8080)).payload_of(101)),
        (
            Packet::tcp((a, 1), (b, 443)).tcp_options(&[1; 12]).payload_of(1000),
            Packet::tcp((FROM, 1), (TO, 8080)).tcp_options(&[1; 12]).payload_of(1000),
        ),
        (
            Packet::udp((a, 1), (b, 2)).ip_options(&[1, 1, 1, 0]).payload_of(0),
            Packet::udp((FROM, 1), (TO, 8080)).ip_options(&[1, 1, 1, 0]).payload_of(0),
        ),
        (Packet::ip(a, b, 47).payload_of(33), Packet::ip(FROM, TO, 47).payload_of(33)),
    ];
    for (captured, expected) in pairs {
        let mut frame = captured.build();
        // As a capture at the sender has them: sums that hardware would have filled in, other
        // MAC addresses, a last hop.
        frame[..12].fill(0xee);
        frame[22] = 1;
        frame[24..26].fill(0xab);
        assert_eq!(judge(&frame), Ok(()), "{captured:?}");
        redirect(&mut frame, &way());
        same(&expected.build(), &frame);
    }
}

#[test]
fn a_translated_packet_is_the_same_and_one_with_another_byte_is_not() {
    for at in [None, Some(34), Some(41), Some(42), Some(50)] {
        let sent = Packet::udp((FROM, 1), (TO, 8080)).payload_of(9).build();
        let mut got = Packet::udp((ELSEWHERE[0], 7), (ELSEWHERE[1], 80)).payload_of(9).build();
        assert!(is_sound(&got), "as it was built");
        if let Some(at) = at {
            got[at] ^= 1;
            assert!(!is_sound(&got), "byte {at} is another");
        }
        assert_eq!(is_same(&sent, &got), at.is_none_or(|at| at < 42), "byte {at:?}");
    }
    let [short, long] = [8, 9].map(|length| Packet::udp((FROM, 1), (TO, 8080)).payload_of(length).build());
    assert!(!is_same(&short, &long));
}

#[test]
fn a_frame_is_for_whom_it_is_addressed_to() {
    let frame = udp(&way(), b"abc");
    assert!(is_to(&frame, TO.into()) && !is_to(&frame, FROM.into()) && !is_to(&frame[..33], TO.into()));
}

#[test]
fn a_datagram_without_a_sum_keeps_none() {
    let [a, b] = ELSEWHERE;
    let mut frame = Packet::udp((a, 1), (b, 2)).payload_of(9).build();
    frame[40..42].fill(0);
    redirect(&mut frame, &way());
    assert_eq!(frame[40..42], [0, 0]);
}

#[test]
fn an_echo_request_has_a_right_sum() {
    let [a, b] = ELSEWHERE;
    let mut frame = Packet::ip(a, b, 1).payload(&[8, 0, 0x12, 0x34, 0, 7, 0, 1, 0xaa]).build();
    redirect(&mut frame, &way());
    // By hand: 0800 + 0007 + 0001 + aa00 = b208, and its complement.
    assert_eq!(frame[36..38], [0x4d, 0xf7]);
}

#[test]
fn what_cannot_be_sent_is_known_for_what_it_is() {
    let [a, b] = ELSEWHERE;
    let v6 = |last| [0xfd77, 0, 0, 0, 0, 0, 0, last];
    let mut fragment = Packet::udp((a, 1), (b, 2)).payload_of(9).build();
    fragment[20] = 0x20;
    let mut cut = Packet::udp((a, 1), (b, 2)).payload_of(9).build();
    cut.pop();
    let cases = [
        (Packet::udp((v6(1), 1), (v6(2), 2)).build(), Unfit::Ipv6),
        (Packet::ethernet(0x0806).payload_of(28).build(), Unfit::NotIp),
        (Packet::udp((a, 1), (b, 2)).vlan(7).build(), Unfit::NotIp),
        (Packet::udp((a, 1), (b, 2)).payload_of(1473).build(), Unfit::TooLong),
        (Packet::tcp((a, 1), (b, 2)).payload_of(70_000).build(), Unfit::TooLong),
        (fragment, Unfit::Fragment),
        (cut, Unfit::Malformed),
    ];
    for (frame, unfit) in cases {
        assert_eq!(judge(&frame), Err(unfit));
    }
    assert_eq!(judge(&Packet::udp((a, 1), (b, 2)).payload_of(1472).build()), Ok(()));
}

proptest! {
    #[test]
    fn any_frame_is_judged_and_what_is_fit_is_redirected_within_its_length(
        mut frame in proptest::collection::vec(0u8.., 0..120),
        protocol in prop_oneof![Just(ICMP), Just(TCP), Just(UDP), 0u8..],
        sound in any::<bool>(),
    ) {
        if sound && frame.len() >= 34 {
            let length = u16::try_from(frame.len() - ETHERNET).expect("short");
            frame[12..16].copy_from_slice(&[0x08, 0, 0x45, 0]);
            frame[16..18].copy_from_slice(&length.to_be_bytes());
            frame[20..22].fill(0);
            frame[23] = protocol;
            if frame.len() >= 42 && protocol == UDP {
                frame[38..40].copy_from_slice(&(length - 20).to_be_bytes());
            }
        }
        if judge(&frame).is_ok() {
            let length = frame.len();
            redirect(&mut frame, &way());
            prop_assert_eq!(judge(&frame), Ok(()));
            prop_assert_eq!(frame.len(), length);
            prop_assert!(is_sound(&frame) && is_same(&frame, &frame));
        }
    }
}
