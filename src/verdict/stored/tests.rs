//! What a stored baseline can and cannot tell, a rule a line.

use super::super::tests::{codes, compared, findings, here, red};
use super::super::{Finding, judge, judge_outdated};
use super::*;
use crate::compare::compare;
use crate::compare::tests::{scaled, side};
use crate::summary::testing::{Noise, Op, bert, launch, launches, op, summary_of};
use crate::summary::{OperatorKey, OperatorPast, Past};

/// One launch a side has no spread; these tests are of other rules.
fn exact() -> Policy {
    Policy { spread_factor: 0.0, ..Policy::default() }
}

fn verdict(base: &[Op], head: &[Op], op_type: &str) -> Verdict {
    let comparison = compare(&side(base, &[1.0]), &side(head, &[1.0]));
    let policy = exact();
    let stored = Stored::of(&comparison, &policy);
    let of = |change: &&OperatorChange| change.key.0 == format!("ai.onnx:{op_type}");
    stored.verdict(comparison.operators.iter().find(of).unwrap())
}

fn several(ops: &[Op], names: &[&str], scale: f64) -> Vec<Op> {
    names.iter().fold(ops.to_vec(), |ops, name| scaled(&ops, name, scale))
}

/// Eight operators of equal time.
fn eight() -> Vec<Op> {
    ["MatMul", "Add", "Mul", "Softmax", "Gelu", "Erf", "Tanh", "Div"].map(|name| op(name, 1, 1000.0)).to_vec()
}

// ---- The latency ------------------------------------------------------------------------------------------------

#[test]
fn the_latency_has_a_verdict_of_its_own() {
    let (summary, comparison) = compared(&[launch(&bert())], &[launch(&scaled(&bert(), "MatMul", 2.0))]);
    let verdicts = judge(&summary, Some(&comparison), &exact()).verdicts;
    assert_eq!(verdicts.len(), comparison.operators.len() + 1);
    let last = verdicts.last().unwrap();
    assert_eq!((last.operator.as_ref(), last.verdict, last.detectable), (None, Verdict::Regressed, Some(0.30)));
}

#[test]
fn a_latency_that_varies_needs_more_growth() {
    let noisy: Vec<_> = [1.0, 1.1, 0.9, 1.2, 0.8].iter().map(|by| launch(&all(*by))).collect();
    let slower: Vec<_> = [1.0, 1.1, 0.9, 1.2, 0.8].iter().map(|by| launch(&all(1.35 * by))).collect();
    let (_, comparison) = compared(&noisy, &slower);
    assert_eq!(latency_verdict(&comparison.latency, &Policy::default()), Verdict::Inconclusive);
}

fn all(by: f64) -> Vec<Op> {
    bert().into_iter().map(|o| Op { self_us: o.self_us * by, ..o }).collect()
}

#[test]
fn another_cpu_bounds_the_latency_s_severity() {
    let mut head = side(&all(1.5), &[1.0]);
    head.facts[3].value = "Another CPU".into();
    let comparison = compare(&side(&bert(), &[1.0]), &head);
    let found = judge(&summary_of(&[launch(&bert())]), Some(&comparison), &exact()).findings;
    assert_eq!(codes(&found), [(FindingCode::LatencyRegressed, Severity::Warning)]);
    assert!(found[0].remedy.contains("cpu (Example CPU -> Another CPU)"), "{}", found[0].remedy);
}

// ---- Two factors ------------------------------------------------------------------------------------------------

#[test]
fn half_of_the_operators_at_another_ratio_leave_the_factor_open() {
    let found = findings(&eight(), &several(&eight(), &["Gelu", "Erf", "Tanh", "Div"], 1.5));
    assert_eq!(codes(&found), [(FindingCode::AmbiguousFactor, Severity::Warning)]);
    assert!(found[0].remedy.starts_with("Measure both states in turns: `cargo nongemm compare --base REVISION`"));
}

#[test]
fn more_than_half_leave_it_open_too_and_the_message_names_both() {
    let found = findings(&eight(), &several(&eight(), &["Softmax", "Gelu", "Erf", "Tanh"], 1.4)[..7]);
    let ambiguous: Vec<&Finding> = found.iter().filter(|f| f.code == FindingCode::AmbiguousFactor).collect();
    assert_eq!(
        ambiguous[0].message,
        "57.1 % of the operators take about 1.40 times as long as in the baseline, and 42.9 %, with 42.9 % of the time, \
         about 1.00 times; which of the two is the machine cannot be told, and only what changed under both was judged"
    );
}

#[test]
fn one_or_two_of_eight_are_operators_that_changed() {
    let found = findings(&eight(), &several(&eight(), &["Gelu", "Erf"], 1.25));
    assert_eq!(red(&found), ["ai.onnx:Erf", "ai.onnx:Gelu"]);
}

