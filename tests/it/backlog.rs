//! What becomes of a backlog when its limit changes: kept while the new limit's own queue could
//! hold it, dropped where it would keep everything out.

use dataplane_common::direction::Direction::{self, FromContainer, ToContainer};
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::meter::Interface;
use dataplane_tests::netns::Namespace;
use dataplane_tests::packet::Packet;
use dataplane_tests::run::{Program, Skb};
use dataplane_tests::skip;
use dataplane_tests::strace::{self, Act};

use crate::written::Written;

const NEXT: i32 = -1;
const DROP: i32 = 2;

/// A host with veth1 attached, and the programs that take packets of 1,000 bytes from it and to it.
struct Ground<'n> {
    dpctl: Dpctl<'n>,
    host: &'n Namespace,
    skb: Skb,
}

fn host() -> Namespace {
    let host = Namespace::new();
    host.ip("link add veth1 type veth peer name veth2");
    host
}

impl<'n> Ground<'n> {
    #[track_caller]
    fn new(host: &'n Namespace, limit: &str) -> Self {
        let dpctl = Dpctl::new(host);
        dpctl.run(&format!("attach {limit} veth1"));
        let skb = Skb { ifindex: Interface::new(host, "veth1").index(), ..Skb::default() };
        Self { dpctl, host, skb }
    }

    /// The verdict on the last of so many packets.
    #[track_caller]
    fn send(&self, direction: Direction, times: u32) -> i32 {
        let program = Program::pinned(&self.dpctl.pin(direction.name()));
        let address = |last: u8| std::net::IpAddr::from([192, 0, 2, last]);
        let packet = Packet::udp((address(1), 1), (address(2), 2)).payload_of(1000 - 42).build();
        self.host.enter(|| program.repeat(&packet, self.skb, times)).verdict
    }

    #[track_caller]
    fn word(&self, direction: Direction) -> u64 {
        Written::of(&self.dpctl).word(direction)
    }
}

#[test]
fn a_shortened_queue_does_not_wait_for_the_long_one() {
    for after in
        ["--latency 400ms", "--rate 500kbit --latency 400ms", "--rate 2mbit --latency 1s --burst 3kb"]
    {
        let host = host();
        let ground = Ground::new(&host, "--rate 1mbit --latency 60s");
        assert_eq!(ground.send(FromContainer, 20_000), DROP, "premise: a full minute of backlog");
        ground.dpctl.run(&format!("limit set {after} veth1"));
        assert_eq!(ground.send(FromContainer, 1), NEXT, "{after}: the next packet passes");
        ground.dpctl.leaves_nothing();
    }
}

#[test]
fn a_backlog_that_the_new_queue_can_hold_stays() {
    let host = host();
    let ground = Ground::new(&host, "--rate 1kbps --burst 100kb --latency 1000s");
    ground.send(FromContainer, 400);
    let word = ground.word(FromContainer);
    ground.dpctl.run("limit set --rate 2kbps veth1");
    assert_eq!(ground.word(FromContainer), word, "400 s of backlog, and room for 1050");
    ground.dpctl.run("attach --rate 2kbps --burst 100kb --latency 1000s veth1");
    assert_eq!(ground.word(FromContainer), word, "what is asked for is in force already");
    ground.dpctl.leaves_nothing();
}

#[test]
fn a_direction_that_loses_its_backlog_takes_nothing_from_the_other() {
    let host = host();
    let ground = Ground::new(&host, "--rate 1kbps --burst 100kb --latency 1000s");
    // Frames of a second each.
    ground.send(FromContainer, 600);
    ground.send(ToContainer, 50);
    let word = ground.word(ToContainer);
    // One command for both: queues of 7 s from the container, and of 102 s to it.
    ground.dpctl.run("limit set veth1 --from-container 128kbit --latency 400ms");
    assert_eq!(ground.send(FromContainer, 1), NEXT, "600 s of backlog are gone");
    assert_eq!(ground.word(ToContainer), word, "50 s of backlog, and room for 102");
    ground.dpctl.leaves_nothing();
}

#[test]
fn a_change_killed_before_the_backlog_is_dropped_is_finished_by_the_next_command() {
    if let Some(reason) = strace::missing() {
        skip!("{reason}");
    }
    let change = "limit set --rate 128kbit --latency 400ms --burst 3028 veth1";
    // As far as nothing is dropped at random: the burst's 100 s and half of the latency.
    let fill =
        |ground: &Ground<'_>| assert_eq!(ground.send(FromContainer, 550), NEXT, "premise: 550 s of backlog");
    let slow = "--rate 1kbps --burst 100kb --latency 1000s";
    let (one, other) = (host(), host());
    let clean = Ground::new(&one, slow);
    fill(&clean);
    let (output, calls) = strace::calls(&clean.dpctl.command(change), "bpf");
    output.ok();
    let updates: Vec<usize> =
        (0..calls.len()).filter(|at| calls[*at].contains("BPF_MAP_UPDATE_ELEM")).collect();
    // The limits, and one bucket: the other direction has seen no packet.
    assert_eq!(updates.len(), 2, "premise: {calls:#?}");
    clean.dpctl.leaves_nothing();

    let ground = Ground::new(&other, slow);
    fill(&ground);
    let killed = strace::inject(&ground.dpctl.command(change), "bpf", Act::Kill(updates[1] + 1));
    assert_eq!(killed.code, 137, "{killed}");
    assert_eq!(ground.send(FromContainer, 1), DROP, "premise: the new limit with the old backlog");
    ground.dpctl.run("ls");
    assert_eq!(ground.send(FromContainer, 1), NEXT, "the next command has finished it");
    ground.dpctl.leaves_nothing();
}
