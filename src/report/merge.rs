//! Several reports of one suite, measured part by part, joined into the report of the whole.
//!
//! Pieces that do not belong together are refused: figures of two tools, two machine classes or two suites in one table
//! would be compared by whoever reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{
    Listed, Machine, Partition, REPORT_SCHEMA, Report, ScenarioId, ScenarioReport, ScenarioResult, SelfTest, Suite,
};
use crate::verdict::{Outcome, outcome};

/// Why reports cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// None was given.
    #[error("there is no report to merge; name the files that `--save` wrote")]
    Nothing,
    /// The verdicts of a report do not outlast a change of what they were made with.
    #[error(
        "{file} is of `compare`, whose verdicts hold for what was measured together: reports of it cannot be merged; \
         compare the whole suite on one machine",
        file = file.display()
    )]
    Compared {
        /// The piece.
        file: PathBuf,
    },
    /// Two pieces differ in what must be equal.
    #[error(
        "{first} and {second} do not belong together: {what} {in_first} there and {in_second} here; {remedy}",
        first = first.display(),
        second = second.display()
    )]
    Foreign {
        /// The piece that the others are held to.
        first: PathBuf,
        /// The one that differs.
        second: PathBuf,
        /// What differs, with its verb.
        what: &'static str,
        /// As the first has it.
        in_first: String,
        /// As the second has it.
        in_second: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The pieces are of the same kind, but not of the same list of scenarios.
    #[error(
        "{first} and {second} do not belong together: they are of different suites ({difference}); run every part with \
         the same configuration, selection and flags",
        first = first.display(),
        second = second.display()
    )]
    OtherSuite {
        /// The piece that the others are held to.
        first: PathBuf,
        /// The one that differs.
        second: PathBuf,
        /// A scenario that only one of them has, or the number of parts.
        difference: String,
    },
    /// One scenario, or one part, comes twice.
    #[error(
        "{what} is in {first} and in {second}; leave one of them out",
        first = first.display(),
        second = second.display()
    )]
    Twice {
        /// The scenario or the part.
        what: String,
        /// Where it was found first.
        first: PathBuf,
        /// Where it comes again.
        second: PathBuf,
    },
    /// A scenario that the suite of the report does not list.
    #[error("{file} holds {id}, which is not in its suite; the file is damaged or was edited", file = file.display())]
    Stray {
        /// The piece.
        file: PathBuf,
        /// The scenario.
        id: ScenarioId,
    },
}

/// The report of the whole, and what is not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Every scenario of the suite in its order; those that no piece measured as failed, with that reason.
    pub report: Report,
    /// Parts that no piece is of.
    pub missing_parts: Vec<Partition>,
    /// Scenarios that are in no piece.
    pub missing: Vec<ScenarioId>,
}

/// Joins reports with the names of their files; the verdict is made anew over all scenarios.
///
/// # Errors
/// [`MergeError`] names the two files that do not belong together and what differs.
pub fn merge(pieces: Vec<(PathBuf, Report)>) -> Result<Merged, MergeError> {
    let Some((first, base)) = pieces.first() else { return Err(MergeError::Nothing) };
    if let Some((file, _)) = pieces.iter().find(|(_, piece)| piece.sides.is_some()) {
        return Err(MergeError::Compared { file: file.clone() });
    }
    for (file, piece) in &pieces[1..] {
        check_alike(first, base, file, piece)?;
    }
    let missing_parts = missing_parts(&pieces)?;
    let (base, suite) = (base.clone(), base.suite.scenarios.clone());
    let self_test = self_test(&pieces);
    let machine = machine(&pieces);
    let mut found = collect(pieces)?;
    let mut scenarios = Vec::new();
    let mut missing = Vec::new();
    for listed in &suite {
        match found.remove(&listed.id) {
            Some((_, scenario)) => scenarios.push(scenario),
            None => {
                missing.push(listed.id.clone());
                scenarios.push(absent(listed, &missing_parts));
            }
        }
    }
    let suite = Suite { scenarios: suite, partition: None };
    let report = Report {
        schema: REPORT_SCHEMA,
        tool: base.tool,
        command: base.command,
        machine,
        sides: None,
        gate: None,
        self_test,
        outcome: Outcome::Pass,
        suite,
        scenarios,
    };
    let report = Report { outcome: outcome(report.counts()), ..report };
    Ok(Merged { report, missing_parts, missing })
}

