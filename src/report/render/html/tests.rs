use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};

use super::*;
use crate::report::signoff::{Facts, fixtures as sign_offs};
use crate::report::{ScenarioResult, fixtures};

fn shown(report: &Report) -> String {
    let mut out = Vec::new();
    render(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn shown_sign_off(sign_off: &SignOff) -> String {
    let mut out = Vec::new();
    render_sign_off(sign_off, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The page as XML: what is written here is both, but for elements that HTML leaves open.
fn as_xml(html: &str) -> String {
    let style = html.find("<style>").unwrap()..html.find("</style>").unwrap();
    let mut xml = html.replacen("<!doctype html>", "", 1).replace(&html[style], "<style>");
    for open in ["<meta charset=\"utf-8\">".to_owned()].into_iter().chain(metas(html)) {
        xml = xml.replace(&open, "");
    }
    xml.replace("<details open>", "<details>").replace(['\u{fffe}', '\u{ffff}'], "")
}

fn metas(html: &str) -> Vec<String> {
    html.lines().filter(|line| line.starts_with("<meta ")).map(str::to_owned).collect()
}

fn parsed<R>(html: &str, look: impl FnOnce(&Document<'_>) -> R) -> R {
    let xml = as_xml(html);
    let options = ParsingOptions { nodes_limit: 1_000_000, ..ParsingOptions::default() };
    look(&Document::parse_with_options(&xml, options).unwrap_or_else(|error| panic!("{error}\n{xml}")))
}

/// The page without its style sheet and without the shapes in its charts: its structure and its words.
fn structure(html: &str) -> String {
    let (before, rest) = html.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let hash = before.find("sha256-").map(|at| before[at..].split('\'').next().unwrap().to_owned()).unwrap();
    let text = format!("{}<style>…</style>{after}", before.replace(&hash, "sha256-…"));
    let shape = |line: &&str| !line.starts_with("<rect ") && !line.starts_with("<line ");
    text.lines().filter(shape).map(|line| format!("{line}\n")).collect()
}

#[test]
fn check() {
    insta::assert_snapshot!(structure(&shown(&fixtures::check())));
}

#[test]
fn compared() {
    insta::assert_snapshot!(structure(&shown(&fixtures::compared())));
}

#[test]
fn sign_off() {
    insta::assert_snapshot!(structure(&shown_sign_off(&sign_offs::second())));
}

#[test]
fn nothing_measured() {
    let mut report = fixtures::run();
    report.scenarios.clear();
    report.outcome = crate::report::Outcome::NothingMeasured;
    insta::assert_snapshot!(structure(&shown(&report)));
}

fn all() -> Vec<String> {
    let reports = [fixtures::check(), fixtures::run(), fixtures::compared(), fixtures::half(), fixtures::incomplete()];
    let sign_offs = [sign_offs::first(), sign_offs::second()];
    reports.iter().map(shown).chain(sign_offs.iter().map(shown_sign_off)).collect()
}

#[test]
fn headings_descend_by_one_and_tables_name_their_columns_and_rows() {
    for html in all() {
        parsed(&html, |document| {
            let headings: Vec<&str> = document
                .descendants()
                .map(|node| node.tag_name().name())
                .filter(|name| ["h1", "h2", "h3"].contains(name))
                .collect();
            assert_eq!((headings[0], headings.iter().filter(|name| **name == "h1").count()), ("h1", 1));
            assert!(headings[1..].iter().all(|name| *name == "h2"), "{headings:?}");
            for table in document.descendants().filter(|node| node.has_tag_name("table")) {
                let count = |node: Node<'_, '_>| node.children().filter(Node::is_element).count();
                let rows: Vec<Node<'_, '_>> = table.descendants().filter(|node| node.has_tag_name("tr")).collect();
                assert!(rows.iter().all(|row| count(*row) == count(rows[0])), "{:?}", table);
                assert!(rows[1..].iter().all(|row| row.first_element_child().unwrap().has_tag_name("th")));
                assert!(table.children().any(|node| node.has_tag_name("caption") && node.text().is_some()));
            }
        });
    }
}

#[test]
fn every_chart_is_said_in_words_and_every_link_leads_somewhere() {
    for html in all() {
        parsed(&html, |document| {
            let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
            for node in document.descendants() {
                if node.has_tag_name("svg") {
                    let said = node.attribute("aria-label").is_some_and(|label| !label.is_empty());
                    assert!(said || node.attribute("aria-hidden") == Some("true"), "{node:?}");
                }
                let refers = node.attribute("href").and_then(|href| href.strip_prefix('#'));
                for id in refers.into_iter().chain(node.attribute("aria-labelledby")) {
                    assert_eq!(ids.iter().filter(|known| **known == id).count(), 1, "{id}");
                }
            }
        });
    }
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    for html in all() {
        parsed(&html, |document| {
            for node in document.descendants().filter(Node::is_element) {
                let name = node.tag_name().name();
                assert!(
                    !["script", "img", "link", "iframe", "object", "form", "image", "use"].contains(&name),
                    "{name}"
                );
                for attribute in node.attributes() {
                    let is_inert = !attribute.name().starts_with("on") && !["src", "style"].contains(&attribute.name());
                    assert!(is_inert && (attribute.name() != "href" || attribute.value().starts_with('#')), "{node:?}");
                }
            }
        });
        let policy = &metas(&html).into_iter().find(|meta| meta.contains("Content-Security-Policy")).unwrap();
        assert!(policy.contains("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    }
}

#[test]
fn the_policy_admits_the_one_style_sheet_there_is() {
    let html = shown(&fixtures::run());
    let sheet = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert_eq!(html.matches("<style").count(), 1);
    assert_eq!(sheet, Style::new().sheet().to_string());
}

#[test]
fn a_sign_off_shows_its_policy_and_what_was_before() {
    let html = shown_sign_off(&sign_offs::second());
    for text in ["Not signed off", "v1.2.0", "Since v1.1.0", "3b1c5f0a9e77", "9f86d081884c", "rule 1, until 2030-06-30"]
    {
        assert!(html.contains(text), "{text}");
    }
}

/// `any::<String>()` makes no control characters; they are what matters here.
fn any_text() -> impl Strategy<Value = String> {
    let hostile =
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</style><script>", "'; <!--", "`</code>`"];
    prop_oneof![
        proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
        proptest::sample::select(hostile.map(str::to_owned).to_vec()),
    ]
}

/// Elements and attributes of a page, in order: what nobody's name may change.
fn skeleton(html: &str) -> Vec<String> {
    parsed(html, |document| {
        let elements = document.descendants().filter(Node::is_element);
        elements
            .filter(|node| !node.has_tag_name("code"))
            .map(|node| {
                let names: Vec<&str> = node.attributes().map(|attribute| attribute.name()).collect();
                format!("{} {}", node.tag_name().name(), names.join(" "))
            })
            .collect()
    })
}

fn named(name: &str, log: &[String]) -> SignOff {
    let mut report = fixtures::check();
    report.machine.cpu = name.to_owned();
    report.scenarios[0].findings[0].message = name.to_owned();
    report.scenarios[0].id.0 = name.to_owned();
    if let ScenarioResult::Measured { summary } = &mut report.scenarios[0].result {
        summary.operators[0].key.0 = name.to_owned();
        summary.model_sha256 = name.to_owned();
    }
    report.scenarios[4].result = ScenarioResult::Failed { reason: name.to_owned(), log: log.to_vec() };
    let facts = Facts { release: Some(name.to_owned()), selection: vec![name.to_owned()], ..sign_offs::facts() };
    let mut policy = sign_offs::policy();
    policy.rules[0].reason = Some(name.to_owned());
    policy.budgets[0].machine = Some(name.to_owned());
    SignOff::of(report, facts, policy, Some(&sign_offs::first()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_name_opens_an_element_or_an_attribute(name in any_text(), line in any_text()) {
        let plain = skeleton(&shown_sign_off(&named("plain", &["plain".to_owned()])));
        let html = shown_sign_off(&named(&name, &[line]));
        prop_assert!(!html.contains("<script"));
        prop_assert_eq!(skeleton(&html), plain);
    }
}
