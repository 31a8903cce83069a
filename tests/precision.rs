//! Precision fp16 on models of a user's, through the program and on ONNX Runtime itself.

#![allow(clippy::unwrap_used, dead_code)]

#[path = "support/graphs.rs"]
mod graphs;
mod support;

use std::fs;
use std::path::Path;

use graphs::{BOOL, FLOAT, INT64, body, boolean, floats, graph, ints, value};
use nongemm::onnx::fp16::{self, Io};
use nongemm::onnx::proto::tensor_proto::{DataLocation, DataType};
use nongemm::onnx::proto::{AttributeProto, ModelProto, NodeProto, StringStringEntryProto};
use nongemm::onnx::{external, file, visit};
use nongemm::report::{LaunchWarning, Report, ScenarioResult, Summary};
use nongemm::runtime::{self, LocateOptions};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use prost::Message;
use support::models::{Dim, classifier};
use support::project::Project;
use support::wheels::wheel_file;

fn summaries(path: &Path) -> Vec<Summary> {
    let report = Report::read(path).unwrap();
    let summary = |result: ScenarioResult| match result {
        ScenarioResult::Measured { summary } => *summary,
        ScenarioResult::Failed { reason, .. } => panic!("{reason}"),
    };
    report.scenarios.into_iter().map(|scenario| summary(scenario.result)).collect()
}

/// A classifier whose weight lies in a file of its own.
fn with_external_weight(project: &Project) -> ModelProto {
    let mut model = classifier(Dim::Fixed(8), 64, 16);
    let weight = &mut model.graph.as_mut().unwrap().initializer[0];
    let bytes = weight.raw_data.take().unwrap();
    project.write("weights.bin", &[&[0; 12][..], &bytes].concat());
    weight.data_location = Some(DataLocation::External as i32);
    let entry = |key: &str, value: &str| StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) };
    weight.external_data = vec![entry("location", "weights.bin"), entry("offset", "12")];
    model
}

#[test]
fn a_file_is_measured_in_both_precisions_and_casts_are_told_apart() {
    // Below level all, weights too are converted by Casts.
    let suite = "[suite]\nmodels = [\"classifier.onnx\"]\noptimization = [\"disable\"]\nprecision = ";
    let project = Project::new(&format!("{suite}[\"fp32\", \"fp16\"]\n"));
    project.write_model("classifier.onnx", &with_external_weight(&project));
    let run = project.run(&["run", "--save", "report.json", "--markdown", "report.md"]);
    run.expect(
        0,
        &["classifier@cpu-fp32-disable", "classifier@cpu-fp16-disable", "put in by ONNX Runtime", "measure fp16 on"],
    );
    assert!(fs::read_to_string(project.path().join("report.md")).unwrap().contains("of these put in by ONNX Runtime"));
    let [full, half] = summaries(&project.path().join("report.json")).try_into().unwrap();
    assert!(full.operators.iter().all(|operator| operator.inserted.is_none()), "{:?}", full.operators);
    assert_ne!(full.model_sha256, half.model_sha256);
    let cast = half.operators.iter().find(|operator| operator.key.0 == "ai.onnx:Cast").unwrap();
    let inserted = cast.inserted.as_ref().unwrap();
    // ONNX Runtime drops Casts of the model that its own would undo; those of the weights remain.
    assert!((2..=cast.executions).contains(&inserted.executions), "{cast:?}");
    assert!(inserted.share.median() <= cast.share.median());
    let warned = |warning: &LaunchWarning| matches!(warning, LaunchWarning::ConvertedTypes { casts, .. } if *casts == inserted.executions);
    assert!(half.warnings.iter().any(warned), "{:?}", half.warnings);
    project.run(&["accept", "--force"]).expect(0, &[]);
    let loose = "[gate]\nmin-effect = 10\n[measure]\nlaunches = 1\nwarmup = 1\niterations = { min = 2, max = 2 }\n";
    project.write("nongemm.toml", format!("{suite}[\"fp16\"]\n{loose}").as_bytes());
    project.run(&["check"]).expect(0, &["classifier@cpu-fp16-disable"]);
}

