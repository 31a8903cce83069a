//! Records of launches -> the study.

use std::collections::BTreeMap;

use crate::report::{Group, OperatorKey, ScenarioId};
use crate::summary::median;

use super::called::{Arms, METHODS, measured};
use super::record::{GateArm, GateLaunch, GateRun};
use super::{CalledFaster, CalledSlowed, CalledUnchanged, FasterGemm, GATE_STUDY_SCHEMA, GateStudy, Slowed, Unchanged};

/// The launches of one model that were made in turns with each other, arm by arm.
struct Set<'a> {
    model: &'a ScenarioId,
    busy: bool,
    arms: Vec<(&'a GateArm, Vec<&'a GateLaunch>)>,
}

/// Makes the study of all runs together. Groups that an interrupt cut short are left out.
pub fn of_records(runs: &[(GateRun, Vec<GateLaunch>)]) -> GateStudy {
    let sets: Vec<Set<'_>> = runs.iter().flat_map(|(run, launches)| sets(run, launches)).collect();
    let mut models: Vec<ScenarioId> = Vec::new();
    for set in &sets {
        if !models.contains(set.model) {
            models.push(set.model.clone());
        }
    }
    let by_model = |model: &ScenarioId, busy: bool| -> Vec<&Set<'_>> {
        sets.iter().filter(|set| set.model == model && set.busy == busy).collect()
    };
    let cases: Vec<(ScenarioId, bool)> =
        models.iter().flat_map(|model| [(model.clone(), false), (model.clone(), true)]).collect();
    let each = |case: &(ScenarioId, bool)| (case.clone(), by_model(&case.0, case.1));
    let filled: Vec<((ScenarioId, bool), Vec<&Set<'_>>)> =
        cases.iter().map(each).filter(|(_, sets)| !sets.is_empty()).collect();
    GateStudy {
        schema: GATE_STUDY_SCHEMA,
        study: "gate",
        runs: runs.iter().map(|(run, _)| run.clone()).collect(),
        pairs: runs.iter().map(|(run, _)| run.pairs).max().unwrap_or(0),
        unchanged: filled.iter().map(|((model, busy), sets)| unchanged(model, *busy, sets)).collect(),
        slowed: filled.iter().flat_map(|((model, busy), sets)| slowed(model, *busy, sets)).collect(),
        faster_gemm: filled.iter().filter_map(|((model, busy), sets)| faster_gemm(model, *busy, sets)).collect(),
        models,
    }
}

