use super::*;
use crate::summary::error_of_median;
use crate::summary::testing::{Noise, Op, bert, launch, launches, op, summary_of};
use crate::summary::{OperatorPast, Past};

/// A side made of one launch per entry of `scales`, each all operators times the scale.
pub(crate) fn side(ops: &[Op], scales: &[f64]) -> Side {
    let scaled = |scale: f64| ops.iter().map(|o| Op { self_us: o.self_us * scale, ..o.clone() }).collect::<Vec<_>>();
    let launches: Vec<_> = scales.iter().map(|scale| launch(&scaled(*scale))).collect();
    summary_of(&launches).side(vec![Field::new("instruction-set", "avx512")], "0.1.0", "Example CPU")
}

/// The ops with one of them scaled.
pub(crate) fn scaled(ops: &[Op], op_type: &str, scale: f64) -> Vec<Op> {
    let scale = |o: &Op| Op { self_us: if o.op_type == op_type { o.self_us * scale } else { o.self_us }, ..o.clone() };
    ops.iter().map(scale).collect()
}

fn change<'a>(comparison: &'a Comparison, key: &str) -> &'a OperatorChange {
    comparison.operators.iter().find(|change| change.key.0 == key).unwrap()
}

#[test]
fn a_side_does_not_differ_from_itself() {
    let one = side(&bert(), &[1.0, 1.1, 0.9]);
    let same = compare(&one, &one);
    assert!(same.structure.is_empty() && same.fingerprint.is_empty() && same.causes.is_empty());
    assert_eq!(same.machine_factor, Some(1.0));
    assert!(same.operators.iter().all(|change| change.normalized_ratio == Some(1.0)));
    assert_eq!(same.operators[0].key.0, "ai.onnx:MatMul");
}

#[test]
fn a_slower_machine_is_the_factor_and_no_operator() {
    let slower = compare(&side(&bert(), &[1.0]), &side(&bert(), &[1.15]));
    assert!((slower.machine_factor.unwrap() - 1.15).abs() < 1e-9);
    assert!(slower.operators.iter().all(|change| (change.normalized_ratio.unwrap() - 1.0).abs() < 1e-9));
    assert!((slower.latency.head_us / slower.latency.base_us - 1.15).abs() < 1e-9);
}

#[test]
fn one_slower_operator_stands_alone() {
    let comparison = compare(&side(&bert(), &[1.0]), &side(&scaled(&bert(), "Softmax", 1.3), &[1.0]));
    assert_eq!(comparison.machine_factor, Some(1.0));
    assert!((change(&comparison, "ai.onnx:Softmax").normalized_ratio.unwrap() - 1.3).abs() < 1e-9);
    assert_eq!(change(&comparison, "ai.onnx:Add").normalized_ratio, Some(1.0));
}

#[test]
fn exchanging_the_sides_inverts_the_factor() {
    let mut noise = Noise::seeded(7);
    let mut draw = || summary_of(&launches(&bert(), 4, 0.1, 0.3, &mut noise)).side(Vec::new(), "", "");
    let (a, b) = (draw(), draw());
    let product = compare(&a, &b).machine_factor.unwrap() * compare(&b, &a).machine_factor.unwrap();
    assert!((product - 1.0).abs() < 1e-9, "{product}");
}

#[test]
fn fewer_than_three_operators_give_no_factor() {
    let two = [op("MatMul", 1, 900.0), op("Add", 1, 100.0)];
    let comparison = compare(&side(&two, &[1.0]), &side(&two, &[1.0]));
    assert_eq!(comparison.machine_factor, None);
    assert_eq!(change(&comparison, "ai.onnx:Add").normalized_ratio, None);
}

#[test]
fn times_below_the_clock_do_not_move_the_factor() {
    // Three operators that the clock resolves, five that it does not and that read twice as long.
    let mut base = vec![op("MatMul", 1, 900.0), op("Softmax", 1, 300.0), op("Add", 1, 100.0)];
    base.extend(["Relu", "Tanh", "Div", "Erf", "Sqrt"].map(|name| op(name, 1, 2.0)));
    let head = ["Relu", "Tanh", "Div", "Erf", "Sqrt"].iter().fold(base.clone(), |ops, name| scaled(&ops, name, 2.0));
    assert_eq!(compare(&side(&base, &[1.0]), &side(&head, &[1.0])).machine_factor, Some(1.0));
}

