//! Reports that somebody made to do harm.

use proptest::prelude::*;
use serde_json::Value;

use super::parsed::{Parsed, outside_fences};
use super::*;
use crate::report::render::{annotations, markdown};

/// Fields that hold names and sentences: anything may stand in them.
const TEXTS: [&str; 29] = [
    "arguments",
    "base",
    "command",
    "configuration",
    "cpu",
    "field",
    "fingerprint",
    "head",
    "id",
    "inputs",
    "key",
    "label",
    "log",
    "message",
    "model_sha256",
    "name",
    "onnxruntime",
    "operator",
    "operators",
    "pattern",
    "provider",
    "reason",
    "remedy",
    "revision",
    "scenario",
    "scope",
    "since",
    "tool",
    "what",
];

/// Figures that no run gives.
const FIGURES: [f64; 8] = [0.0, -0.0, -1.0, 5e-324, 1e-9, 1e9, 1e308, -1e308];

fn names() -> impl Strategy<Value = Vec<String>> {
    let text = proptest::collection::vec(any::<char>(), 0..30).prop_map(String::from_iter);
    let made = Just(fixtures::ACTED_ON.to_owned());
    let giant = (any::<char>(), 1usize..20_000).prop_map(|(c, times)| c.to_string().repeat(times));
    let short = "[a-z<>|`@#\\[\\]()!&;:/*_~\\-\\\\\n ]{0,12}";
    proptest::collection::vec(prop_oneof![4 => text, 2 => made, 1 => giant, 4 => short], 1..8)
}

/// A report with other names, figures and lengths of lists. `seed` decides which.
fn mutated(report: &Report, names: &[String], seed: u64) -> Report {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut value = serde_json::to_value(report).unwrap();
    mutate(&mut value, "", names, &mut rng);
    Report::from_json(&serde_json::to_vec(&value).unwrap()).unwrap()
}

fn mutate(value: &mut Value, field: &str, names: &[String], rng: &mut fastrand::Rng) {
    match value {
        Value::String(text) if TEXTS.contains(&field) && rng.u8(..) < 160 => {
            text.clone_from(&names[rng.usize(..names.len())]);
        }
        Value::Number(number) if number.is_f64() && rng.u8(..) < 60 => {
            *value = FIGURES[rng.usize(..FIGURES.len())].into();
        }
        Value::Number(number) if number.is_u64() && field != "schema" && rng.u8(..) < 60 => {
            *value = [0, 1, u32::MAX][rng.usize(..3)].into();
        }
        Value::Array(items) => {
            match rng.u8(..) {
                0..20 => items.clear(),
                20..40 if items.len() < 20 => items.extend(items.clone()),
                _ => {}
            }
            items.iter_mut().for_each(|item| mutate(item, field, names, rng));
        }
        // What a scenario is has words of ours in it, but for the model's name.
        Value::Object(object) if field == "scenario" && object.contains_key("model") => {
            mutate(&mut object["model"]["name"], "name", names, rng);
        }
        Value::Object(object) => object.iter_mut().for_each(|(name, value)| mutate(value, name, names, rng)),
        _ => {}
    }
}

fn reports() -> Vec<Report> {
    vec![
        fixtures::check(),
        fixtures::compared(),
        fixtures::lost_fusion(),
        fixtures::self_test_failed(),
        fixtures::half(),
        fixtures::unstable(),
    ]
}

/// Without what is marked as code.
fn outside_code(text: &str) -> String {
    let parts = text.split("<code>");
    parts.map(|part| part.split_once("</code>").map_or(part, |(_, outside)| outside)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_report_breaks_its_comment(names in names(), seed: u64, which in 0usize..6, max in 1_000usize..70_000) {
        let report = mutated(&reports()[which], &names, seed);
        let comment = render(&report, &Context { run_url: None, ..context(max) });
        prop_assert!(units(&comment) <= max, "{} of {max}", units(&comment));
        prop_assert!(comment.starts_with("### "));
        assert_tables_are_whole(&outside_fences(&comment));
        let parsed = Parsed::of(&comment);
        parsed.assert_ours();
        prop_assert!(parsed.links.is_empty(), "{:?}", parsed.links);
        let outside = outside_fences(&comment);
        prop_assert_eq!(outside.matches("<details>").count(), outside.matches("</details>").count());
        let foreign = ["details", "summary", "sub", "code"].iter().fold(outside.replace("<br>", "").replace("<wbr>", ""), |left, tag| {
            left.replace(&format!("<{tag}>"), "").replace(&format!("</{tag}>"), "")
        });
        prop_assert!(!foreign.contains('<'), "{foreign}");
        // A character reference is shown as what it stands for, and no issue's number; in code GitHub looks for nothing.
        let outside = outside_code(&outside).replace("&#", "&");
        for acted_on in ["@octocat", "#12", "GH-34", "://", "www.", ":tada:", "\u{202e}", "```"] {
            prop_assert!(!outside.contains(acted_on), "{acted_on} in {outside}");
        }
    }

    #[test]
    fn no_report_breaks_its_headline_its_notes_or_its_summary(
        names in names(), seed: u64, which in 0usize..6, max in 300usize..70_000,
    ) {
        let report = mutated(&reports()[which], &names, seed);
        let headline = headline(&report);
        prop_assert!(headline.chars().count() <= 240 && !headline.chars().any(char::is_control), "{headline}");
        for note in annotations::notes(&report) {
            prop_assert!(!note.title.chars().chain(note.message.chars()).any(char::is_control), "{note:?}");
        }
        prop_assert!(markdown::render_within(&report, max).len() <= max);
    }
}

/// A report of the largest size that is read (16 MiB); what is quadratic in it would not end while anyone waits.
#[test]
fn thousands_of_scenarios_and_findings_are_rendered_at_once() {
    let mut report = fixtures::check();
    let scenario = report.scenarios[0].clone();
    let copy = |number: usize| {
        let mut copy = scenario.clone();
        copy.id.0 = format!("{number}@cpu");
        copy
    };
    report.scenarios = (0..1_500).map(copy).collect();
    let finding = report.scenarios[0].findings[0].clone();
    report.scenarios[0].findings = vec![finding; 20_000];
    let change = report.scenarios[0].comparison.as_ref().unwrap().operators[4].clone();
    report.scenarios[0].comparison.as_mut().unwrap().operators = vec![change; 20_000];
    let comment = render(&report, &context(GITHUB));
    assert!(units(&comment) <= GITHUB);
    assert!(comment.starts_with("### ❌ 21499 operators regressed in all 1500 scenarios: "), "{comment}");
    let summary = markdown::render_within(&report, 1 << 20);
    assert!(summary.len() <= 1 << 20 && summary.contains("scenarios in full"));
}
