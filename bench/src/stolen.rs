//! CPU time that the machine was not given: `steal` of /proc/stat. A round in which another
//! tenant ran says little about ours.

use std::fs;

/// More than this share of the round's CPU time, and the round is left out.
const TOLERATED: f64 = 0.01;

/// The machine's CPU time so far, in clock ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime {
    all: u64,
    stolen: u64,
}

impl CpuTime {
    /// Now. All zero where /proc/stat cannot be read: nothing is then left out.
    pub(crate) fn now() -> Self {
        fs::read_to_string("/proc/stat").map_or(Self { all: 0, stolen: 0 }, |stat| Self::of(&stat))
    }

    /// Whether too much was stolen since `earlier`.
    pub(crate) fn was_stolen_since(self, earlier: Self) -> bool {
        let (all, stolen) = (self.all - earlier.all, self.stolen - earlier.stolen);
        // One tick is what the counter's own grain may bring.
        stolen > 1 && ticks(stolen) > TOLERATED * ticks(all)
    }

    /// `proc_stat(5)`: user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user.
    fn of(stat: &str) -> Self {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
        let columns: Vec<u64> =
            line.split_whitespace().take(8).filter_map(|column| column.parse().ok()).collect();
        Self { all: columns.iter().sum(), stolen: columns.get(7).copied().unwrap_or(0) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a run fit 53 bits")]
fn ticks(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(idle: u64, stolen: u64) -> CpuTime {
        CpuTime::of(&format!("cpu  100 0 50 {idle} 3 0 7 {stolen} 0 0\ncpu0 1 2 3\n"))
    }

    #[test]
    fn stolen_time_is_the_eighth_column() {
        let CpuTime { all, stolen } = at(1000, 5);
        assert_eq!((all, stolen), (1165, 5));
    }

    #[test]
    fn one_percent_is_tolerated_and_more_is_not() {
        assert!(!at(1198, 2).was_stolen_since(at(1000, 0)));
        assert!(at(1197, 3).was_stolen_since(at(1000, 0)));
        assert!(!at(1010, 1).was_stolen_since(at(1000, 0)), "one tick is the grain");
    }
}
