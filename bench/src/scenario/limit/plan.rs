//! Who limits, at which rates, and which measurements may run side by side.

use anyhow::{Context, Result};
use dataplane_common::direction::Direction;
use serde_json::json;

use crate::bed::Bed;
use crate::interrupt;
use crate::results::{Parameters, Role};
use crate::rounds::Case;
use crate::scenario::Scope;
use crate::variant::{Limit, Variant};

/// What ratios are over: the kernel's own limiter.
pub(super) const BASELINE: &str = "tbf";
/// What may be offered side by side, in bits a second: some percent of one CPU.
const SIDE_BY_SIDE: u64 = 500_000_000;
/// So many beds at once.
const MOST: usize = 20;
/// A limiter at one rate in one direction.
pub(super) struct Item<'v> {
    pub(super) variant: &'v dyn Variant,
    pub(super) role: Role,
    pub(super) limit: Limit,
    pub(super) parameters: Parameters,
}

/// Each limiter at each limit with each set of `parameters`; what is compared stands next to each
/// other.
pub(super) fn items<'v>(
    parameters: &[Parameters],
    limiters: &[(&'v dyn Variant, Role)],
    limits: &[Limit],
) -> Vec<Item<'v>> {
    let mut items = Vec::new();
    for limit in limits {
        for parameters in parameters {
            let mut parameters = parameters.clone();
            parameters.insert("rate_bits_per_s".to_owned(), json!(limit.bits_per_s));
            parameters.insert("direction".to_owned(), json!(limit.direction.name()));
            items.extend(limiters.iter().map(|(variant, role)| Item {
                variant: *variant,
                role: *role,
                limit: *limit,
                parameters: parameters.clone(),
            }));
        }
    }
    items
}

impl Item<'_> {
    pub(super) fn case(&self) -> Case {
        let (variant, parameters) = (self.variant.name().to_owned(), self.parameters.clone());
        Case { variant, size: None, parameters, role: self.role }
    }

    pub(super) fn build(&self) -> Result<Bed> {
        interrupt::check()?;
        let limiter = self.variant.limiter().context("it does not limit")?;
        limiter.build(self.limit)
    }
}

/// The baseline twice, whoever was asked for, and the limiters that were.
pub(super) fn limiters<'v>(scope: &'v Scope, all: &'v [Box<dyn Variant>]) -> Vec<(&'v dyn Variant, Role)> {
    let tbf = all.iter().filter(|variant| variant.name() == BASELINE);
    let baseline = tbf.flat_map(|variant| [(&**variant, Role::Baseline), (&**variant, Role::Control)]);
    let asked =
        scope.variants.iter().filter(|variant| variant.limiter().is_some() && variant.name() != BASELINE);
    baseline.chain(asked.map(|variant| (&**variant, Role::Subject))).collect()
}

pub(super) fn limits(scope: &Scope) -> Vec<Limit> {
    let both =
        |bits_per_s: &u64| Direction::ALL.map(|direction| Limit { bits_per_s: *bits_per_s, direction });
    scope.rates.iter().flat_map(both).collect()
}

/// The places of neighbours whose sum is not too much, and of the others alone.
pub(super) fn side_by_side(offered: &[u64]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut sum = 0;
    for (place, offered) in offered.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if sum + offered <= SIDE_BY_SIDE && group.len() < MOST => group.push(place),
            _ => {
                sum = 0;
                groups.push(vec![place]);
            }
        }
        sum += offered;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_rates_run_side_by_side_and_high_ones_alone() {
        let offered = [vec![1_000_000; 25], vec![100_000_000; 6], vec![1_000_000_000; 2]].concat();
        let groups = side_by_side(&offered);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [20, 9, 2, 1, 1]);
        assert_eq!(groups.concat(), (0..offered.len()).collect::<Vec<_>>());
    }
}
