use super::*;
use crate::frames::{A, B, ip};

fn packet(source: &str, protocol: u8, fragment: Fragment) -> Packet {
    let address = ip(source);
    Packet { source: address, destination: address, protocol, hops: 1, payload: 34, fragment }
}

/// The sum over words that include their own checksum is all ones.
fn verifies(first: u32, bytes: &[u8]) -> bool {
    sum::of(first, bytes) == [0, 0]
}

#[test]
fn errors_and_later_pieces_are_not_answered() {
    for (source, protocol, kind, fragment, expected) in [
        ("10.0.0.2", protocol::UDP, 0, Fragment::Whole, true),
        ("10.0.0.2", protocol::UDP, 0, Fragment::First, true),
        ("10.0.0.2", protocol::UDP, 0, Fragment::Later, false),
        ("10.0.0.2", protocol::ICMP, 8, Fragment::Whole, true),
        ("10.0.0.2", protocol::ICMP, 0, Fragment::Whole, false),
        ("10.0.0.2", protocol::ICMP, 11, Fragment::Whole, false),
        ("fd00::2", protocol::ICMPV6, 128, Fragment::Whole, true),
        ("fd00::2", protocol::ICMPV6, 3, Fragment::Whole, false),
    ] {
        assert_eq!(may_be_answered(&packet(source, protocol, fragment), kind), expected, "{protocol} {kind}");
    }
}

#[test]
fn an_answer_in_ipv4_is_whole() {
    let (router, sender) = (ip("10.0.0.1"), ip("10.0.0.2"));
    let ends = Ends { router: (&B, &router), sender: (&A, &sender) };
    let quoted: [u8; V4_QUOTED] = std::array::from_fn(|at| u8::try_from(at * 7).unwrap_or(9));
    let mut frame = [0xff; V4_LEN];
    frame[V4_LEN - V4_QUOTED..].copy_from_slice(&quoted);
    exceeded_v4(&mut frame, ends);
    assert_eq!((&frame[..6], &frame[6..12]), (&A.0[..], &B.0[..]));
    assert!(verifies(0, &frame[14..34]), "the header's sum");
    assert!(verifies(0, &frame[34..]), "the message's sum");
    assert_eq!((frame[34], frame[35]), (11, 0), "time exceeded in transit");
    assert_eq!(usize::from(u16::from_be_bytes([frame[16], frame[17]])), frame.len() - 14);
    assert_eq!(frame[42..], quoted);
}

#[test]
fn an_answer_in_ipv6_is_whole() {
    let (router, sender) = (ip("fd00::1"), ip("fd00::2"));
    let ends = Ends { router: (&B, &router), sender: (&A, &sender) };
    let quoted: [u8; V6_QUOTED] = std::array::from_fn(|at| u8::try_from(at * 5).unwrap_or(9));
    let mut frame = [0xff; V6_LEN];
    frame[V6_LEN - V6_QUOTED..].copy_from_slice(&quoted);
    exceeded_v6(&mut frame, ends);
    let length = u16::from_be_bytes([frame[18], frame[19]]);
    assert_eq!(usize::from(length), frame.len() - 54);
    assert!(verifies(u32::from(length) + 58, &frame[22..]), "the message's sum, with its pseudo-header");
    assert_eq!((frame[54], frame[55]), (3, 0), "hop limit exceeded in transit");
    assert_eq!(frame[62..], quoted);
}
