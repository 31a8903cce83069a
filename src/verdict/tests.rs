//! One rule a line where a rule fits on one; then replays of synthetic launches through summary, comparison, verdict.

use super::*;
use crate::compare::tests::{scaled, side};
use crate::compare::{Comparison, OperatorChange, compare};
use crate::summary::testing::{LaunchResult, Noise, Op, bert, launch, launches, op, summary_of};
use crate::summary::{Clock, Field, Sample, Side, Summary};

const ALL: &str = "every operator";

// ---- The rule for one operator ----------------------------------------------------------------------------------

/// An operator of 1000 us that now takes `head_us`, on a machine `factor` times as slow, with this spread.
fn moved(head_us: f64, factor: f64, error: f64) -> Verdict {
    verdict_of(&change(1000.0, head_us, factor, error), Some(factor), &Policy::default())
}

fn change(base_us: f64, head_us: f64, factor: f64, standard_error: f64) -> OperatorChange {
    OperatorChange {
        key: OperatorKey("ai.onnx:Softmax".into()),
        group: None,
        provider: "CPUExecutionProvider".into(),
        base_executions: 12,
        head_executions: 12,
        base_us,
        head_us,
        base_share: 0.1,
        head_share: 0.1,
        normalized_ratio: Some(head_us / base_us / factor),
        standard_error,
        estimate: None,
    }
}

#[test]
fn growth_below_the_smallest_effect_is_steady() {
    assert_eq!(moved(1090.0, 1.0, 0.0), Verdict::Unchanged);
}

#[test]
fn growth_above_the_smallest_effect_regressed() {
    assert_eq!(moved(1110.0, 1.0, 0.0), Verdict::Regressed);
}

#[test]
fn growth_that_the_machine_explains_is_steady() {
    assert_eq!(moved(1300.0, 1.3, 0.0), Verdict::Unchanged);
}

#[test]
fn growth_that_a_faster_machine_hides_regressed() {
    assert_eq!(moved(1000.0, 0.8, 0.0), Verdict::Regressed);
}

#[test]
fn growth_within_five_standard_errors_is_not_shown() {
    assert_eq!(moved(1280.0, 1.0, 0.05), Verdict::Inconclusive);
}

#[test]
fn growth_beyond_five_standard_errors_regressed() {
    // exp(5 * 0.05) = 1.284
    assert_eq!(moved(1290.0, 1.0, 0.05), Verdict::Regressed);
}

#[test]
fn what_could_have_been_seen_is_no_small_change_so_none_is_excluded() {
    // Five errors of 2 % are 10.5 %, of 1.8 % are 9.4 %: the smallest effect is 10 %.
    assert_eq!((moved(1000.0, 1.0, 0.02), moved(1000.0, 1.0, 0.018)), (Verdict::Inconclusive, Verdict::Unchanged));
}

#[test]
fn a_ratio_that_may_lie_outside_the_smallest_effect_is_not_unchanged() {
    // 1.645 errors of 1 % are 1.6 %.
    assert_eq!((moved(1090.0, 1.0, 0.01), moved(1080.0, 1.0, 0.01)), (Verdict::Inconclusive, Verdict::Unchanged));
}

#[test]
fn what_would_have_to_double_is_unstable() {
    // exp(5 * 0.139) = 2.004
    assert_eq!((moved(1000.0, 1.0, 0.138), moved(1000.0, 1.0, 0.139)), (Verdict::Inconclusive, Verdict::Unstable));
}

#[test]
fn below_the_floor_no_spread_is_unstable() {
    let tiny = |error| verdict_of(&change(5.0, 6.0, 1.0, error), Some(1.0), &Policy::default());
    assert_eq!((tiny(0.2), tiny(0.4)), (Verdict::Unchanged, Verdict::Unchanged));
}

