//! The built-in models in 16-bit floating point.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nongemm::onnx::external::{self, Source};
use nongemm::onnx::fp16::kinds::{Kind, Kinds};
use nongemm::onnx::fp16::{self, Io, rules};
use nongemm::onnx::proto::NodeProto;
use nongemm::onnx::proto::tensor_proto::DataType;
use nongemm::zoo::{self, BuildShape, BuiltModel, Tier, weights};
use ort::session::builder::GraphOptimizationLevel::{All, Disable};

use super::outputs::CASES;
use super::reference::build;
use super::runtime::{only_session, run, session};
use super::{detections, detectors};

const HALF: Kind = Kind::Tensor(DataType::Float16 as i32);

/// The shape at which a model costs least.
fn smallest(name: &str) -> BuildShape {
    if detectors::MODELS.contains(&name) {
        return BuildShape { batch: 1, sequence: None, image: Some(detections::SMALL) };
    }
    let case = CASES.iter().rfind(|(model, ..)| *model == name).unwrap_or_else(|| panic!("{name} has no case"));
    BuildShape { batch: case.1, sequence: case.2, image: case.3 }
}

fn half(name: &str, shape: &BuildShape) -> BuiltModel {
    zoo::build_fp16(name, shape).unwrap_or_else(|error| panic!("{error}")).0
}

/// Kept operators take fp32 where the table says so; every other one takes one floating-point type.
fn check_types(name: &str, node: &NodeProto, kind: &dyn Fn(&str) -> Kind) {
    let what = || format!("{name}: {} ({})", node.name(), node.op_type());
    let floats: Vec<Kind> =
        node.input.iter().map(|input| kind(input)).filter(|it| [Kind::FLOAT, HALF].contains(it)).collect();
    match rules::find("", node.op_type()).map(|row| row.stays) {
        Some(rules::Stays::Whole) => assert!(floats.iter().all(|it| *it == Kind::FLOAT), "{}", what()),
        Some(rules::Stays::Inputs(inputs)) => {
            for index in inputs.iter().filter(|index| node.input.get(**index).is_some_and(|name| !name.is_empty())) {
                assert_eq!(kind(&node.input[*index]), Kind::FLOAT, "{}", what());
            }
        }
        _ => assert!(floats.windows(2).all(|pair| pair[0] == pair[1]), "{}: {floats:?}", what()),
    }
}

/// Every model, the largest too: types agree at every node, weights are halves, and ONNX Runtime takes the graph.
#[test]
fn every_model_is_built_and_loaded() {
    for model in zoo::models() {
        let shape = smallest(model.name);
        let built = half(model.name, &shape);
        let graph = built.model.graph.as_ref().unwrap();
        let kinds = Kinds::of_graph(graph, &[], &[], &|_| Kind::Unknown);
        let kind = |name: &str| kinds.get(name).unwrap_or(Kind::Unknown);
        graph.node.iter().for_each(|node| check_types(model.name, node, &kind));
        for value in graph.value_info.iter().chain(&graph.output) {
            assert_eq!(kind(value.name()), Kind::declared(value), "{}: {}", model.name, value.name());
        }
        let full = build(model.name, shape.batch, shape.sequence, shape.image);
        let ratio = built.weights.nominal_bytes as f64 / full.weights.nominal_bytes as f64;
        assert!((0.5..0.51).contains(&ratio), "{}: {ratio}", model.name);
        let _only = only_session();
        // Not filled: memory that nobody touches costs nothing.
        let arena = vec![0; usize::try_from(built.weights.arena_bytes).unwrap()].into();
        drop(session(&built, &arena, Disable, false, 1));
    }
}

/// The same weights in both precisions, unoptimized and fully optimized. What a detector finds depends on comparisons,
/// which rounding to fp16 may turn, so its outputs cannot be held against one another: `detections.rs` counts.
#[test]
fn outputs_are_near_those_of_fp32() {
    let compared = |name: &str| !detectors::MODELS.contains(&name);
    let small = zoo::models().iter().filter(|model| model.tier.is_some_and(|tier| tier <= Tier::Standard));
    for model in small.filter(|model| compared(model.name)) {
        let BuildShape { batch, sequence, image } = smallest(model.name);
        let mut full = build(model.name, batch, sequence, image);
        let arena = weights::fill(&full.weights);
        let places = BTreeMap::from([(full.weights.file_name.to_owned(), &arena[..])]);
        external::embed(&mut full.model, Path::new(model.name), Source::Memory(&places)).unwrap();
        drop(arena);
        let mut half = full.clone();
        let report = fp16::to_fp16(&mut half.model, Io::Keep).unwrap();
        // A few of a hundred million numbers around zero are too near it, and masks are of the lowest number.
        assert!(report.losses.flushed < report.elements / 100_000, "{}: {report:?}", model.name);
        assert!(report.losses.clamped < 10, "{}: {report:?}", model.name);
        let _only = only_session();
        let none: Arc<[u8]> = Arc::new([]);
        let expected = run(&full, &none, Disable, false);
        drop(full);
        for level in [Disable, All] {
            let found = run(&half, &none, level, false);
            for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
                let what = format!("{} output {index}", model.name);
                assert_eq!(expected.0, found.0, "{what}");
                assert!(found.1.iter().all(|value| value.is_finite()), "{what}: not finite");
                let (cosine, apart) = likeness(&expected.1, &found.1);
                assert!(cosine > 0.999 && apart < 0.05, "{what}: cosine {cosine}, apart {apart}");
            }
        }
    }
}

/// The cosine of the angle between two vectors, and their largest difference by the largest value of the first.
fn likeness(a: &[f32], b: &[f32]) -> (f64, f64) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let largest = a.iter().fold(0.0_f64, |most, value| most.max(f64::from(value.abs())));
    let apart = a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(), apart / largest)
}

/// Inputs, outputs and the arena in fp16, as a launch has them.
#[test]
fn a_model_as_it_is_measured_gives_finite_values() {
    for name in ["gpt2-decode", "segformer-b0"] {
        let built = half(name, &smallest(name));
        let _only = only_session();
        let arena = weights::fill(&built.weights);
        for (_, values) in run(&built, &arena, All, true) {
            assert!(values.iter().all(|value| value.is_finite()), "{name}");
            assert!(values.iter().any(|value| value.abs() > 1e-3), "{name}");
        }
    }
}
