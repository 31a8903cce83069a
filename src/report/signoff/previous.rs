//! What became of a suite since the release before: compared as with a baseline, and judged by nobody.

use serde::{Deserialize, Serialize};

use super::{Facts, SignOff};
use crate::compare::compare;
use crate::report::{Cause, Comparison, Machine, Outcome, Report, ScenarioId, ScenarioResult, Summary};

/// The release before, and how this one differs from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// What it was, and when.
    #[serde(flatten)]
    pub facts: Facts,
    /// What it came to, in a sentence.
    pub verdict: String,
    /// The same, in a word.
    pub outcome: Outcome,
    /// Where it was measured.
    pub machine: Machine,
    /// True where both were measured on one machine class: else times say nothing beside each other.
    pub same_machine_class: bool,
    /// What else differs between the two measurements and may explain the rest: machine, ONNX Runtime, tool. What differs
    /// between two models stands with the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Cause>,
    /// The scenarios that both measured, in the order of this report.
    pub scenarios: Vec<Since>,
    /// Scenarios that only this release has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<ScenarioId>,
    /// Scenarios that only the release before had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<ScenarioId>,
    /// Scenarios that both have, and one of them could not measure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmeasured: Vec<ScenarioId>,
}

/// One scenario in both releases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Since {
    /// Which.
    pub id: ScenarioId,
    /// Share of non-GEMM operators then, 0 to 1; median over launches.
    pub non_gemm_then: f64,
    /// The same now.
    pub non_gemm_now: f64,
    /// The release before as the base, this one as the head.
    pub comparison: Comparison,
}

/// A sign-off of a suite that has nothing in common with what is released now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is of another suite: it has none of the {count} to be signed off now (such as {now}), but {then}; give the sign-off \
     of the same suite, or leave `--previous` out"
)]
pub struct OtherSuite {
    /// How many scenarios there are now.
    pub count: String,
    /// One of them.
    pub now: ScenarioId,
    /// One of those before, or that there is none.
    pub then: String,
}

impl SignOff {
    /// Refuses to be compared with scenarios of which it has none.
    ///
    /// # Errors
    /// [`OtherSuite`] names a scenario of either.
    pub fn check_same_suite(&self, now: &[ScenarioId]) -> Result<(), OtherSuite> {
        let Some(first) = now.first() else { return Ok(()) };
        let before = &self.report.suite.scenarios;
        if before.iter().any(|listed| now.contains(&listed.id)) {
            return Ok(());
        }
        let then = before.first().map_or_else(|| "none at all".to_owned(), |listed| listed.id.0.clone());
        let count = match now.len() {
            1 => "1 scenario".to_owned(),
            many => format!("{many} scenarios"),
        };
        Err(OtherSuite { count, now: first.clone(), then })
    }
}

impl Previous {
    /// What became of the release before in `now`.
    pub(super) fn of(before: &SignOff, now: &Report) -> Previous {
        let then = &before.report;
        let in_then: Vec<&ScenarioId> = then.suite.scenarios.iter().map(|listed| &listed.id).collect();
        let in_now: Vec<&ScenarioId> = now.suite.scenarios.iter().map(|listed| &listed.id).collect();
        let only = |these: &[&ScenarioId], others: &[&ScenarioId]| -> Vec<ScenarioId> {
            these.iter().filter(|id| !others.contains(id)).map(|id| (*id).clone()).collect()
        };
        let mut scenarios = Vec::new();
        let mut unmeasured = Vec::new();
        for id in in_now.iter().filter(|id| in_then.contains(id)) {
            match (measured(then, id), measured(now, id)) {
                (Some(base), Some(head)) => scenarios.push(since(then, base, now, head)),
                _ => unmeasured.push((*id).clone()),
            }
        }
        Previous {
            facts: before.facts.clone(),
            verdict: before.verdict.clone(),
            outcome: then.outcome,
            machine: then.machine.clone(),
            same_machine_class: then.machine.fingerprint == now.machine.fingerprint,
            differences: differences(then, now),
            scenarios,
            new: only(&in_now, &in_then),
            gone: only(&in_then, &in_now),
            unmeasured,
        }
    }

    /// What the release before is called.
    pub fn name(&self) -> String {
        self.facts.name()
    }
}