#[test]
fn growth_below_the_floor_is_steady_however_large() {
    let tiny = |head_us| verdict_of(&change(20.0, head_us, 1.0, 0.0), Some(1.0), &Policy::default());
    assert_eq!((tiny(69.0), tiny(70.0)), (Verdict::Unchanged, Verdict::Regressed));
}

#[test]
fn the_floor_is_measured_from_what_the_machine_makes_of_the_base() {
    // 300 us on a machine twice as slow are 600; 649 are 49 more and 650 are 50 more.
    let policy = Policy { min_effect: 0.01, ..Policy::default() };
    let at = |head_us| verdict_of(&change(300.0, head_us, 2.0, 0.0), Some(2.0), &policy);
    assert_eq!((at(649.0), at(650.0)), (Verdict::Unchanged, Verdict::Regressed));
}

#[test]
fn shrinking_mirrors_growing() {
    assert_eq!((moved(900.0, 1.0, 0.0), moved(950.0, 1.0, 0.0)), (Verdict::Improved, Verdict::Unchanged));
}

#[test]
fn a_share_that_moves_without_its_time_is_shifted() {
    let shifted = OperatorChange { head_share: 0.15, ..change(1000.0, 1000.0, 1.0, 0.0) };
    assert_eq!(verdict_of(&shifted, Some(1.0), &Policy::default()), Verdict::Shifted);
}

#[test]
fn without_a_machine_factor_nothing_is_judged() {
    assert_eq!(verdict_of(&change(1000.0, 9000.0, 1.0, 0.0), None, &Policy::default()), Verdict::NotJudged);
}

#[test]
fn growth_from_nothing_regressed_from_the_floor_on() {
    let at = |base_us, head_us| {
        let change = OperatorChange { normalized_ratio: None, ..change(base_us, head_us, 1.0, 0.0) };
        verdict_of(&change, Some(1.0), &Policy::default())
    };
    assert_eq!((at(0.0, 49.0), at(0.0, 50.0)), (Verdict::Unchanged, Verdict::Regressed));
    assert_eq!(
        (at(49.0, 0.0), at(50.0, 0.0), at(0.0, 0.0)),
        (Verdict::Unchanged, Verdict::Improved, Verdict::Unchanged)
    );
}

#[test]
fn the_smallest_detectable_effect_is_the_widest_of_the_three_bounds() {
    let policy = Policy::default();
    let effect = |base_us, spread| smallest_detectable_effect(&change(base_us, 1.0, 1.0, spread), Some(1.0), &policy);
    assert_eq!((effect(5000.0, 0.0), effect(200.0, 0.01)), (0.10, 0.25));
    assert!((effect(5000.0, 0.05) - 0.284).abs() < 1e-3);
    assert_eq!(effect(0.0, 0.0), f64::INFINITY);
}

#[test]
fn the_smallest_detectable_effect_is_what_movement_detects() {
    for (base_us, factor, error) in [(5000.0, 1.0, 0.0), (5000.0, 1.3, 0.05), (200.0, 0.7, 0.01), (60.0, 1.0, 0.1)] {
        let policy = Policy::default();
        let effect = smallest_detectable_effect(&change(base_us, 1.0, factor, error), Some(factor), &policy);
        let grown = |by: f64| change(base_us, base_us * factor * (1.0 + by), factor, error);
        assert_ne!(verdict_of(&grown(effect * 0.999), Some(factor), &policy), Verdict::Regressed);
        assert_eq!(verdict_of(&grown(effect * 1.001), Some(factor), &policy), Verdict::Regressed);
    }
}

// ---- The rules for a scenario -----------------------------------------------------------------------------------

pub(super) fn here() -> Vec<Field> {
    vec![Field::new("os", "linux"), Field::new("arch", "x86_64"), Field::new("instruction-set", "avx512")]
}

pub(super) fn side_of(summary: &Summary) -> Side {
    summary.side(here(), "0.1.0", "Example CPU")
}

