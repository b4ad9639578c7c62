//! What must be known of a run before its figures are read.

use crate::report::wording::{parameters, ratio, title};
use crate::results::{Control, Results, ScenarioResult};

/// One line each, the gravest first; none for a run that is whole and quiet.
pub(crate) fn remarks(results: &Results) -> Vec<String> {
    let mut remarks = Vec::new();
    if !results.complete {
        remarks.push(
            "Incomplete: the run was ended early, or a scenario failed; what finished is here.".to_owned(),
        );
    }
    if results.quick {
        remarks.push("Quick: made to see whether it works, not what it costs.".to_owned());
    }
    let off: Vec<String> = results.scenarios.iter().filter_map(off).collect();
    if !off.is_empty() {
        remarks.push(format!(
            "Inconclusive: the baseline measured beside itself is more than 3 % off, or was not \
             measured, in {}. Ratios there prove nothing.",
            off.join("; ")
        ));
    }
    remarks
}

/// `1.052 (1.010 to 1.090)`, and whether it will do.
pub(crate) fn verdict(control: &Control) -> String {
    if !control.ratio.median.is_finite() {
        return "not measured: inconclusive".to_owned();
    }
    let span = crate::report::wording::span(&control.ratio, ratio);
    let word = if control.inconclusive { ": inconclusive, more than 3 % off" } else { "" };
    format!("{} ({span}){word}", ratio(control.ratio.median))
}

/// Measurements, and how many of them were left out.
pub(crate) fn left_out(scenario: &ScenarioResult) -> String {
    let sum = |count: fn(&crate::results::CaseResult) -> u32| scenario.cases.iter().map(count).sum::<u32>();
    let (stolen, all) = (sum(|case| case.stolen_rounds), sum(|case| case.rounds));
    format!("{stolen} of {all} measurements left out: others took CPU time meanwhile, or held them up.")
}

fn off(scenario: &ScenarioResult) -> Option<String> {
    let off = scenario.controls.iter().filter(|control| control.inconclusive);
    let of = |control: &Control| {
        let metric = scenario.metrics.iter().find(|metric| metric.name == control.metric);
        let metric = metric.map_or_else(|| control.metric.clone(), title);
        let with = parameters(&control.parameters);
        if with.is_empty() { metric } else { format!("{metric} at {with}") }
    };
    let off: Vec<String> = off.map(of).collect();
    (!off.is_empty()).then(|| format!("{} ({})", scenario.name, off.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::specimen;

    #[test]
    fn a_run_that_is_whole_and_quiet_needs_no_remark() {
        let mut run = specimen::run();
        assert_eq!(remarks(&run).len(), 3);
        assert!(remarks(&run)[2].contains("udp (packets (k/s) at 64 bytes"), "{:?}", remarks(&run));
        (run.complete, run.quick) = (true, false);
        run.scenarios.retain(|scenario| scenario.name != "udp");
        assert_eq!(remarks(&run), Vec::<String>::new());
    }
}
