//! The family of sentences, each as it is said.

use super::*;
use crate::report::crossed::crossed;
use crate::report::{Finding, RuleSource, Ruling, ScenarioId, fixtures};

fn said(report: &Report) -> String {
    sentence(report, &crossed(report), Voice::plain(60))
}

/// A finding that crossed, in place of those of the first scenario.
fn with(code: FindingCode, severity: Severity, outcome: Outcome, message: &str) -> Report {
    let mut report = fixtures::unchanged();
    let finding = Finding {
        code,
        severity,
        scenario: report.scenarios[0].id.clone(),
        operator: None,
        operators: Vec::new(),
        message: message.to_owned(),
        remedy: String::new(),
        ruling: None,
    };
    report.scenarios[0].findings = vec![finding];
    Report { outcome, ..report }
}

#[test]
fn all_green_says_what_would_have_shown() {
    let mut report = fixtures::unchanged();
    let visible = "growth of 25.0 % in a latency, and of 6.2 % in any operator with 5 % of the time would have shown";
    assert_eq!(said(&report), format!("All 5 models hold to their baselines: {visible}."));
    report.scenarios.truncate(1);
    assert_eq!(said(&report), format!("bert-base holds to its baseline: {visible}."));
    report.scenarios[0].verdicts.clear();
    assert_eq!(said(&report), "bert-base holds to its baseline.");
}

#[test]
fn two_sides_hold_to_the_base() {
    let sides = fixtures::compared().sides;
    let mut report = Report { sides, command: "compare".into(), ..fixtures::unchanged() };
    report.scenarios.iter_mut().for_each(|scenario| scenario.verdicts.clear());
    assert_eq!(said(&report), "All 5 models hold to the base; 1 new; 1 gone.");
}

#[test]
fn operators_of_a_lost_fusion_are_told_as_one() {
    assert_eq!(
        said(&fixtures::lost_fusion()),
        "2 operators regressed in 1 of 5 models: residual sum with layer normalization in bert-base +8.37 ms, fusion \
         lost; the structure changed in 1 of 5 models."
    );
}

#[test]
fn operators_of_one_group_are_told_together_and_single_ones_by_name() {
    let mut report = fixtures::lost_fusion();
    report.scenarios[0].comparison.as_mut().unwrap().changes.clear();
    report.scenarios[0].findings.remove(0);
    assert_eq!(
        said(&report),
        "2 operators regressed in 1 of 5 models: LayerNormalization in bert-base +17.60 ms (+2460.0 %), and Add in \
         bert-base +8.67 ms (+108.0 %)."
    );
    for change in &mut report.scenarios[0].comparison.as_mut().unwrap().operators {
        change.group = Some(Group::Normalization);
    }
    assert_eq!(said(&report), "2 operators regressed in 1 of 5 models: normalization in bert-base +26.27 ms.");
    report.scenarios.truncate(1);
    assert_eq!(said(&report), "2 operators regressed in bert-base: normalization +26.27 ms.");
}

#[test]
fn an_improvement_is_told_as_a_regression_is() {
    assert_eq!(
        said(&fixtures::faster()),
        "1 operator improved in 1 of 5 models: com.microsoft:Gelu in vit-b-16 -19.96 ms (-29.0 %); nothing regressed."
    );
}

#[test]
fn a_latency_that_grew() {
    let mut report = with(FindingCode::LatencyRegressed, Severity::Error, Outcome::GateFailed, "");
    let latency = &mut report.scenarios[0].comparison.as_mut().unwrap().latency;
    (latency.base_us, latency.head_us) = (400_000.0, 420_000.0);
    assert_eq!(said(&report), "The latency grew in 1 of 5 models: bert-base +20.00 ms (+5.0 %).");
    report.scenarios.truncate(1);
    assert_eq!(said(&report), "The latency grew in bert-base: +20.00 ms (+5.0 %).");
}

#[test]
fn only_the_structure_changed() {
    let mut report = fixtures::gate_failed();
    report.scenarios[0].findings.retain(|finding| finding.code == FindingCode::StructureChanged);
    report.scenarios[0].findings.iter_mut().for_each(|finding| finding.severity = Severity::Error);
    assert_eq!(
        said(&report),
        "The structure changed in 1 of 2 models: Add runs 26 times, not 14 in bert-base, +3.80 ms, and 3 more; 1 operator \
         improved in 1 of 2 models."
    );
}

#[test]
fn a_warning_is_no_failure_and_said_all_the_same() {
    let mut report = fixtures::gate_failed();
    report.outcome = Outcome::Pass;
    report.scenarios[0].findings.remove(0);
    assert_eq!(
        said(&report),
        "Nothing failed, but the structure changed in 1 of 2 models: Add runs 26 times, not 14 in bert-base, +3.80 ms, \
         and 2 more; 2 operators improved in both models; 1 change is allowed by commit abc1234 (bert*/Embed*): \
         positions are computed now, see <issue> #12."
    );
}

#[test]
fn over_budget() {
    let message = "the non-GEMM share is 31.0 %, above its budget of 25.0 %";
    let report = with(FindingCode::BudgetExceeded, Severity::Error, Outcome::GateFailed, message);
    assert_eq!(said(&report), format!("1 of 5 models is over budget: bert-base, {message}."));
}

