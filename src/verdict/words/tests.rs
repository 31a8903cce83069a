use crate::compare::{Comparison, compare};
use crate::summary::{Field, Group, OperatorKey, Sample, Side, SideOperator, SideShape};

use super::*;

fn operator(key: &str, group: Group, executions: u32, us: f64) -> SideOperator {
    SideOperator {
        key: OperatorKey(key.into()),
        group: Some(group),
        provider: "CPUExecutionProvider".into(),
        executions,
        inserted: Some(0),
        shapes: Vec::new(),
        unsteady: false,
        self_us: Sample(vec![us]),
        share: 0.1,
    }
}

/// With three operators that do not change.
fn side(operators: Vec<SideOperator>) -> Side {
    let steady = ["ai.onnx:Tile", "ai.onnx:Pad", "ai.onnx:Concat"].map(|key| operator(key, Group::Memory, 4, 500.0));
    let operators: Vec<_> = steady.into_iter().chain(operators).collect();
    let latency_us = Sample(vec![operators.iter().map(|operator| operator.self_us.median()).sum()]);
    Side {
        machine: vec![Field::new("os", "linux")],
        facts: Vec::new(),
        clock: crate::summary::Clock::Host,
        protocol: crate::summary::PROTOCOL,
        centred: false,
        past: None,
        latency_us,
        operators,
    }
}

fn normalized() -> SideOperator {
    operator("ai.onnx:LayerNormalization", Group::Normalization, 25, 620.0)
}

fn in_parts() -> Vec<SideOperator> {
    vec![
        operator("ai.onnx:ReduceMean", Group::Reduction, 50, 300.0),
        operator("ai.onnx:Sub", Group::ElementWise, 25, 180.0),
        operator("ai.onnx:Pow", Group::ElementWise, 25, 150.0),
        operator("ai.onnx:Add", Group::ElementWise, 50, 220.0),
        operator("ai.onnx:Sqrt", Group::ElementWise, 25, 30.0),
        operator("ai.onnx:Div", Group::ElementWise, 25, 150.0),
    ]
}

fn converted(element: &str, casts: u32) -> Vec<SideOperator> {
    let at = |key: &str, group, executions| {
        let inputs = format!("{element}[1,128,768]");
        SideOperator { shapes: vec![SideShape { inputs, executions }], ..operator(key, group, executions, 900.0) }
    };
    let cast = SideOperator { inserted: Some(casts), ..operator("ai.onnx:Cast", Group::Memory, 1 + casts, 40.0) };
    vec![at("ai.onnx:Add", Group::ElementWise, 12), at("ai.onnx:Erf", Group::Activation, 12), cast]
}

fn placed(provider: &str, size: u32) -> Vec<SideOperator> {
    let on = |key: &str, group| SideOperator {
        provider: provider.into(),
        shapes: vec![SideShape { inputs: format!("float[1,{size},32,32] float[8]"), executions: 3 }],
        ..operator(key, group, 3, 700.0)
    };
    vec![on("ai.onnx:Resize", Group::Interpolation), on("ai.onnx:TopK", Group::Reduction)]
}

fn said(comparison: &Comparison, timed: bool) -> String {
    let sentences =
        comparison.changes.iter().map(|one| format!("{}\n  {}", change(one, comparison, timed), reason(one)));
    sentences.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_kind_of_change_in_a_sentence() {
    let unsteady = |executions| {
        let shapes = vec![SideShape { inputs: format!("float[{},4]", executions * 100), executions: 2 }];
        let kept = SideOperator { shapes, ..operator("ai.onnx:Sigmoid", Group::Activation, 2, 5.0) };
        let looped = operator("ai.onnx:NonZero", Group::Memory, executions, 4.0);
        vec![SideOperator { unsteady: true, ..looped }, kept]
    };
    let nchw = |key: &str, executions| operator(key, Group::Memory, executions, f64::from(executions) * 100.0);
    let mut grown = in_parts();
    grown[0].executions += 3;
    let single = |executions| vec![operator("ai.onnx:Relu", Group::Activation, executions, f64::from(executions))];
    let pairs: Vec<(&str, Side, Side)> = vec![
        ("lost", side(vec![normalized()]), side(in_parts())),
        ("won", side(in_parts()), side(vec![normalized()])),
        ("lost and more", side(vec![normalized()]), side(grown)),
        (
            "layout",
            side(vec![nchw("com.microsoft.nchwc:ReorderInput", 1)]),
            side(vec![nchw("com.microsoft.nchwc:ReorderInput", 3), nchw("com.microsoft.nchwc:ReorderOutput", 1)]),
        ),
        ("precision", side(converted("float", 0)), side(converted("float16", 24))),
        ("fallback", side(placed("CUDAExecutionProvider", 64)), side(placed("CPUExecutionProvider", 64))),
        ("accelerated", side(placed("CPUExecutionProvider", 64)), side(placed("CUDAExecutionProvider", 64))),
        ("shapes", side(placed("CPUExecutionProvider", 64)), side(placed("CPUExecutionProvider", 96))),
        ("data", side(unsteady(7)), side(unsteady(8))),
        ("appeared", side(Vec::new()), side(single(1))),
        ("vanished", side(single(2)), side(Vec::new())),
        ("counted", side(single(2)), side(single(5))),
    ];
    let all: Vec<String> = pairs
        .iter()
        .map(|(name, base, head)| format!("== {name}\n{}", said(&compare(base, head), true)))
        .chain([format!("== lost, on another machine\n{}", said(&compare(&pairs[0].1, &pairs[0].2), false))])
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_comparison_of_pairs_has_a_base_and_no_baseline() {
    let (base, head) = (side(Vec::new()), side(vec![operator("ai.onnx:Relu", Group::Activation, 1, 1.0)]));
    let comparison = Comparison { design: Design::Paired { pairs: 8 }, ..compare(&base, &head) };
    assert_eq!(
        change(&comparison.changes[0], &comparison, false),
        "ai.onnx:Relu appeared: 1 execution per run on CPUExecutionProvider, none in the base"
    );
}
