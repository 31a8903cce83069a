mod hostile;
mod parsed;

use self::parsed::Parsed;
use super::*;
use crate::report::render::testing::assert_tables_are_whole;
use crate::report::{Severity, fixtures};

const GITHUB: usize = 65_536;

fn context(max_characters: usize) -> Context<'static> {
    Context {
        head_sha: Some("9c0b7d1e55aa4f6e8d7c6b5a49382716f5e4d3c2"),
        base_sha: Some("3f2a91c0d2e14b5a8c7d6e5f4a3b2c1d0e9f8a7b"),
        run_url: Some("https://github.com/octo/ranker/actions/runs/8675309"),
        max_characters,
    }
}

/// The comment, after the checks that hold of each.
fn shown(report: &Report) -> String {
    let comment = render(report, &context(GITHUB));
    assert_tables_are_whole(&comment);
    let parsed = Parsed::of(&comment);
    assert!(parsed.links.iter().all(|link| Some(link.as_str()) == context(GITHUB).run_url), "{:?}", parsed.links);
    parsed.assert_ours();
    comment
}

#[test]
fn all_green() {
    insta::assert_snapshot!(shown(&fixtures::unchanged()));
}

#[test]
fn a_lost_fusion() {
    insta::assert_snapshot!(shown(&fixtures::lost_fusion()));
}

#[test]
fn an_improvement() {
    insta::assert_snapshot!(shown(&fixtures::faster()));
}

#[test]
fn unstable() {
    insta::assert_snapshot!(shown(&fixtures::unstable()));
}

#[test]
fn no_baseline() {
    insta::assert_snapshot!(shown(&fixtures::no_baseline()));
}

#[test]
fn another_machine_class() {
    insta::assert_snapshot!(shown(&fixtures::elsewhere()));
}

#[test]
fn a_scenario_that_crashed() {
    insta::assert_snapshot!(shown(&fixtures::incomplete()));
}

#[test]
fn two_sides() {
    insta::assert_snapshot!(shown(&fixtures::compared()));
}

#[test]
fn one_of_each() {
    insta::assert_snapshot!(shown(&fixtures::check()));
}

#[test]
fn a_self_test_that_failed() {
    insta::assert_snapshot!(shown(&fixtures::self_test_failed()));
}

#[test]
fn names_that_github_would_act_on() {
    insta::assert_snapshot!(shown(&fixtures::hostile_names()));
}

#[test]
fn two_hundred_findings_in_a_small_comment() {
    insta::assert_snapshot!(render(&fixtures::many_findings(), &context(6_000)));
}

#[test]
fn two_hundred_findings_are_all_there_where_there_is_room() {
    let comment = shown(&fixtures::many_findings());
    assert_eq!(comment.matches("<br>operator-regressed").count(), 200);
    assert!(!comment.contains("Left out"), "{comment}");
    let tables = Parsed::of(&comment).tables;
    assert_eq!((tables[0].len(), tables[1].len()), (table::ROWS + 1, 180 + 1));
}

#[test]
fn details_go_before_rows_and_the_verdict_never() {
    let report = fixtures::many_findings();
    let of = |max| render(&report, &context(max));
    let verdict = "### ❌ 200 operators regressed in all 40 models: ";
    let all = of(GITHUB);
    for max in (1_000..units(&all)).step_by(997) {
        let comment = of(max);
        assert!(units(&comment) <= max, "{} of {max}", units(&comment));
        assert!(comment.starts_with(verdict), "{comment}");
        assert!(comment.contains("job summary") || comment.contains("[the summary of the run]"), "{max}: {comment}");
        Parsed::of(&comment).assert_ours();
        // Whatever is shown behind a fold, the rows that everybody sees are there in full.
        let rows = comment.matches("<br>operator-regressed").count();
        assert!(rows >= table::ROWS || !comment.contains("more that crossed"), "{max}: {comment}");
    }
    assert!(of(6_000).contains("cargo nongemm"));
    assert!(!of(1_000).contains("<details>"));
}

#[test]
fn long_names_are_cut_before_the_verdict_is() {
    let mut report = fixtures::gate_failed();
    for scenario in &mut report.scenarios {
        scenario.scenario.model = crate::scenario::ModelRef::Zoo { name: "|".repeat(100_000) + &scenario.id.0 };
    }
    let comment = render(&report, &context(1_000));
    assert!(comment.starts_with("### ❌ 1 operator regressed in 1 of 2 models: Softmax in &#124;"), "{comment}");
    assert!(units(&comment) <= 1_000);
    // Less than anyone would ask for is still begun with what matters.
    let comment = render(&report, &context(60));
    assert_eq!(comment, "### ❌ 1 operator regressed in 1 of 2 models; 2 operators im…");
}

#[test]
fn what_is_remarked_as_an_error_is_in_the_table() {
    let comment = shown(&fixtures::no_baseline());
    assert_eq!(Parsed::of(&comment).tables[0].len(), 2);
    let mut report = fixtures::no_baseline();
    report.scenarios[1].findings[0].severity = Severity::Warning;
    report.outcome = Outcome::Pass;
    let comment = shown(&report);
    assert!(comment.starts_with("### ⚠️ Nothing failed, but 1 of 2 models has no baseline: gpt2."), "{comment}");
}

#[test]
fn a_headline_is_plain_and_short() {
    assert_eq!(
        headline(&fixtures::gate_failed()),
        "1 operator regressed in 1 of 2 models: Softmax in bert-base +2.76 ms (+42.0 %); 2 operators improved in both \
         models."
    );
    let headline = headline(&fixtures::hostile_names());
    assert!(headline.chars().count() <= 240 && !headline.contains(['\n', '\u{202e}', '\u{200b}']), "{headline}");
}
