//! TCP as fast as it goes: what arrives, how long a round trip takes meanwhile, and what had to
//! be sent again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dataplane_tests::tcp::{Connected, Goodput, while_flowing};

use crate::interrupt;
use crate::measure::{Rounds, number};
use crate::sys::{TcpState, tcp_state};

/// The congestion control that users have, whatever this machine's default is.
pub(crate) const CONGESTION: &str = "cubic";
/// Payload of a full frame over its length: what a rate of whole frames can carry at best.
pub(crate) const IDEAL: f64 = 1448.0 / 1514.0;

/// Between two looks at the senders.
const LOOK: Duration = Duration::from_millis(250);
/// Payload bits of a full frame: 1,500 bytes less IP, TCP and timestamps.
const SEGMENT: f64 = 1448.0 * 8.0;

/// What one window showed of flows that share a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Payload bits a second at the readers.
    pub(crate) bits_per_s: f64,
    /// Jain's index: 1 if all flows got the same, 1/n if one got all.
    pub(crate) fairness: f64,
    /// The senders' round-trip time, the median over flows and time.
    pub(crate) round_trip_ms: f64,
    /// Of all segments, those sent again.
    pub(crate) percent_again: f64,
}

/// Runs all flows together for `warm_up`, and measures one `window`.
pub(crate) fn measure(groups: &[Connected], warm_up: Duration, window: Duration) -> Result<Vec<Outcome>> {
    while_flowing(groups, || {
        interrupt::pause(warm_up)?;
        watch(groups, window)
    })
}

fn watch(groups: &[Connected], window: Duration) -> Result<Vec<Outcome>> {
    let all_states = || groups.iter().map(states).collect::<Result<Vec<_>>>();
    let received = || groups.iter().map(Connected::received).collect::<Vec<_>>();
    let mut round_trips = vec![Rounds::default(); groups.len()];
    let first = all_states()?;
    let (before, start) = (received(), Instant::now());
    while start.elapsed() < window {
        interrupt::pause(LOOK.min(window.saturating_sub(start.elapsed())))?;
        for (states, round_trips) in all_states()?.iter().zip(&mut round_trips) {
            for state in states {
                round_trips.push_ms(state.round_trip);
            }
        }
    }
    let (after, time) = (received(), start.elapsed());
    let last = all_states()?;
    let outcome = |group: usize| {
        let goodput = Goodput::between(&before[group], &after[group], time);
        let bits_per_s = goodput.bits_per_s();
        let again = number(sent_again(&last[group]) - sent_again(&first[group]));
        let segments = bits_per_s * time.as_secs_f64() / SEGMENT;
        Outcome {
            bits_per_s,
            fairness: goodput.fairness(),
            round_trip_ms: round_trips[group].median(),
            percent_again: 100.0 * again / (segments + again),
        }
    };
    Ok((0..groups.len()).map(outcome).collect())
}

fn states(group: &Connected) -> Result<Vec<TcpState>> {
    group.writers().map(|writer| tcp_state(writer).context("ask a socket")).collect()
}

fn sent_again(states: &[TcpState]) -> u64 {
    states.iter().map(|state| u64::from(state.sent_again)).sum()
}
