use super::*;
use crate::frames::{A, B, arp, ethernet, extension, fragment, ip, ipv4, ipv6, neighbour, udp};
use crate::headers::headers;

const OWN_LINK_LOCAL: &str = "fe80::ff:fe00:a";
const ALL_NODES: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

fn identity() -> Identity {
    Identity::new(A, ip("10.0.0.2"), ip("fd00::2"))
}

fn judge(to: Mac, ether_type: u16, payload: &[u8]) -> Result<Intent, Refusal> {
    let frame = ethernet(to, A, ether_type, payload);
    let headers = headers(&frame, u32::try_from(frame.len()).expect("short"));
    identity().judge(&headers.map_err(|_malformed| Refusal::Malformed)?, &frame)
}

fn v4(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Result<Intent, Refusal> {
    judge(group_mac(destination, B), 0x0800, &ipv4(source, destination, protocol, payload))
}

fn v6(source: &str, destination: &str, hops: u8, payload: &[u8]) -> Result<Intent, Refusal> {
    judge(group_mac(destination, B), 0x86dd, &ipv6(source, destination, 58, hops, payload))
}

fn group_mac(destination: &str, single: Mac) -> Mac {
    if ip(destination).is_group() { ALL_NODES } else { single }
}

#[test]
fn it_may_send_from_its_own_addresses() {
    assert_eq!(v4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9)), Ok(Intent::To(ip("10.0.0.3"))));
    assert_eq!(v4("10.0.0.2", "239.1.2.3", 17, &udp(7, 9)), Ok(Intent::Group(ip("239.1.2.3"))));
    for source in ["fd00::2", OWN_LINK_LOCAL] {
        assert_eq!(v6(source, "fd00::3", 64, &[128, 0, 0, 0, 0, 0, 0, 0]), Ok(Intent::To(ip("fd00::3"))));
    }
}

#[test]
fn it_may_not_send_from_another_mac() {
    let frame = ethernet(A, B, 0x0800, &ipv4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9)));
    let headers = headers(&frame, 50).expect("well formed");
    assert_eq!(identity().judge(&headers, &frame), Err(Refusal::SourceMac));
}

#[test]
fn it_may_not_send_from_another_address() {
    for source in ["10.0.0.3", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
        assert_eq!(v4(source, "10.0.0.9", 17, &udp(7, 9)), Err(Refusal::SourceAddress), "{source}");
    }
    for source in ["fd00::3", "fe80::b", "::", "::1", "ff02::1", "::ffff:0:10.0.0.2"] {
        assert_eq!(v6(source, "fd00::9", 64, &[128, 0, 0, 0]), Err(Refusal::SourceAddress), "{source}");
        let packet = ipv6(source, "fd00::9", 17, 64, &udp(7, 9));
        assert_eq!(judge(B, 0x86dd, &packet), Err(Refusal::SourceAddress), "{source}, UDP");
    }
}

#[test]
fn an_endpoint_without_a_family_may_not_send_in_it() {
    let only_v6 = Identity::new(A, Ip::UNSET, ip("fd00::2"));
    for source in ["10.0.0.2", "0.0.0.0"] {
        let frame = ethernet(B, A, 0x0800, &ipv4(source, "10.0.0.3", 17, &udp(7, 9)));
        let headers = headers(&frame, 50).expect("well formed");
        assert_eq!(only_v6.judge(&headers, &frame), Err(Refusal::SourceAddress));
    }
}

#[test]
fn a_packet_to_itself_is_none_that_its_loopback_would_not_carry() {
    assert_eq!(v4("10.0.0.2", "10.0.0.2", 6, &[0; 20]), Err(Refusal::Malformed));
    assert_eq!(v6("fd00::2", OWN_LINK_LOCAL, 64, &[128, 0, 0, 0]), Err(Refusal::Malformed));
}

