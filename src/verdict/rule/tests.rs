//! One rule of the rules a line.

use super::*;
use crate::compare::compare;
use crate::compare::tests::{scaled, side};
use crate::summary::testing::{Op, bert, launch, op, summary_of};
use crate::verdict::{Budget, Draft, Finding, Policy, judge};

const ID: &str = "bert-base@cpu-fp32-all-b1-s128-t1";

fn glob(text: &str) -> NameGlob {
    NameGlob::new(text).unwrap()
}

fn rule(level: Severity, operator: &str) -> Rule {
    Rule {
        level,
        scenario: glob("*"),
        operator: (!operator.is_empty()).then(|| glob(operator)),
        findings: Vec::new(),
        reason: Some("because".into()),
        source: RuleSource::Configuration { number: 1, expires: None },
    }
}

fn allow(operator: &str) -> Rule {
    rule(Severity::Note, operator)
}

fn naming(rule: Rule, code: FindingCode) -> Rule {
    Rule { findings: vec![code], ..rule }
}

/// The findings of BERT with these operators in place of its own, under these rules.
fn findings(head: &[Op], rules: Vec<Rule>) -> Vec<Finding> {
    let policy = Policy { rules, spread_factor: 0.0, ..Policy::default() };
    let comparison = compare(&side(&bert(), &[1.0]), &side(head, &[1.0]));
    judge(&summary_of(&[launch(head)]), Some(&comparison), &policy).findings
}

fn severities(head: &[Op], rules: Vec<Rule>) -> Vec<(FindingCode, Severity)> {
    findings(head, rules).iter().map(|finding| (finding.code, finding.severity)).collect()
}

/// What a slower Softmax counts for under these rules.
fn slower_softmax(rules: Vec<Rule>) -> Severity {
    severities(&scaled(&bert(), "Softmax", 1.5), rules)[0].1
}

#[test]
fn without_a_rule_a_code_counts_as_it_does() {
    assert_eq!(slower_softmax(vec![]), Severity::Error);
}

#[test]
fn a_rule_for_any_operator_matches_all() {
    assert_eq!(slower_softmax(vec![allow("")]), Severity::Note);
}

#[test]
fn a_rule_matches_by_type_and_by_key() {
    assert_eq!(slower_softmax(vec![allow("Softmax")]), Severity::Note);
    assert_eq!(slower_softmax(vec![allow("ai.onnx:Soft*")]), Severity::Note);
    assert_eq!(slower_softmax(vec![allow("com.microsoft:*")]), Severity::Error);
    assert_eq!(slower_softmax(vec![allow("Gelu")]), Severity::Error);
}

#[test]
fn the_last_rule_that_matches_decides() {
    let warn = || rule(Severity::Warning, "Softmax");
    assert_eq!(slower_softmax(vec![allow("*"), warn()]), Severity::Warning);
    assert_eq!(slower_softmax(vec![warn(), allow("*")]), Severity::Note);
    assert_eq!(slower_softmax(vec![warn(), allow("Gelu")]), Severity::Warning);
    assert_eq!(slower_softmax(vec![allow("*"), rule(Severity::Error, "")]), Severity::Error);
}

#[test]
fn a_rule_that_names_findings_is_about_those_alone() {
    assert_eq!(slower_softmax(vec![naming(allow(""), FindingCode::OperatorRegressed)]), Severity::Note);
    assert_eq!(slower_softmax(vec![naming(allow(""), FindingCode::StructureChanged)]), Severity::Error);
}

#[test]
fn what_is_not_about_operators_is_ruled_only_by_name() {
    let budget = Budget { max_non_gemm_share: Some(0.01), ..Budget::default() };
    let of = |rules: Vec<Rule>| {
        let policy = Policy { rules, budgets: vec![budget.clone()], ..Policy::default() };
        let found = judge(&summary_of(&[launch(&bert())]), None, &policy).findings;
        found.iter().map(|finding| finding.severity).collect::<Vec<_>>()
    };
    assert_eq!(of(vec![allow("")]), [Severity::Error, Severity::Warning]);
    assert_eq!(of(vec![allow("*")]), [Severity::Error, Severity::Warning]);
    assert_eq!(of(vec![naming(allow(""), FindingCode::BudgetExceeded)]), [Severity::Warning, Severity::Note]);
    let named = naming(allow("*"), FindingCode::BudgetExceeded);
    assert_eq!(of(vec![named]), [Severity::Warning, Severity::Note], "`*` is also no operator");
    assert_eq!(of(vec![naming(allow("Add"), FindingCode::BudgetExceeded)]), [Severity::Error, Severity::Warning]);
    assert_eq!(
        of(vec![naming(rule(Severity::Error, ""), FindingCode::NoBaseline)]),
        [Severity::Error, Severity::Error]
    );
}

#[test]
fn a_failure_to_measure_is_no_matter_of_rules() {
    let policy = Policy { rules: vec![naming(allow(""), FindingCode::NotMeasured)], ..Policy::default() };
    let finding = Draft::new(FindingCode::NotMeasured, "killed".into(), "").settle(&ScenarioId(ID.into()), &policy);
    assert_eq!((finding.severity, finding.ruling), (Severity::Error, None));
}

#[test]
fn a_rule_finds_nothing_that_is_not_there() {
    assert_eq!(findings(&bert(), vec![rule(Severity::Error, ""), allow("")]), []);
}