#[test]
fn an_exported_file_is_fp16_and_cannot_be_converted_again() {
    let project = Project::new("[suite]\nmodels = [\"classifier.onnx\"]\n");
    project.write_model("classifier.onnx", &with_external_weight(&project));
    project.run(&["export", "classifier", "--precision", "fp16", "-o", "half.onnx"]).expect(0, &["half.onnx"]);
    let path = project.path().join("half.onnx");
    let model = file::read(&path).unwrap();
    assert!(external::list(&model, &path).unwrap().is_empty(), "its weights are inside");
    let types: Vec<i32> = model.graph.unwrap().initializer.iter().map(|tensor| tensor.data_type()).collect();
    assert_eq!(types, [DataType::Float16 as i32; 2]);
    project.run(&["run", "half.onnx"]).expect(0, &["half@cpu-fp32-all"]);
    project.run(&["run", "half.onnx", "--precision", "fp16"]).expect(101, &["half.onnx", "already", "precision fp32"]);
}

#[test]
fn a_model_of_others_with_branches_runs_and_computes_nearly_the_same() {
    let file = wheel_file("silero-vad", "6.2.3", "silero_vad/data/silero_vad.onnx");
    let original = file::read(&file).unwrap();
    let mut half = original.clone();
    let report = fp16::to_fp16(&mut half, Io::Keep).unwrap();
    assert!(report.tensors > 20, "{report:?}");
    let mut left = Vec::new();
    let all: Result<(), ()> = visit::tensors_mut(&mut half.clone(), &mut |_, tensor| {
        let elements = tensor.dims.iter().product::<i64>();
        if tensor.data_type() == FLOAT && elements > 1 {
            left.push((tensor.name().to_owned(), elements));
        }
        Ok(())
    });
    all.unwrap();
    assert!(left.is_empty(), "tensors still in fp32: {left:?}");
    let mut random = fastrand::Rng::with_seed(3);
    let sound: Vec<f32> = (0..576).map(|_| random.f32() - 0.5).collect();
    let state: Vec<f32> = (0..256).map(|_| random.f32() - 0.5).collect();
    let inputs = || {
        vec![
            ("input".to_owned(), Tensor::from_array((vec![1_i64, 576], sound.clone())).unwrap().into()),
            ("state".to_owned(), Tensor::from_array((vec![2_i64, 1, 128], state.clone())).unwrap().into()),
            ("sr".to_owned(), Tensor::from_array((Vec::<i64>::new(), vec![16_000_i64])).unwrap().into()),
        ]
    };
    alike(&original, &half, &inputs);

    let project = Project::new(
        "[suite]\nmodels = []\nprecision = [\"fp16\"]\n[[model]]\npath = \"silero_vad.onnx\"\n\
         dimensions = { \"input[0]\" = 1, \"input[1]\" = 576, \"state[1]\" = 1 }\n",
    );
    fs::copy(&file, project.path().join("silero_vad.onnx")).unwrap();
    project.run(&["run"]).expect(0, &["silero_vad@cpu-fp16-all", "LSTM", "put in by ONNX Runtime"]);
}