#[test]
fn one_receiver_in_the_packet_and_all_on_the_link_is_refused() {
    let packet = ipv4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9));
    assert_eq!(judge(ALL_NODES, 0x0800, &packet), Err(Refusal::Malformed));
    let broadcast = Ok(Intent::Group(ip("10.0.0.3")));
    assert_eq!(
        judge(Mac::BROADCAST, 0x0800, &packet),
        broadcast,
        "whether it is the subnet's is the network's to say"
    );
    let packet = ipv4("10.0.0.2", "239.1.2.3", 17, &udp(7, 9));
    assert_eq!(judge(B, 0x0800, &packet), Err(Refusal::Malformed));
}

#[test]
fn it_asks_and_tells_by_arp_for_itself_alone() {
    let judge = |operation, mac, sender, target| judge(B, 0x0806, &arp(operation, mac, sender, target));
    assert_eq!(judge(1, A, "10.0.0.2", "10.0.0.3"), Ok(Intent::Ask(ip("10.0.0.3"))));
    assert_eq!(judge(1, A, "10.0.0.2", "10.0.0.2"), Ok(Intent::Announce(ip("10.0.0.2"))), "gratuitous");
    assert_eq!(judge(1, A, "0.0.0.0", "10.0.0.2"), Ok(Intent::Announce(ip("10.0.0.2"))), "a probe");
    assert_eq!(judge(2, A, "10.0.0.2", "10.0.0.1"), Ok(Intent::Announce(ip("10.0.0.2"))));
    for (operation, mac, sender, target) in [
        (1, B, "10.0.0.2", "10.0.0.3"),
        (2, B, "10.0.0.2", "10.0.0.3"),
        (1, A, "10.0.0.1", "10.0.0.3"),
        (2, A, "10.0.0.1", "10.0.0.3"),
        (1, A, "10.0.0.1", "10.0.0.1"),
        (1, A, "0.0.0.0", "10.0.0.3"),
        (2, A, "0.0.0.0", "10.0.0.2"),
    ] {
        assert_eq!(
            judge(operation, mac, sender, target),
            Err(Refusal::NeighbourClaim),
            "{operation} {sender} {target}"
        );
    }
}

#[test]
fn it_asks_and_tells_by_neighbour_discovery_for_itself_alone() {
    let asks = |source, target, mac| v6(source, "ff02::1:ff00:3", 255, &neighbour(135, target, 1, mac));
    let tells = |source, target, mac| v6(source, "ff02::1", 255, &neighbour(136, target, 2, mac));
    assert_eq!(asks("fd00::2", "fd00::3", A), Ok(Intent::Ask(ip("fd00::3"))));
    assert_eq!(asks(OWN_LINK_LOCAL, "fd00::3", A), Ok(Intent::Ask(ip("fd00::3"))));
    assert_eq!(tells("fd00::2", "fd00::2", A), Ok(Intent::Announce(ip("fd00::2"))));
    let detection = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &ip("fd00::2").0].concat();
    assert_eq!(v6("::", "ff02::1:ff00:2", 255, &detection), Ok(Intent::Announce(ip("fd00::2"))));
    let foreign = [&detection[..8], &ip("fd00::3").0].concat();
    assert_eq!(v6("::", "ff02::1:ff00:3", 255, &foreign), Err(Refusal::NeighbourClaim));
    assert_eq!(asks("fd00::2", "fd00::3", B), Err(Refusal::NeighbourClaim), "another's MAC");
    assert_eq!(asks("fd00::9", "fd00::3", A), Err(Refusal::NeighbourClaim), "from another");
    assert_eq!(tells("fd00::2", "fd00::1", A), Err(Refusal::NeighbourClaim), "as the gateway");
    assert_eq!(tells("fd00::2", "fd00::2", B), Err(Refusal::NeighbourClaim), "at another's MAC");
    assert_eq!(tells("fd00::1", "fd00::2", A), Err(Refusal::NeighbourClaim), "from the gateway");
    let twice = [neighbour(136, "fd00::2", 2, A), [&[2, 1][..], &B.0].concat()].concat();
    assert_eq!(v6("fd00::2", "ff02::1", 255, &twice), Err(Refusal::NeighbourClaim), "a second claim");
    let from_afar = neighbour(136, "fd00::2", 2, A);
    assert_eq!(v6("fd00::2", "ff02::1", 254, &from_afar), Err(Refusal::NeighbourClaim), "hop limit 254");
}

