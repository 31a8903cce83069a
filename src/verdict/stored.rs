//! Times against a stored baseline: what the rule for one quantity comes to over all of a scenario.

use crate::compare::{Comparison, OperatorChange};

use super::ambiguous::{Ambiguity, ambiguity};
use super::drift::{drifted, total};
use super::judge::Judge;
use super::threshold::{BLIND, latency_threshold, latency_verdict, smallest_detectable_effect, threshold, verdict_of};
use super::words;
use super::{Draft, FindingCode, Judged, Policy, Severity, Verdict};

/// Only operators with this base share can be blind spots; smaller ones are below what anyone gates.
const BLIND_SHARE: f64 = 0.01;

/// A comparison whose times may be judged.
pub(super) struct Stored<'a> {
    comparison: &'a Comparison,
    policy: &'a Policy,
    ambiguity: Option<Ambiguity>,
}

impl<'a> Stored<'a> {
    pub(super) fn of(comparison: &'a Comparison, policy: &'a Policy) -> Self {
        Stored { comparison, policy, ambiguity: ambiguity(comparison, policy) }
    }

    /// One verdict per operator, in their order, and then that on the latency.
    pub(super) fn verdicts(&self) -> Vec<Judged> {
        let factor = self.comparison.machine_factor;
        let effect = |change: &OperatorChange| factor.map(|_| smallest_detectable_effect(change, factor, self.policy));
        let operator = |change: &OperatorChange| Judged {
            verdict: self.verdict(change),
            detectable: effect(change).filter(|effect| effect.is_finite()),
            ..judged(change)
        };
        let latency = Judged {
            operator: None,
            provider: None,
            verdict: latency_verdict(&self.comparison.latency, self.policy),
            detectable: Some(latency_threshold(&self.comparison.latency, self.policy)),
        };
        self.comparison.operators.iter().map(operator).chain([latency]).collect()
    }

    /// What became of an operator. Where two machine factors explain the times, what both say, and otherwise nothing.
    fn verdict(&self, change: &OperatorChange) -> Verdict {
        let factor = self.comparison.machine_factor;
        let (Some(factor), Some(ambiguity)) = (factor, self.ambiguity) else {
            return verdict_of(change, factor, self.policy);
        };
        let under = |other: f64| {
            let normalized_ratio = change.normalized_ratio.map(|ratio| ratio * factor / other);
            verdict_of(&OperatorChange { normalized_ratio, ..change.clone() }, Some(other), self.policy)
        };
        let verdict = under(ambiguity.factor);
        if under(ambiguity.other) == verdict { verdict } else { Verdict::Inconclusive }
    }

    fn with(&self, verdict: Verdict) -> Vec<&'a OperatorChange> {
        self.comparison.operators.iter().filter(|change| self.verdict(change) == verdict).collect()
    }
}

/// Verdicts where no time may be judged.
pub(super) fn unjudged(comparison: &Comparison, unstable: bool) -> Vec<Judged> {
    let verdict = if unstable { Verdict::Unstable } else { Verdict::NotJudged };
    comparison.operators.iter().map(|change| Judged { verdict, ..judged(change) }).collect()
}

fn judged(change: &OperatorChange) -> Judged {
    Judged {
        operator: Some(change.key.clone()),
        provider: Some(change.provider.clone()),
        verdict: Verdict::NotJudged,
        detectable: None,
    }
}

