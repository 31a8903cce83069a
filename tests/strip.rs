//! Models without their weights, on real ONNX Runtime: the same operators run, in the same shares of the time.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nongemm::measure::inputs::{self, InputData, InputRequest};
use nongemm::measure::job::{JOB_SCHEMA, LaunchJob, ModelSource, Plan};
use nongemm::measure::launch;
use nongemm::measure::result::{LaunchResult, NodeRecord};
use nongemm::onnx::proto::tensor_proto::DataType;
use nongemm::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
};
use nongemm::onnx::visit::{self, Scope, TensorRole, Visitor};
use nongemm::onnx::weightless::{self, StripOptions};
use nongemm::onnx::{external, file, offload, tensor};
use nongemm::report::{Group, OperatorKey, Report, ScenarioResult, Summary};
use nongemm::runtime::{self, LocateOptions};
use nongemm::scenario::{ModelRef, Optimization, Precision, Provider, Scenario};
use nongemm::summary::summarize;
use nongemm::taxonomy;
use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use support::models::{Dim, classifier, int_attribute, node, value};
use support::project::Project;
use support::wheels::wheel_file;

/// A model with sizes for the dimensions that its file leaves open.
struct Case {
    name: &'static str,
    path: PathBuf,
    dimensions: &'static [(&'static str, u64)],
}

/// Convolutional, recurrent and branching models that others made, with weights in initializers, in `Constant` nodes and
/// in the bodies of `If`.
fn third_party() -> Vec<Case> {
    let silero = |name: &str| wheel_file("silero-vad", "6.2.3", &format!("silero_vad/data/{name}.onnx"));
    let ocr =
        |name: &str| wheel_file("rapidocr-onnxruntime", "1.4.4", &format!("rapidocr_onnxruntime/models/{name}.onnx"));
    let case = |name, path, dimensions| Case { name, path, dimensions };
    vec![
        case("speech", silero("silero_vad"), &[("input[0]", 1), ("input[1]", 576), ("state[1]", 1)]),
        case("speech-half", silero("silero_vad_half"), &[("sequence", 576)]),
        case("ocr-detection", ocr("ch_PP-OCRv4_det_infer"), &[("x[0]", 1), ("x[2]", 160), ("x[3]", 160)]),
        case("ocr-recognition", ocr("ch_PP-OCRv4_rec_infer"), &[("x[0]", 1), ("x[2]", 48), ("x[3]", 160)]),
    ]
}

/// Timings disturb each other, so one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A project with one model, to be measured once, briefly, at these sizes.
fn project(name: &str, dimensions: &[(&str, u64)]) -> Project {
    let sizes: Vec<String> = dimensions.iter().map(|(name, size)| format!("{name:?} = {size}")).collect();
    Project::with_configuration(&format!(
        "[[model]]\npath = \"{name}.onnx\"\ndimensions = {{ {} }}\n\
         [measure]\nlaunches = 1\nwarmup = 1\niterations = {{ min = 2, max = 2 }}\n",
        sizes.join(", ")
    ))
}

fn summary<'a>(report: &'a Report, model: &str) -> &'a Summary {
    let prefix = format!("{model}@");
    let scenario = report.scenarios.iter().find(|scenario| scenario.id.0.starts_with(&prefix)).unwrap();
    match &scenario.result {
        ScenarioResult::Measured { summary } => summary,
        ScenarioResult::Failed { reason, .. } => panic!("{model}: {reason}"),
    }
}

/// What ran after ONNX Runtime's optimizer: operators, nodes and executions.
fn structure(summary: &Summary) -> Vec<(OperatorKey, u32, u32)> {
    let mut operators: Vec<_> = summary.operators.iter().map(|it| (it.key.clone(), it.nodes, it.executions)).collect();
    operators.sort();
    operators
}

