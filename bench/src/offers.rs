//! UDP offered at twice a limit and more, several side by side: what is sent, and what arrives
//! at the receiver's interface.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use dataplane_tests::meter::Interface;
use dataplane_tests::netns::Namespace;
use dataplane_tests::udp::{Offer, Sender, Sink};

use crate::interrupt;
use crate::measure::number;

/// A little more than twice, for a sender that is held up.
pub(crate) const OFFERED_PERCENT: u64 = 205;

/// A sender and its receiver.
pub(crate) struct Line<'n> {
    offer: Offer<'n>,
    receiver: Interface<'n>,
    _sink: Sink,
}

/// What one line did in a window, in bits a second of whole frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    /// Handed to the kernel.
    pub(crate) sent: f64,
    /// Counted by the receiver's interface.
    pub(crate) arrived: f64,
}

impl<'n> Line<'n> {
    /// Full frames to the namespace and address of `receiver`, at [`OFFERED_PERCENT`] of `limit`.
    pub(crate) fn new(from: &'n Namespace, receiver: Interface<'n>, address: IpAddr, limit: u64) -> Self {
        let sink = Sink::new(receiver.namespace(), address);
        let offer = Offer::new(from, &sink).at(limit / 100 * OFFERED_PERCENT);
        Self { offer, receiver, _sink: sink }
    }
}

/// Lets all lines send for `warm_up`, and watches one `window`.
pub(crate) fn send(lines: &[&Line<'_>], warm_up: Duration, window: Duration) -> Result<Vec<Passed>> {
    let senders: Vec<Sender> = lines.iter().map(|line| line.offer.start()).collect();
    let read = || {
        let both = lines.iter().zip(&senders).map(|(line, sender)| (sender.bytes(), line.receiver.read()));
        both.collect::<Vec<_>>()
    };
    interrupt::pause(warm_up)?;
    let before = read();
    interrupt::pause(window)?;
    let passed = read().into_iter().zip(before).map(|((sent, after), (sent_before, before))| {
        let arrived = after.since(&before);
        let sent = 8.0 * number(sent - sent_before) / arrived.time.as_secs_f64();
        Passed { sent, arrived: arrived.bits_per_s() }
    });
    Ok(passed.collect())
}
