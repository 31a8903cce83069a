//! `export`: files that stand alone, and traces that viewers open.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;

use nongemm::onnx::proto::{StringStringEntryProto, tensor_proto::DataLocation};
use nongemm::onnx::{external, file};
use serde_json::Value;
use support::models::{Dim, classifier};
use support::project::Project;

#[test]
fn a_built_in_model_stands_alone_and_runs_as_a_file() {
    let project = Project::new("[suite]\nmodels = []\n");
    project.run(&["export", "segformer-b0", "--image", "64"]).expect(0, &["segformer-b0.onnx"]);
    let path = project.path().join("segformer-b0.onnx");
    let model = file::read(&path).unwrap();
    assert!(external::list(&model, &path).unwrap().is_empty(), "its weights are inside");
    project.run(&["run", "segformer-b0.onnx"]).expect(0, &["nchwc:Conv", "Resize"]);
}

#[test]
fn a_file_takes_its_weights_in() {
    let project = Project::new("[suite]\nmodels = [\"classifier.onnx\"]\n");
    let mut model = classifier(Dim::Fixed(8), 64, 16);
    let weight = &mut model.graph.as_mut().unwrap().initializer[0];
    let bytes = weight.raw_data.take().unwrap();
    project.write("weights.bin", &bytes);
    weight.data_location = Some(DataLocation::External as i32);
    let entry = |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    weight.external_data = vec![entry("location", "weights.bin")];
    project.write_model("classifier.onnx", &model);

    project.run(&["export", "classifier"]).expect(101, &["classifier.onnx", "--output"]);
    project.run(&["export", "classifier", "-o", "whole.onnx"]).expect(0, &["whole.onnx"]);
    fs::remove_file(project.path().join("weights.bin")).unwrap();
    project.run(&["run", "whole.onnx"]).expect(0, &["Gemm"]);
}

#[test]
fn a_name_that_fits_several_is_a_usage_error() {
    let project = Project::new("[suite]\nmodels = [\"bert-base\", \"swin-t\"]\n");
    project.run(&["export", "*"]).expect(2, &["bert-base@", "swin-t@"]);
}

#[test]
fn a_trace_has_an_event_a_node_and_groups_as_categories() {
    let project = Project::new("[suite]\nmodels = [\"classifier.onnx\"]\n");
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(256), 256, 256));
    project.run(&["export", "classifier", "--profile"]).expect(0, &["classifier.trace.json"]);
    let text = fs::read_to_string(project.path().join("classifier.trace.json")).unwrap();
    let events: Vec<Value> = serde_json::from_str(&text).unwrap();
    let nodes: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    let of = |name: &str| nodes.iter().find(|event| event["name"] == name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert_eq!(nodes.len(), 3, "{text}");
    assert_eq!(of("ai.onnx:Gemm")["cat"], "GEMM");
    assert_eq!(of("ai.onnx:Softmax")["cat"], "logit computation");
    assert!(of("ai.onnx:Gemm")["args"]["self_us"].as_f64().unwrap() > 0.0);
    for pair in nodes.windows(2) {
        assert!(pair[0]["ts"].as_f64() <= pair[1]["ts"].as_f64(), "events come in order of time");
    }
}
