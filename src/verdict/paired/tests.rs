use super::*;
use crate::compare::paired;
use crate::compare::tests::scaled;
use crate::summary::testing::{Noise, Op, bert, launches, summary_of};
use crate::summary::{Field, Side};

/// Base and head in turns, each operator with `own` noise and each launch with 5 % in common.
fn measured(base: &[Op], head: &[Op], pairs: u32, own: f64, seed: u64) -> (Summary, Side, Side) {
    let mut noise = Noise::seeded(seed);
    let base = summary_of(&launches(base, pairs, own, 0.05, &mut noise));
    let head = summary_of(&launches(head, pairs, own, 0.05, &mut noise));
    let side = |summary: &Summary| summary.side(vec![Field::new("os", "linux")], "0.1.0", "Example CPU");
    let (base, head_side) = (side(&base), side(&head));
    (head, base, head_side)
}

fn judged(base: &[Op], head: &[Op], pairs: u32, own: f64, seed: u64) -> Judgement {
    let (head, base_side, head_side) = measured(base, head, pairs, own, seed);
    judge_paired(&head, &paired(&[(&base_side, &head_side)])[0], &Policy::in_turns(), 0.01)
}

#[test]
fn a_planted_slow_down_turns_exactly_its_operator_red() {
    for seed in 0..20 {
        let found = judged(&bert(), &scaled(&bert(), "Softmax", 1.2), 8, 0.02, seed).findings;
        let red: Vec<_> = found.iter().filter(|f| f.severity == Severity::Error).map(|f| f.operator.clone()).collect();
        assert_eq!(red, [Some(crate::summary::OperatorKey("ai.onnx:Softmax".into()))], "seed {seed}: {found:#?}");
    }
}
