//! Estimates of built-in models against what was measured, and of small graphs against what is counted by hand.

use super::extent::Extents;
use super::time::Work;
use super::*;
use crate::machine::InstructionSet;
use crate::onnx::builder::{BuiltGraph, ConvSpec, GraphBuilder, Init};
use crate::onnx::proto::StringStringEntryProto;
use crate::onnx::proto::tensor_proto::DataType;
use crate::zoo::{self, BuildShape, BuiltModel};

const MIB: u64 = 1 << 20;

/// Latency in milliseconds and peak resident set in MiB of the quick tier on a quiet AMD EPYC (family 25, model 17) with
/// ONNX Runtime 1.31.1, one thread: the committed baselines and the run that they were accepted from.
const MEASURED: [(&str, f64, u64); 6] = [
    ("bert-base", 237.8, 800),
    ("gpt2", 648.0, 1134),
    ("gpt2-decode", 26.3, 1152),
    ("vit-b-16", 350.7, 737),
    ("swin-t", 107.6, 338),
    ("segformer-b0", 254.3, 520),
];

fn build(name: &str, batch: u32) -> BuiltModel {
    zoo::build(name, &BuildShape { batch, sequence: None, image: None }).unwrap()
}

fn estimate(built: &BuiltModel) -> Estimate {
    let inputs = BTreeMap::new();
    let subject = Subject {
        model: &built.model,
        storage: Storage::Arena { bytes: built.weights.arena_bytes },
        inputs: &inputs,
        macs: Some(built.macs),
        provider: Provider::Cpu,
    };
    Estimate::of(&subject, &Rates::of(InstructionSet::Avx512, 1))
}

fn work(model: &ModelProto, macs: Option<u64>) -> Work {
    Work::of(model, &Extents::of(model, &BTreeMap::new()), macs)
}

