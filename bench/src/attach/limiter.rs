//! Who limits, at which rates, and which measurements may run side by side.

use anyhow::Result;
use dataplane_common::direction::Direction;
use dataplane_tests::netns::Namespace;
use dataplane_tests::topology::{INSIDE, Topology};

use super::Plan;
use crate::instance::Dpctl;
use crate::rivals::Tbf;

/// Up to here measurements run side by side: they cost the machine next to nothing.
pub(super) const LOW_RATE: u64 = 10_000_000;

/// Who limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limiter {
    Dpctl,
    Tbf,
}

impl Limiter {
    pub(super) const ALL: [Self; 2] = [Self::Dpctl, Self::Tbf];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Dpctl => "dpctl",
            Self::Tbf => "tbf",
        }
    }

    /// Limits box `number` of a topology in one direction.
    pub(super) fn limit(
        self,
        dpctl: &Dpctl<&Namespace>,
        topology: &Topology,
        number: u8,
        (bits_per_s, direction): (u64, Direction),
    ) -> Result<()> {
        let sandbox = topology.sandbox(number);
        let tbf = Tbf { bits_per_s };
        match (self, direction) {
            (Self::Dpctl, _) => {
                dpctl.run(&format!("attach --rate {bits_per_s}bit {}", sandbox.veth)).map(drop)
            }
            // A queue is where packets leave: for this direction, inside the box.
            (Self::Tbf, Direction::FromContainer) => tbf.add(&sandbox.namespace, INSIDE).map(drop),
            (Self::Tbf, Direction::ToContainer) => tbf.add(&topology.host, &sandbox.veth).map(drop),
        }
    }
}

/// The rates to be measured.
pub(super) fn rates(plan: &Plan) -> &'static [u64] {
    if plan.quick {
        &[10_000_000, 1_000_000_000]
    } else {
        &[1_000_000, 10_000_000, 100_000_000, 1_000_000_000]
    }
}

/// Splits cases into those that run side by side, and the others one by one.
pub(super) fn groups<C: Copy>(cases: &[C], bits_per_s: impl Fn(&C) -> u64) -> Vec<Vec<C>> {
    let (low, high): (Vec<C>, Vec<C>) = cases.iter().partition(|case| bits_per_s(case) <= LOW_RATE);
    let low = low.chunks(16).map(<[C]>::to_vec);
    low.chain(high.into_iter().map(|case| vec![case])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_rates_run_side_by_side_and_high_ones_alone() {
        let cases: Vec<u64> = [vec![1_000_000; 20], vec![100_000_000; 2]].concat();
        let sizes: Vec<usize> = groups(&cases, |rate| *rate).iter().map(Vec::len).collect();
        assert_eq!(sizes, [16, 4, 1, 1]);
    }
}