pub(super) fn compared(base: &[LaunchResult], head: &[LaunchResult]) -> (Summary, Comparison) {
    let (base, head) = (summary_of(base), summary_of(head));
    let comparison = compare(&side_of(&base), &side_of(&head));
    (head, comparison)
}

pub(super) fn findings(base: &[Op], head: &[Op]) -> Vec<Finding> {
    let (summary, comparison) = compared(&[launch(base)], &[launch(head)]);
    // One launch a side has no spread; these tests are of the other rules.
    judge(&summary, Some(&comparison), &Policy { spread_factor: 0.0, ..Policy::default() }).findings
}

pub(super) fn codes(findings: &[Finding]) -> Vec<(FindingCode, Severity)> {
    findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

pub(super) fn red(findings: &[Finding]) -> Vec<String> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.operator.as_ref().map_or(ALL.to_owned(), |key| key.0.clone())).collect()
}

#[test]
fn the_same_again_finds_nothing() {
    assert_eq!(findings(&bert(), &bert()), []);
}

#[test]
fn no_baseline_is_a_warning() {
    let summary = summary_of(&[launch(&bert())]);
    let found = judge(&summary, None, &Policy::default()).findings;
    assert_eq!(codes(&found), [(FindingCode::NoBaseline, Severity::Warning)]);
    assert!(found[0].remedy.contains("cargo nongemm accept bert-base@cpu-fp32-all-b1-s128-t1"));
}

#[test]
fn a_policy_changes_severity_in_one_place() {
    let policy = Policy { severities: [(FindingCode::NoBaseline, Severity::Error)].into(), ..Policy::default() };
    let found = judge(&summary_of(&[launch(&bert())]), None, &policy).findings;
    assert_eq!(codes(&found), [(FindingCode::NoBaseline, Severity::Error)]);
}

#[test]
fn a_regression_and_an_improvement_count_differently_and_the_worse_comes_first() {
    let head = scaled(&scaled(&bert(), "Softmax", 1.5), "BiasGelu", 0.5);
    let expected = [(FindingCode::OperatorRegressed, Severity::Error), (FindingCode::OperatorImproved, Severity::Note)];
    assert_eq!(codes(&findings(&bert(), &head)), expected);
}

#[test]
fn messages_say_from_what_to_what() {
    let found = findings(&bert(), &scaled(&bert(), "Softmax", 1.5));
    assert_eq!(
        found[0].message,
        "ai.onnx:Softmax on CPUExecutionProvider takes 1.20 ms, 800 us in the baseline: 1.50 times as long, 1.50 times \
         with the machine factor of 1.00 divided out; the threshold is 10.0 %"
    );
}

#[test]
fn an_operator_that_took_no_time_can_regress() {
    let head = [bert(), vec![op("Squeeze", 4, 900.0)]].concat();
    let found = findings(&[bert(), vec![op("Squeeze", 4, 0.0)]].concat(), &head);
    assert_eq!(red(&found), ["ai.onnx:Squeeze"]);
    assert_eq!(found[0].message, "ai.onnx:Squeeze on CPUExecutionProvider takes 900 us, 0 us in the baseline");
}

#[test]
fn a_structural_change_is_an_error_of_its_own() {
    let mut head = bert();
    head[5].executions += 1;
    let found = findings(&bert(), &head);
    assert_eq!(codes(&found), [(FindingCode::StructureChanged, Severity::Error)]);
    assert_eq!(found[0].message, "more transposes: +1 Transpose");
}

#[test]
fn a_structural_change_of_an_unsteady_operator_is_a_warning() {
    let looped = |executions| [bert(), vec![op("NonZero", executions, 60.0)]].concat();
    let heads = [launch(&looped(7)), launch(&looped(8)), launch(&looped(8))];
    let (summary, comparison) = compared(&[launch(&looped(7))], &heads);
    let found = judge(&summary, Some(&comparison), &Policy::default()).findings;
    let expected =
        [(FindingCode::StructureVaries, Severity::Warning), (FindingCode::StructureChanged, Severity::Warning)];
    assert_eq!(codes(&found), expected);
    assert!(found[0].message.contains("ai.onnx:NonZero (7 to 8 times)"), "{}", found[0].message);
}

