//! A burst of datagrams between a host and its box, and how many of them arrive: whether a limit
//! holds, told in a millisecond.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use rustix::thread::sched_getcpu;

use crate::eventually::DEADLINE;
use crate::netns::Namespace;
use crate::udp::pin_to;

/// Datagrams in a burst; fewer than any receive buffer holds.
pub const SENT: u64 = 64;
const PAYLOAD: [u8; 1000] = [0x77; 1000];

/// Sends a burst to an address of `to`, which one veth joins to `from`; how many arrived.
///
/// What one CPU sends over a veth or the loopback waits in one queue of the kernel, in order. So
/// the sender stays on its CPU and ends with a datagram to itself: once that has come, all those
/// before it have arrived, or never will.
#[track_caller]
pub fn burst(from: &Namespace, to: &Namespace, address: IpAddr) -> u64 {
    let receiver = to.enter(|| UdpSocket::bind((address, 0))).expect("the address is there");
    receiver.set_nonblocking(true).expect("a socket can");
    let target = receiver.local_addr().expect("a bound socket has an address");
    from.enter(|| {
        pin_to(sched_getcpu());
        let sender = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port is free");
        for _ in 0..SENT {
            match sender.send_to(&PAYLOAD, target) {
                // ENOBUFS: dropped on the way out, which is what a limit does.
                Err(error) if error.raw_os_error() != Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {
                    panic!("send to {target}: {error}")
                }
                _ => {}
            }
        }
        let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback is up");
        own.set_read_timeout(Some(DEADLINE)).expect("not zero");
        own.send_to(b"last", own.local_addr().expect("it is bound")).expect("the loopback takes it");
        own.recv(&mut [0; 8]).expect("the loopback delivers it");
    });
    let mut arrived = 0;
    loop {
        match receiver.recv(&mut [0; 8]) {
            Ok(_) => arrived += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return arrived,
            Err(error) => panic!("receive: {error}"),
        }
    }
}