/// A loop that carries a value and collects one, beside a branch that takes what is around it; an epsilon, a mask.
fn control_flow() -> ModelProto {
    let named = |op: &str, inputs: &[&str], outputs: &[&str]| {
        graphs::node(op, &format!("{op}_{}", outputs[0]), inputs, outputs)
    };
    let with = |node: NodeProto, attribute: Vec<AttributeProto>| NodeProto { attribute, ..node };
    let step = graph(
        vec![
            named("Mul", &["carried", "decay"], &["less"]),
            named("Add", &["less", "start"], &["next"]),
            named("Identity", &["going"], &["goes"]),
            named("Relu", &["next"], &["seen"]),
        ],
        vec![value("turn", INT64, &[]), value("going", BOOL, &[]), value("carried", FLOAT, &[4, 16])],
        vec![value("goes", BOOL, &[]), value("next", FLOAT, &[4, 16]), value("seen", FLOAT, &[4, 16])],
        vec![floats("decay", &[], vec![0.5])],
    );
    let then = graph(vec![named("Sqrt", &["safe"], &["root"])], vec![], vec![value("root", FLOAT, &[4, 16])], vec![]);
    let other =
        graph(vec![named("Neg", &["start"], &["minus"])], vec![], vec![value("minus", FLOAT, &[4, 16])], vec![]);
    let nodes = vec![
        named("MatMul", &["x", "weight"], &["start"]),
        with(named("Loop", &["trips", "yes", "start"], &["last", "all"]), vec![body("body", step)]),
        named("Abs", &["last"], &["size"]),
        named("Add", &["size", "epsilon"], &["safe"]),
        with(named("If", &["yes"], &["chosen"]), vec![body("then_branch", then), body("else_branch", other)]),
        named("Greater", &["chosen", "bound"], &["hidden"]),
        named("Where", &["hidden", "lowest", "chosen"], &["scores"]),
        named("Softmax", &["scores"], &["y"]),
    ];
    let weight = (0..256).map(|index| ((index * 37 % 101) as f32 - 50.0) / 200.0).collect();
    let initializers = vec![
        floats("weight", &[16, 16], weight),
        ints("trips", &[], vec![3]),
        boolean("yes", true),
        floats("epsilon", &[], vec![1e-6]),
        floats("bound", &[], vec![0.9]),
        floats("lowest", &[], vec![f32::MIN]),
    ];
    let outputs = vec![value("y", FLOAT, &[4, 16]), value("all", FLOAT, &[3, 4, 16])];
    let bytes = graphs::model(graph(nodes, vec![value("x", FLOAT, &[4, 16])], outputs, initializers));
    ModelProto::decode(bytes.as_slice()).unwrap()
}

#[test]
fn loops_and_branches_compute_nearly_the_same() {
    let original = control_flow();
    let mut half = original.clone();
    let report = fp16::to_fp16(&mut half, Io::Keep).unwrap();
    assert_eq!((report.losses.clamped, report.losses.flushed), (1, 0), "{report:?}");
    let mut random = fastrand::Rng::with_seed(4);
    let x: Vec<f32> = (0..64).map(|_| random.f32() * 2.0).collect();
    alike(&original, &half, &|| {
        vec![("x".to_owned(), Tensor::from_array((vec![4_i64, 16], x.clone())).unwrap().into())]
    });
}

type Inputs<'a> = &'a dyn Fn() -> Vec<(String, SessionInputValue<'static>)>;

/// All outputs agree to 2 % of the largest value, at levels disable and all.
fn alike(original: &ModelProto, half: &ModelProto, inputs: Inputs<'_>) {
    let expected = outputs(original, GraphOptimizationLevel::Disable, inputs);
    for level in [GraphOptimizationLevel::Disable, GraphOptimizationLevel::All] {
        for (expected, found) in expected.iter().zip(outputs(half, level, inputs)) {
            assert_eq!(expected.len(), found.len());
            let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            let apart = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
            assert!(largest > 1e-3 && apart <= 0.02 * largest, "{apart} of {largest}");
        }
    }
}

fn outputs(model: &ModelProto, level: GraphOptimizationLevel, inputs: Inputs<'_>) -> Vec<Vec<f32>> {
    let library = runtime::locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap();
    runtime::load(&library).unwrap();
    let builder = Session::builder(runtime::environment().unwrap()).unwrap();
    let mut builder = builder.with_optimization_level(level).unwrap().with_intra_threads(1).unwrap();
    let mut session = builder.commit_from_memory(&model.encode_to_vec()).unwrap();
    let outputs = session.run(inputs()).unwrap();
    outputs.iter().map(|(_, value)| value.try_extract_tensor::<f32>().unwrap().1.to_vec()).collect()
}
