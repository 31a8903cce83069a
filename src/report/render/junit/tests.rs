use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::*;
use crate::report::fixtures;

fn shown(report: &Report) -> String {
    let mut out = Vec::new();
    render(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn check() {
    insta::assert_snapshot!(shown(&fixtures::check()));
}

#[test]
fn compared() {
    insta::assert_snapshot!(shown(&fixtures::compared()));
}

fn elements<'a>(document: &'a Document<'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.has_tag_name(name))
}

#[test]
fn the_counts_are_those_of_what_is_there_and_a_case_is_red_where_the_gate_is() {
    let reports =
        [fixtures::check(), fixtures::compared(), fixtures::run(), fixtures::gate_failed(), fixtures::incomplete()];
    for report in reports {
        let text = shown(&report);
        let document = Document::parse(&text).unwrap();
        for (element, attribute) in [("testcase", "tests"), ("failure", "failures"), ("error", "errors")] {
            let stated: usize = document.root_element().attribute(attribute).unwrap().parse().unwrap();
            assert_eq!(elements(&document, element).count(), stated, "{attribute}");
            let of_suites = elements(&document, "testsuite").map(|suite| suite.attribute(attribute).unwrap());
            assert_eq!(of_suites.map(|n| n.parse::<usize>().unwrap()).sum::<usize>(), stated, "{attribute}");
        }
        let counts = report.counts();
        assert_eq!(elements(&document, "failure").count(), counts.gate_errors);
        assert_eq!(elements(&document, "error").count(), counts.failed);
    }
}

#[test]
fn each_operator_that_was_judged_is_a_case_with_its_time() {
    let report = fixtures::compared();
    let text = shown(&report);
    let document = Document::parse(&text).unwrap();
    let case = |name: &str| elements(&document, "testcase").find(|case| case.attribute("name") == Some(name)).unwrap();
    assert_eq!(case("Softmax").attribute("time"), Some("0.009"));
    assert!(case("Softmax").children().any(|node| node.has_tag_name("failure")));
    assert!(case("Gather").children().any(|node| node.has_tag_name("skipped")));
    assert!(!case("com.microsoft:BiasGelu").children().any(|node| node.has_tag_name("skipped")));
    assert_eq!(elements(&document, "testcase").filter(|case| case.attribute("name") == Some("latency")).count(), 1);
}

#[test]
fn cases_of_a_suite_have_names_of_their_own() {
    let mut report = fixtures::check();
    let twin = report.scenarios[0].findings[0].clone();
    report.scenarios[0].findings.extend([twin.clone(), twin]);
    let text = shown(&report);
    let document = Document::parse(&text).unwrap();
    for suite in elements(&document, "testsuite") {
        let mut names: Vec<&str> = suite.children().filter_map(|case| case.attribute("name")).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

proptest! {
    #[test]
    fn any_text_is_content_and_nothing_else(
        text in proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
    ) {
        let mut report = fixtures::check();
        let before = Document::parse(&shown(&report)).unwrap().descendants().filter(Node::is_element).count();
        report.machine.cpu.clone_from(&text);
        report.scenarios[0].findings[0].message.clone_from(&text);
        report.scenarios[0].id.0.clone_from(&text);
        report.scenarios[4].result = ScenarioResult::Failed { reason: text.clone(), log: vec![text] };
        let after = shown(&report);
        prop_assert_eq!(Document::parse(&after).unwrap().descendants().filter(Node::is_element).count(), before);
    }
}