#[test]
fn a_drift_is_told_from_where_it_began() {
    let mut report = with(FindingCode::Drift, Severity::Error, Outcome::GateFailed, "");
    let key = crate::report::OperatorKey("com.microsoft:BiasGelu".into());
    report.scenarios[0].findings[0].operator = Some(key.clone());
    report.scenarios[0].comparison.as_mut().unwrap().drift = vec![crate::report::OperatorDrift {
        key,
        provider: "CPUExecutionProvider".into(),
        since: "2026-03-01".into(),
        accepts: 4,
        ratios: vec![1.0, 1.03, 1.07, 1.1, 1.14],
    }];
    assert_eq!(
        said(&report),
        "1 operator drifted in 1 of 5 models: com.microsoft:BiasGelu in bert-base +3.91 ms (+14.0 %)."
    );
}

#[test]
fn what_could_not_be_judged_is_no_green() {
    assert_eq!(said(&fixtures::unstable()), "Nothing failed, but 1 of 2 models varied too much to be judged: gpt2.");
    assert_eq!(
        said(&fixtures::elsewhere()),
        "Nothing failed, but segformer-b0 has a baseline of another machine class, so that its times were not judged."
    );
    let inconclusive = with(FindingCode::Inconclusive, Severity::Warning, Outcome::Pass, "");
    assert_eq!(said(&inconclusive), "Nothing failed, but 1 of 5 models is inconclusive: bert-base.");
    let unknown = with(FindingCode::UnknownOperator, Severity::Warning, Outcome::Pass, "");
    assert_eq!(said(&unknown), "Nothing failed, but 1 of 5 models runs unknown operators: bert-base.");
}

#[test]
fn without_a_baseline_it_fails_or_is_said() {
    let mut report = fixtures::no_baseline();
    assert_eq!(said(&report), "1 of 2 models has no baseline: gpt2.");
    report.scenarios[1].findings[0].severity = Severity::Warning;
    report.outcome = Outcome::Pass;
    assert_eq!(said(&report), "Nothing failed, but 1 of 2 models has no baseline: gpt2.");
    let mut all: Vec<ScenarioReport> = Vec::new();
    for number in 0..4 {
        let mut scenario = report.scenarios[1].clone();
        scenario.id = ScenarioId(format!("gpt2@cpu-t{number}"));
        all.push(scenario);
    }
    report.scenarios = all;
    assert_eq!(
        said(&report),
        "Nothing failed, but all 4 scenarios have no baseline: gpt2@cpu-t0, gpt2@cpu-t1 and 2 more."
    );
}

#[test]
fn a_scenario_that_crashed() {
    assert_eq!(
        said(&fixtures::incomplete()),
        "Incomplete: 1 of 2 models could not be measured: swin-t, launch 2 was killed by signal 9 (SIGKILL) after 14 of \
         50 iterations."
    );
    // What failed the gate stands, whatever else could not be measured.
    assert!(said(&fixtures::compared()).starts_with("1 operator regressed in 1 of 3 models: Softmax in bert-base +2."));
    assert!(said(&fixtures::compared()).ends_with("; 1 of 3 models could not be measured."));
}

#[test]
fn nothing_measured_and_nothing_compared() {
    let mut report = fixtures::run();
    assert_eq!(said(&report), "Measured 2 models, compared with nothing.");
    report.scenarios.clear();
    report.outcome = Outcome::NothingMeasured;
    assert_eq!(said(&report), "Nothing was measured: no scenario was selected.");
    report.outcome = Outcome::Pass;
    assert_eq!(said(&report), "Nothing to do here: the other parts measure 2 scenarios.");
}

#[test]
fn a_gate_that_was_not_shown_to_work_proves_nothing() {
    let mut report = fixtures::self_test_failed();
    let unproved = "The gate was not shown to work, so that nothing here is proved:";
    assert_eq!(said(&report), format!("{unproved} equal sides of ranker@cpu-fp32-all-t2 were red."));
    let test = report.self_test.as_mut().unwrap();
    test.scenario.red.count = 0;
    assert_eq!(
        said(&report),
        format!("{unproved} it did not find Softmax of ranker@cpu-fp32-all-t2 made slower on purpose.")
    );
    let test = report.self_test.as_mut().unwrap();
    test.scenario.control.state = ControlState::Failed { reason: "the launch was killed".into() };
    assert_eq!(said(&report), format!("{unproved} the launch was killed."));
}

#[test]
fn what_is_allowed_holds_and_says_who_allows_it() {
    let mut report = with(FindingCode::StructureChanged, Severity::Note, Outcome::Pass, "");
    let source = RuleSource::Configuration { number: 2, expires: Some("2030-06-30".into()) };
    let (was, scope, reason) = (Severity::Error, "bert*".to_owned(), Some("the new exporter".to_owned()));
    report.scenarios[0].findings[0].ruling = Some(Ruling { was, source, scope, reason });
    assert_eq!(
        said(&report),
        "All 5 models hold to their baselines; 1 change is allowed by rule 2 (bert*, until 2030-06-30): the new exporter."
    );
    let another = report.scenarios[0].findings[0].clone();
    report.scenarios[0].findings.push(another);
    assert!(said(&report).ends_with("; 2 changes are allowed by rules or commits."));
}

#[test]
fn a_brief_sentence_has_nothing_foreign_in_it() {
    let report = fixtures::hostile_names();
    let brief = sentence(&report, &crossed(&report), Voice::brief());
    assert_eq!(brief, "1 operator regressed in 1 of 3 models; 1 of 3 models could not be measured.");
}
