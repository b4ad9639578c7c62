//! Whether the limit of a box's veth holds right now.

use dataplane_common::direction::Direction;
use dataplane_tests::burst::{SENT, burst};
use dataplane_tests::topology::Topology;

/// A limit of which a burst of [`SENT`] kilobytes is many times as much as it lets through.
pub(crate) const TIGHT: &str = "--rate 64kbit --latency 10ms";
/// Two full frames of burst, and one that lowers the backlog meanwhile; then some room.
const LET_THROUGH: u64 = 6;

/// How much of a burst gets from the box to the host, or from the host to the box.
#[track_caller]
pub(crate) fn arrivals(topology: &Topology, number: u8, direction: Direction) -> u64 {
    let one = topology.sandbox(number);
    match direction {
        Direction::FromContainer => burst(&one.namespace, &topology.host, one.host_address()),
        Direction::ToContainer => burst(&topology.host, &one.namespace, one.address()),
    }
}

/// Fails unless box `number` is limited, as [`TIGHT`] says, in this direction.
#[track_caller]
pub(crate) fn assert_limited(topology: &Topology, number: u8, direction: Direction, when: &str) {
    let arrived = arrivals(topology, number, direction);
    assert!(arrived <= LET_THROUGH, "{when}: {arrived} of {SENT} got through {}", direction.name());
}

/// Fails unless all of a burst passes in this direction.
#[track_caller]
pub(crate) fn assert_free(topology: &Topology, number: u8, direction: Direction, when: &str) {
    let arrived = arrivals(topology, number, direction);
    assert_eq!(arrived, SENT, "{when}: not all got through {}", direction.name());
}

/// Both directions limited.
#[track_caller]
pub(crate) fn assert_limited_both(topology: &Topology, number: u8, when: &str) {
    for direction in Direction::ALL {
        assert_limited(topology, number, direction, when);
    }
}

/// Both directions free.
#[track_caller]
pub(crate) fn assert_free_both(topology: &Topology, number: u8, when: &str) {
    for direction in Direction::ALL {
        assert_free(topology, number, direction, when);
    }
}

/// Fails unless these count a whole burst each, and at most a few packets of the kernel's own:
/// multicast reports come when they like.
#[track_caller]
pub(crate) fn assert_whole(counted: [u64; 2], what: &str) {
    let whole = counted.iter().all(|counted| (SENT..=SENT + 4).contains(counted));
    assert!(whole, "{what}: counted {counted:?} packets of {SENT}");
}

/// Fails unless these count no more of a burst than a tight limit lets through.
#[track_caller]
pub(crate) fn assert_few(counted: [u64; 2], what: &str) {
    assert!(counted.iter().all(|counted| *counted < SENT / 4), "{what}: counted {counted:?} of {SENT}");
}