/// The self-test that counts for the whole: one that failed, where any did.
fn self_test(pieces: &[(PathBuf, Report)]) -> Option<SelfTest> {
    let mut tests = pieces.iter().filter_map(|(_, piece)| piece.self_test.as_ref());
    tests.clone().find(|test| test.failed()).or(tests.next()).cloned()
}

/// Refuses a piece that differs from the first in what must be equal.
fn check_alike(first: &Path, base: &Report, file: &Path, piece: &Report) -> Result<(), MergeError> {
    let facts: [(&'static str, &str, &str, &'static str); 4] = [
        ("cargo-nongemm is", &base.tool, &piece.tool, "measure all parts with one version"),
        ("the command is", &base.command, &piece.command, "measure all parts by `run`, or all by `check`"),
        (
            "the machine class is",
            &base.machine.fingerprint,
            &piece.machine.fingerprint,
            "times of two machine classes say nothing beside each other; measure all parts on one",
        ),
        (
            "ONNX Runtime is",
            &base.machine.onnxruntime,
            &piece.machine.onnxruntime,
            "measure all parts with one version (`--onnxruntime`)",
        ),
    ];
    if let Some((what, in_first, in_second, remedy)) = facts.into_iter().find(|(_, a, b, _)| a != b) {
        return Err(MergeError::Foreign {
            first: first.to_owned(),
            second: file.to_owned(),
            what,
            in_first: in_first.to_owned(),
            in_second: in_second.to_owned(),
            remedy,
        });
    }
    match suite_difference(&base.suite, &piece.suite) {
        Some(difference) => {
            Err(MergeError::OtherSuite { first: first.to_owned(), second: file.to_owned(), difference })
        }
        None => Ok(()),
    }
}

/// What tells two suites apart; `None` where they are the same.
fn suite_difference(a: &Suite, b: &Suite) -> Option<String> {
    let parts = |suite: &Suite| suite.partition.map_or(1, |partition| partition.of);
    if parts(a) != parts(b) {
        return Some(format!("one is in {} parts, the other in {}", parts(a), parts(b)));
    }
    // By id: the path of a model's file may differ from machine to machine.
    let (of_a, of_b) = (ids(a), ids(b));
    let (set_a, set_b): (BTreeSet<_>, BTreeSet<_>) = (of_a.iter().collect(), of_b.iter().collect());
    let only = set_a.symmetric_difference(&set_b).next();
    match only {
        Some(id) => Some(format!("only one of them has {id}")),
        None if of_a != of_b => Some("the order of their scenarios differs".to_owned()),
        None => None,
    }
}

fn ids(suite: &Suite) -> Vec<&ScenarioId> {
    suite.scenarios.iter().map(|listed| &listed.id).collect()
}

/// Parts that no piece is of.
fn missing_parts(pieces: &[(PathBuf, Report)]) -> Result<Vec<Partition>, MergeError> {
    let mut of_part: BTreeMap<u32, &PathBuf> = BTreeMap::new();
    let mut parts = 0;
    for (file, piece) in pieces {
        let partition = piece.suite.partition.unwrap_or(Partition { index: 1, of: 1 });
        parts = partition.of;
        if let Some(before) = of_part.insert(partition.index, file) {
            return Err(MergeError::Twice {
                what: format!("part {partition}"),
                first: before.clone(),
                second: file.clone(),
            });
        }
    }
    let missing = (1..=parts).filter(|index| !of_part.contains_key(index));
    Ok(missing.map(|index| Partition { index, of: parts }).collect())
}

