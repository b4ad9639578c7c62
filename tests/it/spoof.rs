//! What an endpoint may not send, as a table: each frame goes through `from_endpoint` by
//! `BPF_PROG_TEST_RUN`, is dropped, and is counted for its reason.

use dataplane_common::direction::Direction::FromContainer;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::meter::Interface;
use dataplane_tests::netns::Namespace;
use dataplane_tests::run::{Program, Skb};
use dataplane_tests::sandbox::Sandbox;

const NEXT: i32 = -1;
const DROP: i32 = 2;
const REDIRECT: i32 = 7;

const OWN: [u8; 6] = [0x0a, 0x64, 10, 77, 1, 2];
const PEER: [u8; 6] = [0x0a, 0x64, 10, 77, 1, 3];
const GATEWAY: [u8; 6] = [0x0a, 0x64, 10, 77, 1, 1];
const ALL: [u8; 6] = [0xff; 6];
const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

fn ethernet(to: [u8; 6], from: [u8; 6], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &ether_type.to_be_bytes(), payload].concat()
}

/// An IPv4 packet; sums are left out, since no program reads them.
fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).expect("short").to_be_bytes();
    let head = [0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    [&head[..], &source, &destination, payload].concat()
}

fn ipv6(source: [u16; 8], destination: [u16; 8], next: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short").to_be_bytes();
    let octets = |address: [u16; 8]| std::net::Ipv6Addr::from(address).octets();
    let head = [0x60, 0, 0, 0, length[0], length[1], next, hops];
    [&head[..], &octets(source), &octets(destination), payload].concat()
}

fn arp(operation: u8, mac: [u8; 6], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    [&[0, 1, 8, 0, 6, 4, 0, operation][..], &mac, &sender, &[0; 6], &target].concat()
}

fn udp(from: u16, to: u16) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0, 12, 0, 0, 1, 2, 3, 4]].concat()
}

const V4: [u8; 4] = [10, 77, 1, 2];
const V4_PEER: [u8; 4] = [10, 77, 1, 3];
const V4_GATEWAY: [u8; 4] = [10, 77, 1, 1];
const V6: [u16; 8] = [0xfd77, 1, 0, 0, 0, 0, 0, 2];
const V6_PEER: [u16; 8] = [0xfd77, 1, 0, 0, 0, 0, 0, 3];
const V6_ALL: [u16; 8] = [0xff02, 0, 0, 0, 0, 0, 0, 1];

/// What the frame is, the frame, and why it is dropped.
type Row = (&'static str, Vec<u8>, &'static str);

