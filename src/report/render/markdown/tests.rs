use super::*;
use crate::report::fixtures;
use crate::report::render::testing::assert_tables_are_whole;

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
fn gate_failed() {
    insta::assert_snapshot!(shown(&fixtures::gate_failed()));
}

#[test]
fn incomplete() {
    insta::assert_snapshot!(shown(&fixtures::incomplete()));
}

#[test]
fn run() {
    insta::assert_snapshot!(shown(&fixtures::run()));
}

#[test]
fn compared() {
    insta::assert_snapshot!(shown(&fixtures::compared()));
}

#[test]
fn nothing_measured() {
    let mut report = fixtures::run();
    report.scenarios.clear();
    report.outcome = Outcome::NothingMeasured;
    insta::assert_snapshot!(shown(&report));
}

#[test]
fn every_row_of_a_table_has_its_cells() {
    assert_tables_are_whole(&shown(&fixtures::check()));
    assert_tables_are_whole(&shown(&fixtures::compared()));
}

#[test]
fn a_hostile_model_opens_no_tag_and_mentions_nobody() {
    let document = shown(&Report { scenarios: vec![fixtures::hostile()], ..fixtures::check() });
    for acted_on in ["<b>", "<i>", "@octocat", "\x1b", "`x`"] {
        assert!(!document.contains(acted_on), "{acted_on} in {document}");
    }
    let ours = ["<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>", "<br>"];
    let foreign = ours.iter().fold(document.clone(), |left, tag| left.replace(tag, ""));
    assert!(!foreign.contains('<'), "a tag that is not ours in {foreign}");
    // The comment keeps its form: as many folds closed as opened.
    assert_eq!(document.matches("<details").count(), document.matches("</details>").count());
}
