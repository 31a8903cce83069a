//! Bad input is normal input: each ends with the right exit code and words that name the file and the remedy.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::io::Write;

use nongemm::baseline::BASELINE_SCHEMA;
use nongemm::report::REPORT_SCHEMA;

use support::models::{Dim, classifier, node};
use support::project::Project;

const ONE_MODEL: &str = "[suite]\nmodels = [\"classifier.onnx\"]\n";

/// A project with one sound model.
fn sound() -> Project {
    let project = Project::new(ONE_MODEL);
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(8), 64, 16));
    project
}

#[test]
fn an_empty_model() {
    let project = Project::new(ONE_MODEL);
    project.write("classifier.onnx", b"");
    project.run(&["run"]).expect(101, &["classifier.onnx", "empty"]);
}

#[test]
fn a_corrupt_model() {
    let project = Project::new(ONE_MODEL);
    project.write("classifier.onnx", &[0xff; 4096]);
    project.run(&["run"]).expect(101, &["classifier.onnx", "not a readable ONNX model"]);
}

#[test]
fn a_truncated_model() {
    let project = sound();
    let path = project.path().join("classifier.onnx");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    project.run(&["run"]).expect(101, &["classifier.onnx"]);
}

#[test]
fn a_failed_scenario_does_not_stop_the_others() {
    let project = Project::new("[suite]\nmodels = [\"broken.onnx\", \"classifier.onnx\"]\n");
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(8), 64, 16));
    project.write("broken.onnx", b"garbage");
    project.run(&["run"]).expect(101, &["broken.onnx", "classifier@cpu-fp32-all-t1", "Gemm"]);
}

#[test]
fn an_operator_that_no_provider_has() {
    let project = Project::new(ONE_MODEL);
    let mut model = classifier(Dim::Fixed(8), 64, 16);
    model.graph.as_mut().unwrap().node[2] = node("squash", "Squonk", &["shift_out"], &["squash_out"]);
    project.write_model("classifier.onnx", &model);
    project.run(&["run"]).expect(101, &["classifier.onnx", "Squonk"]);
}

#[test]
fn external_data_that_is_missing() {
    use nongemm::onnx::proto::{StringStringEntryProto, tensor_proto::DataLocation};
    let project = Project::new(ONE_MODEL);
    let mut model = classifier(Dim::Fixed(8), 64, 16);
    let weight = &mut model.graph.as_mut().unwrap().initializer[0];
    weight.raw_data = None;
    weight.data_location = Some(DataLocation::External as i32);
    weight.external_data =
        vec![StringStringEntryProto { key: Some("location".into()), value: Some("classifier.data".into()) }];
    project.write_model("classifier.onnx", &model);
    project.run(&["run"]).expect(101, &["classifier.onnx", "weight", "classifier.data"]);
}

#[test]
fn a_dimension_that_must_be_given() {
    let project = Project::new(ONE_MODEL);
    project.write_model("classifier.onnx", &classifier(Dim::Named("candidates"), 64, 16));
    project.run(&["run"]).expect(101, &["features", "candidates", "dimensions = { candidates ="]);
    let given = "[[model]]\npath = \"classifier.onnx\"\ndimensions = { candidates = 8 }\n";
    let project = Project::new(given);
    project.write_model("classifier.onnx", &classifier(Dim::Named("candidates"), 64, 16));
    project.run(&["run", "classifier"]).expect(0, &["Gemm"]);
}

#[test]
fn an_input_file_of_another_type() {
    let project = Project::new("[[model]]\npath = \"classifier.onnx\"\ninputs = \"inputs.npz\"\n");
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(8), 64, 16));
    let mut npz = zip::ZipWriter::new(fs::File::create(project.path().join("inputs.npz")).unwrap());
    npz.start_file("features.npy", zip::write::SimpleFileOptions::default()).unwrap();
    let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (8, 64), }";
    let padded = format!("{header:<117}\n");
    npz.write_all(b"\x93NUMPY\x01\x00").unwrap();
    npz.write_all(&u16::try_from(padded.len()).unwrap().to_le_bytes()).unwrap();
    npz.write_all(padded.as_bytes()).unwrap();
    npz.write_all(&[0; 8 * 64 * 8]).unwrap();
    npz.finish().unwrap();
    project.run(&["run", "classifier"]).expect(101, &["inputs.npz", "features", "<i8", "float32"]);
}

#[test]
fn an_unknown_key_in_the_configuration() {
    let project = sound();
    project.write("nongemm.toml", b"[suite]\nmodels = [\"classifier.onnx\"]\n\n[measure]\nlaunchs = 3\n");
    project.run(&["run"]).expect(101, &["nongemm.toml", "launchs", "launches", "5"]);
}

