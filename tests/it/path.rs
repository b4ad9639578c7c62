//! The bed for later work on limits does what it says: delay, loss, departure times.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::path::{Path, keep_departure_times, missing};
use dataplane_tests::skip;
use dataplane_tests::topology::Topology;

/// A socket of the host and one of box 1, each bound, the box's connected to the host's.
fn pair(topology: &Topology) -> (UdpSocket, UdpSocket) {
    let one = topology.sandbox(1);
    let host = topology.host.enter(|| UdpSocket::bind((one.host_address(), 0))).expect("an address of ours");
    let to = host.local_addr().expect("it is bound");
    let inside = one.namespace.enter(|| {
        let socket = UdpSocket::bind((one.address(), 0))?;
        socket.connect(to).map(|()| socket)
    });
    host.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
    (host, inside.expect("an address of ours"))
}

#[test]
fn a_path_takes_its_time_with_a_limit_in_its_middle() {
    if let Some(reason) = missing() {
        skip!("{reason}");
    }
    let topology = Topology::new(1);
    let delay = Duration::from_millis(50);
    Path { delay, loss_percent: 0.0 }.lead_to(&topology, 1);
    let dpctl = Dpctl::new(&topology.host);
    dpctl.run("attach --rate 10mbit veth1");
    let (host, inside) = pair(&topology);
    inside.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
    let begin = Instant::now();
    inside.send(b"there").expect("the path is up");
    let mut word = [0; 16];
    let (length, from) = host.recv_from(&mut word).expect("nothing is lost");
    let there = begin.elapsed();
    host.send_to(&word[..length], from).expect("the path is up");
    inside.recv(&mut word).expect("nothing is lost");
    let both = begin.elapsed();
    assert!(there >= delay && both >= 2 * delay, "{there:?} there, {both:?} there and back");
    dpctl.leaves_nothing();
}

#[test]
fn a_path_loses_the_share_that_it_was_told() {
    const SENT: u64 = 2000;
    if let Some(reason) = missing() {
        skip!("{reason}");
    }
    let topology = Topology::new(1);
    Path { loss_percent: 10.0, ..Path::default() }.lead_to(&topology, 1);
    let (_host, inside) = pair(&topology);
    let counted = || topology.host_side(1).read().rx_packets;
    let before = counted();
    for _ in 0..SENT {
        inside.send(b"word").expect("the path is up");
    }
    let lost = SENT - (counted() - before).min(SENT);
    // Four standard deviations either way.
    assert!((146..=254).contains(&lost), "lost {lost} of {SENT}, not about 200");
}

#[test]
fn fq_lets_packets_go_when_they_are_due() {
    const FRAMES: u32 = 50;
    if let Some(reason) = missing() {
        skip!("{reason}");
    }
    let topology = Topology::new(1);
    keep_departure_times(&topology, 1);
    let (host, inside) = pair(&topology);
    topology.sandbox(1).namespace.run("tc qdisc replace dev eth0 root fq maxrate 1mbit");
    let begin = Instant::now();
    for _ in 0..FRAMES {
        inside.send(&[0x77; 1472]).expect("the path is up");
    }
    for _ in 0..FRAMES {
        host.recv(&mut [0; 2048]).expect("nothing is lost");
    }
    // Ten frames of initial quantum go at once.
    let due = Duration::from_secs_f64(f64::from(FRAMES - 12) * 1514.0 / 125_000.0);
    let took = begin.elapsed();
    assert!(took >= due, "{FRAMES} full frames at 1 Mbit took {took:?}, not {due:?}");
}
