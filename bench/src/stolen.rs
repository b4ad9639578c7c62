//! CPU time that the machine was not given: `steal` of /proc/stat. A round in which another
//! tenant ran says little about ours.

use std::fs;

/// More than this share of the round's CPU time, and the round is left out.
const TOLERATED: f64 = 0.01;

/// The CPU time so far, of each CPU by itself: what is measured runs on one or two of them.
#[derive(Clone, Debug)]
pub(crate) struct CpuTime(Vec<Ticks>);

/// Clock ticks of one CPU.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl CpuTime {
    /// Now. Of no CPU where /proc/stat cannot be read: nothing is then left out.
    pub(crate) fn now() -> Self {
        Self::of(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// Whether too much was stolen from any CPU since `earlier`.
    pub(crate) fn was_stolen_since(&self, earlier: &Self) -> bool {
        self.0.iter().zip(&earlier.0).any(|(now, then)| {
            // Some columns may run backwards, says proc_stat(5).
            let (all, stolen) = (now.all.saturating_sub(then.all), now.stolen.saturating_sub(then.stolen));
            // One tick is what the counter's own grain may bring.
            stolen > 1 && ticks(stolen) > TOLERATED * ticks(all)
        })
    }

    /// `proc_stat(5)`: user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user.
    fn of(stat: &str) -> Self {
        let lines = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
        let ticks = |line: &str| {
            let columns = line.split_whitespace().skip(1).take(8);
            let columns: Vec<u64> = columns.filter_map(|column| column.parse().ok()).collect();
            Ticks { all: columns.iter().sum(), stolen: columns.get(7).copied().unwrap_or(0) }
        };
        Self(lines.map(ticks).collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a run fit 53 bits")]
fn ticks(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two CPUs, the first of which is let alone.
    fn at(idle: u64, stolen: u64) -> CpuTime {
        CpuTime::of(&format!(
            "cpu  9 9 9 9 9 9 9 9\ncpu0 100 0 50 9000 3 0 7 0 0 0\ncpu1 100 0 50 {idle} 3 0 7 {stolen} 0 0\nintr 5\n"
        ))
    }

    #[test]
    fn stolen_time_is_the_eighth_column_of_each_cpu() {
        let CpuTime(cpus) = at(1000, 5);
        let cpus: Vec<(u64, u64)> = cpus.iter().map(|ticks| (ticks.all, ticks.stolen)).collect();
        assert_eq!(cpus, [(9160, 0), (1165, 5)]);
    }

    #[test]
    fn one_percent_of_one_cpu_is_tolerated_and_more_is_not() {
        assert!(!at(1198, 2).was_stolen_since(&at(1000, 0)));
        assert!(at(1197, 3).was_stolen_since(&at(1000, 0)));
        assert!(!at(1010, 1).was_stolen_since(&at(1000, 0)), "one tick is the grain");
        assert!(!at(900, 5).was_stolen_since(&at(1000, 5)), "idle time that runs backwards is no theft");
    }
}
