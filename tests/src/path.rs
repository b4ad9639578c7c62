//! A longer path between a box and the host: `netem` on both ends of its veth delays and loses,
//! `fq` lets packets go when they are due.
//!
//! A device has one or the other: each takes the place of what is there.
//!
//! Both stand outside of the hooks on the host side: what a box sends is delayed before
//! `from_container` sees it, what it receives after `to_container` let it pass.

use std::fmt;
use std::time::Duration;

use crate::command::Output;
use crate::machine;
use crate::netns::Namespace;
use crate::topology::{INSIDE, Topology};

/// What becomes of packets on the way, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Path {
    /// How long each takes.
    pub delay: Duration,
    /// Of a hundred, as many are lost, at random.
    pub loss_percent: f64,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delay {}us loss {}% limit 100000", self.delay.as_micros(), self.loss_percent)
    }
}

impl Path {
    /// Puts the box `number` at the end of such a path.
    #[track_caller]
    pub fn lead_to(self, topology: &Topology, number: u8) {
        for (namespace, device) in ends(topology, number) {
            put(namespace, device, &format!("netem {self}")).ok();
        }
    }
}

/// Lets packets leave both ends of a box's veth when they are due: `SO_MAX_PACING_RATE`,
/// `SO_TXTIME` and departure times that a program set are kept.
#[track_caller]
pub fn keep_departure_times(topology: &Topology, number: u8) {
    for (namespace, device) in ends(topology, number) {
        put(namespace, device, "fq").ok();
    }
}

/// Why there can be no such path; `None` if there can. A guest's kernel has it, or the test fails.
#[track_caller]
pub fn missing() -> Option<String> {
    let namespace = Namespace::new();
    let lacking =
        ["netem delay 1ms", "fq"].into_iter().find(|qdisc| put(&namespace, "lo", qdisc).code != 0)?;
    let name = lacking.split(' ').next().unwrap_or_default();
    assert!(!machine::is_emulated(), "this kernel should have the qdisc {name}");
    Some(format!("this kernel has no qdisc {name}"))
}

fn ends(topology: &Topology, number: u8) -> [(&Namespace, &str); 2] {
    let sandbox = topology.sandbox(number);
    [(&topology.host, &sandbox.veth), (&sandbox.namespace, INSIDE)]
}

fn put(namespace: &Namespace, device: &str, qdisc: &str) -> Output {
    namespace.try_run(&format!("tc qdisc replace dev {device} root {qdisc}"))
}
