//! The study over launches that are made up: what is planted must be told, and nothing else.

use std::io::Cursor;
use std::path::Path;

use super::record::{GATE_RECORD_SCHEMA, GateRecordError, read};
use super::*;
use crate::report::{Group, Machine};
use crate::summary::testing::Noise;

const PAIRS: u32 = 8;

fn run(busy: u32) -> GateRun {
    GateRun {
        schema: GATE_RECORD_SCHEMA,
        tool: "0.1.0".into(),
        machine: Machine {
            fingerprint: "linux-x86_64-avx512-cpu".into(),
            os: "linux".into(),
            arch: "x86_64".into(),
            instruction_set: "avx512".into(),
            cpu: "Example CPU".into(),
            cores: 2,
            onnxruntime: "1.31.1".into(),
        },
        date: "2026-11-25".into(),
        pairs: PAIRS,
        busy,
        remark: None,
    }
}

fn operator(key: &str, group: Group, self_us: f64) -> GateOperator {
    GateOperator {
        key: OperatorKey(key.into()),
        group: Some(group),
        provider: "CPUExecutionProvider".into(),
        executions: 12,
        self_us,
        // Runs of one launch agree far better than launches do, as on real machines.
        reported_us: (0..10).map(|run| self_us as i64 + run).collect(),
    }
}

/// A launch on a machine that is `machine` times as slow, each operator off by 1 %.
fn launch(arm: GateArm, pair: u32, scale: impl Fn(&str) -> f64, noise: &mut Noise) -> GateLaunch {
    let machine = (0.05 * noise.normal()).exp();
    let mut time = |key: &str, us: f64| us * scale(key) * machine * (0.01 * noise.normal()).exp();
    let operators = vec![
        operator("ai.onnx:MatMul", Group::Gemm, time("MatMul", 60_000.0)),
        operator("ai.onnx:Softmax", Group::LogitComputation, time("Softmax", 8_000.0)),
        operator("ai.onnx:Add", Group::ElementWise, time("Add", 6_000.0)),
        operator("ai.onnx:Transpose", Group::Memory, time("Transpose", 4_000.0)),
        operator("ai.onnx:LayerNormalization", Group::Normalization, time("LayerNormalization", 3_000.0)),
    ];
    let latency_us = operators.iter().map(|operator| operator.self_us).sum::<f64>() * 1.01;
    GateLaunch {
        scenario: ScenarioId("made-up@cpu".into()),
        arm,
        group: 0,
        pair,
        wall_s: 1.5,
        latency_us,
        unprofiled_us: vec![latency_us; 10],
        operators,
    }
}

fn softmax() -> GateArm {
    GateArm::Slower { operator: OperatorKey("ai.onnx:Softmax".into()), wanted: 0.1, reached: 0.1 }
}

/// One set: three plain arms, Softmax slower by a tenth, products slower by 43 %.
fn records(seed: u64) -> Vec<GateLaunch> {
    let mut noise = Noise::seeded(seed);
    let mut launches = Vec::new();
    for pair in 0..PAIRS {
        for number in 0..3 {
            launches.push(launch(GateArm::Plain { number }, pair, |_| 1.0, &mut noise));
        }
        launches.push(launch(softmax(), pair, |key| if key == "Softmax" { 1.1 } else { 1.0 }, &mut noise));
        let gemm = GateArm::SlowerGemm { reached: 0.43 };
        launches.push(launch(gemm, pair, |key| if key == "MatMul" { 1.43 } else { 1.0 }, &mut noise));
    }
    launches
}

fn paired<T>(called: &[T], method: impl Fn(&T) -> Method) -> &T {
    called.iter().find(|one| method(one) == Method::Paired).unwrap()
}

#[test]
fn unchanged_code_is_green_and_a_slowed_operator_alone_is_blamed() {
    let study = of_records(&[(run(0), records(1)), (run(1), records(2))]);
    let busy: Vec<(bool, u32)> = study.unchanged.iter().map(|row| (row.busy, row.comparisons)).collect();
    assert_eq!(busy, [(false, 3), (true, 3)]);
    assert_eq!(study.unchanged[0].seconds, 24.0);
    for row in &study.unchanged {
        assert_eq!(paired(&row.called, |called| called.method).red, 0);
    }
    for row in &study.slowed {
        let called = paired(&row.called, |called| called.method);
        assert_eq!((row.comparisons, called.found, called.others_blamed), (3, 3, 0));
        assert!((row.measured - 0.1).abs() < 0.02 && (row.share - 0.098).abs() < 0.01, "{row:?}");
    }
    assert_eq!(study.slowed.len(), 2);
}

#[test]
fn faster_products_turn_shares_red_and_not_the_paired_gate() {
    let study = of_records(&[(run(0), records(3))]);
    let [row] = study.faster_gemm.as_slice() else { panic!("{:?}", study.faster_gemm) };
    assert!((row.change + 0.3).abs() < 0.01);
    let of = |method| row.called.iter().find(|called| called.method == method).unwrap();
    assert_eq!((of(Method::Paired).red, of(Method::Paired).found), (0, 3));
    assert_eq!((of(Method::RawShares).red, of(Method::RawShares).slower), (3, 12));
}

#[test]
fn a_test_on_iterations_calls_noise_between_launches_a_change() {
    let sets: Vec<(GateRun, Vec<GateLaunch>)> = (10..20).map(|seed| (run(0), records(seed))).collect();
    let study = of_records(&sets);
    let red = |method| study.red().iter().find(|red| red.method == method).unwrap().rate;
    assert!(red(Method::TTestAlone) > 0.3, "{}", red(Method::TTestAlone));
    assert!(red(Method::Paired) < 0.05, "{}", red(Method::Paired));
}

#[test]
fn a_set_that_was_cut_short_is_left_out() {
    let mut launches = records(1);
    launches.truncate(20);
    assert!(of_records(&[(run(0), launches)]).unchanged.is_empty());
}

fn lines(lines: &[GateLine]) -> String {
    lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
}

#[test]
fn records_come_back_as_they_were_written() {
    let launches = records(4);
    let mut written = vec![GateLine::Run(run(1))];
    written.extend(launches.iter().cloned().map(GateLine::Launch));
    let text = lines(&written);
    let whole = read(Path::new("l.jsonl"), Cursor::new(&text)).unwrap();
    assert_eq!(whole, [(run(1), launches.clone())]);
    // The last line is what an interrupt cuts.
    let cut = read(Path::new("l.jsonl"), Cursor::new(&text[..text.len() - 40])).unwrap();
    assert_eq!(cut[0].1, launches[..launches.len() - 1]);
}

#[test]
fn bad_records_are_named_by_file_and_line() {
    let error = |text: &str| read(Path::new("l.jsonl"), Cursor::new(text.to_owned())).unwrap_err();
    let first = lines(&[GateLine::Run(run(0))]);
    assert!(error(&format!("{first}no json\n{first}")).to_string().starts_with("l.jsonl:2: not a record"));
    let newer = lines(&[GateLine::Run(GateRun { schema: 9, ..run(0) })]);
    assert!(matches!(error(&newer), GateRecordError::Schema { line: 1, found: 9, .. }));
    let orphan = lines(&[GateLine::Launch(records(1).remove(0))]);
    assert!(matches!(error(&orphan), GateRecordError::Orphan { line: 1, .. }));
}