#[test]
fn what_changed_under_both_factors_is_judged_and_nothing_else() {
    let half = several(&eight(), &["Gelu", "Erf", "Tanh", "Div"], 1.5);
    assert_eq!(verdict(&eight(), &scaled(&half, "Softmax", 4.0), "Softmax"), Verdict::Regressed);
    assert_eq!(verdict(&eight(), &scaled(&half, "Softmax", 0.3), "Softmax"), Verdict::Improved);
    assert_eq!(verdict(&eight(), &half, "Gelu"), Verdict::Inconclusive);
    assert_eq!(verdict(&eight(), &half, "MatMul"), Verdict::Inconclusive);
}

#[test]
fn operators_that_scatter_are_no_two_groups() {
    let scales = [0.8, 0.88, 0.95, 1.0, 1.06, 1.14, 1.22, 1.3];
    let head: Vec<Op> = eight().into_iter().zip(scales).map(|(o, by)| Op { self_us: o.self_us * by, ..o }).collect();
    assert!(!codes(&findings(&eight(), &head)).iter().any(|(code, _)| *code == FindingCode::AmbiguousFactor));
}

#[test]
fn groups_that_are_nearer_than_the_smallest_effect_are_one() {
    let found = findings(&eight(), &several(&eight(), &["Gelu", "Erf", "Tanh", "Div"], 1.08));
    assert_eq!(codes(&found), []);
}

#[test]
fn groups_within_noise_are_one() {
    let noisy = |ops: &[Op]| launches(ops, 3, 0.10, 0.0, &mut Noise::seeded(4));
    let head = several(&eight(), &["Gelu", "Erf", "Tanh", "Div"], 1.2);
    let (_, comparison) = compared(&noisy(&eight()), &noisy(&head));
    assert_eq!(ambiguity(&comparison, &Policy::default()), None);
}

#[test]
fn all_small_operators_slower_but_not_the_large_one_leaves_the_factor_open() {
    // Nine of ten operators take 1.6 times as long; MatMul, with 80 % of the time, does not.
    let head: Vec<Op> = bert()
        .into_iter()
        .map(|o| Op { self_us: if o.op_type == "MatMul" { o.self_us } else { o.self_us * 1.6 }, ..o })
        .collect();
    let found = findings(&bert(), &head);
    assert_eq!(codes(&found)[0].0, FindingCode::AmbiguousFactor, "{found:#?}");
    assert_eq!(red(&found), [] as [&str; 0]);
}

#[test]
fn a_faster_matmul_leaves_nothing_open() {
    let found = findings(&bert(), &scaled(&bert(), "MatMul", 0.7));
    let improved: Vec<&Finding> = found.iter().filter(|f| f.code == FindingCode::OperatorImproved).collect();
    assert_eq!(improved.len(), 1);
    assert!(!codes(&found).iter().any(|(code, _)| *code == FindingCode::AmbiguousFactor));
}

#[test]
fn noise_alone_leaves_no_factor_open() {
    for seed in 0..100 {
        let mut noise = Noise::seeded(seed);
        let (base, head) =
            (launches(&eight(), 5, 0.05, 0.05, &mut noise), launches(&eight(), 5, 0.05, 0.05, &mut noise));
        assert_eq!(ambiguity(&compared(&base, &head).1, &Policy::default()), None, "seed {seed}");
    }
}

// ---- Drift ------------------------------------------------------------------------------------------------------

/// What is said where Softmax had these ratios at the accepts, the last one being the baseline's, and now takes `now`
/// times what the baseline says.
fn drift(ratios: &[f64], now: f64, policy: &Policy) -> Vec<Finding> {
    let mut base = side(&bert(), &[1.0]);
    base.machine = here();
    base.past = Some(Past {
        since: "2026-01-10".into(),
        accepts: u32::try_from(ratios.len() - 1).unwrap(),
        operators: vec![OperatorPast {
            key: OperatorKey("ai.onnx:Softmax".into()),
            provider: "CPUExecutionProvider".into(),
            ratios: ratios.to_vec(),
            held: *ratios.last().unwrap(),
        }],
    });
    let summary = summary_of(&[launch(&scaled(&bert(), "Softmax", now))]);
    let comparison = compare(&base, &summary.side(here(), "0.1.0", "Example CPU"));
    judge(&summary, Some(&comparison), policy).findings
}

fn wide() -> Policy {
    Policy { min_effect: 0.25, ..exact() }
}

