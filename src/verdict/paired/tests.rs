//! One rule a line where a rule fits on one; then scenarios; then what fresh pairs do; then a plan as a whole.

use super::*;
use crate::compare::testing::{Disturbance, drawn, each_sample, first, own};
use crate::compare::tests::scaled;
use crate::compare::{Estimate, paired, paired_where};
use crate::summary::testing::{Noise, Op, bert, launch, op, summary_of};
use crate::summary::{OperatorKey, Side};
use crate::verdict::{ALPHA, Budget, Finding, Looks};

// ---- The rule for one quantity ----------------------------------------------------------------------------------

/// A ratio known to 1 %, with these probabilities.
fn estimate(ratio: f64, p_slower: f64, p_faster: f64) -> Estimate {
    Estimate { ratio, low: ratio / 1.01, high: ratio * 1.01, noise: 0.02, p_slower, p_faster, detectable: 0.04 }
}

fn slower(ratio: f64) -> Estimate {
    estimate(ratio, 0.004, 1.0)
}

fn faster(ratio: f64) -> Estimate {
    estimate(ratio, 1.0, 0.004)
}

fn unclear(ratio: f64) -> Estimate {
    Estimate { low: ratio / 1.2, high: ratio * 1.2, ..estimate(ratio, 0.2, 0.8) }
}

fn operator(base_us: f64, head_us: f64, estimate: Option<Estimate>) -> OperatorChange {
    OperatorChange {
        key: OperatorKey("ai.onnx:Softmax".into()),
        provider: "CPUExecutionProvider".into(),
        base_executions: 12,
        head_executions: 12,
        base_us,
        head_us,
        base_share: 0.1,
        head_share: 0.1,
        normalized_ratio: None,
        group: None,
        standard_error: 0.0,
        estimate,
    }
}

fn comparison(operators: Vec<OperatorChange>, latency: Option<Estimate>, factor: f64) -> Comparison {
    Comparison {
        design: Design::Paired { pairs: 8 },
        structure: Vec::new(),
        changes: Vec::new(),
        fingerprint: Vec::new(),
        protocol: None,
        machine_factor: Some(factor),
        operators,
        groups: Vec::new(),
        latency: LatencyChange { base_us: 50_000.0, head_us: 50_000.0, standard_error: 0.0, estimate: latency },
        causes: Vec::new(),
        drift: Vec::new(),
    }
}

/// An operator of these times on a machine `factor` times as slow for the head.
fn at(base_us: f64, head_us: f64, factor: f64, estimate: Estimate) -> Verdict {
    let comparison = comparison(vec![operator(base_us, head_us, Some(estimate))], None, factor);
    Quantity::operator(&comparison.operators[0], &comparison, 8).verdict(&Policy::in_turns(), ALPHA)
}

/// An operator of 1000 us that this is said of.
fn verdict(estimate: Estimate) -> Verdict {
    at(1000.0, 1000.0 * estimate.ratio, 1.0, estimate)
}

#[test]
fn significant_growth_beyond_the_smallest_effect_and_the_floor_regressed() {
    assert_eq!(verdict(slower(1.08)), Verdict::Regressed);
}

#[test]
fn significant_shrinking_beyond_the_smallest_effect_and_the_floor_improved() {
    assert_eq!(verdict(faster(0.92)), Verdict::Improved);
}

#[test]
fn the_level_itself_is_significant_and_more_is_not() {
    assert_eq!(verdict(estimate(1.2, ALPHA, 1.0)), Verdict::Regressed);
    assert_eq!(verdict(estimate(1.2, ALPHA + 1e-9, 1.0)), Verdict::Inconclusive);
}

#[test]
fn significant_growth_below_the_smallest_effect_is_no_regression() {
    assert_eq!((verdict(slower(1.049)), verdict(slower(1.02))), (Verdict::Inconclusive, Verdict::Unchanged));
}

#[test]
fn significant_shrinking_below_the_smallest_effect_is_no_improvement() {
    assert_eq!((verdict(faster(0.955)), verdict(faster(0.98))), (Verdict::Inconclusive, Verdict::Unchanged));
}

#[test]
fn significant_growth_below_the_floor_is_unchanged_however_large() {
    assert_eq!(at(100.0, 145.0, 1.0, slower(1.45)), Verdict::Unchanged);
    assert_eq!(at(100.0, 151.0, 1.0, slower(1.51)), Verdict::Regressed);
}

