use super::*;
use crate::frames::{A, B, ip};
use crate::headers::{Inner, headers};
use crate::sender::{Identity, Intent};

#[test]
fn an_arp_answer_reads_back_as_what_it_tells() {
    let mut frame = [0xff; ARP_LEN];
    arp(&mut frame, (&A, &ip("10.0.0.2")), &B, &ip("10.0.0.3"));
    let frame = frame.to_vec();
    let read = headers(&frame, 42).expect("well formed");
    let Inner::Arp(arp) = read.inner else { panic!("{read:?}") };
    assert_eq!((read.to, read.from, arp.is_request), (A, B, false));
    assert_eq!((arp.sender_mac, arp.sender, arp.target), (B, ip("10.0.0.3"), ip("10.0.0.2")));
}

#[test]
fn an_advertisement_is_one_that_its_owner_could_have_sent() {
    let frame = advertised(ip("fd00::2"), B, ip("fd00::3"), false).to_vec();
    let read = headers(&frame, 86).expect("well formed");
    assert_eq!(
        Identity::new(B, Ip::UNSET, ip("fd00::3")).judge(&read, &frame),
        Ok(Intent::Announce(ip("fd00::3")))
    );
    assert_eq!(frame[58], 0x60);
    assert_eq!(advertised(ip("fd00::2"), B, ip("fd00::1"), true)[58], 0xe0, "a gateway is a router");
}

#[test]
fn what_an_endpoint_announces_it_may_send() {
    let (v4, v6) = (ip("10.0.0.2"), ip("fd00::2"));
    let own = Identity::new(A, v4, v6);
    let frames = [(v4, announcement_v4(A, v4).to_vec()), (v6, announcement_v6(A, v6).to_vec())];
    for (address, frame) in frames {
        let read = headers(&frame, u32::try_from(frame.len()).expect("short")).expect("well formed");
        assert!(read.to.is_group(), "{read:?}");
        assert_eq!(own.judge(&read, &frame), Ok(Intent::Announce(address)));
        assert!(Identity::new(B, v4, v6).judge(&read, &frame).is_err());
    }
}

fn advertised(asker: Ip, mac: Mac, address: Ip, is_router: bool) -> [u8; ADVERTISEMENT_LEN] {
    let mut frame = [0xff; ADVERTISEMENT_LEN];
    advertisement(&mut frame, (&A, &asker), &mac, &address, is_router);
    frame
}

proptest::proptest! {
    #[test]
    fn the_checksum_of_an_advertisement_holds(asker: [u8; 16], address: [u8; 16], mac: [u8; 6]) {
        let frame = advertised(Ip(asker), Mac(mac), Ip(address), false);
        let words = frame[22..].chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let mut sum: u32 = words.sum::<u32>() + 32 + 58;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        proptest::prop_assert_eq!(sum, 0xffff);
    }
}