#[test]
fn causes_stand_in_the_remedy() {
    let mut head = side(&scaled(&bert(), "Softmax", 1.5), &[1.0]);
    head.facts[1].value = "1.32.0".into();
    let comparison = compare(&side(&bert(), &[1.0]), &head);
    let summary = summary_of(&[launch(&bert())]);
    let found = judge(&summary, Some(&comparison), &Policy { spread_factor: 0.0, ..Policy::default() }).findings;
    let expected = "Changed since the baseline: onnxruntime (1.31.1 -> 1.32.0).";
    assert!(found[0].remedy.ends_with(expected), "{}", found[0].remedy);
}

/// The findings where base and head differ in one fingerprint field, in time and in structure.
fn on_another_machine(field: &str) -> Vec<(FindingCode, Severity)> {
    let mut head_ops = scaled(&bert(), "Softmax", 9.0);
    head_ops[5].executions += 1;
    let head = summary_of(&[launch(&head_ops)]);
    let mut base = side_of(&summary_of(&[launch(&bert())]));
    base.machine.iter_mut().find(|f| f.name == field).unwrap().value = "other".into();
    codes(&judge(&head, Some(&compare(&base, &side_of(&head))), &Policy::default()).findings)
}

#[test]
fn another_operating_system_judges_structure_and_never_time() {
    let expected =
        [(FindingCode::StructureChanged, Severity::Error), (FindingCode::FingerprintDiffers, Severity::Warning)];
    assert_eq!(on_another_machine("os"), expected);
}

#[test]
fn another_instruction_set_or_architecture_judges_neither() {
    let expected =
        [(FindingCode::FingerprintDiffers, Severity::Warning), (FindingCode::StructureChanged, Severity::Note)];
    assert_eq!(on_another_machine("instruction-set"), expected);
    assert_eq!(on_another_machine("arch"), expected);
}

/// The findings where the base was timed by one clock and the head, slower and of another structure, by another.
fn by_clocks(base: Clock, head: Clock) -> Vec<(FindingCode, Severity)> {
    let timed = |ops: &[Op], clock| summary_of(&[LaunchResult { clock, ..launch(ops) }]);
    let mut head_ops = scaled(&bert(), "Softmax", 9.0);
    head_ops[5].executions += 1;
    let head = timed(&head_ops, head);
    let comparison = compare(&side_of(&timed(&bert(), base)), &side_of(&head));
    codes(&judge(&head, Some(&comparison), &Policy::default()).findings)
}

#[test]
fn times_of_two_clocks_are_never_judged_and_structure_always_is() {
    let clocks = [Clock::Host, Clock::DeviceCupti, Clock::DeviceSynchronous];
    let untimed =
        [(FindingCode::StructureChanged, Severity::Error), (FindingCode::FingerprintDiffers, Severity::Warning)];
    for (base, head) in clocks.iter().flat_map(|base| clocks.map(|head| (*base, head))) {
        let found = by_clocks(base, head);
        if base == head {
            assert!(found.contains(&(FindingCode::OperatorRegressed, Severity::Error)), "{base:?}: {found:?}");
        } else {
            assert_eq!(found, untimed, "{base:?} -> {head:?}");
        }
    }
}

#[test]
fn launches_that_disagree_judge_no_time() {
    let wild: Vec<_> = [1.0, 1.6, 0.7].iter().map(|s| launch(&scaled(&bert(), "MatMul", *s))).collect();
    let (summary, comparison) = compared(&[launch(&scaled(&bert(), "MatMul", 0.2))], &wild);
    let found = judge(&summary, Some(&comparison), &Policy::default()).findings;
    assert_eq!(codes(&found), [(FindingCode::Unstable, Severity::Warning)]);
}

