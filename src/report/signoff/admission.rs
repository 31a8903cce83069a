//! Which saved reports can be signed off: those that say something of everything they were to say something of.

use crate::report::{Partition, Report, ScenarioId};

/// Why a saved report cannot be signed off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is a part of a suite.
    #[error(
        "it is part {part} of a suite: a release is signed off whole; join all parts with `cargo nongemm merge --save \
         report.json`, and sign off that"
    )]
    Part {
        /// Which.
        part: Partition,
    },
    /// Nothing was held against it.
    #[error(
        "it is of `{command}`, which holds nothing against committed baselines and budgets: sign off a report of `cargo \
         nongemm check --save report.json`"
    )]
    NotGated {
        /// The verb that made it.
        command: String,
    },
    /// It lists scenarios of which it says nothing.
    #[error("it says nothing of {count} of its suite, the first is {first}: it was cut short; measure again")]
    CutShort {
        /// How many scenarios.
        count: usize,
        /// One of them.
        first: ScenarioId,
    },
}

/// Refuses a report that is not the gate's word on a whole suite.
///
/// # Errors
/// [`Refusal`] says what is missing and how to come by it.
pub fn admit(report: &Report) -> Result<(), Refusal> {
    if report.command != "check" {
        return Err(Refusal::NotGated { command: report.command.clone() });
    }
    if let Some(part) = report.suite.partition {
        return Err(Refusal::Part { part });
    }
    let is_there = |id: &ScenarioId| report.scenarios.iter().any(|scenario| scenario.id == *id);
    let mut missing = report.suite.scenarios.iter().map(|listed| &listed.id).filter(|id| !is_there(id));
    match missing.next().cloned() {
        Some(first) => Err(Refusal::CutShort { count: missing.count() + 1, first }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    #[test]
    fn a_report_of_the_gate_over_a_whole_suite_is_admitted_whatever_it_says() {
        for report in [fixtures::check(), fixtures::gate_failed(), fixtures::incomplete()] {
            assert_eq!(admit(&report), Ok(()));
        }
    }

    #[test]
    fn a_part_is_not_the_whole() {
        let mut report = fixtures::check();
        report.suite.partition = Some(Partition { index: 2, of: 3 });
        assert!(admit(&report).unwrap_err().to_string().starts_with("it is part 2/3 of a suite"));
    }

    #[test]
    fn what_judged_nothing_by_baselines_signs_nothing_off() {
        for report in [fixtures::run(), fixtures::compared()] {
            assert_eq!(admit(&report), Err(Refusal::NotGated { command: report.command.clone() }));
        }
    }

    #[test]
    fn a_report_that_was_cut_short_is_named_by_what_it_lacks() {
        let mut report = fixtures::check();
        let gone = report.scenarios.split_off(4);
        assert_eq!(admit(&report), Err(Refusal::CutShort { count: 2, first: gone[0].id.clone() }));
    }
}
