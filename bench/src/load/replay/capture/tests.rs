use dataplane_tests::packet::Packet;
use proptest::prelude::*;

use super::*;

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [192, 0, 2, 2];

fn datagram(length: usize) -> Vec<u8> {
    Packet::udp((A, 1), (B, 2)).payload_of(length).build()
}

/// A classic file: seconds, fractions and frame of each record. Every number is big-endian where
/// asked for.
fn classic(magic: u32, big: bool, records: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let version = if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
    let mut file = [word(magic), version, word(0), word(0), word(65535), word(1)].concat();
    for (s, fraction, frame) in records {
        let length = word(u32::try_from(frame.len()).expect("short"));
        file.extend([word(*s), word(*fraction), length, length].concat());
        file.extend_from_slice(frame);
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).expect("short").to_le_bytes();
    let padding = vec![0; padded - body.len()];
    [&kind.to_le_bytes()[..], &length, body, &padding, &length].concat()
}

/// A pcapng file with one interface of this resolution, and packets at these times.
fn next_generation(resolution: u8, packets: &[(u64, &[u8])]) -> Vec<u8> {
    let mut file =
        block(0x0a0d_0d0a, &[&0x1a2b_3c4du32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    let options = [9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0];
    file.extend(block(1, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], &options].concat()));
    for (units, frame) in packets {
        let length = u32::try_from(frame.len()).expect("short").to_le_bytes();
        let (high, low) =
            (u32::try_from(units >> 32).expect("high"), u32::try_from(units & 0xffff_ffff).expect("low"));
        let head = [[0; 4], high.to_le_bytes(), low.to_le_bytes(), length, length].concat();
        file.extend(block(6, &[&head, *frame].concat()));
    }
    file
}

fn times(file: &[u8]) -> Vec<u128> {
    Capture::parse(file).expect("a good file").frames.iter().map(|frame| frame.at.as_nanos()).collect()
}

#[test]
fn frames_keep_order_bytes_and_times() {
    let (short, long) = (datagram(3), datagram(1472));
    let records: [(u32, u32, &[u8]); 3] = [(10, 999_999, &short), (11, 1, &long), (10, 0, &short)];
    for big in [false, true] {
        let capture = Capture::parse(&classic(0xa1b2_c3d4, big, &records)).expect("a good file");
        let bytes: Vec<&[u8]> = capture.frames.iter().map(|frame| &frame.bytes[..]).collect();
        assert_eq!(bytes, [&short[..], &long, &short]);
        assert_eq!(capture.left_out(), None);
        // The last one's clock went backwards: it keeps its place.
        assert_eq!(times(&classic(0xa1b2_c3d4, big, &records)), [0, 2000, 2000]);
        // The same in nanoseconds.
        assert_eq!(times(&classic(0xa1b2_3c4d, big, &records)), [0, 999_000_002, 999_000_002]);
    }
}

#[test]
fn every_resolution_is_nanoseconds() {
    let frame = datagram(3);
    for (resolution, units) in [(6, 1500), (9, 1_500_000), (3, 1), (0x8a, 2)] {
        let file = next_generation(resolution, &[(1 << 33, &frame), ((1 << 33) + units, &frame)]);
        let expected = match resolution {
            3 => 1_000_000,
            0x8a => 1_953_125,
            _ => 1_500_000,
        };
        assert_eq!(times(&file), [0, expected], "resolution {resolution:#x}");
    }
    let file = next_generation(99, &[(0, &frame)]);
    assert!(Capture::parse(&file).expect_err("refused").to_string().contains("10^-99"));
}

#[test]
fn a_big_endian_file_is_read_as_well() {
    let frame = datagram(5); // 47 bytes: one of padding
    let word = u32::to_be_bytes;
    let mut file =
        [word(0x0a0d_0d0a), word(28), word(0x1a2b_3c4d), [0, 1, 0, 0], [0xff; 4], [0xff; 4], word(28)]
            .concat();
    file.extend([word(1), word(20), [0, 1, 0, 0], word(0), word(20)].concat());
    for units in [1000, 1007] {
        file.extend([word(6), word(80), word(0), word(0), word(units), word(47), word(47)].concat());
        file.extend_from_slice(&frame);
        file.extend([0, 0, 0, 0, 80]);
    }
    assert_eq!(times(&file), [0, 7000]);
    assert_eq!(Capture::parse(&file).expect("a good file").frames[1].bytes, frame);
}

#[test]
fn what_is_left_out_is_counted_by_reason() {
    let (good, arp) = (datagram(3), Packet::ethernet(0x0806).payload_of(28).build());
    let six = Packet::udp(([0xfd77, 0, 0, 0, 0, 0, 0, 1], 1), ([0xfd77, 0, 0, 0, 0, 0, 0, 2], 2)).build();
    let mut file = classic(
        0xa1b2_c3d4,
        false,
        &[(0, 0, &arp), (1, 0, &six), (2, 0, &six), (3, 0, &good), (4, 0, &good)],
    );
    // Of the last one the file has 40 bytes.
    let at = file.len() - good.len() - 8;
    file[at..at + 4].copy_from_slice(&40u32.to_le_bytes());
    file.truncate(file.len() - good.len() + 40);
    let capture = Capture::parse(&file).expect("a good file");
    assert_eq!(
        capture.left_out().as_deref(),
        Some("4 of 5 frames are left out: 2 IPv6, 1 not IP, 1 captured in part")
    );
    assert_eq!((capture.frames.len(), capture.frames[0].at), (1, Duration::ZERO));
}

#[test]
fn what_is_no_capture_is_refused_in_one_line() {
    let frame = datagram(3);
    let whole = classic(0xa1b2_c3d4, false, &[(0, 0, &frame), (1, 0, &frame)]);
    let cases = [
        (Vec::new(), "neither pcap nor pcapng"),
        (b"#!/bin/sh\necho a script is no capture\n".to_vec(), "neither pcap nor pcapng"),
        (whole[..24].to_vec(), "no frame in it can be sent: it has none"),
        (whole[..whole.len() - 1].to_vec(), "it is broken or cut off after 1 frames"),
        (classic(0xa1b2_c3d4, false, &[(0, 0, &[0; 60])]), "1 of 1 frames are left out: 1 not IP"),
    ];
    for (file, why) in cases {
        let error = format!("{:#}", Capture::parse(&file).expect_err("refused"));
        assert!(error.contains(why) && !error.contains('\n'), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_garbled_file_is_read_or_refused(
        ng in any::<bool>(),
        cut in 0..400usize,
        garbled in proptest::collection::vec((0..400usize, 0u8..), 0..8),
    ) {
        let frame = datagram(40);
        let mut file = if ng {
            next_generation(6, &[(0, &frame), (1 << 40, &frame), (u64::MAX, &frame)])
        } else {
            classic(0xa1b2_c3d4, false, &[(0, 0, &frame), (u32::MAX, u32::MAX, &frame)])
        };
        file.truncate(file.len().saturating_sub(cut));
        for (at, byte) in garbled {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(capture) = Capture::parse(&file) {
            prop_assert!(capture.frames.is_sorted_by_key(|frame| frame.at));
            prop_assert!(capture.frames.iter().all(|frame| judge(&frame.bytes).is_ok()));
            prop_assert!(capture.duration() >= capture.frames[capture.frames.len() - 1].at);
        } else {
            let error = Capture::parse(&file).expect_err("refused").to_string();
            prop_assert!(!error.contains('\n'), "{}", error);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0u8.., 0..300)) {
        Capture::parse(&bytes).ok();
    }
}