#[test]
fn operators_that_add_up_to_more_than_the_latency_judge_no_time() {
    let torn = |sum: f64| {
        let mut torn = launch(&scaled(&bert(), "MatMul", 9.0));
        torn.latency_us = torn.nodes.iter().map(|node| node.self_us).sum::<f64>() / sum;
        let (summary, comparison) = compared(&[launch(&bert())], &[torn]);
        let policy = Policy { spread_factor: 0.0, max_latency_growth: 99.0, ..Policy::default() };
        judge(&summary, Some(&comparison), &policy).findings
    };
    assert_eq!(codes(&torn(1.6))[..], [(FindingCode::Unstable, Severity::Warning)]);
    assert!(torn(1.6)[0].message.starts_with("the operators' times add up to 160.0 % of the latency"));
    assert_eq!(codes(&torn(1.4))[0], (FindingCode::OperatorRegressed, Severity::Error));
}

#[test]
fn too_few_operators_judge_no_operator_and_say_so() {
    let two = [op("MatMul", 1, 900.0), op("Add", 1, 100.0)];
    assert_eq!(codes(&findings(&two, &scaled(&two, "Add", 3.0))), [(FindingCode::TimesNotJudged, Severity::Warning)]);
    // The latency needs no factor.
    let expected = [(FindingCode::LatencyRegressed, Severity::Error), (FindingCode::TimesNotJudged, Severity::Warning)];
    assert_eq!(codes(&findings(&two, &scaled(&two, "Add", 9.0))), expected);
}

#[test]
fn a_share_budget_gates_without_a_baseline() {
    let over = Budget { max_non_gemm_share: Some(0.10), ..Budget::default() };
    let kept = Budget { max_non_gemm_share: Some(0.20), ..Budget::default() };
    let policy = Policy { budgets: vec![over, kept], ..Policy::default() };
    let found = judge(&summary_of(&[launch(&bert())]), None, &policy).findings;
    let expected = [(FindingCode::BudgetExceeded, Severity::Error), (FindingCode::NoBaseline, Severity::Warning)];
    assert_eq!(codes(&found), expected);
    assert_eq!(found[0].message, "the non-GEMM share is 17.0 %, above its budget of 10.0 %");
}

#[test]
fn a_latency_budget_fails_only_on_a_machine_class_with_a_baseline() {
    let budget = Budget { max_latency_ms: Some(40.0), ..Budget::default() };
    let policy = Policy { budgets: vec![budget], ..Policy::default() };
    let (summary, comparison) = compared(&[launch(&bert())], &[launch(&bert())]);
    let of = |comparison| judge(&summary, comparison, &policy).findings.iter().map(|f| f.severity).max();
    assert_eq!(of(Some(&comparison)), Some(Severity::Error));
    assert_eq!(of(None), Some(Severity::Warning));
}

#[test]
fn a_latency_budget_for_this_machine_fails_without_a_baseline() {
    let budget = Budget { max_latency_ms: Some(40.0), for_this_machine: true, ..Budget::default() };
    let policy = Policy { budgets: vec![budget], ..Policy::default() };
    let worst = |summary: &Summary| judge(summary, None, &policy).findings[0].clone();
    assert_eq!(worst(&summary_of(&[launch(&bert())])).severity, Severity::Error);
    let wild: Vec<_> = [1.0, 1.6, 0.7].iter().map(|s| launch(&scaled(&bert(), "MatMul", *s))).collect();
    let found = judge(&summary_of(&wild), None, &policy).findings;
    let budget = found.iter().find(|finding| finding.code == FindingCode::BudgetExceeded).unwrap();
    assert_eq!(budget.severity, Severity::Warning, "launches that disagree tell no latency");
}

