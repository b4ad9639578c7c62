//! iperf3, the tool that users measure with: a server in a namespace, a client wherever a
//! command puts it.

use std::fs;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::command::{Output, ends_within, run};
use crate::eventually::{DEADLINE, eventually};
use crate::netns::Namespace;

/// What the receiver got.
#[derive(Clone, Debug)]
pub struct Report {
    /// Payload bits a second at the receiver.
    pub received_bits_per_s: f64,
    /// The whole report.
    pub json: Value,
}

/// A server for one test.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: IpAddr,
    port: u16,
}

impl Server {
    /// Listens in `namespace`; ends by itself after one client.
    #[track_caller]
    pub fn start(namespace: &Namespace, address: IpAddr, port: u16) -> Self {
        let mut command = namespace.command("iperf3");
        command.args(["-s", "-1", "-p", &port.to_string(), "-B", &address.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|e| panic!("start iperf3: {e}"));
        let server = Self { child, address, port };
        eventually(&format!("iperf3 listens on port {port}"), || listens(namespace, port));
        server
    }

    /// Runs a client by `command`, which ends in the word `iperf3`; `options` as iperf3 takes
    /// them (`-u -b 20M -t 5`).
    #[track_caller]
    pub fn client(mut self, command: &mut Command, options: &str) -> Report {
        command.args(["-c", &self.address.to_string(), "-p", &self.port.to_string(), "-J"]);
        let output: Output = run(command.args(options.split_whitespace())).ok();
        assert!(ends_within(&self.child, DEADLINE), "the server outlived its client:\n{output}");
        self.child.wait().expect("it has ended");
        let json = output.json();
        // UDP reports have the receiver's share in `sum_received` too, from 3.7 on.
        let rate = &json["end"]["sum_received"]["bits_per_second"];
        let received_bits_per_s = rate.as_f64().unwrap_or_else(|| panic!("no received rate in\n{json:#}"));
        Report { received_bits_per_s, json }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended and waited for, in the ordinary case.
        if let (Ok(None), Err(error)) = (self.child.try_wait(), self.child.kill()) {
            eprintln!("end iperf3: {error}");
        }
        if let Err(error) = self.child.wait() {
            eprintln!("wait for iperf3: {error}");
        }
    }
}

/// Whether a TCP socket of `namespace` listens on `port`.
fn listens(namespace: &Namespace, port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    let table = |name: &str| {
        namespace.enter(|| fs::read_to_string(format!("/proc/thread-self/net/{name}"))).unwrap_or_default()
    };
    let listening = |row: &str| {
        let columns: Vec<&str> = row.split_whitespace().collect();
        columns.len() > 3 && columns[1].ends_with(&wanted) && columns[3] == "0A"
    };
    ["tcp", "tcp6"].iter().any(|name| table(name).lines().any(listening))
}
