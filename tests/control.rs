//! Extra work in an optimized graph, on real ONNX Runtime: copies run, and nothing else is executed another way for them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nongemm::measure::job::{JOB_SCHEMA, LaunchJob, ModelSource, Plan};
use nongemm::measure::launch;
use nongemm::measure::result::LaunchResult;
use nongemm::onnx::order::{Walk, turn_branches};
use nongemm::onnx::proto::{AttributeProto, ModelProto};
use nongemm::onnx::{external, file, repeat};
use nongemm::runtime::{LocateOptions, locate};
use nongemm::scenario::{ModelRef, Optimization, Precision, Provider, Scenario};
use prost::Message;

#[path = "support/graphs.rs"]
mod graphs;

use graphs::{FLOAT, floats, graph, model, node, value};

fn launch(source: ModelSource, optimization: Optimization, optimized_model: Option<PathBuf>) -> LaunchResult {
    let scratch = tempfile::tempdir().unwrap();
    let library = locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap().path;
    let scenario = Scenario {
        model: ModelRef::Zoo { name: "test".into() },
        provider: Provider::Cpu,
        precision: Precision::Fp32,
        optimization,
        batch: None,
        sequence: None,
        image: None,
        threads: 1,
        cuda: None,
    };
    let job = LaunchJob {
        schema: JOB_SCHEMA,
        library,
        scenario,
        source,
        dimensions: Default::default(),
        input_files: Default::default(),
        memory: Default::default(),
        gpu: None,
        runs: false,
        plan: Plan { warmup_runs: 1, min_iterations: 1, max_iterations: 1, time_budget_s: 60.0, seed: 1 },
        trace: true,
        optimized_model,
        scratch_dir: scratch.path().to_owned(),
    };
    launch::run(&job).unwrap()
}

fn from_file(path: &Path) -> LaunchResult {
    launch(ModelSource::File { path: path.to_owned(), weights: None }, Optimization::Disable, None)
}

/// Executions by operator type.
fn executions(launch: &LaunchResult) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for node in &launch.nodes {
        *counts.entry(node.op_type.clone()).or_insert(0) += node.executions;
    }
    counts
}

/// Node names in the order of one run.
fn order(launch: &LaunchResult) -> Vec<&str> {
    launch.timeline.iter().map(|event| event.name.as_str()).collect()
}

fn pads(mut node: nongemm::onnx::proto::NodeProto) -> nongemm::onnx::proto::NodeProto {
    let ints = |name: &str, ints: &[i64]| AttributeProto {
        name: Some(name.into()),
        r#type: Some(7),
        ints: ints.to_vec(),
        ..AttributeProto::default()
    };
    node.attribute.extend([ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])]);
    node
}

/// Convolutions on one branch, element-wise work on another, and a third that leaves early: what ONNX Runtime fuses and
/// lays out anew, some of it without names.
fn branches() -> ModelProto {
    let weight = |name: &str| {
        let values = (0..32 * 32 * 9).map(|index| ((index * 37 % 101) as f32 - 50.0) / 2000.0).collect();
        floats(name, &[32, 32, 3, 3], values)
    };
    let nodes = vec![
        pads(node("Conv", "conv", &["x", "w1"], &["c1"])),
        node("Relu", "", &["c1"], &["r1"]),
        pads(node("Conv", "conv_2", &["r1", "w2"], &["c2"])),
        node("Sigmoid", "gate", &["x"], &["g"]),
        node("Erf", "", &["g"], &["e"]),
        node("Mul", "join", &["c2", "e"], &["m"]),
        node("Softmax", "soft", &["m"], &["s"]),
        node("Add", "residual", &["s", "x"], &["y"]),
        node("Sqrt", "side", &["g"], &["z"]),
    ];
    let shape = [1, 32, 28, 28];
    let outputs = vec![value("y", FLOAT, &shape), value("z", FLOAT, &shape)];
    let bytes = model(graph(nodes, vec![value("x", FLOAT, &shape)], outputs, vec![weight("w1"), weight("w2")]));
    ModelProto::decode(bytes.as_slice()).unwrap()
}

#[test]
fn copies_run_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("model.onnx");
    file::write(&branches(), &source).unwrap();
    let dump = folder.path().join("optimized.onnx");
    let original = ModelSource::File { path: source, weights: None };
    let original = launch(original, Optimization::All, Some(dump.clone()));

    let mut plain = file::read(&dump).unwrap();
    assert!(!external::check(&plain, &dump).unwrap().is_empty(), "weights lie beside the graph");
    repeat::name_nodes(&mut plain);
    turn_branches(plain.graph.as_mut().unwrap());
    let plain_path = folder.path().join("plain.onnx");
    file::write(&plain, &plain_path).unwrap();
    let plain_run = from_file(&plain_path);
    assert_eq!(executions(&plain_run), executions(&original));
    let types = |launch: &LaunchResult| launch.timeline.iter().map(|event| event.op_type.clone()).collect::<Vec<_>>();
    assert_eq!(types(&plain_run), types(&original), "in the same order");

    let named = |operator: &str| {
        let mut nodes = plain.graph.as_ref().unwrap().node.iter();
        nodes.find(|node| node.op_type() == operator).unwrap().name().to_owned()
    };
    for (operator, copies) in [("Softmax", 1), ("Conv", 3), ("Sqrt", 2), ("Erf", 1)] {
        let mut treated = plain.clone();
        repeat::repeat_nodes(&mut treated, &[(named(operator), copies)]).unwrap();
        let path = folder.path().join("treated.onnx");
        file::write(&treated, &path).unwrap();
        let run = from_file(&path);
        let mut expected = executions(&original);
        *expected.get_mut(operator).unwrap() += copies;
        assert_eq!(executions(&run), expected);

        let graph = treated.graph.as_ref().unwrap();
        let walked: Vec<&str> = Walk::of(graph).order().into_iter().map(|at| graph.node[at].name()).collect();
        assert_eq!(order(&run), walked, "{operator}");
    }
}