#[test]
fn significant_shrinking_below_the_floor_is_unchanged_however_large() {
    assert_eq!(at(149.0, 100.0, 1.0, faster(1.0 / 1.3)), Verdict::Unchanged);
    assert_eq!(at(151.0, 100.0, 1.0, faster(1.0 / 1.51)), Verdict::Improved);
}

#[test]
fn the_floor_is_measured_from_what_the_machine_makes_of_the_base() {
    // 300 us on a machine twice as slow are 600; 660 is 60 more, and 640 is 40 more.
    assert_eq!(at(300.0, 660.0, 2.0, slower(1.1)), Verdict::Regressed);
    assert_eq!(at(300.0, 640.0, 2.0, slower(1.0667)), Verdict::Unchanged);
}

#[test]
fn an_interval_inside_the_margin_is_unchanged() {
    assert_eq!(verdict(estimate(1.03, 0.5, 0.5)), Verdict::Unchanged);
}

#[test]
fn an_interval_that_leaves_the_margin_is_inconclusive() {
    assert_eq!(verdict(estimate(1.045, 0.5, 0.5)), Verdict::Inconclusive);
    assert_eq!(verdict(estimate(1.0 / 1.045, 0.5, 0.5)), Verdict::Inconclusive);
    assert_eq!(verdict(unclear(1.0)), Verdict::Inconclusive);
}

#[test]
fn a_share_that_moves_without_its_time_is_shifted() {
    let shares = |head_share| {
        let change = OperatorChange { head_share, ..operator(1000.0, 1000.0, Some(estimate(1.0, 0.5, 0.5))) };
        let comparison = comparison(vec![change], None, 1.0);
        Quantity::operator(&comparison.operators[0], &comparison, 8).verdict(&Policy::in_turns(), ALPHA)
    };
    assert_eq!((shares(0.121), shares(0.119), shares(0.079)), (Verdict::Shifted, Verdict::Unchanged, Verdict::Shifted));
}

#[test]
fn what_varies_by_more_than_a_quarter_from_pair_to_pair_is_unstable() {
    assert_eq!(verdict(Estimate { noise: 0.26, ..unclear(1.0) }), Verdict::Unstable);
    assert_eq!(verdict(Estimate { noise: 0.26, ..estimate(1.0, 0.5, 0.5) }), Verdict::Unchanged);
}

#[test]
fn what_would_have_to_double_to_be_seen_is_unstable() {
    assert_eq!(verdict(Estimate { detectable: 1.0, ..unclear(1.0) }), Verdict::Unstable);
    assert_eq!(verdict(Estimate { detectable: 0.9, ..unclear(1.0) }), Verdict::Inconclusive);
}

#[test]
fn what_varies_can_regress_all_the_same() {
    assert_eq!(verdict(Estimate { noise: 0.5, detectable: 2.0, ..slower(3.0) }), Verdict::Regressed);
}

#[test]
fn growth_from_nothing_regressed_from_the_floor_on() {
    assert_eq!(
        (at(0.0, 60.0, 1.0, slower(120.0)), at(0.0, 49.0, 1.0, slower(98.0))),
        (Verdict::Regressed, Verdict::Unchanged)
    );
    assert_eq!(
        (at(60.0, 0.0, 1.0, faster(1.0 / 120.0)), at(0.0, 0.0, 1.0, estimate(1.0, 1.0, 1.0))),
        (Verdict::Improved, Verdict::Unchanged)
    );
}

#[test]
fn without_pairs_nothing_is_judged() {
    let comparison = comparison(vec![operator(1000.0, 9000.0, None)], None, 1.0);
    let quantity = Quantity::operator(&comparison.operators[0], &comparison, 8);
    assert_eq!(
        (quantity.verdict(&Policy::in_turns(), ALPHA), quantity.detectable(&Policy::in_turns())),
        (Verdict::NotJudged, None)
    );
}

#[test]
fn the_machine_factor_is_no_part_of_the_latency() {
    let mut comparison = comparison(Vec::new(), Some(slower(1.1)), 3.0);
    comparison.latency.head_us = 55_000.0;
    assert_eq!(Quantity::latency(&comparison, 8).verdict(&Policy::in_turns(), ALPHA), Verdict::Regressed);
}