/// Strips `name.onnx` and runs both: the operators are the same, and the stripped file is the model that runs when made-up
/// weights are asked of the whole one.
fn runs_the_same(project: &Project, name: &str) {
    let whole = format!("{name}.onnx");
    project.run(&["strip", &whole, "-o", "bare.onnx"]).expect(0, &["dropped", "kept", "readable"]);
    project.run(&["run", &whole, "--save", "whole.json"]).expect(0, &[]);
    project.run(&["run", &whole, "--weights", "synthetic", "--save", "made.json"]).expect(0, &["synthetic weights"]);
    fs::rename(project.path().join(&whole), project.path().join("original")).unwrap();
    fs::rename(project.path().join("bare.onnx"), project.path().join(&whole)).unwrap();
    project.run(&["run", &whole, "--save", "bare.json"]).expect(0, &["synthetic weights"]);
    let reports = ["whole.json", "made.json", "bare.json"].map(|it| Report::read(&project.path().join(it)).unwrap());
    let [whole, made, bare] = reports.each_ref().map(|report| summary(report, name));
    assert_eq!(structure(whole), structure(bare), "{name}");
    assert_eq!(structure(made), structure(bare), "{name}");
    assert_eq!(made.model_sha256, bare.model_sha256, "{name}");
    assert_ne!(whole.model_sha256, bare.model_sha256, "{name}");
    assert_eq!([whole, made, bare].map(|it| it.synthetic_weights), [false, true, true], "{name}");
}

#[test]
fn the_same_operators_run_without_the_weights() {
    let _alone = alone();
    for Case { name, path, dimensions } in third_party() {
        let project = project(name, dimensions);
        fs::copy(&path, project.path().join(format!("{name}.onnx"))).unwrap();
        runs_the_same(&project, name);
    }
}

#[test]
fn built_in_models_run_the_same_once_exported_and_stripped() {
    let _alone = alone();
    for name in ["segformer-b0", "swin-t"] {
        let exported = format!("exported-{name}");
        let project = project(&exported, &[]);
        // The configuration names a file that must be there.
        project.write(&format!("{exported}.onnx"), b"");
        project.run(&["export", name, "--image", "64", "-o", &format!("{exported}.onnx")]).expect(0, &[]);
        runs_the_same(&project, &exported);
    }
}

/// Pieces of every large tensor of floats or bytes, at every level.
fn pieces(model: &ModelProto) -> Vec<Vec<u8>> {
    struct Pieces(Vec<Vec<u8>>);
    impl<'m> Visitor<'m> for Pieces {
        fn tensor(&mut self, _scope: &Scope<'_>, _role: TensorRole, tensor: &'m TensorProto) {
            let data_type = tensor::data_type(tensor);
            let trained = [DataType::Float, DataType::Float16, DataType::Int8, DataType::Uint8].contains(&data_type);
            let Some(raw) = tensor::raw_bytes(tensor).filter(|raw| trained && raw.len() >= 600) else { return };
            for part in raw.chunks(raw.len() / 8) {
                let piece = &part[..part.len().min(16)];
                if piece.len() == 16 && piece.iter().any(|byte| *byte != piece[0]) {
                    self.0.push(piece.to_vec());
                }
            }
        }
    }
    let mut pieces = Pieces(Vec::new());
    visit::model(model, &mut pieces);
    pieces.0
}

#[test]
fn a_stripped_file_is_small_and_holds_no_piece_of_a_weight() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for Case { name, path, .. } in third_party() {
        let original = file::read(&path).unwrap();
        let pieces = pieces(&original);
        assert!(pieces.len() > 60, "{name}: {} pieces", pieces.len());
        let mut bare = original;
        let report = weightless::strip(&mut bare, &path, StripOptions::default()).unwrap();
        let written = folder.path().join("bare.onnx");
        file::write(&bare, &written).unwrap();
        let bytes = fs::read(&written).unwrap();
        assert_eq!(u64::try_from(bytes.len()).unwrap(), report.after_bytes, "{name}");
        assert!(report.after_bytes < 160_000 && report.after_bytes < report.before_bytes / 10, "{name}: {report:?}");
        assert_eq!(report.large, [], "{name}");
        let whole = fs::read(&path).unwrap();
        for piece in &pieces {
            assert!(memchr::memmem::find(&whole, piece).is_some(), "{name}: the piece was there");
            assert!(memchr::memmem::find(&bytes, piece).is_none(), "{name}: a piece of a weight is left");
        }
    }
}