#[test]
fn a_group_may_have_a_budget_of_its_own() {
    use crate::summary::Group::{ElementWise, LogitComputation, Pooling};
    let of = |group, bound| {
        let budget = Budget { max_group_share: [(group, bound)].into(), ..Budget::default() };
        let policy = Policy { budgets: vec![budget], ..Policy::default() };
        let found = inspect_budgets(&policy);
        found.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(ElementWise, 0.10), ["the share of element-wise is 15.4 %, above its budget of 10.0 %"]);
    assert_eq!(of(LogitComputation, 0.10), Vec::<String>::new());
    assert_eq!(of(Pooling, 0.0), Vec::<String>::new(), "what does not run exceeds nothing");
}

fn inspect_budgets(policy: &Policy) -> Vec<Finding> {
    let found = judge(&summary_of(&[launch(&bert())]), None, policy).findings;
    found.into_iter().filter(|finding| finding.code == FindingCode::BudgetExceeded).collect()
}

#[test]
fn a_group_may_have_thresholds_of_its_own() {
    use crate::summary::Group::{Activation, Normalization};
    let grown = |group| OperatorChange { group, ..change(1000.0, 1080.0, 1.0, 0.0) };
    let strict = GroupThresholds { min_effect: Some(0.05), floor_us: Some(70.0) };
    let policy = Policy { groups: [(Normalization, strict)].into(), ..Policy::default() };
    let verdict = |group| verdict_of(&grown(group), Some(1.0), &policy);
    assert_eq!(verdict(Some(Normalization)), Verdict::Regressed);
    assert_eq!((verdict(Some(Activation)), verdict(None)), (Verdict::Unchanged, Verdict::Unchanged));
    let below = OperatorChange { group: Some(Normalization), ..change(1000.0, 1069.0, 1.0, 0.0) };
    assert_eq!(verdict_of(&below, Some(1.0), &policy), Verdict::Unchanged, "above its effect, below its floor");
    assert_eq!(smallest_detectable_effect(&grown(Some(Normalization)), Some(1.0), &policy), 0.07);
}

#[test]
fn an_unknown_operator_is_named_with_its_share() {
    let found = inspect(&summary_of(&[launch(&[op("MatMul", 1, 75.0), op("Mystery", 1, 25.0)])]), &Policy::default());
    assert_eq!(codes(&found), [(FindingCode::UnknownOperator, Severity::Warning)]);
    assert_eq!(found[0].message, "ai.onnx:Mystery is not in the taxonomy; it takes 25.0 % of the time");
}

#[test]
fn a_uniform_slow_down_is_the_latency_s_and_no_operator_s() {
    let slower = |by: f64| bert().into_iter().map(|o| Op { self_us: o.self_us * by, ..o }).collect::<Vec<_>>();
    let found = findings(&bert(), &slower(1.8));
    assert_eq!(codes(&found), [(FindingCode::LatencyRegressed, Severity::Error)]);
    assert_eq!(
        found[0].message,
        "the latency is 89.84 ms, 49.91 ms in the baseline: 1.80 times as long; its operators have 1.80 in common; \
         nothing is divided out of it, and the threshold is 30.0 %"
    );
    assert_eq!(codes(&findings(&bert(), &slower(1.29))), []);
    assert_eq!(codes(&findings(&bert(), &slower(0.7))), [(FindingCode::LatencyImproved, Severity::Note)]);
}

#[test]
fn operators_that_nothing_could_turn_red_are_named() {
    let noisy: Vec<_> = [0.7, 1.0, 1.3].iter().map(|s| launch(&scaled(&bert(), "Softmax", *s))).collect();
    let (summary, comparison) = compared(&noisy, &noisy);
    let found = judge(&summary, Some(&comparison), &Policy::default()).findings;
    assert_eq!(codes(&found), [(FindingCode::BlindSpot, Severity::Warning)]);
    assert!(found[0].message.ends_with("grew that much: ai.onnx:Softmax (by 2232 %)"), "{}", found[0].message);
}

// ---- The second look --------------------------------------------------------------------------------------------

