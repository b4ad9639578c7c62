//! A program before the server that passes everything on, with some bits of each message turned.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use crate::bed::Bed;

/// How often it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Ends on drop.
pub(super) struct Garbler {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Garbler {
    /// Listens at `at` beside the bed's server. `mask` says which bits of a message's last byte
    /// are turned.
    pub(super) fn start(bed: &Bed, at: SocketAddr, mask: u8) -> Self {
        let listen = bed.listen;
        let stop = Arc::new(AtomicBool::new(false));
        let (connections, datagrams) = bed
            .server
            .enter(|| (TcpListener::bind(at).expect("a free port"), UdpSocket::bind(at).expect("one")));
        set_socket_timeout(&connections, Timeout::Recv, Some(LOOK)).expect("a socket");
        datagrams.set_read_timeout(Some(LOOK)).expect("a socket");
        let inside = std::fs::File::open(bed.server.path()).expect("the namespace is there");
        let (stop_tcp, stop_udp) = (Arc::clone(&stop), Arc::clone(&stop));
        let tcp = thread::spawn(move || {
            let net = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&inside), net).expect("root");
            while !stop_tcp.load(Ordering::Relaxed) {
                if let Ok((client, _)) = connections.accept() {
                    thread::spawn(move || relay(&client, listen, mask));
                }
            }
        });
        let udp = thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stop_udp.load(Ordering::Relaxed) {
                if let Ok(length @ 1..) = datagrams.recv(&mut buffer) {
                    buffer[length - 1] ^= mask;
                    datagrams.send_to(&buffer[..length], listen).expect("the server listens");
                }
            }
        });
        Self { stop, threads: vec![tcp, udp] }
    }
}

impl Drop for Garbler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            assert!(thread.join().is_ok() || thread::panicking(), "the garbler failed, see above");
        }
    }
}

fn relay(client: &TcpStream, listen: SocketAddr, mask: u8) {
    let Ok(server) = TcpStream::connect(listen) else { return };
    // It has inherited the listener's.
    client.set_read_timeout(None).expect("a socket");
    client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).expect("sockets");
    thread::scope(|scope| {
        scope.spawn(|| copy(client, &server, mask));
        scope.spawn(|| copy(&server, client, 0));
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, mask: u8) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        buffer[length - 1] ^= mask;
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Write).ok();
}