/// Values of all floating-point outputs of a model whose weights are made up.
fn outputs(mut model: ModelProto, path: &Path, dimensions: &[(&str, u64)]) -> Vec<Vec<f32>> {
    if !weightless::is_stripped(&model) {
        weightless::strip(&mut model, path, StripOptions::default()).unwrap();
    }
    let arena = weightless::synthesize(&mut model, path).unwrap().arena();
    let library = runtime::locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap();
    runtime::load(&library).unwrap();
    let mut session = Session::builder(runtime::environment().unwrap())
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .with_config_entry("session.use_external_initializer_file_buffers_directly", "1")
        .unwrap()
        .with_external_initializer_file_in_memory(weightless::FILE_NAME, Arc::clone(&arena))
        .unwrap()
        .commit_from_memory(&prost::Message::encode_to_vec(&model))
        .unwrap();
    let dimensions = dimensions.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    let request = InputRequest { dimensions, ..Default::default() };
    let feeds: Vec<(String, SessionInputValue)> = inputs::plan(&model, "m", &request)
        .unwrap()
        .into_iter()
        .map(|input| {
            let shape: Vec<i64> = input.shape.iter().map(|&size| i64::try_from(size).unwrap()).collect();
            let value: SessionInputValue = match input.data {
                InputData::Float32(values) => Tensor::from_array((shape, values)).unwrap().into(),
                InputData::Float16(values) => Tensor::from_array((shape, values)).unwrap().into(),
                InputData::Int64(values) => Tensor::from_array((shape, values)).unwrap().into(),
                other => panic!("{}: {other:?}", input.name),
            };
            (input.name, value)
        })
        .collect();
    let outputs = session.run(feeds).unwrap();
    let values = outputs.iter().map(|(_, value)| match value.try_extract_tensor::<f32>() {
        Ok((_, values)) => values.to_vec(),
        Err(_) => value.try_extract_tensor::<half::f16>().unwrap().1.iter().map(|half| half.to_f32()).collect(),
    });
    values.collect()
}

fn assert_sound(name: &str, outputs: &[Vec<f32>]) {
    for values in outputs {
        let (least, most) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), value| {
            assert!(value.is_finite(), "{name}: {value}");
            (least.min(*value), most.max(*value))
        });
        assert!(values.len() == 1 || least < most, "{name}: all {least}");
    }
}

#[test]
fn made_up_weights_keep_activations_finite() {
    let _alone = alone();
    for Case { name, path, dimensions } in third_party() {
        assert_sound(name, &outputs(file::read(&path).unwrap(), &path, dimensions));
    }
    let path = Path::new("half.onnx");
    assert_sound("half", &outputs(half(), path, &[]));
    assert_sound("quantized", &outputs(quantized(), path, &[]));
}