fn refused() -> Vec<Row> {
    let frame4 = |packet: &[u8]| ethernet(PEER, OWN, 0x0800, packet);
    let frame6 = |packet: &[u8]| ethernet(PEER, OWN, 0x86dd, packet);
    let plain = ipv4(V4, V4_PEER, 17, &udp(7, 9));
    let advertisement = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    let behind = |chain: &[u8], first: u8| {
        ethernet(ALL_NODES, OWN, 0x86dd, &ipv6(V6, V6_ALL, first, 255, &[chain, &advertisement].concat()))
    };
    let neighbour = |kind: u8, target: [u16; 8], mac: [u8; 6]| {
        let target = std::net::Ipv6Addr::from(target).octets();
        [&[kind, 0, 0, 0, 0x20, 0, 0, 0][..], &target, &[2, 1], &mac].concat()
    };
    let mut short_header = plain.clone();
    short_header[0] = 0x44;
    let mut lying_length = plain.clone();
    lying_length[2..4].copy_from_slice(&2000u16.to_be_bytes());
    let mut no_hops = plain.clone();
    no_hops[8] = 0;
    let mut source_route = plain[..20].to_vec();
    source_route[0] = 0x47;
    source_route[3] = 28;
    source_route.extend([131, 7, 4, 10, 0, 0, 9, 0]);
    vec![
        ("another's MAC", ethernet(PEER, PEER, 0x0800, &plain), "source_mac"),
        ("another's IPv4 address", frame4(&ipv4(V4_PEER, V4_GATEWAY, 17, &udp(7, 9))), "source_address"),
        ("the gateway's IPv4 address", frame4(&ipv4(V4_GATEWAY, V4_PEER, 17, &udp(7, 9))), "source_address"),
        ("loopback's address", frame4(&ipv4([127, 0, 0, 1], V4_PEER, 17, &udp(7, 9))), "source_address"),
        ("another's IPv6 address", frame6(&ipv6(V6_PEER, V6, 17, 64, &udp(7, 9))), "malformed"),
        (
            "a stranger's IPv6 address",
            frame6(&ipv6([0xfd77, 9, 0, 0, 0, 0, 0, 2], V6_PEER, 17, 64, &udp(7, 9))),
            "source_address",
        ),
        ("to itself", frame4(&ipv4(V4, V4, 17, &udp(7, 9))), "malformed"),
        (
            "ARP as the gateway",
            ethernet(ALL, OWN, 0x0806, &arp(2, OWN, V4_GATEWAY, V4_PEER)),
            "neighbour_claim",
        ),
        (
            "ARP as a neighbour, unasked",
            ethernet(ALL, OWN, 0x0806, &arp(1, OWN, V4_PEER, V4_PEER)),
            "neighbour_claim",
        ),
        ("ARP with another MAC", ethernet(ALL, OWN, 0x0806, &arp(2, PEER, V4, V4_PEER)), "neighbour_claim"),
        (
            "a neighbour advertisement for another",
            frame6(&ipv6(V6, V6_PEER, 58, 255, &neighbour(136, V6_PEER, OWN))),
            "neighbour_claim",
        ),
        ("a router advertisement", behind(&[], 58), "router_claim"),
        ("one behind a hop-by-hop header", behind(&[58, 0, 1, 4, 0, 0, 0, 0], 0), "router_claim"),
        ("one behind destination options", behind(&[58, 0, 1, 4, 0, 0, 0, 0], 60), "router_claim"),
        ("one in a first fragment", behind(&[58, 0, 0, 1, 0, 0, 0, 9], 44), "router_claim"),
        ("a DHCP server's answer", frame4(&ipv4(V4, V4_PEER, 17, &udp(67, 68))), "dhcp_server"),
        ("a DHCPv6 server's answer", frame6(&ipv6(V6, V6_PEER, 17, 64, &udp(547, 546))), "dhcp_server"),
        ("a VLAN tag", ethernet(PEER, OWN, 0x8100, &[&[0, 7, 8, 0][..], &plain].concat()), "malformed"),
        (
            "two tags",
            ethernet(PEER, OWN, 0x88a8, &[&[0, 7, 0x81, 0, 0, 7, 8, 0][..], &plain].concat()),
            "malformed",
        ),
        (
            "a spanning tree frame",
            ethernet([1, 0x80, 0xc2, 0, 0, 0], OWN, 38, &[0x42, 0x42, 3, 0, 0, 0, 0, 0]),
            "malformed",
        ),
        ("LLDP", ethernet([1, 0x80, 0xc2, 0, 0, 0x0e], OWN, 0x88cc, &[0; 50]), "malformed"),
        ("PPPoE", ethernet(PEER, OWN, 0x8864, &[0; 50]), "malformed"),
        ("MPLS", ethernet(PEER, OWN, 0x8847, &[0; 50]), "malformed"),
        ("IPv4 in a frame of IPv6", frame6(&ipv4(V4, V4_PEER, 17, &[0; 40])), "malformed"),
        (
            "its IPv4 address in a packet of IPv6",
            frame6(&ipv6([0, 0, 0, 0, 0, 0xffff, 0x0a4d, 0x0102], V6_PEER, 58, 255, &advertisement)),
            "malformed",
        ),
        ("a header that is too short", frame4(&short_header), "malformed"),
        ("a length that lies", frame4(&lying_length), "malformed"),
        ("a source route", frame4(&source_route), "malformed"),
        ("no hops left", frame4(&no_hops), "malformed"),
        ("one receiver, sent to all", ethernet(ALL, OWN, 0x0800, &plain), "malformed"),
        ("to nobody", ethernet(ALL, OWN, 0x0806, &arp(1, OWN, V4, [10, 77, 1, 99])), "nobody"),
        (
            "to what lies beyond",
            ethernet(GATEWAY, OWN, 0x0800, &ipv4(V4, [198, 51, 100, 1], 17, &udp(7, 9))),
            "no_uplink",
        ),
    ]
}