#[test]
fn only_time_findings_that_fail_need_confirmation() {
    assert!(needs_confirmation(&findings(&bert(), &scaled(&bert(), "Softmax", 1.5))));
    assert!(!needs_confirmation(&findings(&bert(), &scaled(&bert(), "Softmax", 0.5))));
    assert!(!needs_confirmation(&findings(&bert(), &bert()[1..])));
}

#[test]
fn a_time_finding_counts_when_both_measurements_have_it() {
    let softmax = findings(&bert(), &scaled(&bert(), "Softmax", 1.5));
    let gelu = findings(&bert(), &scaled(&bert(), "BiasGelu", 1.3));
    assert_eq!((red(&softmax), red(&gelu)), (vec!["ai.onnx:Softmax".into()], vec!["ai.onnx:BiasGelu".into()]));
    assert_eq!(confirm(&softmax, &softmax), softmax);
    assert_eq!(confirm(&softmax, &gelu), []);
    assert_eq!(confirm(&softmax, &[]), []);
}

#[test]
fn structure_needs_no_confirmation() {
    let structure = findings(&bert(), &bert()[..9]);
    assert_eq!(codes(&structure), [(FindingCode::StructureChanged, Severity::Error)]);
    assert_eq!(confirm(&structure, &[]), structure);
    assert_eq!(confirm(&[], &structure), structure);
    assert_eq!(confirm(&structure, &structure), structure);
}

// ---- Replays of noisy launches ----------------------------------------------------------------------------------

/// The verdict on five launches a side, each operator with 5 % noise of its own and each launch with 5 % in common.
fn replay(base: &[Op], head: &[Op], seed: u64) -> (Vec<Finding>, Comparison) {
    let mut noise = Noise::seeded(seed);
    let base = launches(base, 5, 0.05, 0.05, &mut noise);
    let head = launches(head, 5, 0.05, 0.05, &mut noise);
    let (summary, comparison) = compared(&base, &head);
    (judge(&summary, Some(&comparison), &Policy::default()).findings, comparison)
}

#[test]
fn a_planted_slow_down_turns_exactly_its_operator_red() {
    let quiet = |ops: &[Op], seed| launches(ops, 5, 0.01, 0.05, &mut Noise::seeded(seed));
    for seed in 0..50 {
        let slowed = quiet(&scaled(&bert(), "Softmax", 1.3), 1000 + seed);
        let (summary, comparison) = compared(&quiet(&bert(), seed), &slowed);
        let found = judge(&summary, Some(&comparison), &Policy::default()).findings;
        assert_eq!(red(&found), ["ai.onnx:Softmax"], "seed {seed}: {found:#?}");
    }
}

#[test]
fn a_machine_15_percent_slower_turns_nothing_red() {
    let slower: Vec<Op> = bert().into_iter().map(|o| Op { self_us: o.self_us * 1.15, ..o }).collect();
    let factors: Vec<f64> = (0..50)
        .map(|seed| {
            let (found, comparison) = replay(&bert(), &slower, seed);
            assert!(red(&found).is_empty(), "seed {seed}: {found:#?}");
            comparison.machine_factor.unwrap()
        })
        .collect();
    let factor = Sample(factors).median();
    assert!((factor - 1.15).abs() < 0.02, "{factor}");
}

#[test]
fn a_faster_matmul_turns_no_other_operator_red() {
    for seed in 0..50 {
        let (found, comparison) = replay(&bert(), &scaled(&bert(), "MatMul", 0.7), seed);
        assert!(red(&found).is_empty(), "seed {seed}: {found:#?}");
        let add = comparison.operators.iter().find(|change| change.key.0 == "ai.onnx:Add").unwrap();
        assert!(add.head_share > add.base_share * 1.1, "every other share does rise");
    }
    let mut noiseless = findings(&bert(), &scaled(&bert(), "MatMul", 0.7));
    noiseless.retain(|finding| finding.code == FindingCode::OperatorImproved);
    assert_eq!(noiseless.len(), 1);
}

