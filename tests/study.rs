//! `study`: real models at small sizes become a table and a chart, and the saved report becomes the same ones again.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::path::Path;

use nongemm::report::Report;
use serde_json::Value;
use support::project::Project;

const FILES: [&str; 3] = ["suite.md", "suite.json", "suite.svg"];
const SMALL: [&str; 6] = ["--sequence", "16", "--launches", "1", "--iterations", "1"];

fn read(folder: &Path) -> [String; 3] {
    FILES.map(|name| fs::read_to_string(folder.join(name)).unwrap())
}

/// Rows of a study that were measured.
fn measured(study: &Value) -> Vec<&Value> {
    study["rows"].as_array().unwrap().iter().filter(|row| row["result"]["state"] == "measured").collect()
}

#[test]
fn models_become_a_table_and_a_chart_and_so_does_their_report() {
    let project = Project::new("[suite]\nmodels = [\"bert-base\", \"gpt2-decode\"]\n");
    project.write("broken.onnx", b"garbage");
    let measuring = ["study", "suite", "bert-base", "gpt2-decode", "broken.onnx", "--batch", "1,2", "-o", "first"];
    // What failed is in the table, and in the exit code.
    project.run(&[&measuring[..], &SMALL].concat()).expect(101, &["gpt2-decode@cpu-fp32-all-b2-s16-t1", "suite.svg"]);
    let [markdown, json, svg] = read(&project.path().join("first"));

    let study: Value = serde_json::from_str(&json).unwrap();
    let rows = measured(&study);
    assert_eq!((rows.len(), study["rows"].as_array().unwrap().len()), (4, 6), "{json}");
    for row in rows {
        let (gemm, rest) = (&row["result"]["gemm"], &row["result"]["non_gemm"]);
        let sum = gemm.as_f64().unwrap() + rest.as_f64().unwrap();
        assert!(gemm.as_f64().unwrap() > 0.1 && (sum - 1.0).abs() < 1e-6, "{row}");
        assert_eq!(row["sequence"], 16);
    }
    // One line of the summary a batch size for the paper's model, one for both.
    assert_eq!(study["totals"].as_array().unwrap().len(), 4);
    for text in
        ["| <code>bert-base</code> | 16 tokens | 2 |", "**failed**", "not a readable ONNX model", "42.8 to 96.6 %"]
    {
        assert!(markdown.contains(text), "`{text}` is not in\n{markdown}");
    }
    let chart = roxmltree::Document::parse(&svg).unwrap();
    let bars = chart.descendants().filter(|node| node.attribute("class") == Some("bar")).count();
    assert_eq!(bars, 4);

    // Again from what was saved, whole and in pieces.
    let mut whole = Report::read(&project.path().join("first/report.json")).unwrap();
    project.run(&["study", "suite", "--from", "first/report.json", "-o", "second"]).expect(0, &["suite.md"]);
    let mut rest = whole.clone();
    rest.scenarios = whole.scenarios.split_off(3);
    for (name, piece) in [("a.json", &whole), ("b.json", &rest)] {
        let mut bytes = Vec::new();
        piece.write_json(&mut bytes).unwrap();
        project.write(name, &bytes);
    }
    project.run(&["study", "suite", "--from", "b.json", "a.json", "-o", "third"]).expect(0, &[]);
    for again in ["second", "third"] {
        assert_eq!(read(&project.path().join(again)), [&*markdown, &json, &svg], "{again}");
    }
    let twice = project.run(&["study", "suite", "--from", "first/report.json", "a.json"]);
    twice.expect(101, &["measured twice", "first/report.json", "a.json"]);
}

#[test]
fn batch_1_and_8_are_the_default_and_the_configuration_may_say_others() {
    let plan = |configuration: &str, arguments: &[&str]| {
        let project = Project::new(configuration);
        project.run(&[&["study", "suite", "--dry-run"], arguments].concat()).expect(0, &[]).stdout.clone()
    };
    let suite = "[suite]\nmodels = [\"vit-b-16\"]\n";
    let usual = plan(suite, &[]);
    assert!(usual.contains("-b1-") && usual.contains("-b8-"), "{usual}");
    let said = plan(&format!("{suite}batch = [2]\n"), &[]);
    assert!(said.contains("-b2-") && !said.contains("-b8-"), "{said}");
    let asked = plan(suite, &["--batch", "4"]);
    assert!(asked.contains("-b4-") && !asked.contains("-b1-"), "{asked}");
}

#[test]
fn on_standard_output_is_the_study_where_json_is_asked_for() {
    let project = Project::new("[suite]\nmodels = [\"broken.onnx\"]\n");
    project.write("broken.onnx", b"garbage");
    let outcome = project.run(&["study", "suite", "--message-format", "json"]);
    outcome.expect(101, &[]);
    let study: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&study["study"], &study["rows"][0]["result"]["state"]), (&"suite".into(), &"failed".into()));
    assert_eq!(outcome.stdout, fs::read_to_string(project.path().join("nongemm-study/suite.json")).unwrap());
}

#[test]
fn a_file_that_is_no_report_is_named() {
    let project = Project::new("[suite]\nmodels = [\"vit-b-16\"]\n");
    project.write("other.json", b"{}");
    project.run(&["study", "suite", "--from", "other.json"]).expect(101, &["other.json", "has no `schema`"]);
    project.run(&["study", "suite", "--from", "none.json"]).expect(101, &["none.json"]);
    assert!(!project.path().join("nongemm-study").exists());
}