#[test]
fn the_quick_tier_costs_what_was_measured() {
    let mut wrong = Vec::new();
    for (name, ms, rss_mib) in MEASURED {
        let estimate = estimate(&build(name, 1));
        let (time, memory) = (estimate.inference_s * 1e3 / ms, estimate.peak_rss_bytes as f64 / (rss_mib * MIB) as f64);
        if !(0.7..1.4).contains(&time) || !(0.8..1.25).contains(&memory) {
            wrong.push(format!("{name}: {time:.2} of the latency, {memory:.2} of the memory"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The figures in `docs/scaling.md` are these.
#[test]
fn the_documented_estimates_are_those_made() {
    let document = include_str!("../../docs/scaling.md");
    for (name, ms, rss_mib) in MEASURED {
        let estimate = estimate(&build(name, 1));
        let row = format!(
            "| {name} | {ms:.0} ms | {:.0} ms | {rss_mib} MiB | {} MiB |",
            estimate.inference_s * 1e3,
            estimate.peak_rss_bytes / MIB
        );
        assert!(document.contains(&row), "docs/scaling.md does not have\n{row}");
    }
}

/// Shapes are declared by our builder; a user's file may declare none but those of its inputs.
#[test]
fn undeclared_shapes_cost_little_precision() {
    for (name, _, _) in MEASURED {
        let mut built = build(name, 2);
        let declared = estimate(&built);
        let exact = built.macs;
        assert_eq!(work(&built.model, None).macs, exact, "{name}: all products are counted where shapes are declared");
        if let Some(graph) = &mut built.model.graph {
            graph.value_info.clear();
        }
        let counted = work(&built.model, None).macs as f64 / exact as f64;
        assert!((0.8..1.25).contains(&counted), "{name}: {counted:.3} of the multiply-accumulates");
        let memory = estimate(&built).peak_rss_bytes as f64 / declared.peak_rss_bytes as f64;
        assert!((0.7..2.0).contains(&memory), "{name}: {memory:.2} of the memory");
    }
}

#[test]
fn a_larger_batch_takes_more_time_and_memory() {
    let (one, eight) = (estimate(&build("swin-t", 1)), estimate(&build("swin-t", 8)));
    assert!((7.9..8.1).contains(&(eight.macs as f64 / one.macs as f64)), "{one:?} {eight:?}");
    assert!(eight.inference_s > 6.0 * one.inference_s && eight.peak_rss_bytes > one.peak_rss_bytes + 100 * MIB);
    assert!(eight.weights_bytes.abs_diff(one.weights_bytes) < MIB, "{one:?} {eight:?}");
}

#[test]
fn any_number_of_anything_is_an_estimate() {
    let huge = estimate(&build("bert-base", 100_000_000));
    assert!(huge.peak_rss_bytes > 1 << 46 && huge.inference_s > 1e6, "{huge:?}");
    let nothing = ModelProto::default();
    let inputs = BTreeMap::new();
    let subject =
        Subject { model: &nothing, storage: Storage::File, inputs: &inputs, macs: None, provider: Provider::Cpu };
    let none = Estimate::of(&subject, &Rates::fixed(1));
    assert_eq!((none.weights_bytes, none.macs, none.inference_s), (0, 0, 0.0));
}

/// x (8x1024) -> MatMul (1024x256) -> Reshape -> Relu -> MatMul (256x1024).
fn chain() -> BuiltGraph {
    let mut b = GraphBuilder::new("chain");
    let x = b.input("x", DataType::Float, &[8, 1024]);
    let (down, up) =
        (b.parameter("down", &[1024, 256], Init::FanIn(1024)), b.parameter("up", &[256, 1024], Init::FanIn(256)));
    let y = b.matmul(&x, &down);
    let y = b.reshape(&y, &[8, 1, 256]);
    let y = b.relu(&y);
    let y = b.matmul(&y, &up);
    b.output("y", &y);
    b.finish()
}

#[test]
fn work_and_live_bytes_of_a_chain() {
    let graph = chain();
    let work = work(&graph.model, None);
    assert_eq!(work.macs, 2 * 8 * 1024 * 256);
    assert_eq!(work.weights_bytes, 2 * 1024 * 256 * 4);
    assert_eq!(work.moved_bytes, 2 * 8 * 256 * 4, "the Relu alone: the view moves nothing");
    let extents = Extents::of(&graph.model, &BTreeMap::new());
    let live = memory::live_bytes(graph.model.graph.as_ref().unwrap(), &extents);
    // The input throughout, and the Relu's result beside the output.
    assert_eq!(live, (8 * 1024 + 8 * 256 + 8 * 1024) * 4);
}

#[test]
fn weights_that_share_a_place_are_packed_once() {
    let mut graph = chain();
    let (arena, matrix) = (Storage::Arena { bytes: 4 << 20 }, 1024 * 256 * 4);
    let resident = |graph: &BuiltGraph| memory::resident_bytes(&graph.model, arena, Provider::Cpu);
    let entry =
        |key: &str, value: u64| StringStringEntryProto { key: Some(key.into()), value: Some(value.to_string()) };
    let place = |graph: &mut BuiltGraph, offsets: [u64; 2]| {
        for (weight, offset) in graph.external.clone().iter().zip(offsets) {
            let tensor = &mut graph.model.graph.as_mut().unwrap().initializer[weight.initializer];
            tensor.external_data = vec![entry("offset", offset), entry("length", matrix)];
        }
    };
    place(&mut graph, [0, matrix]);
    assert_eq!(resident(&graph), (4 << 20) + 2 * matrix);
    place(&mut graph, [0, 0]);
    assert_eq!(resident(&graph), (4 << 20) + matrix);
}

#[test]
fn half_precision_is_widened_on_a_processor_and_shared_by_nothing() {
    let mut graph = chain();
    for tensor in &mut graph.model.graph.as_mut().unwrap().initializer {
        if tensor.data_type == Some(DataType::Float.into()) {
            tensor.data_type = Some(DataType::Float16.into());
        }
    }
    let matrix = 1024 * 256 * 2;
    let resident = |provider| memory::resident_bytes(&graph.model, Storage::Arena { bytes: 0 }, provider);
    assert_eq!(memory::nominal_bytes(&graph.model) / matrix, 2);
    assert_eq!(resident(Provider::Cpu), 2 * 4 * matrix, "as 32 bits, and packed as those, each");
    assert_eq!(resident(Provider::Cuda), matrix, "both lie at one place, as nothing is said of where");
}

/// A built-in model states its work exactly: of its experts, only those that tokens go to are read.
#[test]
fn weights_that_no_work_reads_are_not_waited_for() {
    let graph = chain();
    let matrix = 1024 * 256;
    assert_eq!(work(&graph.model, Some(matrix / 2)).weights_bytes, matrix / 2 * 4);
}

#[test]
fn convolutions_are_counted_without_declared_shapes() {
    let mut b = GraphBuilder::new("conv");
    let x = b.input("x", DataType::Float, &[1, 8, 32, 32]);
    let weight = b.parameter("w", &[16, 4, 3, 3], Init::FanIn(36));
    let y = b.conv(&x, &weight, None, ConvSpec { stride: 2, padding: 1, groups: 2 });
    let y = b.relu(&y);
    b.output("y", &y);
    let mut graph = b.finish();
    let exact = graph.macs;
    graph.model.graph.as_mut().unwrap().value_info.clear();
    assert_eq!(work(&graph.model, None).macs, exact);
}

#[test]
fn named_dimensions_take_the_size_of_the_inputs() {
    let mut graph = chain();
    let model = &mut graph.model;
    let rename = |value: &mut crate::onnx::proto::ValueInfoProto| {
        use crate::onnx::proto::tensor_shape_proto::dimension::Value::DimParam;
        let Some(crate::onnx::proto::type_proto::Value::TensorType(tensor)) =
            value.r#type.as_mut().and_then(|it| it.value.as_mut())
        else {
            return;
        };
        tensor.shape.as_mut().unwrap().dim[0].value = Some(DimParam("rows".into()));
    };
    let inner = model.graph.as_mut().unwrap();
    inner.input.iter_mut().chain(&mut inner.value_info).chain(&mut inner.output).for_each(rename);
    let inputs = BTreeMap::from([("x".to_owned(), vec![80, 1024])]);
    let work = Work::of(model, &Extents::of(model, &inputs), None);
    assert_eq!(work.macs, 2 * 80 * 1024 * 256);
}

#[test]
fn a_measurement_is_its_launches_with_their_starts_warm_up_and_pairs() {
    let effort = Effort { launches: 5, warmup: 2, min_iterations: 4, max_iterations: 200, time_budget_s: 2.0 };
    assert_eq!(effort.runs(10.0), 2 + 2 * 4, "the fewest");
    assert_eq!(effort.runs(0.1), 2 + 2 * 10, "what the budget allows");
    assert_eq!(effort.runs(1e-6), 2 + 2 * 200, "the most");
    let estimate = Estimate { weights_bytes: 0, peak_rss_bytes: 0, macs: 0, start_s: 1.0, inference_s: 0.1 };
    assert!((estimate.measuring_s(&effort) - 5.0 * (1.0 + 2.2)).abs() < 1e-9);
}

#[test]
fn wider_vectors_and_more_threads_are_faster() {
    let built = build("bert-base", 1);
    let seconds = |level, threads| Rates::of(level, threads).inference_s(&work(&built.model, Some(built.macs)));
    let levels = [InstructionSet::Avx512, InstructionSet::Avx2, InstructionSet::Avx, InstructionSet::Sse2];
    assert!(levels.windows(2).all(|pair| seconds(pair[0], 1) < seconds(pair[1], 1)));
    let gain = seconds(InstructionSet::Avx512, 1) / seconds(InstructionSet::Avx512, 4);
    assert!((2.5..4.0).contains(&gain), "{gain}");
}