#[test]
fn what_a_launch_has_in_common_is_no_spread_of_an_operator() {
    let wild = side(&bert(), &[1.0, 1.6, 0.8, 1.3, 1.1]);
    assert!(wild.latency_us.relative_spread().unwrap() > 0.2);
    let comparison = compare(&wild, &wild);
    assert!(comparison.operators.iter().all(|change| change.standard_error < 1e-9));
}

#[test]
fn the_error_of_a_ratio_is_that_of_both_medians() {
    let softmax = |scale: f64| launch(&scaled(&bert(), "Softmax", scale));
    let of = |scales: &[f64]| {
        summary_of(&scales.iter().map(|scale| softmax(*scale)).collect::<Vec<_>>()).side(Vec::new(), "", "")
    };
    let (noisy, calm) = (of(&[1.0, 1.2, 0.8]), of(&[1.0, 1.0, 1.0]));
    let error = |base: &Side, head: &Side| change(&compare(base, head), "ai.onnx:Softmax").standard_error;
    // 0.2 * 1.4826 * 1.495 is one launch's deviation, sqrt(1.346 / 3) makes it the median's.
    let one = 0.2 * 1.482_6 * 1.495 * (1.346_f64 / 3.0).sqrt();
    assert!((error(&noisy, &calm) - one).abs() < 1e-4, "{}", error(&noisy, &calm));
    assert!((error(&calm, &noisy) - one).abs() < 1e-4);
    assert!((error(&noisy, &noisy) - one * 2.0_f64.sqrt()).abs() < 1e-4);
    // As many launches again: the same spread, a smaller error.
    let more = of(&[1.0, 1.2, 0.8, 1.0, 1.2, 0.8, 1.0, 1.2, 0.8]);
    assert!(error(&more, &more) < 0.7 * error(&noisy, &noisy), "{}", error(&more, &more));
}

#[test]
fn the_error_is_assumed_when_neither_side_knows() {
    let error = |base: &[f64], head: &[f64]| {
        change(&compare(&side(&bert(), base), &side(&bert(), head)), "ai.onnx:Softmax").standard_error
    };
    // Both medians, and the machine factor, which is a median over six of these.
    let of_both = UNKNOWN_SPREAD * 2.0_f64.sqrt();
    let expected = of_both.hypot(error_of_median(of_both, 6));
    assert!((error(&[1.0], &[1.0]) - expected).abs() < 1e-12);
    assert_eq!(error(&[1.0, 1.0], &[1.0]), 0.0);
}

#[test]
fn an_operator_varies_no_less_than_its_neighbours() {
    // All but Softmax vary; that its few launches agree is chance.
    let vary = |number: usize| {
        let scale = |place: usize| [0.9, 1.0, 1.1][(place + number) % 3];
        let operator = |(place, o): (usize, Op)| match o.op_type {
            "Softmax" => o,
            _ => Op { self_us: o.self_us * scale(place), ..o },
        };
        launch(&bert().into_iter().enumerate().map(operator).collect::<Vec<Op>>())
    };
    let some = summary_of(&[vary(0), vary(1), vary(2)]).side(Vec::new(), "", "");
    let comparison = compare(&some, &some);
    let errors = |key: &str| change(&comparison, key).standard_error;
    assert!(errors("ai.onnx:Softmax") > 0.0 && errors("ai.onnx:Add") >= errors("ai.onnx:Softmax"));
}

#[test]
fn the_latency_has_an_error_of_its_own_and_no_factor() {
    let comparison = compare(&side(&bert(), &[1.0, 1.1, 0.9]), &side(&bert(), &[1.5, 1.65, 1.35]));
    let latency = comparison.latency;
    assert!((latency.head_us / latency.base_us - 1.5).abs() < 1e-9);
    let one = 0.1 * 1.482_6 * 1.495 * (1.346_f64 / 3.0).sqrt();
    assert!((latency.standard_error - one * 2.0_f64.sqrt()).abs() < 1e-4, "{}", latency.standard_error);
}

#[test]
fn another_protocol_is_a_difference() {
    let base = side(&bert(), &[1.0]);
    let head = Side { protocol: base.protocol + 1, ..base.clone() };
    assert_eq!(compare(&base, &base).protocol, None);
    let (old, new) = (base.protocol, head.protocol);
    assert_eq!(compare(&base, &head).protocol, Some(ProtocolDifference { base: old, head: new }));
}

