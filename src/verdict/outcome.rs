//! What a whole run comes to. The only place that decides the exit code.

use serde::{Deserialize, Serialize};

use super::{Finding, FindingCode, Severity};

/// What a whole run comes to; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was measured, nothing failed the gate. Exit code 0.
    Pass,
    /// A finding failed the gate. Exit code 100.
    GateFailed,
    /// Something could not be measured. Exit code 101.
    Incomplete,
    /// Nothing was measured. Exit code 4.
    NothingMeasured,
}

impl Outcome {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Pass => 0,
            Outcome::GateFailed => 100,
            Outcome::Incomplete => 101,
            Outcome::NothingMeasured => 4,
        }
    }
}

/// What decides the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Scenarios that were measured.
    pub measured: usize,
    /// Scenarios that could not be, for whatever reason.
    pub failed: usize,
    /// Scenarios of the suite that are left to other machines.
    pub elsewhere: usize,
    /// Findings that fail the gate, over all scenarios; [`Counts::gate_errors_in`] counts one scenario's.
    pub gate_errors: usize,
}

impl Counts {
    /// How many of a scenario's findings fail the gate. That it was not measured is counted by `failed`, not here.
    pub fn gate_errors_in(findings: &[Finding]) -> usize {
        let fails = |f: &&Finding| f.severity == Severity::Error && f.code != FindingCode::NotMeasured;
        findings.iter().filter(fails).count()
    }
}

/// The outcome of a run. Nothing measured is never a pass. A regression that was found stands whatever else could not be measured: trying again would not take it away.
pub fn outcome(counts: Counts) -> Outcome {
    match counts {
        Counts { gate_errors: 1.., .. } => Outcome::GateFailed,
        Counts { failed: 1.., .. } => Outcome::Incomplete,
        // More machines than scenarios leave some with nothing to do. Whether all was measured is for the merged report.
        Counts { measured: 0, elsewhere: 0, .. } => Outcome::NothingMeasured,
        _ => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(measured: usize, failed: usize, gate_errors: usize) -> Outcome {
        outcome(Counts { measured, failed, elsewhere: 0, gate_errors })
    }

    #[test]
    fn all_measured_and_nothing_found_passes() {
        assert_eq!(of(3, 0, 0), Outcome::Pass);
    }

    #[test]
    fn nothing_selected_is_no_pass() {
        assert_eq!(of(0, 0, 0), Outcome::NothingMeasured);
    }

    #[test]
    fn a_part_that_leaves_all_to_others_passes() {
        assert_eq!(outcome(Counts { elsewhere: 3, ..Counts::default() }), Outcome::Pass);
    }

    #[test]
    fn what_others_measure_excuses_no_failure() {
        assert_eq!(outcome(Counts { failed: 1, elsewhere: 3, ..Counts::default() }), Outcome::Incomplete);
    }

    #[test]
    fn all_failed_is_incomplete() {
        assert_eq!(of(0, 3, 0), Outcome::Incomplete);
    }

    #[test]
    fn one_failed_is_incomplete() {
        assert_eq!(of(2, 1, 0), Outcome::Incomplete);
    }

    #[test]
    fn a_regression_outweighs_a_failure_to_measure() {
        assert_eq!(of(2, 1, 1), Outcome::GateFailed);
    }

    #[test]
    fn exit_codes_are_those_documented() {
        let all = [Outcome::Pass, Outcome::GateFailed, Outcome::Incomplete, Outcome::NothingMeasured];
        assert_eq!(all.map(Outcome::exit_code), [0, 100, 101, 4]);
    }
}