/// `classifier` in 16-bit floating point, with weights in `Constant` nodes.
fn half() -> ModelProto {
    let mut model = classifier(Dim::Fixed(8), 640, 128);
    let graph = model.graph.as_mut().unwrap();
    graph.input = vec![value("features", DataType::Float16, &[Dim::Fixed(8), Dim::Fixed(640)])];
    graph.output = vec![value("scores", DataType::Float16, &[Dim::Fixed(8), Dim::Fixed(128)])];
    graph.node.retain(|node| node.op_type() != "Erf");
    graph.node[2].input = vec!["shift_out".to_owned()];
    for tensor in std::mem::take(&mut graph.initializer) {
        let mut constant = node(tensor.name(), "Constant", &[], &[tensor.name()]);
        let bytes = noise("", DataType::Float16, &tensor.dims);
        constant.attribute =
            vec![AttributeProto { name: Some("value".into()), r#type: Some(4), t: Some(bytes), ..Default::default() }];
        graph.node.insert(0, constant);
    }
    model
}

fn noise(name: &str, data_type: DataType, dims: &[i64]) -> TensorProto {
    let mut tensor = TensorProto {
        name: Some(name.into()),
        data_type: Some(data_type.into()),
        dims: dims.to_vec(),
        ..Default::default()
    };
    let mut random = fastrand::Rng::with_seed(9);
    let mut bytes = vec![0; usize::try_from(tensor::byte_len(&tensor).unwrap()).unwrap()];
    match data_type {
        DataType::Float => bytes.chunks_mut(4).for_each(|b| b.copy_from_slice(&(random.f32() / 50.0).to_le_bytes())),
        // From 2^-14 to below 1/4.
        DataType::Float16 => {
            bytes.chunks_mut(2).for_each(|b| b.copy_from_slice(&random.u16(0x0400..0x3400).to_le_bytes()))
        }
        DataType::Int32 => bytes.chunks_mut(4).for_each(|b| b.copy_from_slice(&random.i32(-99..99).to_le_bytes())),
        _ => random.fill(&mut bytes),
    }
    tensor.raw_data = Some(bytes.into());
    tensor
}

fn with_bytes(name: &str, data_type: DataType, dims: &[i64], bytes: Vec<u8>) -> TensorProto {
    TensorProto { raw_data: Some(bytes.into()), ..noise(name, data_type, dims) }
}

/// Every way in which ONNX models hold quantized weights, one after the other.
fn quantized() -> ModelProto {
    use DataType::{Float, Int8, Int32, Int64, Uint8};
    let scalar = |name: &str, value: f32| with_bytes(name, Float, &[], value.to_le_bytes().to_vec());
    let rows = [196_i64, 32].iter().flat_map(|size| size.to_le_bytes()).collect();
    let initializer = vec![
        scalar("x_scale", 0.01),
        with_bytes("x_zero", Uint8, &[], vec![128]),
        noise("filter", Int8, &[32, 8, 3, 3]),
        noise("filter_scale", Float, &[32]),
        with_bytes("filter_zero", Int8, &[32], vec![0; 32]),
        scalar("y_scale", 0.05),
        noise("filter_bias", Int32, &[32]),
        with_bytes("rows", Int64, &[2], rows),
        noise("weight", Int8, &[32, 640]),
        noise("weight_scale", Float, &[640]),
        with_bytes("weight_zero", Int8, &[640], vec![0; 640]),
        noise("dynamic", Uint8, &[640, 64]),
        with_bytes("dynamic_zero", Uint8, &[], vec![128]),
        scalar("dynamic_scale", 0.01),
        noise("packed", Uint8, &[48, 2, 16]),
        noise("packed_scale", Float, &[96]),
    ];
    let mut blocks = node("blocks", "MatMulNBits", &["scaled", "packed", "packed_scale"], &["blocks_out"]);
    blocks.domain = Some("com.microsoft".into());
    blocks.attribute =
        [("K", 64), ("N", 48), ("bits", 4), ("block_size", 32)].map(|(name, value)| int_attribute(name, value)).into();
    let mut real_weight =
        node("real_weight", "DequantizeLinear", &["weight", "weight_scale", "weight_zero"], &["real_weight_out"]);
    real_weight.attribute = vec![int_attribute("axis", 1)];
    let mut to_float = node("to_float", "Cast", &["integers"], &["floats"]);
    to_float.attribute = vec![int_attribute("to", 1)];
    let convolution =
        ["q", "x_scale", "x_zero", "filter", "filter_scale", "filter_zero", "y_scale", "x_zero", "filter_bias"];
    let nodes = vec![
        node("quantize", "QuantizeLinear", &["x", "x_scale", "x_zero"], &["q"]),
        node("convolution", "QLinearConv", &convolution, &["convolved"]),
        node("real", "DequantizeLinear", &["convolved", "y_scale", "x_zero"], &["image"]),
        node("flatten", "Reshape", &["image", "rows"], &["flat"]),
        real_weight,
        node("product", "MatMul", &["flat", "real_weight_out"], &["product_out"]),
        node("dynamic_input", "DynamicQuantizeLinear", &["product_out"], &["d", "d_scale", "d_zero"]),
        node("integer", "MatMulInteger", &["d", "dynamic", "d_zero", "dynamic_zero"], &["integers"]),
        to_float,
        node("scale", "Mul", &["floats", "dynamic_scale"], &["half_scaled"]),
        node("scale_again", "Mul", &["half_scaled", "d_scale"], &["scaled"]),
        blocks,
        node("probabilities", "Softmax", &["blocks_out"], &["y"]),
    ];
    let graph = GraphProto {
        name: Some("quantized".into()),
        input: vec![value("x", Float, &[1, 8, 16, 16].map(Dim::Fixed))],
        output: vec![value("y", Float, &[196, 48].map(Dim::Fixed))],
        initializer,
        node: nodes,
        ..GraphProto::default()
    };
    let mut model = support::models::model(graph);
    model.opset_import.push(OperatorSetIdProto { domain: Some("com.microsoft".into()), version: Some(1) });
    model
}

#[test]
fn quantized_models_run_the_same() {
    let _alone = alone();
    let project = project("quantized", &[]);
    project.write_model("quantized.onnx", &quantized());
    runs_the_same(&project, "quantized");
    let bare = file::read(&project.path().join("quantized.onnx")).unwrap();
    let dropped: Vec<&str> = (bare.graph.as_ref().unwrap().initializer.iter())
        .filter(|tensor| tensor::is_external(tensor))
        .map(TensorProto::name)
        .collect();
    assert_eq!(dropped, ["filter", "filter_bias", "weight", "dynamic", "packed"]);
    let mut weights = quantized();
    weights.graph.as_mut().unwrap().initializer.retain(|tensor| dropped.contains(&tensor.name()));
    let pieces = pieces(&weights);
    assert!(pieces.len() > 30);
    let bytes = fs::read(project.path().join("quantized.onnx")).unwrap();
    assert!(pieces.iter().all(|piece| memchr::memmem::find(&bytes, piece).is_none()));
}

/// A project whose model keeps its weights in a file that is not there.
fn without_its_data(model: &ModelProto) -> Project {
    let project = Project::new("[suite]\nmodels = [\"m.onnx\"]\n");
    let path = project.path().join("m.onnx");
    offload::write(model.clone(), &path, &offload::Options { threshold_bytes: 16, source: None }).unwrap();
    fs::remove_file(project.path().join("m.onnx.data")).unwrap();
    project
}

#[test]
fn a_model_whose_data_is_absent_runs_on_demand() {
    let _alone = alone();
    let project = without_its_data(&classifier(Dim::Fixed(8), 64, 32));
    project.run(&["run"]).expect(101, &["m.onnx.data", "is missing", "--weights synthetic", "weights = \"synthetic\""]);
    project.run(&["run", "--weights", "synthetic"]).expect(0, &["synthetic weights", "Gemm"]);
    project.run(&["run", "--weights", "stored"]).expect(101, &["is missing"]);
    project.run(&["export", "m", "--weights", "synthetic", "-o", "whole.onnx"]).expect(0, &[]);
    project.run(&["run", "whole.onnx"]).expect(0, &["Gemm"]);
    project.run(&["strip", "m.onnx"]).expect(0, &["m.graph.onnx"]);
    let described = "[[model]]\npath = \"m.onnx\"\nweights = \"synthetic\"\n[measure]\nlaunches = 2\n";
    project.write("nongemm.toml", described.as_bytes());
    project.run(&["check", "--iterations", "2"]).expect(100, &["synthetic weights"]);
    project.run(&["accept", "--force"]).expect(0, &[]);
    let lenient = format!("{described}[gate]\nmin-effect = 10\n");
    project.write("nongemm.toml", lenient.as_bytes());
    project.run(&["check", "--iterations", "2"]).expect(0, &["synthetic weights"]);
    project.run(&["run", "bert-base", "--weights", "synthetic"]).expect(2, &["--weights", "changes nothing"]);
    project.write("nongemm.toml", b"[[model]]\nname = \"bert-base\"\nweights = \"stored\"\n");
    project.run(&["run"]).expect(101, &["`weights` does not fit `bert-base`"]);
}

#[test]
fn what_cannot_be_made_up_is_named_with_its_node() {
    let _alone = alone();
    let mut model = classifier(Dim::Fixed(8), 64, 32);
    let graph = model.graph.as_mut().unwrap();
    let sizes = [8_i64, 32].iter().flat_map(|size| size.to_le_bytes()).collect();
    graph.initializer.push(with_bytes("sizes", DataType::Int64, &[2], sizes));
    graph.node[2].output = vec!["before".into()];
    graph.node.insert(3, node("shaped", "Reshape", &["before", "sizes"], &["squash_out"]));
    let project = without_its_data(&model);
    let parts =
        ["m.onnx: tensor `sizes` (int64[2]", "`shaped` (Reshape)", "run `cargo nongemm strip` where that file is"];
    project.run(&["run", "--weights", "synthetic"]).expect(101, &parts);
    project.run(&["strip", "m.onnx"]).expect(101, &parts);
    assert!(!project.path().join("m.graph.onnx").exists());
}

#[test]
fn wrong_uses_of_strip_say_what_to_do() {
    let _alone = alone();
    let project = Project::new("[suite]\nmodels = [\"m.onnx\"]\n");
    let mut model = classifier(Dim::Fixed(8), 64, 32);
    let whole = project.write_model("m.onnx", &model);
    project.run(&["strip", "m.onnx", "-o", "./m.onnx"]).expect(101, &["is what would be stripped", "--output"]);
    assert_eq!(file::read(&whole).unwrap(), model);

    project.run(&["strip", "m.onnx"]).expect(0, &["m.graph.onnx"]);
    project.run(&["strip", "m.graph.onnx"]).expect(101, &["has no weights any more"]);
    project
        .run(&["run", "m.graph.onnx", "--weights", "stored"])
        .expect(101, &["left them out", "leave the option out"]);
    let json = project.run(&["strip", "m.onnx", "--message-format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&json.expect(0, &[]).stdout).unwrap();
    assert_eq!((&document["schema"], &document["dropped"]["tensors"]), (&1.into(), &2.into()));

    let weight = &mut model.graph.as_mut().unwrap().initializer[0];
    let bytes = weight.raw_data.take().unwrap();
    project.write("weights.bin", &bytes);
    weight.data_location = Some(1);
    weight.external_data =
        vec![StringStringEntryProto { key: Some("location".into()), value: Some("weights.bin".into()) }];
    project.write_model("split.onnx", &model);
    project.run(&["strip", "split.onnx", "-o", "weights.bin"]).expect(101, &["is what would be stripped"]);
    assert_eq!(fs::read(project.path().join("weights.bin")).unwrap(), bytes);

    project.write("m.ort", b"\x20\x00\x00\x00ORTM and more");
    project.run(&["strip", "m.ort"]).expect(101, &["m.ort", ".ort format", "name the .onnx file"]);
    project.run(&["strip", "gone.onnx"]).expect(101, &["gone.onnx: no such file"]);
    project.run(&["strip", "m.onnx", "-o", "no/such/folder.onnx"]).expect(101, &["cannot be written"]);
}

fn resolve(node: &NodeRecord) -> (OperatorKey, Option<Group>, bool) {
    let resolved = taxonomy::resolve(&node.op_type, node.domain.as_deref(), &node.name);
    (OperatorKey(resolved.key.clone()), resolved.group(), resolved.fused())
}

/// One launch in this process.
fn measured(path: &Path) -> LaunchResult {
    let library = runtime::locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let job = LaunchJob {
        schema: JOB_SCHEMA,
        library: library.path,
        scenario: scenario(path),
        source: ModelSource::File { path: path.to_owned(), weights: None },
        dimensions: BTreeMap::from(
            [("x[0]", 1), ("x[2]", 320), ("x[3]", 320)].map(|(name, size)| (name.to_owned(), size)),
        ),
        input_files: Default::default(),
        memory: Default::default(),
        gpu: None,
        plan: Plan { warmup_runs: 2, min_iterations: 8, max_iterations: 8, time_budget_s: 60.0, seed: 1 },
        trace: false,
        runs: false,
        optimized_model: None,
        scratch_dir: scratch.path().to_owned(),
    };
    launch::run(&job).unwrap()
}

fn scenario(path: &Path) -> Scenario {
    Scenario {
        model: ModelRef::File { name: "m".into(), path: path.to_owned() },
        provider: Provider::Cpu,
        precision: Precision::Fp32,
        optimization: Optimization::All,
        batch: None,
        sequence: None,
        image: None,
        threads: 1,
        cuda: None,
    }
}

/// The largest difference between the two models' median shares of a group, with the group.
fn apart(whole: &Path, bare: &Path) -> (f64, String) {
    // In turns, so that what else the machine does falls on both.
    let (mut of_whole, mut of_bare) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        of_whole.push(measured(whole));
        of_bare.push(measured(bare));
    }
    let shares = |launches: &[LaunchResult]| -> BTreeMap<String, f64> {
        let scenario = scenario(whole);
        let summary = summarize(scenario.clone(), scenario.id(), launches, &resolve).unwrap();
        summary.groups().iter().map(|group| (format!("{:?}", group.group), group.share.median())).collect()
    };
    let (whole, bare) = (shares(&of_whole), shares(&of_bare));
    assert!(whole.keys().eq(bare.keys()), "{whole:?} {bare:?}");
    let distance = |(group, share): (&String, &f64)| ((share - bare[group]).abs(), group.clone());
    whole.iter().map(distance).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

/// On a quiet machine the shares differ by less than a point. One bad moment of a busy one is forgiven.
#[test]
fn a_stripped_model_spends_its_time_as_the_original_does() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (whole, bare) = (folder.path().join("whole.onnx"), folder.path().join("bare.onnx"));
    fs::copy(&third_party()[2].path, &whole).unwrap();
    let mut model = file::read(&whole).unwrap();
    weightless::strip(&mut model, &whole, StripOptions::default()).unwrap();
    file::write(&model, &bare).unwrap();
    assert!(external::list(&model, &bare).unwrap().len() > 50);
    let close = |(points, _): &(f64, String)| *points < 0.03;
    let first = apart(&whole, &bare);
    if !close(&first) {
        let second = apart(&whole, &bare);
        assert!(close(&second), "twice: {first:?}, {second:?}");
    }
}