#[test]
fn drift_goes_on_from_what_the_baseline_holds() {
    let softmax = OperatorKey("ai.onnx:Softmax".into());
    let past = |key: &OperatorKey| OperatorPast {
        key: key.clone(),
        provider: "CPUExecutionProvider".into(),
        ratios: vec![1.0, 1.1],
        held: 1.1,
    };
    let gone = OperatorKey("ai.onnx:Erf".into());
    let mut base = side(&bert(), &[1.0]);
    base.past = Some(Past { since: "2026-01-10".into(), accepts: 4, operators: vec![past(&softmax), past(&gone)] });
    let comparison = compare(&base, &side(&scaled(&bert(), "Softmax", 1.2), &[1.3]));
    let [drift] = comparison.drift.as_slice() else { panic!("{:?}", comparison.drift) };
    assert_eq!((&drift.key, drift.since.as_str(), drift.accepts), (&softmax, "2026-01-10", 4));
    let rounded: Vec<f64> = drift.ratios.iter().map(|ratio| (ratio * 1000.0).round() / 1000.0).collect();
    assert_eq!(rounded, [1.0, 1.1, 1.32], "the machine's factor of 1.3 is divided out");
}

#[test]
fn an_operator_that_runs_more_often_has_not_drifted() {
    let mut head_ops = bert();
    head_ops[4].executions += 1;
    let mut base = side(&bert(), &[1.0]);
    let key = OperatorKey("ai.onnx:Softmax".into());
    let softmax = OperatorPast { key, provider: "CPUExecutionProvider".into(), ratios: vec![1.0, 1.1], held: 1.1 };
    base.past = Some(Past { since: "2026-01-10".into(), accepts: 4, operators: vec![softmax] });
    assert_eq!(compare(&base, &side(&head_ops, &[1.0])).drift, []);
}

#[test]
fn structure_is_compared_exactly() {
    let cuda = |o: Op| Op { provider: "CUDAExecutionProvider", ..o };
    let base =
        [op("Add", 25, 1.0), op("Gelu", 12, 1.0), op("MatMul", 9, 1.0), cuda(op("Cast", 12, 1.0)), op("Cast", 1, 1.0)];
    let head =
        [op("Add", 26, 1.0), op("Erf", 12, 1.0), op("MatMul", 9, 1.0), cuda(op("Cast", 10, 1.0)), op("Cast", 3, 1.0)];
    let comparison = compare(&side(&base, &[1.0]), &side(&head, &[1.0]));
    let key = |name: &str| OperatorKey(format!("ai.onnx:{name}"));
    let cpu = || "CPUExecutionProvider".to_owned();
    let expected = [
        StructuralDifference::Count { key: key("Add"), provider: cpu(), base: 25, head: 26 },
        StructuralDifference::Moved {
            key: key("Cast"),
            from: "CUDAExecutionProvider".into(),
            to: cpu(),
            executions: 2,
        },
        StructuralDifference::Appeared { key: key("Erf"), provider: cpu(), executions: 12 },
        StructuralDifference::Vanished { key: key("Gelu"), provider: cpu(), executions: 12 },
    ];
    assert_eq!(comparison.structure, expected);
}

#[test]
fn an_operator_that_moved_and_multiplied_is_told_by_provider() {
    let cuda = |executions| Op { provider: "CUDAExecutionProvider", ..op("Cast", executions, 1.0) };
    let comparison = compare(&side(&[cuda(4)], &[1.0]), &side(&[cuda(3), op("Cast", 2, 1.0)], &[1.0]));
    let kinds: Vec<_> = comparison.structure.iter().map(std::mem::discriminant).collect();
    let key = OperatorKey("ai.onnx:Cast".into());
    let appeared = StructuralDifference::Appeared { key: key.clone(), provider: String::new(), executions: 0 };
    let count = StructuralDifference::Count { key, provider: String::new(), base: 0, head: 0 };
    assert_eq!(kinds, [appeared, count].map(|d| std::mem::discriminant(&d)));
}

#[test]
fn machine_fields_and_facts_are_compared_by_name() {
    let base = side(&bert(), &[1.0]);
    let mut head = base.clone();
    head.machine = vec![Field::new("instruction-set", "avx2"), Field::new("gpu", "T4")];
    head.facts[1].value = "1.32.0".into();
    let comparison = compare(&base, &head);
    let fields: Vec<_> = comparison.fingerprint.iter().map(|f| [&*f.field, &*f.base, &*f.head]).collect();
    assert_eq!(fields, [["instruction-set", "avx512", "avx2"], ["gpu", "none", "T4"]]);
    let causes: Vec<_> = comparison.causes.iter().map(|c| [&*c.what, &*c.base, &*c.head]).collect();
    assert_eq!(causes, [["onnxruntime", "1.31.1", "1.32.0"]]);
}