#[test]
fn the_detectable_effect_is_the_widest_of_the_three_bounds() {
    let effect = |base_us, noise, detectable| {
        let estimate = Estimate { noise, detectable, ..estimate(1.0, 0.5, 0.5) };
        let comparison = comparison(vec![operator(base_us, base_us, Some(estimate))], None, 1.0);
        Quantity::operator(&comparison.operators[0], &comparison, 8).detectable(&Policy::in_turns()).unwrap()
    };
    assert_eq!((effect(1e5, 0.0, 0.12), effect(200.0, 0.0, 0.12)), (0.12, 0.25));
    // 5 %, and 1.055 standard errors of 2 %.
    assert!((effect(1e5, 0.02 * 8.0_f64.sqrt(), 0.04) - 0.0724).abs() < 1e-3);
    assert_eq!(
        Quantity::operator(&operator(0.0, 0.0, Some(slower(1.0))), &comparison(Vec::new(), None, 1.0), 8)
            .detectable(&Policy::in_turns()),
        None
    );
}

// ---- The rules for a scenario -----------------------------------------------------------------------------------

fn judge_at(comparison: &Comparison, policy: &Policy, alpha: f64) -> Judgement {
    judge_paired(&summary_of(&[launch(&bert())]), comparison, policy, alpha)
}

fn sides(base: &[Op], head: &[Op], pairs: usize, disturbance: Disturbance, seed: u64) -> (Side, Side) {
    let mut noise = Noise::seeded(seed);
    (drawn(base, pairs, disturbance, &mut noise), drawn(head, pairs, disturbance, &mut noise))
}

fn compared((base, head): &(Side, Side)) -> Comparison {
    paired(&[(base, head)]).remove(0)
}

fn judged(head: &[Op], pairs: usize, seed: u64) -> Judgement {
    judge_at(&compared(&sides(&bert(), head, pairs, own(0.01), seed)), &Policy::in_turns(), ALPHA)
}