/// Scenarios of all pieces by id, with the file each is from.
fn collect(pieces: Vec<(PathBuf, Report)>) -> Result<BTreeMap<ScenarioId, (PathBuf, ScenarioReport)>, MergeError> {
    let mut found: BTreeMap<ScenarioId, (PathBuf, ScenarioReport)> = BTreeMap::new();
    for (file, piece) in pieces {
        let listed: BTreeSet<&ScenarioId> = ids(&piece.suite).into_iter().collect();
        for scenario in piece.scenarios {
            if !listed.contains(&scenario.id) {
                return Err(MergeError::Stray { file, id: scenario.id });
            }
            if let Some((before, _)) = found.get(&scenario.id) {
                return Err(MergeError::Twice { what: scenario.id.0, first: before.clone(), second: file });
            }
            found.insert(scenario.id.clone(), (file.clone(), scenario));
        }
    }
    Ok(found)
}

/// Machines of one class: those of several CPU models are all named, and no more cores are claimed than each has.
fn machine(pieces: &[(PathBuf, Report)]) -> Machine {
    let cpus: BTreeSet<&str> = pieces.iter().map(|(_, piece)| piece.machine.cpu.as_str()).collect();
    let cores = pieces.iter().map(|(_, piece)| piece.machine.cores).min().unwrap_or_default();
    let base = &pieces[0].1.machine;
    Machine { cpu: cpus.into_iter().collect::<Vec<_>>().join(" / "), cores, ..base.clone() }
}

