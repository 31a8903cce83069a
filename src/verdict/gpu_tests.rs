//! The rules for a GPU's own times, on times of an H100: four models, five launches each, twice within minutes.

use std::collections::BTreeMap;

use super::tests::{compared, red, side_of};
use super::*;
use crate::compare::{Comparison, paired};
use crate::summary::testing::{LaunchResult, Op, launch, op, summary_of};
use crate::summary::{Clock, Summary};

/// Executions, and microseconds in each launch of both measurements.
type Operator = (u32, Vec<f64>, Vec<f64>);

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Twice {
    latency_us: (Vec<f64>, Vec<f64>),
    operators: BTreeMap<String, Operator>,
}

fn recorded() -> BTreeMap<String, Twice> {
    serde_json::from_str(include_str!("../../tests/data/cuda/twice.json")).unwrap()
}

/// The launches of one of the two measurements, by `clock`.
fn launches(times: &[(&str, u32, &[f64])], latency_us: &[f64], clock: Clock) -> Vec<LaunchResult> {
    let one = |(index, latency_us): (usize, &f64)| {
        let ops: Vec<Op> = times
            .iter()
            .map(|(key, executions, us)| {
                let op_type: &'static str = Box::leak(key.rsplit(':').next().unwrap().to_owned().into_boxed_str());
                Op { provider: "CUDAExecutionProvider", ..op(op_type, *executions, us[index]) }
            })
            .collect();
        LaunchResult { clock, latency_us: *latency_us, unprofiled_us: vec![*latency_us; 10], ..launch(&ops) }
    };
    latency_us.iter().enumerate().map(one).collect()
}

/// Both measurements, `slower` times as much of `operator` in the second.
fn both(twice: &Twice, operator: &str, slower: f64, clock: Clock) -> [Vec<LaunchResult>; 2] {
    let base: Vec<_> = twice.operators.iter().map(|(key, one)| (key.as_str(), one.0, one.1.as_slice())).collect();
    let scaled: Vec<(&str, u32, Vec<f64>)> = twice
        .operators
        .iter()
        .map(|(key, one)| {
            let factor = if key == operator { slower } else { 1.0 };
            (key.as_str(), one.0, one.2.iter().map(|us| us * factor).collect())
        })
        .collect();
    let head: Vec<_> = scaled.iter().map(|(key, executions, us)| (*key, *executions, us.as_slice())).collect();
    [launches(&base, &twice.latency_us.0, clock), launches(&head, &twice.latency_us.1, clock)]
}

/// Both compared.
fn measured(twice: &Twice, operator: &str, slower: f64, clock: Clock) -> (Summary, Comparison) {
    let [base, head] = both(twice, operator, slower, clock);
    compared(&base, &head)
}

/// What `check` holds against it by default. That the latency is only warned of matters here: from process to process the
/// host launched these models in 1.6 or in 2.5 ms.
fn policy() -> Policy {
    Policy {
        min_effect: 0.25,
        floor_share: 0.01,
        severities: [(FindingCode::LatencyRegressed, Severity::Warning)].into(),
        gpu: GpuThresholds { min_effect: 0.10, floor_us: 3.0, floor_share: 0.002 },
        ..Policy::default()
    }
}

fn reds(twice: &Twice, operator: &str, slower: f64, clock: Clock) -> Vec<String> {
    let (summary, comparison) = measured(twice, operator, slower, clock);
    red(&judge(&summary, Some(&comparison), &policy()).findings)
}

#[test]
fn the_same_models_measured_again_are_green() {
    for (id, twice) in recorded() {
        assert_eq!(reds(&twice, "", 1.0, Clock::DeviceCupti), Vec::<String>::new(), "{id}");
    }
}

#[test]
fn an_operator_of_twenty_microseconds_is_seen_to_take_three_tenths_more_and_nothing_else_is_blamed() {
    let recorded = recorded();
    for (id, twice) in &recorded {
        let large = twice.operators.iter().filter(|(_, one)| one.1[0] >= 20.0);
        for (key, _) in large {
            let op_type = key.rsplit(':').next().unwrap();
            let found = reds(twice, key, 1.3, Clock::DeviceCupti);
            assert!(found.len() == 1 && found[0].ends_with(op_type), "{id} {key}: {found:?}");
        }
    }
    // By the host's thresholds none of BERT's small operators would be.
    let bert = &recorded["bert-base@cuda-fp16-all-b1-s128-t1"];
    assert_eq!(reds(bert, "com.microsoft:BiasSoftmax", 1.3, Clock::DeviceSynchronous), Vec::<String>::new());
}

/// What `compare` says of an operator whose time in the second measurement was `slower` times what it was, launch by launch.
fn in_turns(operator: &str, slower: f64, clock: Clock) -> Verdict {
    let recorded = recorded();
    let bert = &recorded["bert-base@cuda-fp16-all-b1-s128-t1"];
    let [base, head] = both(bert, operator, slower, clock).map(|launches| summary_of(&launches));
    let comparison = paired(&[(&side_of(&base), &side_of(&head))]).remove(0);
    // Of five pairs no probability is below 1/32.
    let judged = judge_paired(&head, &comparison, &Policy::in_turns(), 0.05).verdicts;
    // The launches of these tests know operators without their domains.
    let op_type = operator.rsplit(':').next().unwrap();
    judged.into_iter().find(|one| one.operator.as_ref().is_some_and(|key| key.0.ends_with(op_type))).unwrap().verdict
}

#[test]
fn sides_in_turns_have_the_thresholds_of_their_clock() {
    let softmax = "com.microsoft:BiasSoftmax";
    assert_eq!(in_turns(softmax, 1.3, Clock::DeviceCupti), Verdict::Regressed);
    assert_eq!(in_turns(softmax, 1.0, Clock::DeviceCupti), Verdict::Unchanged);
    assert_ne!(in_turns(softmax, 1.3, Clock::DeviceSynchronous), Verdict::Regressed);
}

#[test]
fn the_machine_s_factor_is_told_by_operators_of_a_few_microseconds() {
    let recorded = recorded();
    let bert = &recorded["bert-base@cuda-fp16-all-b1-s128-t1"];
    let (_, comparison) = measured(bert, "ai.onnx:Gemm", 1.3, Clock::DeviceCupti);
    let factor = comparison.machine_factor.unwrap();
    assert!((0.99..1.01).contains(&factor), "{factor}");
}
