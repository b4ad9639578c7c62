//! The bed for later work on limits does what it says: delay, loss, departure times.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::iperf3::Server;
use dataplane_tests::netns::Namespace;
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
fn a_paced_socket_keeps_its_pace_on_the_bed_alone() {
    if let Some(reason) = missing() {
        skip!("{reason}");
    }
    let topology = Topology::new(1);
    let one = topology.sandbox(1);
    let received = |from: &Namespace, to: &Namespace, address| {
        let server = Server::start(to, address, 5201);
        // iperf3 sets SO_MAX_PACING_RATE, and sends twice as fast.
        let client = &mut from.command("iperf3");
        server.client(client, "-u -b 2M -l 958 --fq-rate 1M -t 3").received_bits_per_s
    };
    let (host, inside) = (&topology.host, &one.namespace);
    let both = || [received(inside, host, one.host_address()), received(host, inside, one.address())];
    let unpaced = both();
    assert!(unpaced.iter().all(|rate| *rate > 1.7e6), "premise: nobody keeps the pace: {unpaced:?}");
    keep_departure_times(&topology, 1);
    let paced = both();
    assert!(paced.iter().all(|rate| (0.6e6..1.2e6).contains(rate)), "at 1 Mbit: {paced:?}");
}