/// A scenario that no piece measured.
fn absent(listed: &Listed, missing_parts: &[Partition]) -> ScenarioReport {
    let parts: Vec<String> = missing_parts.iter().map(Partition::to_string).collect();
    let reason = match parts.as_slice() {
        [] => "it is in none of the merged reports".to_owned(),
        [part] => format!("it is in none of the merged reports; part {part} is missing"),
        parts => format!("it is in none of the merged reports; parts {} are missing", parts.join(", ")),
    };
    ScenarioReport {
        id: listed.id.clone(),
        scenario: listed.scenario.clone(),
        result: ScenarioResult::Failed { reason, log: Vec::new() },
        comparison: None,
        verdicts: Vec::new(),
        findings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    /// A whole report cut into parts, the scenarios dealt in turn.
    fn cut(whole: &Report, of: u32) -> Vec<(PathBuf, Report)> {
        (1..=of)
            .map(|index| {
                let own = whole.scenarios.iter().zip((1..=of).cycle()).filter(|(_, part)| *part == index);
                let scenarios: Vec<ScenarioReport> = own.map(|(scenario, _)| scenario.clone()).collect();
                let suite = Suite { partition: Some(Partition { index, of }), ..whole.suite.clone() };
                (PathBuf::from(format!("{index}.json")), Report { scenarios, suite, ..whole.clone() })
            })
            .collect()
    }

    fn error(pieces: Vec<(PathBuf, Report)>) -> String {
        merge(pieces).unwrap_err().to_string()
    }

    #[test]
    fn parts_in_any_order_are_the_whole_again() {
        for whole in [fixtures::check(), fixtures::run(), fixtures::incomplete(), fixtures::gate_failed()] {
            let mut pieces = cut(&whole, 3);
            pieces.reverse();
            let merged = merge(pieces).unwrap();
            assert_eq!(merged.report, whole);
            assert_eq!((merged.missing, merged.missing_parts), (vec![], vec![]));
        }
    }

    #[test]
    fn the_verdict_is_that_of_all_parts_not_of_any() {
        let mut pieces = cut(&fixtures::gate_failed(), 2);
        pieces.iter_mut().for_each(|(_, piece)| piece.outcome = Outcome::Pass);
        assert_eq!(merge(pieces).unwrap().report.outcome, Outcome::GateFailed);
    }

    #[test]
    fn a_part_whose_gate_was_not_shown_to_work_makes_the_whole_incomplete() {
        let scenario = crate::report::calibration::fixtures::calibration().scenarios.swap_remove(0);
        let test = |outcome| Some(SelfTest { scenario: scenario.clone(), outcome });
        let mut pieces = cut(&fixtures::run(), 2);
        pieces[0].1.self_test = test(Outcome::Pass);
        assert_eq!(merge(pieces.clone()).unwrap().report.outcome, Outcome::Pass);
        pieces[1].1.self_test = test(Outcome::GateFailed);
        let merged = merge(pieces).unwrap().report;
        assert_eq!((merged.outcome, merged.self_test), (Outcome::Incomplete, test(Outcome::GateFailed)));
    }

    #[test]
    fn a_missing_part_is_named_and_never_a_pass() {
        let whole = fixtures::run();
        let mut pieces = cut(&whole, 2);
        let (_, gone) = pieces.remove(1);
        let merged = merge(pieces).unwrap();
        let ids: Vec<ScenarioId> = gone.scenarios.into_iter().map(|scenario| scenario.id).collect();
        assert_eq!(merged.missing_parts, [Partition { index: 2, of: 2 }]);
        assert_eq!(merged.missing, ids);
        assert_eq!(merged.report.outcome, Outcome::Incomplete);
        assert_eq!(merged.report.scenarios.len(), whole.scenarios.len());
    }

    #[test]
    fn what_must_be_equal_is_named_where_it_differs() {
        type Edit = fn(&mut Report);
        let cases: [(Edit, &str); 6] = [
            (|piece| piece.tool = "9.9.9".into(), "cargo-nongemm is 0.1.0 there and 9.9.9 here"),
            (|piece| piece.command = "run".into(), "the command is check there and run here"),
            (|piece| piece.machine.fingerprint = "macos-aarch64-neon-cpu".into(), "and macos-aarch64-neon-cpu here"),
            (|piece| piece.machine.onnxruntime = "1.30.0".into(), "ONNX Runtime is 1.31.1 there and 1.30.0 here"),
            (|piece| piece.suite.scenarios.truncate(1), "only one of them has"),
            (|piece| piece.suite.partition = Some(Partition { index: 2, of: 3 }), "one is in 2 parts, the other in 3"),
        ];
        for (edit, said) in cases {
            let mut pieces = cut(&fixtures::check(), 2);
            edit(&mut pieces[1].1);
            let message = error(pieces);
            assert!(
                message.starts_with("1.json and 2.json do not belong together") && message.contains(said),
                "{message}"
            );
        }
    }

    #[test]
    fn verdicts_of_compare_are_not_those_of_a_larger_whole() {
        let pieces = vec![("a.json".into(), fixtures::compared()), ("b.json".into(), fixtures::compared())];
        assert!(
            error(pieces).starts_with("a.json is of `compare`, whose verdicts hold for what was measured together")
        );
    }

    #[test]
    fn nothing_comes_twice() {
        let pieces = cut(&fixtures::check(), 2);
        let twice = vec![pieces[0].clone(), (PathBuf::from("again.json"), pieces[0].1.clone())];
        assert_eq!(error(twice), "part 1/2 is in 1.json and in again.json; leave one of them out");
        let mut pieces = pieces;
        let copied = pieces[0].1.scenarios[0].clone();
        let id = copied.id.clone();
        pieces[1].1.scenarios.push(copied);
        assert_eq!(error(pieces), format!("{id} is in 1.json and in 2.json; leave one of them out"));
    }

    #[test]
    fn a_scenario_outside_of_the_suite_is_refused() {
        let mut pieces = cut(&fixtures::check(), 2);
        pieces[1].1.scenarios[0].id = ScenarioId("made-up@cpu".into());
        assert!(error(pieces).starts_with("2.json holds made-up@cpu, which is not in its suite"));
    }

    #[test]
    fn machines_of_one_class_are_all_named() {
        let mut pieces = cut(&fixtures::check(), 2);
        pieces[1].1.machine.cpu = "Other CPU".into();
        pieces[1].1.machine.cores = 1;
        let machine = merge(pieces).unwrap().report.machine;
        assert!(
            machine.cpu.contains("Other CPU") && machine.cpu.contains(&fixtures::check().machine.cpu),
            "{machine:?}"
        );
        assert_eq!(machine.cores, 1);
    }
}