fn codes(findings: &[Finding]) -> Vec<(FindingCode, Severity)> {
    findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

/// What fails the gate: operators, and `latency`.
fn red(judgement: &Judgement) -> Vec<&str> {
    let errors = judgement.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors
        .map(|finding| finding.operator.as_ref().map_or("latency", |key| key.0.trim_start_matches("ai.onnx:")))
        .collect()
}

fn verdict_on(judgement: &Judgement, op_type: &str) -> Verdict {
    let key = OperatorKey(format!("ai.onnx:{op_type}"));
    judgement.verdicts.iter().find(|judged| judged.operator.as_ref() == Some(&key)).unwrap().verdict
}

fn latency_of(judgement: &Judgement) -> Verdict {
    judgement.verdicts.iter().find(|judged| judged.operator.is_none()).unwrap().verdict
}

#[test]
fn equal_sides_have_nothing_to_say_and_are_settled() {
    let judgement = judged(&bert(), 8, 1);
    assert_eq!(judgement.findings, []);
    assert!(judgement.verdicts.iter().all(|judged| judged.verdict == Verdict::Unchanged));
    assert_eq!((judgement.verdicts.len(), is_settled(&judgement)), (11, true));
}

#[test]
fn a_slower_and_a_faster_operator_count_differently_and_the_worse_comes_first() {
    let judgement = judged(&scaled(&scaled(&bert(), "Softmax", 1.3), "BiasGelu", 0.7), 8, 2);
    let expected = [(FindingCode::OperatorRegressed, Severity::Error), (FindingCode::OperatorImproved, Severity::Note)];
    assert_eq!(codes(&judgement.findings), expected);
    assert_eq!((red(&judgement), is_settled(&judgement)), (vec!["Softmax"], true));
}

#[test]
fn messages_say_from_what_to_what_and_how_sure() {
    let mut comparison = comparison(vec![operator(800.0, 1040.0, Some(slower(1.3)))], Some(faster(0.9)), 1.0);
    comparison.latency.head_us = 45_000.0;
    let findings = judge_at(&comparison, &Policy::in_turns(), ALPHA).findings;
    assert_eq!(
        findings[0].message,
        "ai.onnx:Softmax on CPUExecutionProvider takes 1.04 ms, 800 us in the base: with the machine factor of 1.00 \
         divided out, 1.30 times as long (1.29 to 1.31), p = 0.004 over 8 pairs"
    );
    assert_eq!(
        findings[1].message,
        "the latency is 45.00 ms, 50.00 ms in the base: 0.90 times as long (0.89 to 0.91), p = 0.004 over 8 pairs"
    );
}

#[test]
fn a_slowdown_of_all_operators_alike_is_one_of_the_latency() {
    let all: Vec<Op> = bert().into_iter().map(|o| Op { self_us: o.self_us * 1.2, ..o }).collect();
    let judgement = judged(&all, 8, 4);
    assert_eq!(codes(&judgement.findings), [(FindingCode::LatencyRegressed, Severity::Error)]);
    assert_eq!(latency_of(&judgement), Verdict::Regressed);
    let back: Vec<Op> = bert().into_iter().map(|o| Op { self_us: o.self_us / 1.2, ..o }).collect();
    assert_eq!(codes(&judged(&back, 8, 4).findings), [(FindingCode::LatencyImproved, Severity::Note)]);
}

#[test]
fn structure_comes_first_and_the_operator_is_judged_for_time_as_well() {
    let mut head = scaled(&bert(), "Transpose", 1.5);
    head[5].executions += 24;
    let judgement = judged(&head, 8, 5);
    let expected =
        [(FindingCode::StructureChanged, Severity::Error), (FindingCode::OperatorRegressed, Severity::Error)];
    assert_eq!(codes(&judgement.findings), expected);
}

#[test]
fn a_faster_product_shifts_shares_and_turns_nothing_red() {
    // Half of this model is no product, so that shares move by points.
    let ops = [op("MatMul", 12, 6000.0), op("Add", 25, 1900.0), op("Gelu", 12, 2600.0), op("Softmax", 12, 1800.0)];
    let comparison = compared(&sides(&ops, &scaled(&ops, "MatMul", 0.7), 8, own(0.01), 6));
    let judgement = judge_at(&comparison, &Policy::in_turns(), ALPHA);
    assert_eq!(red(&judgement), [""; 0]);
    assert_eq!(verdict_on(&judgement, "MatMul"), Verdict::Improved);
    assert_eq!(verdict_on(&judgement, "Gelu"), Verdict::Shifted);
    let shifted = judgement.findings.iter().find(|finding| finding.code == FindingCode::SharesShifted).unwrap();
    assert!(shifted.message.starts_with("shares moved because other operators' times did: "), "{}", shifted.message);
    assert!(is_settled(&judgement));
}

#[test]
fn what_is_not_shown_is_listed_with_what_would_have_been() {
    let wide = |share: f64, key: &str| OperatorChange {
        key: OperatorKey(key.into()),
        base_share: share,
        ..operator(9000.0, 9000.0, Some(Estimate { detectable: 0.31, ..unclear(1.0) }))
    };
    let small = OperatorChange { head_share: 0.004, ..wide(0.004, "ai.onnx:Exp") };
    let of =
        |operators| judge_at(&comparison(operators, Some(estimate(1.0, 0.5, 0.5)), 1.0), &Policy::in_turns(), ALPHA);
    let judgement = of(vec![small.clone(), wide(0.3, "ai.onnx:Add")]);
    assert_eq!(codes(&judgement.findings), [(FindingCode::Inconclusive, Severity::Warning)]);
    assert_eq!(
        judgement.findings[0].message,
        "neither a change nor its absence is shown: ai.onnx:Add (a growth of 31 % would have been seen) and ai.onnx:Exp \
         (a growth of 31 % would have been seen)"
    );
    assert!(!is_settled(&judgement));
    assert_eq!(codes(&of(vec![small]).findings), [(FindingCode::Inconclusive, Severity::Note)]);
}

#[test]
fn what_is_unstable_is_named_and_not_settled() {
    let wild = Estimate { noise: 0.4, detectable: 1.4, ..unclear(1.0) };
    let calm = Some(estimate(1.0, 0.5, 0.5));
    let of = |comparison| judge_at(&comparison, &Policy::in_turns(), ALPHA);
    let judgement = of(comparison(vec![operator(9000.0, 9000.0, Some(wild))], calm, 1.0));
    assert_eq!(codes(&judgement.findings), [(FindingCode::BlindSpot, Severity::Warning)]);
    assert!(!is_settled(&judgement));
    let judgement = of(comparison(vec![operator(9000.0, 9000.0, calm)], Some(wild), 1.0));
    assert_eq!(codes(&judgement.findings), [(FindingCode::Unstable, Severity::Warning)]);
    assert_eq!(
        judgement.findings[0].message,
        "the latency varies too much from pair to pair: the latency (a growth of 140 % would have been seen)"
    );
}

#[test]
fn an_operator_that_the_floor_hides_is_a_blind_spot() {
    let short = operator(30.0, 30.0, Some(estimate(1.0, 0.5, 0.5)));
    let judgement =
        judge_at(&comparison(vec![short.clone()], Some(estimate(1.0, 0.5, 0.5)), 1.0), &Policy::in_turns(), ALPHA);
    assert_eq!(codes(&judgement.findings), [(FindingCode::BlindSpot, Severity::Warning)]);
    assert!(
        judgement.findings[0].message.contains("ai.onnx:Softmax (a growth of 167 %"),
        "{}",
        judgement.findings[0].message
    );
    assert!(is_settled(&judgement));
    let minor = OperatorChange { base_share: 0.001, head_share: 0.001, ..short };
    assert_eq!(judge_at(&comparison(vec![minor], None, 1.0), &Policy::in_turns(), ALPHA).findings, []);
}

#[test]
fn too_few_pairs_to_be_red_are_said() {
    let judgement = judged(&scaled(&bert(), "Softmax", 3.0), 4, 7);
    assert!(codes(&judgement.findings).contains(&(FindingCode::TimesNotJudged, Severity::Warning)));
    assert_eq!(
        judgement.findings.iter().find(|f| f.code == FindingCode::TimesNotJudged).unwrap().message,
        "4 pairs are too few: nothing they show has a probability of 0.010 or less, so no time could fail"
    );
    assert_eq!(red(&judgement), [""; 0]);
}

#[test]
fn two_operators_leave_the_latency_to_judge() {
    let two = [op("MatMul", 1, 9000.0), op("Add", 1, 1000.0)];
    let comparison = compared(&sides(&two, &scaled(&two, "MatMul", 1.3), 8, own(0.01), 8));
    let judgement = judge_at(&comparison, &Policy::in_turns(), ALPHA);
    let expected = [(FindingCode::LatencyRegressed, Severity::Error), (FindingCode::TimesNotJudged, Severity::Warning)];
    assert_eq!(codes(&judgement.findings), expected);
    assert_eq!((verdict_on(&judgement, "MatMul"), is_settled(&judgement)), (Verdict::NotJudged, true));
}

#[test]
fn another_machine_class_is_never_red_for_time() {
    for field in ["os", "cores"] {
        let (mut base, head) = sides(&bert(), &scaled(&bert(), "Softmax", 9.0), 8, own(0.01), 9);
        base.machine = vec![crate::summary::Field::new(field, "other")];
        let judgement = judge_at(&compared(&(base, head)), &Policy::in_turns(), ALPHA);
        assert_eq!(codes(&judgement.findings), [(FindingCode::FingerprintDiffers, Severity::Warning)]);
        assert!(judgement.verdicts.iter().all(|judged| judged.verdict == Verdict::NotJudged));
    }
}

#[test]
fn budgets_hold_here_too() {
    let budget = Budget { max_latency_ms: Some(1.0), ..Budget::default() };
    let policy = Policy { budgets: vec![budget], ..Policy::in_turns() };
    let comparison = compared(&sides(&bert(), &bert(), 8, own(0.01), 10));
    assert_eq!(
        codes(&judge_at(&comparison, &policy, ALPHA).findings),
        [(FindingCode::BudgetExceeded, Severity::Error)]
    );
}

#[test]
fn a_policy_changes_severity() {
    let policy =
        Policy { severities: [(FindingCode::OperatorRegressed, Severity::Warning)].into(), ..Policy::in_turns() };
    let comparison = compared(&sides(&bert(), &scaled(&bert(), "Softmax", 1.5), 8, own(0.01), 11));
    let judgement = judge_at(&comparison, &policy, ALPHA);
    assert_eq!(codes(&judgement.findings), [(FindingCode::OperatorRegressed, Severity::Warning)]);
    assert_eq!(verdict_on(&judgement, "Softmax"), Verdict::Regressed);
}

#[test]
fn what_else_differs_stands_in_the_remedy() {
    let (base, mut head) = sides(&bert(), &scaled(&bert(), "Softmax", 1.5), 8, own(0.01), 12);
    head.facts[0].value = "1.32.0".into();
    let judgement = judge_at(&compared(&(base, head)), &Policy::in_turns(), ALPHA);
    assert!(
        judgement.findings[0].remedy.contains("onnxruntime (1.31.1 -> 1.32.0)"),
        "{}",
        judgement.findings[0].remedy
    );
}

// ---- The second look --------------------------------------------------------------------------------------------

/// The judgement on Softmax slowed down, and after fresh pairs of which these scales hold.
fn again(first_scale: f64, fresh_scale: f64, fresh_pairs: usize) -> Judgement {
    let (base, head) = sides(&bert(), &scaled(&bert(), "Softmax", first_scale), 8, own(0.01), 13);
    let first = judge_at(&compared(&(base.clone(), head.clone())), &Policy::in_turns(), ALPHA);
    assert_eq!(red(&first), ["Softmax"]);
    let fresh = sides(&bert(), &scaled(&bert(), "Softmax", fresh_scale), fresh_pairs, own(0.01), 14);
    let pooled = compared(&(joined(&base, &fresh.0), joined(&head, &fresh.1)));
    confirm_paired(&first, &flagged_again(&first, &fresh), &pooled, &Policy::in_turns())
}

fn flagged_again(first: &Judgement, (base, head): &(Side, Side)) -> Comparison {
    paired_where(&[(base, head)], |_, operator| is_regressed(first, operator)).remove(0)
}

/// The launches of one side and then those of another.
fn joined(first: &Side, more: &Side) -> Side {
    let mut all = first.clone();
    all.latency_us.0.extend(&more.latency_us.0);
    for (operator, more) in all.operators.iter_mut().zip(&more.operators) {
        operator.self_us.0.extend(&more.self_us.0);
    }
    all
}

#[test]
fn what_fresh_pairs_show_again_stands() {
    let judgement = again(1.3, 1.3, 8);
    assert_eq!((red(&judgement), verdict_on(&judgement, "Softmax")), (vec!["Softmax"], Verdict::Regressed));
    let message = &judgement.findings[0].message;
    assert!(message.contains("; again in fresh launches: 1.29 times as long ("), "{message}");
    assert!(message.ends_with("p = 0.004 over 8 pairs"), "{message}");
}

#[test]
fn what_fresh_pairs_do_not_show_is_a_note() {
    let judgement = again(1.3, 1.0, 8);
    assert_eq!(codes(&judgement.findings), [(FindingCode::Inconclusive, Severity::Note)]);
    assert_eq!((verdict_on(&judgement, "Softmax"), is_settled(&judgement)), (Verdict::Inconclusive, false));
    assert!(judgement.findings[0].message.contains("; not again in fresh launches: "), "{:#?}", judgement.findings);
}

#[test]
fn what_is_too_small_over_all_pairs_is_a_note() {
    let judgement = again(1.09, 1.015, 20);
    assert_eq!(codes(&judgement.findings), [(FindingCode::Inconclusive, Severity::Note)]);
    assert!(
        judgement.findings[0].message.contains("over all pairs is too little to count"),
        "{:#?}",
        judgement.findings
    );
}

#[test]
fn too_few_fresh_pairs_change_nothing() {
    assert_eq!((red(&again(1.3, 1.0, 4)), red(&again(1.3, 1.0, 5))), (vec!["Softmax"], Vec::new()));
    let judgement = again(1.3, 1.0, 4);
    assert!(judgement.findings[0].message.ends_with("; 4 pairs of fresh launches were too few to confirm it"));
}

#[test]
fn the_latency_is_confirmed_alike() {
    let all: Vec<Op> = bert().into_iter().map(|o| Op { self_us: o.self_us * 1.2, ..o }).collect();
    let slow = sides(&bert(), &all, 8, own(0.01), 15);
    let first = judge_at(&compared(&slow), &Policy::in_turns(), ALPHA);
    let confirmed = |fresh: &(Side, Side)| {
        confirm_paired(&first, &flagged_again(&first, fresh), &compared(&slow), &Policy::in_turns())
    };
    let same = confirmed(&sides(&bert(), &all, 8, own(0.01), 16));
    assert_eq!((red(&same), latency_of(&same)), (vec!["latency"], Verdict::Regressed));
    let gone = confirmed(&sides(&bert(), &bert(), 8, own(0.01), 17));
    assert_eq!((red(&gone), latency_of(&gone)), (Vec::new(), Verdict::Inconclusive));
}

#[test]
fn what_was_not_red_stays_as_it_was() {
    let (base, mut head) = sides(&bert(), &scaled(&bert(), "BiasGelu", 0.7), 8, own(0.01), 18);
    head.operators[5].executions += 1;
    let comparison = compared(&(base, head));
    let first = judge_at(&comparison, &Policy::in_turns(), ALPHA);
    assert_eq!(first.findings.len(), 2);
    assert_eq!(confirm_paired(&first, &comparison, &comparison, &Policy::in_turns()), first);
}

#[test]
fn an_operator_that_is_gone_is_not_confirmed() {
    let pair = sides(&bert(), &scaled(&bert(), "Softmax", 1.3), 8, own(0.01), 19);
    let first = judge_at(&compared(&pair), &Policy::in_turns(), ALPHA);
    let without = |side: &Side| {
        let others = side.operators.iter().filter(|o| o.key.0 != "ai.onnx:Softmax").cloned().collect();
        Side { operators: others, ..side.clone() }
    };
    let gone = compared(&(without(&pair.0), without(&pair.1)));
    let judgement = confirm_paired(&first, &gone, &compared(&pair), &Policy::in_turns());
    assert!(judgement.findings[0].message.ends_with("; fresh launches give no time for it"));
    assert_eq!(red(&judgement), [""; 0]);
}

// ---- A plan as a whole ------------------------------------------------------------------------------------------

/// Looks until all is settled and confirms what is red: the judgement, and the pairs that it took.
fn sequential(head: &[Op], disturbance: Disturbance, seed: u64) -> (Judgement, u32) {
    let plan = Looks::default();
    let (base, head_side) = sides(&bert(), head, 20, disturbance, seed);
    let mut last = (Judgement::default(), 0);
    for look in plan.iter() {
        let pairs = look.pairs as usize;
        let comparison = compared(&(first(&base, pairs), first(&head_side, pairs)));
        last = (judge_at(&comparison, &Policy::in_turns(), look.alpha), look.pairs);
        if !red(&last.0).is_empty() || is_settled(&last.0) {
            break;
        }
    }
    if red(&last.0).is_empty() {
        return last;
    }
    let fresh = sides(&bert(), head, 8, disturbance, seed + 1_000_000);
    let measured = last.1 as usize;
    let pooled = compared(&(joined(&first(&base, measured), &fresh.0), joined(&first(&head_side, measured), &fresh.1)));
    (confirm_paired(&last.0, &flagged_again(&last.0, &fresh), &pooled, &Policy::in_turns()), last.1 + 8)
}

#[test]
fn noise_alone_is_never_red() {
    let restless = Disturbance { own: 0.03, common: 0.05, spikes: 0.05 };
    for disturbance in [own(0.02), restless] {
        let is_red = |seed: &u64| !red(&sequential(&bert(), disturbance, *seed).0).is_empty();
        assert_eq!((0..60).filter(is_red).collect::<Vec<u64>>(), [0_u64; 0]);
    }
}

#[test]
fn a_growth_of_a_tenth_is_found_and_blamed() {
    let head = scaled(&bert(), "Softmax", 1.10);
    let found = (0..60).filter(|seed| red(&sequential(&head, own(0.02), 10_000 + seed).0) == ["Softmax"]).count();
    assert!(found >= 57, "{found} of 60");
}

#[test]
fn a_clear_case_ends_at_the_first_look() {
    let judgement = sequential(&bert(), own(0.01), 20_000);
    assert_eq!((red(&judgement.0), judgement.1), (Vec::new(), 8));
    let judgement = sequential(&scaled(&bert(), "Softmax", 1.3), own(0.01), 20_001);
    assert_eq!((red(&judgement.0), judgement.1), (vec!["Softmax"], 16));
}

#[test]
fn one_disturbed_launch_is_never_red() {
    for seed in 0..30 {
        let (base, head) = sides(&bert(), &bert(), 8, own(0.02), 30_000 + seed);
        let pair = usize::try_from(seed % 8).unwrap();
        let disturbed = each_sample(&head, |values| {
            values.iter().enumerate().map(|(launch, us)| if launch == pair { us * 2.0 } else { *us }).collect()
        });
        assert_eq!(red(&judge_at(&compared(&(base, disturbed)), &Policy::in_turns(), ALPHA)), [""; 0], "seed {seed}");
    }
}
