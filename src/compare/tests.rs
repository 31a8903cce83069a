use super::*;
use crate::summary::testing::{Noise, Op, bert, launch, launches, op, summary_of};

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
    assert!(comparison.operators.iter().all(|change| change.spread < 1e-9));
}

#[test]
fn spread_is_the_larger_of_the_sides_and_assumed_when_neither_knows() {
    let steady = |scale: f64| launch(&scaled(&bert(), "Softmax", scale));
    let noisy = summary_of(&[steady(1.0), steady(1.2), steady(0.8)]).side(Vec::new(), "", "");
    let calm = summary_of(&[steady(1.0), steady(1.0), steady(1.0)]).side(Vec::new(), "", "");
    for (base, head) in [(&noisy, &calm), (&calm, &noisy)] {
        assert!((change(&compare(base, head), "ai.onnx:Softmax").spread - 0.443).abs() < 0.001);
    }
    let once = side(&bert(), &[1.0]);
    assert_eq!(change(&compare(&once, &once), "ai.onnx:Softmax").spread, UNKNOWN_SPREAD);
    assert_eq!(change(&compare(&calm, &once), "ai.onnx:Softmax").spread, 0.0);
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
