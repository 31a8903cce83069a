//! Whether the gate found what was put in, and blamed nothing else. Pure.

use serde::{Deserialize, Serialize};

use crate::report::{FindingCode, Judged, OperatorKey, ScenarioReport, ScenarioResult, Verdict};

use super::Made;

/// What became of a slowdown that was put in on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ControlState {
    /// The gate found it and blamed no other operator.
    Found,
    /// The gate did not find it.
    Missed {
        /// What it said of the operator instead.
        verdict: Option<Verdict>,
    },
    /// The gate blamed operators in which nothing was put, whether or not it found the right one.
    Misblamed {
        /// Whether the right one was blamed too.
        found: bool,
        /// The wrong ones.
        others: Vec<Blame>,
    },
    /// The scenario cannot have a control, or it could not be measured.
    Failed {
        /// Why.
        reason: String,
    },
}

/// An operator that was blamed, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// Which.
    pub operator: OperatorKey,
    /// By which finding.
    pub code: FindingCode,
}

impl ControlState {
    /// What the gate made of a graph in which one operator does more work.
    ///
    /// That the scenario as a whole is slower is a consequence and no wrong blame; so is a change in the number of
    /// executions of the operator itself. Everything that fails the gate and names another operator is.
    pub fn of(made: &Made, report: &ScenarioReport) -> ControlState {
        if let ScenarioResult::Failed { reason, .. } = &report.result {
            return ControlState::Failed { reason: reason.clone() };
        }
        let of_it = |judged: &&Judged| judged.operator.as_ref() == Some(&made.operator);
        let verdict = report.verdicts.iter().find(of_it).map(|judged| judged.verdict);
        let found = verdict == Some(Verdict::Regressed);
        let others = others(made, report);
        match (found, others.is_empty()) {
            (true, true) => ControlState::Found,
            (false, true) => ControlState::Missed { verdict },
            (found, false) => ControlState::Misblamed { found, others },
        }
    }

    /// True where the gate did what it is for.
    pub fn is_found(&self) -> bool {
        *self == ControlState::Found
    }
}

fn others(made: &Made, report: &ScenarioReport) -> Vec<Blame> {
    let blames = [FindingCode::OperatorRegressed, FindingCode::StructureChanged];
    let findings = report.findings.iter().filter(|finding| blames.contains(&finding.code));
    let found = findings.filter_map(|finding| Some((finding.operator.clone()?, finding.code)));
    // A regression that a rule made a note of is blame all the same.
    let regressed = report.verdicts.iter().filter(|judged| judged.verdict == Verdict::Regressed);
    let regressed = regressed.filter_map(|judged| Some((judged.operator.clone()?, FindingCode::OperatorRegressed)));
    let mut blamed: Vec<Blame> = Vec::new();
    for (operator, code) in regressed.chain(found).filter(|(operator, _)| *operator != made.operator) {
        let blame = Blame { operator, code };
        if !blamed.contains(&blame) {
            blamed.push(blame);
        }
    }
    blamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::calibration::fixtures::{judged, made, regressed};
    use crate::report::fixtures;

    fn state(judge: impl FnOnce(&mut ScenarioReport)) -> ControlState {
        let mut report = fixtures::check().scenarios.swap_remove(0);
        (report.verdicts, report.findings) = (Vec::new(), Vec::new());
        judge(&mut report);
        ControlState::of(&made("ai.onnx:Softmax"), &report)
    }

    #[test]
    fn found_is_the_operator_regressed_and_no_other() {
        let state = state(|report| {
            report.verdicts =
                vec![judged("ai.onnx:Softmax", Verdict::Regressed), judged("ai.onnx:Add", Verdict::Improved)];
            // Of the latency, and of the count of the operator itself.
            report.findings = vec![
                regressed(None, FindingCode::LatencyRegressed),
                regressed(Some("ai.onnx:Softmax"), FindingCode::StructureChanged),
            ];
        });
        assert!(state.is_found(), "{state:?}");
    }

    #[test]
    fn anything_but_regressed_is_missed() {
        for verdict in [Verdict::Inconclusive, Verdict::Unchanged, Verdict::Shifted, Verdict::NotJudged] {
            let state = state(|report| report.verdicts = vec![judged("ai.onnx:Softmax", verdict)]);
            assert_eq!(state, ControlState::Missed { verdict: Some(verdict) });
        }
        assert_eq!(state(|_| ()), ControlState::Missed { verdict: None });
    }

    #[test]
    fn another_operator_is_wrong_blame_with_and_without_the_right_one() {
        let add = Blame { operator: OperatorKey("ai.onnx:Add".into()), code: FindingCode::OperatorRegressed };
        let both = state(|report| {
            report.verdicts = ["ai.onnx:Softmax", "ai.onnx:Add"].map(|key| judged(key, Verdict::Regressed)).into();
            report.findings = vec![regressed(Some("ai.onnx:Add"), FindingCode::OperatorRegressed)];
        });
        assert_eq!(both, ControlState::Misblamed { found: true, others: vec![add.clone()] });
        let wrong = state(|report| report.verdicts = vec![judged("ai.onnx:Add", Verdict::Regressed)]);
        assert_eq!(wrong, ControlState::Misblamed { found: false, others: vec![add] });
    }

    #[test]
    fn a_structural_difference_elsewhere_is_wrong_blame() {
        let state = state(|report| {
            report.verdicts = vec![judged("ai.onnx:Softmax", Verdict::Regressed)];
            report.findings = vec![regressed(Some("ai.onnx:Cast"), FindingCode::StructureChanged)];
        });
        assert!(matches!(state, ControlState::Misblamed { found: true, .. }), "{state:?}");
    }

    #[test]
    fn what_was_not_measured_is_neither() {
        let state = state(|report| {
            report.result = ScenarioResult::Failed { reason: "killed".into(), log: Vec::new() };
        });
        assert_eq!(state, ControlState::Failed { reason: "killed".into() });
    }
}
