//! How long a run will take yet: by the scenarios' own estimates, corrected by what the finished
//! ones took, and within a scenario by how fast its rounds go. Time is an argument.

use std::time::Duration;

/// What is known so far.
#[derive(Debug)]
pub(super) struct Forecast {
    plan: Vec<(String, Duration)>,
    /// The number of the scenario that runs, from 1; 0 before the first.
    current: usize,
    began: Duration,
    /// When the first case was measured: what came before is building.
    first: Option<Duration>,
    /// Estimates of the scenarios that are over, and what they took.
    over: (Duration, Duration),
    round: u32,
    rounds: u32,
    /// Cases measured in this round, and in the one before.
    cases: u32,
    whole: u32,
}

impl Forecast {
    pub(super) fn new(plan: Vec<(String, Duration)>) -> Self {
        let zero = Duration::ZERO;
        Self {
            plan,
            current: 0,
            began: zero,
            first: None,
            over: (zero, zero),
            round: 0,
            rounds: 0,
            cases: 0,
            whole: 0,
        }
    }

    /// The next scenario begins.
    pub(super) fn begin(&mut self, now: Duration) {
        if self.current > 0 {
            self.over.0 += self.estimate();
            self.over.1 += now.saturating_sub(self.began);
        }
        self.current += 1;
        (self.began, self.first) = (now, None);
        (self.round, self.rounds, self.cases, self.whole) = (0, 0, 0, 0);
    }

    /// One more case, in this round of so many.
    pub(super) fn measuring(&mut self, round: u32, rounds: u32, now: Duration) {
        if round != self.round {
            self.whole = self.cases;
            self.cases = 0;
        }
        self.first.get_or_insert(now);
        (self.round, self.rounds) = (round, rounds);
        self.cases += 1;
    }

    /// `rr (1 of 10)`.
    pub(super) fn heading(&self) -> String {
        let name = self.plan.get(self.current.saturating_sub(1)).map_or("", |(name, _)| name);
        format!("{name} ({} of {})", self.current, self.plan.len())
    }

    /// `udp, cpu, setup`: what follows.
    pub(super) fn later(&self) -> String {
        let names: Vec<&str> = self.plan.iter().skip(self.current).map(|(name, _)| &**name).collect();
        if names.is_empty() { "nothing more".to_owned() } else { names.join(", ") }
    }

    /// The share of the scenario's rounds that is over.
    pub(super) fn done(&self) -> f64 {
        if self.rounds == 0 {
            return 0.0;
        }
        let within = if self.whole == 0 { 0.0 } else { f64::from(self.cases - 1) / f64::from(self.whole) };
        ((f64::from(self.round) + within.min(1.0)) / f64::from(self.rounds)).min(1.0)
    }

    /// About how long all of it will take yet.
    pub(super) fn left(&self, now: Duration) -> Duration {
        let later: Duration = self.plan.iter().skip(self.current).map(|(_, estimate)| *estimate).sum();
        let spent = now.saturating_sub(self.began);
        let by_estimate = self.estimate().mul_f64(self.pace()).saturating_sub(spent);
        let done = self.done();
        let here = match self.first {
            Some(first) if done > 0.05 => now.saturating_sub(first).mul_f64((1.0 - done) / done),
            _ => by_estimate,
        };
        here + later.mul_f64(self.pace())
    }

    /// Of the whole run.
    pub(super) fn thousandths(&self, now: Duration) -> u64 {
        let whole = (now + self.left(now)).as_millis().max(1);
        u64::try_from(now.as_millis() * 1000 / whole).unwrap_or(0)
    }

    fn estimate(&self) -> Duration {
        self.plan.get(self.current.saturating_sub(1)).map_or(Duration::ZERO, |(_, estimate)| *estimate)
    }

    /// How much longer the scenarios took than they said.
    fn pace(&self) -> f64 {
        let (said, took) = self.over;
        if said.is_zero() { 1.0 } else { (took.as_secs_f64() / said.as_secs_f64()).clamp(0.1, 10.0) }
    }
}

/// For people.
pub(super) fn left(time: Duration) -> String {
    match time.as_secs() {
        0..10 => "a few seconds to go".to_owned(),
        seconds @ 10..100 => format!("{} s to go", seconds / 5 * 5),
        seconds @ 100..6000 => format!("{} min to go", (seconds + 30) / 60),
        seconds => format!("{} h {} min to go", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn plan() -> Forecast {
        Forecast::new(vec![("rr".to_owned(), s(100)), ("udp".to_owned(), s(50))])
    }

    #[test]
    fn before_anything_is_measured_the_estimates_hold() {
        let mut forecast = plan();
        forecast.begin(s(0));
        assert_eq!(forecast.left(s(20)), s(130));
        assert_eq!((&*forecast.heading(), &*forecast.later()), ("rr (1 of 2)", "udp"));
    }

    #[test]
    fn rounds_correct_the_estimate() {
        let mut forecast = plan();
        forecast.begin(s(0));
        for round in 0..=1 {
            for case in 0..4 {
                forecast.measuring(round, 2, s(10 + u64::from(round * 4 + case) * 20));
            }
        }
        // Seven of eight took 140 s.
        assert_eq!(forecast.left(s(150)), s(20 + 50));
    }

    #[test]
    fn what_is_over_corrects_the_rest() {
        let mut forecast = plan();
        forecast.begin(s(0));
        forecast.begin(s(200));
        assert_eq!(forecast.left(s(200)), s(100), "the first took twice what it said");
        assert_eq!(forecast.thousandths(s(200)), 666);
    }

    #[test]
    fn a_scenario_over_its_estimate_is_not_negative() {
        let mut forecast = plan();
        forecast.begin(s(0));
        assert_eq!(forecast.left(s(500)), s(50));
        assert_eq!(
            [3, 42, 170, 7300].map(|seconds| left(s(seconds))),
            ["a few seconds to go", "40 s to go", "3 min to go", "2 h 1 min to go"]
        );
    }
}