#[test]
fn a_rule_makes_nothing_worse_than_what_is_known_allows() {
    let draft = Draft::new(FindingCode::StructureChanged, "m".into(), "r").at_most(Severity::Note);
    let policy = Policy { rules: vec![rule(Severity::Error, "")], ..Policy::default() };
    assert_eq!(draft.settle(&ScenarioId(ID.into()), &policy).severity, Severity::Note);
}

#[test]
fn an_improvement_is_made_an_error_only_by_name() {
    let faster = scaled(&bert(), "Softmax", 0.5);
    let improved = FindingCode::OperatorImproved;
    assert_eq!(severities(&faster, vec![rule(Severity::Error, "")]), [(improved, Severity::Note)]);
    assert_eq!(severities(&faster, vec![naming(rule(Severity::Error, ""), improved)]), [(improved, Severity::Error)]);
}

/// BERT after a fusion was undone: its 24 SkipLayerNormalizations in parts.
fn unfused() -> Vec<Op> {
    let mut ops: Vec<Op> = bert().into_iter().filter(|op| op.op_type != "SkipLayerNormalization").collect();
    ops.iter_mut().find(|op| op.op_type == "Add").unwrap().executions += 24;
    ops.push(op("LayerNormalization", 24, 1_000.0));
    ops
}

#[test]
fn what_loosens_names_the_operator_that_the_change_is_named_for() {
    // The taxonomy of these tests keeps all operators in one domain, so the pattern is not known: all stand alone.
    let lone = severities(&unfused(), vec![allow("Add")]);
    assert!(lone.contains(&(FindingCode::StructureChanged, Severity::Error)), "{lone:?}");

    let lead = OperatorKey("com.microsoft:SkipLayerNormalization".into());
    let others = ["ai.onnx:LayerNormalization", "ai.onnx:Add"].map(|key| OperatorKey(key.into()));
    let about = |rule: &Rule, lead| rule.is_about(FindingCode::StructureChanged, lead, &others);
    assert!(about(&allow("Skip*"), Some(&lead)));
    assert!(!about(&allow("Add"), Some(&lead)));
    assert!(about(&rule(Severity::Error, "Add"), Some(&lead)));
    assert!(about(&allow("ai.onnx:*"), None), "all of several without a first");
    assert!(!about(&allow("Add"), None));
    assert!(about(&rule(Severity::Error, "Add"), None));
}

#[test]
fn a_ruling_says_who_changed_what_and_why() {
    let found = findings(&scaled(&bert(), "Softmax", 1.5), vec![allow("Softmax")]);
    let expected = Ruling {
        was: Severity::Error,
        source: RuleSource::Configuration { number: 1, expires: None },
        scope: "*/Softmax".into(),
        reason: Some("because".into()),
    };
    assert_eq!(found[0].ruling, Some(expected));
    let unchanged = findings(&scaled(&bert(), "Softmax", 1.5), vec![rule(Severity::Error, "Softmax")]);
    assert_eq!(unchanged[0].ruling, None, "it was an error already");
}

#[test]
fn a_trailer_is_a_scenario_an_operator_and_a_reason() {
    let read = |text| Rule::from_trailer("abc1234", text);
    let rule = read("  bert*/com.microsoft:*Gelu \t the new exporter / writes it in parts ").unwrap();
    assert_eq!((rule.scope().as_str(), rule.level), ("bert*/com.microsoft:*Gelu", Severity::Note));
    assert_eq!(rule.reason.as_deref(), Some("the new exporter / writes it in parts"));
    assert_eq!(slower_softmax(vec![read("bert*/Softmax r").unwrap()]), Severity::Note);
    assert_eq!(slower_softmax(vec![read("bert*/Gelu r").unwrap()]), Severity::Error);
    for wrong in ["", "bert*", "bert* reason", "/Gelu reason", "bert*/ reason", "bert*/Gelu", "bert*/[ r", "{/Gelu r"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    insta::assert_snapshot!(read("bert-base is slower").unwrap_err());
}

#[test]
fn scenarios_match_by_id_and_by_model() {
    let matches = |text| glob(text).matches_scenario(&ScenarioId(ID.into()), "bert-base");
    assert!(["*", "bert-base", "bert*", ID, "*-s128-*"].into_iter().all(matches));
    assert!(!["bert", "gpt2*", "*-s256-*"].into_iter().any(matches));
}

#[test]
fn a_rule_that_can_match_nothing_is_told_apart() {
    let (id, ran) = (ScenarioId(ID.into()), OperatorKey("ai.onnx:Softmax".into()));
    let can = |scenario: &str, operator: &str, ran: Option<Vec<&OperatorKey>>| {
        Rule { scenario: glob(scenario), ..allow(operator) }.can_match([(&id, "bert-base", ran)])
    };
    assert!(can("bert*", "Softmax", Some(vec![&ran])));
    assert!(!can("brt*", "Softmax", Some(vec![&ran])));
    assert!(!can("bert*", "Sotfmax", Some(vec![&ran])));
    assert!(can("bert*", "Sotfmax", None), "what was not measured may be anything");
    assert!(can("bert*", "", Some(vec![])) && can("bert*", "*", Some(vec![])));
    assert!(!can("brt*", "", None));
}
