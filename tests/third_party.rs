//! Models that others made: they ship inside packages and are measured as a user would measure their own.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use nongemm::report::{Report, ScenarioResult, Summary};
use support::project::Project;
use support::wheels::wheel_file;

const SUITE: &str = r#"
[suite]
models = []

[[model]]
path = "silero_vad.onnx"
dimensions = { "input[0]" = 1, "input[1]" = 576, "state[1]" = 1 }

[[model]]
path = "ch_PP-OCRv4_det_infer.onnx"
name = "ocr-detection"
image = "320"

[[model]]
path = "ch_ppocr_mobile_v2.0_cls_infer.onnx"
name = "ocr-orientation"
dimensions = { "x[2]" = 48, "x[3]" = 192 }
"#;

const FILES: [(&str, &str, &str); 3] = [
    ("silero-vad", "6.2.3", "silero_vad/data/silero_vad.onnx"),
    ("rapidocr-onnxruntime", "1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"),
    ("rapidocr-onnxruntime", "1.4.4", "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
];

/// A project with the three models.
fn project() -> Project {
    let project = Project::new(SUITE);
    for (package, version, file) in FILES {
        let path = wheel_file(package, version, file);
        fs::copy(&path, project.path().join(path.file_name().unwrap())).unwrap();
    }
    project
}

fn summary<'a>(report: &'a Report, model: &str) -> &'a Summary {
    let scenario = report.scenarios.iter().find(|scenario| scenario.id.0.starts_with(model)).unwrap();
    match &scenario.result {
        ScenarioResult::Measured { summary } => summary,
        ScenarioResult::Failed { reason, .. } => panic!("{model}: {reason}"),
    }
}

#[test]
fn models_of_others_are_measured_accepted_and_checked() {
    let project = project();
    project.run(&["run", "--save", "report.json"]).expect(0, &["silero_vad", "ocr-detection", "ocr-orientation"]);
    let report = Report::read(&project.path().join("report.json")).unwrap();

    let speech = summary(&report, "silero_vad");
    let recurrent = speech.operators.iter().find(|operator| operator.key.0 == "ai.onnx:LSTM");
    assert!(recurrent.is_some(), "{:?}", speech.operators);
    assert!(speech.operators.iter().any(|operator| operator.key.0 == "ai.onnx:If"), "its branches are control flow");

    for model in ["ocr-detection", "ocr-orientation"] {
        let convolutions: u32 = summary(&report, model)
            .operators
            .iter()
            .filter(|operator| operator.key.0.ends_with(":Conv") || operator.key.0.ends_with(":FusedConv"))
            .map(|operator| operator.executions)
            .sum();
        assert!(convolutions > 20, "{model} is a convolutional network: {convolutions}");
    }
    for scenario in &report.scenarios {
        let summary = summary(&report, &scenario.id.0);
        assert!(summary.unknown_operators().is_empty(), "{}: {:?}", scenario.id, summary.unknown_operators());
        let shares: f64 = summary.operators.iter().map(|operator| operator.share.median()).sum();
        assert!((0.9..=1.1).contains(&shares), "{}: shares add up to {shares}", scenario.id);
    }

    project.run(&["accept", "--force"]).expect(0, &[]);
    // Only structure is asserted: so few iterations say little about times.
    project.write("nongemm.toml", format!("{SUITE}\n[gate]\nmin-effect = 10\n[measure]\nlaunches = 1\n").as_bytes());
    project.run(&["check", "--iterations", "2"]).expect(0, &[]);
}

#[test]
fn a_size_that_the_file_leaves_open_is_asked_for_with_the_line_to_add() {
    let project = project();
    project.write("nongemm.toml", b"[[model]]\npath = \"silero_vad.onnx\"\n");
    project.run(&["run"]).expect(101, &["silero_vad.onnx", "input[1]", "dimensions = {"]);
}