/// Seeds of the draws, of 200, in which two equal models end up red.
fn false_alarms(count: u32, own: f64) -> Vec<u64> {
    let is_red = |seed: &u64| {
        let mut noise = Noise::seeded(*seed);
        let base = launches(&bert(), count, own, 0.05, &mut noise);
        let head = launches(&bert(), count, own, 0.05, &mut noise);
        let (summary, comparison) = compared(&base, &head);
        !red(&judge(&summary, Some(&comparison), &Policy::default()).findings).is_empty()
    };
    (0..200).filter(is_red).collect()
}

#[test]
fn a_small_part_of_the_latency_is_no_regression_from_day_to_day() {
    let mut noise = Noise::seeded(7);
    let base = launches(&bert(), 5, 0.005, 0.0, &mut noise);
    // 300 us of 50 ms, half as much again: 0.3 % of the latency.
    let head = launches(&scaled(&bert(), "Div", 1.5), 5, 0.005, 0.0, &mut noise);
    let (summary, comparison) = compared(&base, &head);
    let red_with = |floor_share: f64| {
        let policy = Policy { floor_share, ..Policy::default() };
        red(&judge(&summary, Some(&comparison), &policy).findings).len()
    };
    assert_eq!((red_with(0.0), red_with(0.002), red_with(0.005)), (1, 1, 0));
}

#[test]
fn noise_alone_stays_green() {
    for (count, own) in [(2, 0.05), (3, 0.05), (3, 0.10), (5, 0.05), (5, 0.10), (8, 0.05)] {
        let reds = false_alarms(count, own);
        // Before the second look, which leaves none of these.
        assert!(reds.len() <= 3, "{count} launches, {own} noise: {} of 200 are red: {reds:?}", reds.len());
    }
}

/// Draws, of 400, in which a smallest effect and a floor of nothing leave all to the multiple of the error, and two equal
/// models end up red: in the first measurement, and in a second one too.
fn alarms_of_the_error_alone(count: u32) -> (usize, usize) {
    let policy = Policy { min_effect: 0.0, floor_us: 0.0, max_latency_growth: 9.0, ..Policy::default() };
    let (mut once, mut twice) = (0, 0);
    for seed in 0..400 {
        let mut noise = Noise::seeded(10_000 + seed);
        let base = launches(&bert(), count, 0.03, 0.05, &mut noise);
        let mut look = || {
            let (summary, comparison) = compared(&base, &launches(&bert(), count, 0.03, 0.05, &mut noise));
            judge(&summary, Some(&comparison), &policy).findings
        };
        let first = look();
        once += usize::from(!red(&first).is_empty());
        twice += usize::from(!red(&first).is_empty() && !red(&confirm(&first, &look())).is_empty());
    }
    (once, twice)
}

#[test]
fn the_multiple_of_the_error_keeps_all_operators_of_a_scenario_green_together() {
    for (count, most) in [(3, 16), (5, 4), (8, 4)] {
        let (once, twice) = alarms_of_the_error_alone(count);
        assert!(once <= most && twice <= 1, "{count} launches: {once} of 400 red, {twice} still after a second look");
    }
}

#[test]
fn a_planted_slow_down_is_found_through_ordinary_noise() {
    let caught = (0..200).filter(|seed| {
        let mut noise = Noise::seeded(*seed);
        let base = launches(&bert(), 5, 0.02, 0.05, &mut noise);
        let head = launches(&scaled(&bert(), "Softmax", 1.2), 5, 0.02, 0.05, &mut noise);
        let (summary, comparison) = compared(&base, &head);
        red(&judge(&summary, Some(&comparison), &Policy::default()).findings) == ["ai.onnx:Softmax"]
    });
    let caught = caught.count();
    assert!(caught >= 180, "+20 % found in {caught} of 200 draws");
}
