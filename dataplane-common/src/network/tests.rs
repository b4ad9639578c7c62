use super::*;
use crate::frames::{A, B, ip};

const GATEWAY: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn network(flags: u32) -> Network {
    Network {
        gateway_v4: ip("10.0.0.1"),
        gateway_v6: ip("fd00::1"),
        broadcast: ip("10.0.0.255"),
        gateway_mac: GATEWAY,
        ..Network::new(flags)
    }
}

fn endpoint(mac: Mac, v4: &str, network: u32) -> Endpoint {
    Endpoint::new(Identity::new(mac, ip(v4), Ip::UNSET), network, 7, Mac([2, 0, 0, 0, 1, mac.0[5]]))
}

fn of(intent: Intent, flags: u32, is_found: bool) -> Result<Way, Refusal> {
    let other = endpoint(B, "10.0.0.3", 1);
    way(&intent, &network(flags), is_found.then_some(&other))
}

#[test]
fn endpoints_reach_each_other_where_icc_is_on() {
    for flags in [Network::ICC, Network::ICC | Network::ROUTED] {
        assert_eq!(of(Intent::To(ip("10.0.0.3")), flags, true), Ok(Way::Endpoint));
    }
    for flags in [0, Network::ROUTED] {
        assert_eq!(of(Intent::To(ip("10.0.0.3")), flags, true), Err(Refusal::NotAllowed));
        assert_eq!(of(Intent::Ask(ip("10.0.0.3")), flags, true), Err(Refusal::NotAllowed));
    }
}

#[test]
fn the_gateway_is_reached_in_every_network() {
    for flags in [0, Network::ICC, Network::INTERNAL, Network::ROUTED] {
        for gateway in ["10.0.0.1", "fd00::1"] {
            assert_eq!(of(Intent::To(ip(gateway)), flags, false), Ok(Way::Host));
        }
    }
    assert_eq!(of(Intent::Ask(ip("10.0.0.1")), 0, false), Ok(Way::Answer));
    assert_eq!(of(Intent::Ask(ip("fd00::1")), Network::ROUTED, false), Ok(Way::Answer));
}

#[test]
fn a_question_is_answered_with_the_mac_that_packets_go_to() {
    assert_eq!(of(Intent::Ask(ip("10.0.0.3")), Network::ICC, true), Ok(Way::Answer));
    assert_eq!(of(Intent::Ask(ip("10.0.0.9")), Network::ICC, false), Err(Refusal::Nobody));
    let (own, other) = (endpoint(A, "10.0.0.2", 1), endpoint(B, "10.0.0.3", 1));
    let (bridge, routed) = (network(Network::ICC), network(Network::ICC | Network::ROUTED));
    assert_eq!(*answer(&own, &bridge, Some(&other)), B);
    assert_eq!(*answer(&own, &bridge, None), GATEWAY);
    assert_eq!(*answer(&own, &routed, Some(&other)), own.host_mac);
    assert_eq!(*answer(&own, &routed, None), own.host_mac);
}

#[test]
fn beyond_the_network_there_is_the_host_alone_and_not_even_that_if_internal() {
    for address in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(of(Intent::To(ip(address)), Network::ICC, false), Ok(Way::HostIfItsOwn));
        assert_eq!(of(Intent::To(ip(address)), Network::INTERNAL, false), Err(Refusal::NoUplink));
    }
    for address in ["127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1", "::1", "::"] {
        assert_eq!(of(Intent::To(ip(address)), Network::ICC, false), Err(Refusal::NoUplink), "{address}");
    }
}

#[test]
fn unset_is_nobodys_address() {
    let none = Network::new(Network::ICC);
    assert_eq!(way(&Intent::To(Ip::UNSET), &none, None), Err(Refusal::NoUplink));
    assert_eq!(way(&Intent::Ask(Ip::UNSET), &none, None), Err(Refusal::Nobody));
}

#[test]
fn groups_are_for_networks_that_have_a_link_of_their_own() {
    for group in ["239.1.2.3", "255.255.255.255", "10.0.0.255", "ff02::fb"] {
        assert_eq!(of(Intent::Group(ip(group)), Network::ICC, false), Ok(Way::Everybody), "{group}");
        assert_eq!(of(Intent::Group(ip(group)), 0, false), Ok(Way::Host), "{group}");
        assert_eq!(
            of(Intent::Group(ip(group)), Network::ICC | Network::ROUTED, false),
            Ok(Way::Host),
            "{group}"
        );
    }
    assert_eq!(of(Intent::Group(ip("10.0.0.3")), Network::ICC, false), Err(Refusal::Malformed));
}

#[test]
fn peers_hear_of_an_address_where_they_may_hear_of_each_other() {
    assert_eq!(of(Intent::Announce(ip("10.0.0.2")), Network::ICC, false), Ok(Way::Peers));
    assert_eq!(of(Intent::Announce(ip("10.0.0.2")), 0, false), Ok(Way::Nowhere));
    assert_eq!(of(Intent::Announce(ip("10.0.0.2")), Network::ICC | Network::ROUTED, false), Ok(Way::Nowhere));
}

#[test]
fn a_foreign_bridge_carries_everything_itself() {
    for intent in [
        Intent::To(ip("192.0.2.1")),
        Intent::Ask(ip("10.0.0.9")),
        Intent::Announce(ip("10.0.0.2")),
        Intent::Group(ip("ff02::1")),
    ] {
        assert_eq!(of(intent, Network::FOREIGN | Network::ICC, false), Ok(Way::Host));
    }
}

#[test]
fn only_the_own_network_enters_and_only_with_icc() {
    let (own, other, stranger) =
        (endpoint(A, "10.0.0.2", 1), endpoint(B, "10.0.0.3", 1), endpoint(B, "10.0.0.3", 2));
    assert!(may_enter(&own, &other, &network(Network::ICC)));
    assert!(!may_enter(&own, &other, &network(0)));
    assert!(!may_enter(&stranger, &own, &network(Network::ICC)));
    assert!(
        !may_enter(&Endpoint::default(), &Endpoint::default(), &network(Network::ICC)),
        "no endpoint is in no network"
    );
}