#[test]
fn a_model_that_is_neither_built_in_nor_a_file() {
    let project = sound();
    project.write("nongemm.toml", b"[suite]\nmodels = [\"bert-bse\"]\n");
    project.run(&["run"]).expect(101, &["bert-bse", "bert-base"]);
}

#[test]
fn a_selection_that_matches_nothing_is_a_usage_error() {
    sound().run(&["run", "clasifier"]).expect(2, &["clasifier", "classifier"]);
}

#[test]
fn a_suite_without_models_measures_nothing_and_does_not_pass() {
    let project = sound();
    project.write("nongemm.toml", b"[suite]\nmodels = []\n");
    project.run(&["check"]).expect(4, &[]);
}

#[test]
fn a_library_that_is_not_one() {
    let project = sound();
    project.write("libonnxruntime.so", b"this is no library");
    project.run(&["run", "--onnxruntime", "libonnxruntime.so"]).expect(101, &["libonnxruntime.so", "not a"]);
}

#[test]
fn a_cache_that_cannot_be_written_and_nothing_else_to_use() {
    let project = sound();
    let file = project.write("cache", b"a file where a folder is wanted");
    let output = project
        .nongemm(&["run", "--offline"])
        .env("NONGEMM_CACHE_DIR", &file)
        .env("PATH", project.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(101), "{stderr}");
    assert!(stderr.contains("--offline"), "{stderr}");
}

/// A project whose only scenario is accepted, and the text of its baseline.
fn accepted() -> (Project, String) {
    let project = sound();
    project.run(&["run"]).expect(0, &[]);
    project.run(&["accept", "--force"]).expect(0, &["classifier@cpu-fp32-all-t1"]);
    let text = fs::read_to_string(project.baseline()).unwrap();
    (project, text)
}

#[test]
fn a_result_of_an_earlier_command_is_not_accepted() {
    let project = sound();
    project.run(&["run"]).expect(0, &[]);
    project.write("classifier.onnx", b"broken since");
    project.run(&["run"]).expect(101, &[]);
    project.run(&["accept"]).expect(4, &["no result to accept"]);
}

#[test]
fn a_baseline_of_another_schema() {
    let (project, text) = accepted();
    let other = text.replacen(&format!("schema = {BASELINE_SCHEMA}"), "schema = 99", 1);
    assert_ne!(other, text);
    fs::write(project.baseline(), other).unwrap();
    project.run(&["check"]).expect(101, &["classifier@cpu-fp32-all-t1.toml", "99", "cargo nongemm accept"]);
}

#[test]
fn a_baseline_that_is_half_written() {
    let (project, text) = accepted();
    fs::write(project.baseline(), &text[..text.len() / 2]).unwrap();
    project.run(&["check"]).expect(101, &["classifier@cpu-fp32-all-t1.toml", "cargo nongemm accept"]);
}

#[test]
fn a_baseline_with_a_bad_number() {
    let (project, text) = accepted();
    let line = text.lines().find(|line| line.contains("MatMul") || line.contains("Gemm")).unwrap();
    let bad = line.replacen("executions = 1", "executions = -1", 1);
    assert_ne!(line, bad, "{text}");
    fs::write(project.baseline(), text.replacen(line, &bad, 1)).unwrap();
    project.run(&["check"]).expect(101, &["classifier@cpu-fp32-all-t1.toml"]);
}

#[test]
fn structure_that_changed_fails_the_gate_and_is_named() {
    let (project, _) = accepted();
    let mut model = classifier(Dim::Fixed(8), 64, 16);
    model.graph.as_mut().unwrap().node[2] = node("squash", "Sin", &["shift_out"], &["squash_out"]);
    project.write_model("classifier.onnx", &model);
    project.run(&["check"]).expect(100, &["structure-changed", "Sin", "Erf"]);
}

#[test]
fn a_missing_baseline_is_said_with_the_command_that_makes_one() {
    sound().run(&["check"]).expect(100, &["no-baseline", "cargo nongemm accept"]);
}

#[test]
fn a_budget_that_is_exceeded_fails_the_gate() {
    let (project, _) = accepted();
    project.write(
        "nongemm.toml",
        format!("{ONE_MODEL}\n[[budget]]\nscenario = \"*\"\nmax-latency-ms = 0.000001\n").as_bytes(),
    );
    project.run(&["check", "--launches", "1", "--iterations", "2"]).expect(100, &["budget-exceeded"]);
}

#[test]
fn a_report_of_another_schema_is_refused() {
    let project = sound();
    project.run(&["run", "--save", "report.json"]).expect(0, &[]);
    let text = fs::read_to_string(project.path().join("report.json")).unwrap();
    project.run(&["report", "report.json"]).expect(0, &["Gemm"]);
    let ours = format!("\"schema\": {REPORT_SCHEMA}");
    project.write("report.json", text.replacen(&ours, "\"schema\": 70", 1).as_bytes());
    project.run(&["report", "report.json"]).expect(101, &["report.json", "70"]);
}