#[test]
fn it_is_no_router_however_deep_the_claim_lies() {
    let advertisement = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    for kind in [134, 137, 130] {
        let mut message = advertisement;
        message[0] = kind;
        assert_eq!(v6(OWN_LINK_LOCAL, "ff02::1", 255, &message), Err(Refusal::RouterClaim));
    }
    // RFC 7113: behind extension headers, and in the first piece of a datagram.
    for chain in [
        extension(58, &advertisement),
        extension(60, &extension(58, &advertisement)),
        fragment(58, 0, true, &advertisement),
        extension(44, &fragment(58, 0, true, &advertisement)),
    ] {
        let (first, hidden) = if chain[4] == 0 && chain[2] == 1 { (60, chain) } else { (44, chain) };
        let packet = ipv6(OWN_LINK_LOCAL, "ff02::1", first, 255, &hidden);
        assert_eq!(judge(ALL_NODES, 0x86dd, &packet), Err(Refusal::RouterClaim), "{hidden:x?}");
    }
    // RFC 7112: a first piece that ends before the message begins.
    let cut = ipv6(OWN_LINK_LOCAL, "ff02::1", 44, 255, &fragment(60, 0, true, &[58, 0, 1, 4, 0, 0, 0, 0]));
    assert_eq!(judge(ALL_NODES, 0x86dd, &cut), Err(Refusal::Malformed));
}

#[test]
fn it_may_say_what_hosts_say_to_routers() {
    for kind in [131, 132, 133, 143] {
        for source in ["::", OWN_LINK_LOCAL] {
            let message = [kind, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(v6(source, "ff02::16", 1, &message), Ok(Intent::Group(ip("ff02::16"))), "{kind}");
        }
    }
    assert_eq!(v4("0.0.0.0", "224.0.0.22", 2, &[0; 8]), Ok(Intent::Group(ip("224.0.0.22"))));
}

#[test]
fn it_is_no_dhcp_server() {
    assert_eq!(v4("10.0.0.2", "10.0.0.3", 17, &udp(67, 68)), Err(Refusal::DhcpServer));
    assert_eq!(v4("10.0.0.2", "10.0.0.3", 17, &udp(68, 67)), Ok(Intent::To(ip("10.0.0.3"))));
    let answer = ipv6("fd00::2", "fd00::3", 17, 64, &udp(547, 546));
    assert_eq!(judge(B, 0x86dd, &answer), Err(Refusal::DhcpServer));
}

#[test]
fn nothing_is_sent_with_no_hops_left() {
    let mut packet = ipv4("10.0.0.2", "10.0.0.3", 17, &udp(7, 9));
    packet[8] = 0;
    assert_eq!(judge(B, 0x0800, &packet), Err(Refusal::Malformed));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_somebody_else(
        mut bytes in proptest::collection::vec(0u8.., 14..160),
        ether_type in proptest::prop_oneof![
            proptest::strategy::Just(0x0800u16), proptest::strategy::Just(0x86dd), proptest::strategy::Just(0x0806)
        ],
    ) {
        bytes[6..12].copy_from_slice(&A.0);
        bytes[12..14].copy_from_slice(&ether_type.to_be_bytes());
        let Ok(headers) = headers(&bytes, u32::try_from(bytes.len()).expect("short")) else { return Ok(()) };
        if identity().judge(&headers, &bytes).is_ok() {
            let own = [ip("10.0.0.2"), ip("fd00::2"), A.link_local(), Ip::UNSET, Ip::V4_UNSPECIFIED];
            match headers.inner {
                Inner::Ip(packet) => proptest::prop_assert!(own.contains(&packet.source)),
                Inner::Arp(arp) => proptest::prop_assert!(arp.sender_mac == A && own.contains(&arp.sender)),
            }
        }
    }
}