struct Ground<'n> {
    dpctl: Dpctl<'n>,
    host: &'n Namespace,
    skb: Skb,
    _one: Sandbox,
    _two: Sandbox,
}

impl<'n> Ground<'n> {
    fn new(host: &'n Namespace) -> Self {
        // A way out, which the kernel asks after; without one it takes no address for foreign.
        host.ip_batch(
            "link add ext type veth peer name away\naddr add 192.0.2.1/24 dev ext\nlink set ext up\n\
             link set away up\nroute add default via 192.0.2.2",
        );
        let dpctl = Dpctl::new(host);
        dpctl.run("network create web --subnet 10.77.1.0/24 --subnet fd77:1::/64");
        let (one, two) = (Sandbox::on(&dpctl, "web"), Sandbox::on(&dpctl, "web"));
        // Quiet: nothing but the table's own frames is counted.
        for sandbox in [&one, &two] {
            sandbox.namespace.ip("link set eth0 down");
        }
        let skb = Skb { ifindex: Interface::new(host, "dpv0").index(), ..Skb::default() };
        Self { dpctl, host, skb, _one: one, _two: two }
    }

    fn verdict(&self, frame: &[u8]) -> (i32, Vec<u8>) {
        let program = Program::pinned(&self.dpctl.pin("from_endpoint"));
        // The kernel takes no frame shorter than its Ethernet header and a byte.
        let ran = self.host.enter(|| program.run(frame, self.skb));
        (ran.verdict, ran.packet)
    }

    fn reasons(&self) -> serde_json::Value {
        self.dpctl.json("stats --reasons")
    }
}

fn count(reasons: &serde_json::Value, name: &str) -> u64 {
    let rows = reasons.as_array().into_iter().flatten();
    rows.filter(|row| row["reason"] == name).filter_map(|row| row["packets"].as_u64()).sum()
}

#[test]
fn what_an_endpoint_may_not_send_is_dropped_unchanged_and_counted() {
    let host = Namespace::new();
    let ground = Ground::new(&host);
    for (what, frame, reason) in refused() {
        let before = ground.reasons();
        let (verdict, after) = ground.verdict(&frame);
        assert_eq!(verdict, DROP, "{what}");
        assert_eq!(after, frame, "{what}: not a byte is changed");
        let now = ground.reasons();
        assert_eq!(count(&now, reason) - count(&before, reason), 1, "{what}: {reason}: {now}");
    }
    let dropped = ground.dpctl.stats("dpv0", FromContainer).dropped_refused;
    assert_eq!(dropped, refused().len() as u64, "and for the endpoint");
    ground.dpctl.leaves_nothing();
}

#[test]
fn what_it_may_send_goes_where_it_belongs() {
    let host = Namespace::new();
    let ground = Ground::new(&host);
    let direct = ethernet(PEER, OWN, 0x0800, &ipv4(V4, V4_PEER, 17, &udp(7, 9)));
    assert_eq!(ground.verdict(&direct), (REDIRECT, direct.clone()), "to a neighbour, as it is");
    let gateway = ethernet(GATEWAY, OWN, 0x0800, &ipv4(V4, V4_GATEWAY, 17, &udp(7, 9)));
    assert_eq!(ground.verdict(&gateway), (NEXT, gateway.clone()), "to the gateway");
    // Questions become answers.
    let (verdict, answer) = ground.verdict(&ethernet(ALL, OWN, 0x0806, &arp(1, OWN, V4, V4_PEER)));
    assert_eq!(verdict, REDIRECT);
    let told = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &PEER, &V4_PEER, &OWN, &V4].concat();
    assert_eq!(answer[..42], ethernet(OWN, PEER, 0x0806, &told), "the neighbour's MAC");
    let (verdict, answer) = ground.verdict(&ethernet(ALL, OWN, 0x0806, &arp(1, OWN, V4, V4_GATEWAY)));
    assert_eq!((verdict, &answer[22..28]), (REDIRECT, &GATEWAY[..]), "the gateway's MAC");
    ground.dpctl.leaves_nothing();
}