#[test]
fn six_accepts_of_three_percent_are_a_drift_of_nineteen() {
    let found = drift(&[1.0, 1.03, 1.061, 1.093, 1.126, 1.159, 1.194], 1.0, &wide());
    assert_eq!(codes(&found), [(FindingCode::Drift, Severity::Warning)]);
    assert_eq!(found[0].operator.as_ref().unwrap().0, "ai.onnx:Softmax");
    assert_eq!(
        found[0].message,
        "ai.onnx:Softmax on CPUExecutionProvider takes 1.19 times as long as in the baseline of 2026-01-10, the machine's \
         factors divided out; none of the 6 accepts since changed it enough to be named"
    );
}

#[test]
fn improvements_drift_too() {
    let found = drift(&[1.0, 0.97, 0.94, 0.91, 0.89, 0.86, 0.83], 1.0, &wide());
    assert_eq!(codes(&found), [(FindingCode::Drift, Severity::Warning)]);
}

#[test]
fn a_series_that_wanders_is_no_drift() {
    assert_eq!(drift(&[1.0, 1.08, 0.95, 1.1, 0.98, 1.05, 1.12], 1.0, &wide()), []);
}

#[test]
fn a_first_accept_on_an_odd_day_is_no_drift() {
    assert_eq!(drift(&[1.0, 1.15, 1.12, 1.16, 1.13, 1.15, 1.14], 1.0, &wide()), []);
}

#[test]
fn a_trend_below_the_smallest_drift_is_none_yet() {
    assert_eq!(drift(&[1.0, 1.01, 1.03, 1.04, 1.06, 1.07, 1.09], 1.0, &wide()), []);
}

#[test]
fn three_accepts_are_enough_where_the_first_baseline_would_be_red() {
    // 9 % at a time, with a smallest effect of 10 %.
    let found = drift(&[1.0, 1.09, 1.188, 1.295], 1.0, &exact());
    assert_eq!(codes(&found), [(FindingCode::Drift, Severity::Warning)]);
}

#[test]
fn what_regressed_now_is_named_once() {
    let found = drift(&[1.0, 1.03, 1.061, 1.093, 1.126, 1.159, 1.194], 1.5, &wide());
    assert_eq!(codes(&found), [(FindingCode::OperatorRegressed, Severity::Error)]);
}

#[test]
fn a_drift_can_fail() {
    let policy = Policy { severities: [(FindingCode::Drift, Severity::Error)].into(), ..wide() };
    let found = drift(&[1.0, 1.03, 1.061, 1.093, 1.126, 1.159, 1.194], 1.0, &policy);
    assert_eq!(red(&found), ["ai.onnx:Softmax"]);
}

// ---- Baselines that cannot be compared with ----------------------------------------------------------------------

#[test]
fn another_protocol_judges_structure_and_never_time() {
    let mut head_ops = scaled(&bert(), "Softmax", 9.0);
    head_ops[5].executions += 1;
    let summary = summary_of(&[launch(&head_ops)]);
    let head = summary.side(here(), "0.1.0", "Example CPU");
    let mut base = summary_of(&[launch(&bert())]).side(here(), "0.1.0", "Example CPU");
    base.protocol -= 1;
    let judgement = judge(&summary, Some(&compare(&base, &head)), &exact());
    let expected =
        [(FindingCode::StructureChanged, Severity::Error), (FindingCode::OutdatedBaseline, Severity::Warning)];
    assert_eq!(codes(&judgement.findings), expected);
    assert!(judgement.verdicts.iter().all(|judged| judged.verdict == Verdict::NotJudged));
    let remedy = &judgement.findings[1].remedy;
    assert!(remedy.contains("cargo nongemm accept bert-base@cpu-fp32-all-b1-s128-t1"), "{remedy}");
}

#[test]
fn an_older_layout_is_a_finding_that_fails_where_a_missing_baseline_does() {
    let summary = summary_of(&[launch(&bert())]);
    let policy = Policy { severities: [(FindingCode::OutdatedBaseline, Severity::Error)].into(), ..Policy::default() };
    let found = judge_outdated(&summary, "the baseline is of schema 1, and this version reads 2", &policy).findings;
    assert_eq!(codes(&found), [(FindingCode::OutdatedBaseline, Severity::Error)]);
    assert!(found[0].message.ends_with("reads 2; neither structure nor times were judged"), "{}", found[0].message);
}

#[test]
fn launches_that_disagree_leave_every_operator_unstable() {
    let wild: Vec<_> = [1.0, 1.6, 0.7].iter().map(|by| launch(&all(*by))).collect();
    let (summary, comparison) = compared(&[launch(&bert())], &wild);
    let verdicts = judge(&summary, Some(&comparison), &exact()).verdicts;
    assert!(!verdicts.is_empty() && verdicts.iter().all(|judged| judged.verdict == Verdict::Unstable));
}