impl Judge<'_> {
    /// What times say of a scenario that was compared with a baseline of its own machine class.
    pub(super) fn times(&mut self, comparison: &Comparison) {
        let stored = Stored::of(comparison, self.policy);
        let other_cpu = comparison.causes.iter().any(|cause| cause.what == "cpu");
        let bound = if other_cpu { self.policy.other_cpu } else { Severity::Error };
        self.latency(&stored, bound);
        if comparison.machine_factor.is_none() {
            let message = "fewer than three operators stand on both sides, so no operator's time was judged".to_owned();
            let remedy = "Give the scenario a latency budget, or accept a baseline of its present structure.";
            self.add(Draft::new(FindingCode::TimesNotJudged, message, remedy));
            return;
        }
        self.ambiguous(&stored);
        self.moved(&stored, bound);
        self.drifted(comparison, bound);
        self.blind_spots(&stored);
        self.shares_shifted(&stored.with(Verdict::Shifted));
    }

    /// The latency, as it is: what all operators have in common shows here and nowhere else, the machine included.
    fn latency(&mut self, stored: &Stored<'_>, bound: Severity) {
        let latency = &stored.comparison.latency;
        let verdict = latency_verdict(latency, self.policy);
        if !matches!(verdict, Verdict::Regressed | Verdict::Improved) {
            return;
        }
        let factor = match stored.comparison.machine_factor {
            Some(factor) => format!("; its operators have {factor:.2} in common"),
            None => String::new(),
        };
        let message = format!(
            "the latency is {}, {} in the baseline: {:.2} times as long{factor}; nothing is divided out of it, and the \
             threshold is {}",
            words::time(latency.head_us),
            words::time(latency.base_us),
            latency.head_us / latency.base_us,
            words::percent(latency_threshold(latency, self.policy)),
        );
        if verdict == Verdict::Improved {
            let remedy = format!("Run `cargo nongemm accept {}` to hold the gain.", self.scenario());
            self.add(Draft::new(FindingCode::LatencyImproved, message, remedy));
            return;
        }
        let remedy = format!(
            "Tell the machine from the code: `cargo nongemm compare --base REVISION` measures both states in turns, and \
             `cargo nongemm doctor` names what slows the machine down.{}",
            words::causes(&stored.comparison.causes)
        );
        self.add(Draft::new(FindingCode::LatencyRegressed, message, remedy).at_most(bound));
    }

    fn ambiguous(&mut self, stored: &Stored<'_>) {
        let Some(ambiguity) = stored.ambiguity else { return };
        let message = format!(
            "{} of the operators take about {:.2} times as long as in the baseline, and {}, with {} of the time, about \
             {:.2} times; which of the two is the machine cannot be told, and only what changed under both was judged",
            words::percent(1.0 - ambiguity.operators),
            ambiguity.factor,
            words::percent(ambiguity.operators),
            words::percent(ambiguity.time),
            ambiguity.other,
        );
        let remedy = format!(
            "Measure both states in turns: `cargo nongemm compare --base REVISION`.{}",
            words::causes(&stored.comparison.causes)
        );
        self.add(Draft::new(FindingCode::AmbiguousFactor, message, remedy));
    }

    fn moved(&mut self, stored: &Stored<'_>, bound: Severity) {
        let causes = words::causes(&stored.comparison.causes);
        for change in &stored.comparison.operators {
            let message = self.change(change, stored.comparison);
            match stored.verdict(change) {
                Verdict::Regressed => {
                    let remedy = format!(
                        "Look for its cause; if the new time is intended, run `cargo nongemm accept {}`.{causes}",
                        self.scenario()
                    );
                    self.add(
                        Draft::new(FindingCode::OperatorRegressed, message, remedy).at_most(bound).blaming(&change.key),
                    );
                }
                Verdict::Improved => {
                    let remedy = format!("Run `cargo nongemm accept {}` to hold the gain.", self.scenario());
                    self.add(Draft::new(FindingCode::OperatorImproved, message, remedy).blaming(&change.key));
                }
                _ => {}
            }
        }
    }

    fn change(&self, change: &OperatorChange, comparison: &Comparison) -> String {
        let times = format!("{}, {} in the baseline", words::time(change.head_us), words::time(change.base_us));
        let Some(ratio) = change.normalized_ratio else {
            return format!("{} on {} takes {times}", change.key, change.provider);
        };
        format!(
            "{} on {} takes {times}: {:.2} times as long, {ratio:.2} times with the machine factor of {:.2} divided out; \
             the threshold is {}",
            change.key,
            change.provider,
            change.head_us / change.base_us,
            comparison.machine_factor.unwrap_or(1.0),
            words::percent(threshold(change, self.policy)),
        )
    }

    fn drifted(&mut self, comparison: &Comparison, bound: Severity) {
        for (drift, change) in drifted(comparison, self.policy) {
            let message = format!(
                "{} on {} takes {:.2} times as long as in the baseline of {}, the machine's factors divided out; none \
                 of the {} accepts since changed it enough to be named",
                change.key,
                change.provider,
                total(drift),
                drift.since,
                drift.accepts,
            );
            let remedy = format!(
                "Find the steps under [history] in the baseline; if all of them are intended, begin the history anew with \
                 `cargo nongemm accept --forget {}`.",
                self.scenario()
            );
            self.add(Draft::new(FindingCode::Drift, message, remedy).at_most(bound).blaming(&change.key));
        }
    }

    fn blind_spots(&mut self, stored: &Stored<'_>) {
        let effect = |change: &OperatorChange| {
            let effect = smallest_detectable_effect(change, stored.comparison.machine_factor, self.policy);
            (change.base_share >= BLIND_SHARE && effect >= BLIND).then_some(effect)
        };
        let named = |change: &OperatorChange| effect(change).map(|e| format!("{} (by {:.0} %)", change.key, e * 100.0));
        let blind: Vec<String> = stored.comparison.operators.iter().filter_map(named).collect();
        if blind.is_empty() {
            return;
        }
        let message = format!("the gate would notice only if these grew that much: {}", words::list(&blind));
        let remedy = "Measure with more launches or iterations, or on a quieter machine, and accept anew.";
        self.add(Draft::new(FindingCode::BlindSpot, message, remedy));
    }
}

#[cfg(test)]
mod tests;