fn sets<'a>(run: &'a GateRun, launches: &'a [GateLaunch]) -> Vec<Set<'a>> {
    let mut grouped: BTreeMap<(&ScenarioId, u32), Vec<&GateLaunch>> = BTreeMap::new();
    for launch in launches {
        grouped.entry((&launch.scenario, launch.group)).or_default().push(launch);
    }
    let busy = run.busy > 0 || run.remark.is_some();
    let set = |((model, _), launches): ((&'a ScenarioId, u32), Vec<&'a GateLaunch>)| {
        let mut arms: Vec<(&GateArm, Vec<&GateLaunch>)> = Vec::new();
        for launch in launches {
            match arms.iter_mut().find(|(arm, _)| **arm == launch.arm) {
                Some((_, of_arm)) => of_arm.push(launch),
                None => arms.push((&launch.arm, vec![launch])),
            }
        }
        arms.iter_mut().for_each(|(_, of_arm)| of_arm.sort_by_key(|launch| launch.pair));
        arms.retain(|(_, of_arm)| of_arm.len() == usize::try_from(run.pairs).unwrap_or(usize::MAX));
        Set { model, busy, arms }
    };
    grouped.into_iter().map(set).filter(|set| !set.arms.is_empty()).collect()
}

impl<'a> Set<'a> {
    fn plain(&self) -> Vec<&[&'a GateLaunch]> {
        let mut plain: Vec<(u32, &[&GateLaunch])> = self
            .arms
            .iter()
            .filter_map(|(arm, launches)| match arm {
                GateArm::Plain { number } => Some((*number, launches.as_slice())),
                _ => None,
            })
            .collect();
        plain.sort_by_key(|(number, _)| *number);
        plain.into_iter().map(|(_, launches)| launches).collect()
    }
}

fn unchanged(model: &ScenarioId, busy: bool, sets: &[&Set<'_>]) -> Unchanged {
    let mut result = Unchanged {
        model: model.clone(),
        busy,
        comparisons: 0,
        groups: count(sets.len()),
        operators: 0,
        seconds: 0.0,
        called: METHODS
            .iter()
            .map(|method| CalledUnchanged { method: *method, red: 0, slower: 0, faster: 0 })
            .collect(),
    };
    let mut seconds = Vec::new();
    for set in sets {
        let plain = set.plain();
        for (later, head) in plain.iter().enumerate() {
            for base in &plain[..later] {
                let arms = Arms { base, head };
                result.comparisons += 1;
                result.operators += base.first().map_or(0, |launch| count(launch.operators.len()));
                seconds.push(base.iter().chain(*head).map(|launch| launch.wall_s).sum());
                for called in &mut result.called {
                    let said = called.method.judge(&arms);
                    called.red += u32::from(said.latency_slower || !said.slower.is_empty());
                    called.slower += count(said.slower.len());
                    called.faster += count(said.faster.len());
                }
            }
        }
    }
    result.seconds = median(&seconds).unwrap_or(0.0);
    result
}

/// Each slowed arm against each plain one. The comparisons of a set share launches.
fn slowed(model: &ScenarioId, busy: bool, sets: &[&Set<'_>]) -> Vec<Slowed> {
    let mut found: Vec<(Slowed, Vec<f64>)> = Vec::new();
    for set in sets {
        for (arm, head) in &set.arms {
            let GateArm::Slower { operator, wanted, reached } = arm else { continue };
            for base in set.plain() {
                let at = row_of(&mut found, (model, busy), base, (operator, *wanted, *reached));
                let (row, growth) = &mut found[at];
                growth.extend(judge_slowed(row, &Arms { base, head }));
            }
        }
    }
    let finished = |(mut row, growth): (Slowed, Vec<f64>)| {
        row.measured = median(&growth).unwrap_or(0.0);
        row
    };
    let mut rows: Vec<Slowed> = found.into_iter().map(finished).collect();
    rows.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.wanted.total_cmp(&b.wanted)));
    rows
}

/// Where the row of an arm is; made where there is none. Another run made other copies, which came to another size, and
/// has rows of its own.
fn row_of(
    found: &mut Vec<(Slowed, Vec<f64>)>,
    (model, busy): (&ScenarioId, bool),
    base: &[&GateLaunch],
    (operator, wanted, reached): (&OperatorKey, f64, f64),
) -> usize {
    let same = |row: &Slowed| row.operator == *operator && row.wanted == wanted && row.reached == reached;
    found.iter().position(|(row, _)| same(row)).unwrap_or_else(|| {
        let called = METHODS.iter().map(|method| CalledSlowed { method: *method, found: 0, others_blamed: 0 });
        let row = Slowed {
            model: model.clone(),
            busy,
            operator: operator.clone(),
            share: share_of(base, |one| one.key == *operator),
            wanted,
            reached,
            measured: 0.0,
            comparisons: 0,
            called: called.collect(),
        };
        found.push((row, Vec::new()));
        found.len() - 1
    })
}

/// Counts what each method says, and returns by how much the paired gate measured the operator to have grown.
fn judge_slowed(row: &mut Slowed, arms: &Arms<'_>) -> Option<f64> {
    row.comparisons += 1;
    for called in &mut row.called {
        let said = called.method.judge(arms);
        called.found += u32::from(said.slower.contains(&row.operator));
        called.others_blamed += u32::from(said.slower.iter().any(|other| *other != row.operator));
    }
    let comparison = measured(arms);
    let change = comparison.operators.iter().find(|change| change.key == row.operator)?;
    change.estimate.map(|estimate| estimate.ratio - 1.0)
}

/// The slowed graph is the base, so that the plain one looks as if its products had become faster.
fn faster_gemm(model: &ScenarioId, busy: bool, sets: &[&Set<'_>]) -> Option<FasterGemm> {
    let mut result: Option<FasterGemm> = None;
    for set in sets {
        let arms = set.arms.iter().flat_map(|arm| set.plain().into_iter().map(move |head| (arm, head)));
        for ((arm, base), head) in arms {
            let GateArm::SlowerGemm { reached } = arm else { continue };
            let arms = Arms { base, head };
            let row = result.get_or_insert_with(|| FasterGemm {
                model: model.clone(),
                busy,
                change: 1.0 / (1.0 + reached) - 1.0,
                comparisons: 0,
                called: METHODS
                    .iter()
                    .map(|method| CalledFaster { method: *method, red: 0, slower: 0, found: 0 })
                    .collect(),
            });
            row.comparisons += 1;
            for called in &mut row.called {
                let said = called.method.judge(&arms);
                called.red += u32::from(said.latency_slower || !said.slower.is_empty());
                called.slower += count(said.slower.len());
                called.found += u32::from(said.faster.iter().any(|key| is_gemm(head, key)));
            }
        }
    }
    result
}

fn is_gemm(launches: &[&GateLaunch], key: &OperatorKey) -> bool {
    let operators = launches.first().into_iter().flat_map(|launch| &launch.operators);
    operators.into_iter().any(|operator| operator.key == *key && operator.group == Some(Group::Gemm))
}

fn share_of(launches: &[&GateLaunch], is: impl Fn(&super::GateOperator) -> bool) -> f64 {
    let share = |launch: &&GateLaunch| {
        let total: f64 = launch.operators.iter().map(|operator| operator.self_us).sum();
        launch.operators.iter().filter(|operator| is(operator)).map(|operator| operator.self_us).sum::<f64>() / total
    };
    median(&launches.iter().map(share).collect::<Vec<f64>>()).unwrap_or(0.0)
}

/// A number of things; none of these comes near 2^32.
fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}
