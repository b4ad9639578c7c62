//! Containers of real engines: limited, measured from inside, and let go again, with the
//! engine's own networking as it was.

use dataplane_common::direction::Direction;
use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::iperf3::Server;
use dataplane_tests::machine;
use dataplane_tests::peers::{Container, Docker, Engine, Podman};
use dataplane_tests::skip::say;
use dataplane_tests::start_peer;

use crate::ratio::ratio;

const PORT: u16 = 5201;

#[test]
fn a_container_of_docker_is_limited_and_let_go() {
    let engine = start_peer!(Docker);
    limited_and_let_go(&engine);
}

#[test]
fn a_container_of_podman_is_limited_and_let_go() {
    let engine = start_peer!(Podman);
    limited_and_let_go(&engine);
}

/// Twice of which must arrive without it; an emulated CPU may be as slow as 3 Mbit/s here.
fn limit_in_mbit() -> u64 {
    if machine::is_emulated() { 1 } else { 10 }
}

fn limited_and_let_go<E: Engine>(engine: &E) {
    let _machine = machine::shared();
    let mbit = limit_in_mbit();
    let limit = mbit * 1_000_000;
    let container = engine.container("limited");
    let (veth, pid) = (container.veth(), container.pid);
    let before = engine.networking();
    for way in ["", "-R"] {
        let unlimited = udp(engine, &container, &format!("-t 1 {way}"));
        assert!(ratio(unlimited, limit) >= 2.0, "premise: without a limit {unlimited} bit/s arrive");
    }

    let dpctl = Dpctl::new(engine.host());
    // By its process and by its name: the same interface, attached once.
    for (attach, rate) in [
        (format!("attach --rate {}mbit --pid {pid}", 3 * mbit), 3 * limit),
        (format!("attach --rate {mbit}mbit {veth}"), limit),
    ] {
        dpctl.run(&attach);
        let attachments = dpctl.json("ls");
        assert_eq!(attachments.as_array().map(Vec::len), Some(1), "{attach}: {attachments}");
        for direction in Direction::ALL {
            assert_eq!(dpctl.attachment(&veth)[direction.name()]["rate_bits_per_s"], rate, "{attach}");
        }
    }
    for (way, name) in [("", "from the container"), ("-R", "to the container")] {
        let what = format!("{} {name}", E::NAME);
        let limited = udp(engine, &container, &format!("-O 1 -t 5 {way}"));
        let (tcp, congestion) = goodput(engine, &container, way);
        let [udp, tcp] = [limited, tcp].map(|rate| ratio(rate, limit));
        say(&format!("{what}: udp {udp:.4} of the limit in frames, tcp ({congestion}) {tcp:.4} in payload"));
        // iperf3 ends its clock by a message that the limit may drop and TCP send again, so some
        // 0.4 s in 5 may be without data; limiter.rs has the exact figures.
        assert!((0.9..=1.03).contains(&udp), "{what}: udp got {udp:.4} of the limit");
        // 1,448 of 1,514 bytes are payload, and in so short a time the queue's 0.4 s count.
        assert!((0.75..=0.956 * 1.1).contains(&tcp), "{what}: tcp ({congestion}) got {tcp:.4} of the limit");
    }
    dpctl.run(&format!("detach {veth}"));
    assert!(dpctl.attachment(&veth).is_null());

    let after = engine.networking();
    let changed: Vec<&String> = before.symmetric_difference(&after).collect();
    assert!(changed.is_empty(), "the engine's networking is not what it was: {changed:#?}");
    container.run(&format!("ping -c 1 -W 5 {}", container.gateway()));
    let unlimited = udp(engine, &container, "-t 1");
    assert!(ratio(unlimited, limit) >= 2.0, "after detach {unlimited} bit/s arrive");
    dpctl.leaves_nothing();
}

/// UDP frames of 1,000 bytes, at the least a little over twice the limit: bits a second of frames received.
fn udp<E: Engine>(engine: &E, container: &Container<'_, E>, options: &str) -> f64 {
    let server = Server::start(engine.host(), container.gateway(), PORT);
    let client = &mut container.command("iperf3");
    let report = server.client(client, &format!("-u -b 20M -l 958 {options}"));
    report.received_bits_per_s * 1000.0 / 958.0
}

/// One TCP flow: bits a second of payload received, and the sender's congestion control. It is
/// the machine's default, since a container may not choose.
fn goodput<E: Engine>(engine: &E, container: &Container<'_, E>, way: &str) -> (f64, String) {
    let server = Server::start(engine.host(), container.gateway(), PORT);
    let report = server.client(&mut container.command("iperf3"), &format!("-O 1 -t 4 {way}"));
    let congestion = report.json["end"]["sender_tcp_congestion"].as_str().unwrap_or("?").to_owned();
    (report.received_bits_per_s, congestion)
}