fn measured<'a>(report: &'a Report, id: &ScenarioId) -> Option<&'a Summary> {
    let scenario = report.scenarios.iter().find(|scenario| scenario.id == *id)?;
    match &scenario.result {
        ScenarioResult::Measured { summary } => Some(summary),
        ScenarioResult::Failed { .. } => None,
    }
}

fn since(then: &Report, base: &Summary, now: &Report, head: &Summary) -> Since {
    Since {
        id: head.id.clone(),
        non_gemm_then: base.non_gemm_share().median(),
        non_gemm_now: head.non_gemm_share().median(),
        comparison: compare(&then.side(base), &now.side(head)),
    }
}

/// What differs between two measurements as a whole.
fn differences(then: &Report, now: &Report) -> Vec<Cause> {
    let (a, b) = (&then.machine, &now.machine);
    let facts = [
        ("machine class", a.fingerprint.clone(), b.fingerprint.clone()),
        ("CPU", a.cpu.clone(), b.cpu.clone()),
        ("cores", a.cores.to_string(), b.cores.to_string()),
        ("ONNX Runtime", a.onnxruntime.clone(), b.onnxruntime.clone()),
        ("cargo-nongemm", then.tool.clone(), now.tool.clone()),
    ];
    let differing = facts.into_iter().filter(|(_, then, now)| then != now);
    differing.map(|(what, base, head)| Cause { what: what.to_owned(), base, head }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;
    use crate::report::fixtures as reports;

    #[test]
    fn scenarios_of_both_releases_are_compared_and_the_others_are_named() {
        let previous = fixtures::second().previous.unwrap();
        let ids: Vec<&str> = previous.scenarios.iter().map(|since| since.id.0.as_str()).collect();
        assert_eq!(
            ids,
            ["bert-base@cpu-fp32-all-b1-s128-t1", "vit-b-16@cpu-fp32-all-b1-i224-t1", "gpt2@cpu-fp32-all-b1-s1-t1"]
        );
        assert_eq!(previous.unmeasured, [ScenarioId("swin-t@cpu-fp32-all-b1-i224-t1".into())]);
        assert_eq!(previous.new.len(), 1);
        assert_eq!(previous.gone, [ScenarioId("segformer-b0@cpu-fp32-all-b1-i512-t1".into())]);
    }

    #[test]
    fn what_differs_between_the_two_measurements_is_named() {
        let previous = fixtures::second().previous.unwrap();
        let named: Vec<String> =
            previous.differences.iter().map(|d| format!("{} {} {}", d.what, d.base, d.head)).collect();
        assert_eq!(named, ["ONNX Runtime 1.30.0 1.31.1"]);
        assert!(previous.same_machine_class);
        let bert = &previous.scenarios[0].comparison;
        assert!((bert.latency.base_us - 371_000.0).abs() < 1.0 && bert.fingerprint.is_empty());
        assert!(bert.causes.iter().any(|cause| cause.what == "model"), "{:?}", bert.causes);
    }

    #[test]
    fn another_machine_class_is_seen() {
        let mut before = fixtures::first();
        before.report.machine.fingerprint = "macos-aarch64-neon-cpu".into();
        before.report.machine.os = "macos".into();
        let previous = Previous::of(&before, &reports::check());
        assert!(!previous.same_machine_class);
        assert_eq!(previous.differences[0].what, "machine class");
        assert_eq!(previous.scenarios[0].comparison.fingerprint[0].field, "os");
    }

    #[test]
    fn a_sign_off_of_another_suite_is_refused() {
        let before = fixtures::first();
        let ids = |names: &[&str]| names.iter().map(|name| ScenarioId((*name).to_owned())).collect::<Vec<_>>();
        assert_eq!(before.check_same_suite(&ids(&["new@cpu", "gpt2@cpu-fp32-all-b1-s1-t1"])), Ok(()));
        let error = before.check_same_suite(&ids(&["ranker@cpu-fp32-all-t1", "tagger@cpu-fp32-all-t1"])).unwrap_err();
        let said =
            "it has none of the 2 scenarios to be signed off now (such as ranker@cpu-fp32-all-t1), but bert-base@";
        assert!(error.to_string().contains(said), "{error}");
    }
}
