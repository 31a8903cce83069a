//! The detectors whose work depends on what they find: what they compute against the reference, and how much they find.

use std::collections::BTreeMap;

use nongemm::measure::inputs::{self, InputData, InputRequest};
use nongemm::onnx::proto::{GraphProto, ModelProto, ValueInfoProto};
use nongemm::zoo::{BuiltModel, weights};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel::{self, All, Disable};
use ort::value::{DynValue, Tensor};
use prost::Message;

use super::reference::{Histogram, build, differences, histogram, reference};
use super::runtime::{environment, only_session, optimized};

/// The models; the reference has them under the same names.
pub const MODELS: [&str; 2] = ["fasterrcnn-resnet50-fpn", "maskrcnn-resnet50-fpn"];

/// Operators that only move data, make constants, or are control flow. The reference was exported in a style that spends
/// thousands of them on shapes that are known; ours are those that the computation needs.
const MOVING: [&str; 20] = [
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Expand",
    "Flatten",
    "Gather",
    "GatherND",
    "Identity",
    "If",
    "Loop",
    "Pad",
    "Range",
    "Reshape",
    "Shape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Differences of the computing operators from the reference, bodies of control flow included: operator, our count less
/// the reference's for Faster and for Mask R-CNN, reason.
const ACCEPTED: [(&str, i64, i64, &str); 17] = [
    ("Add", -21, -24, "the exporter adds up shapes; boxes are moved apart by a constant, not by their largest side"),
    ("Ceil", -2, -2, "the exporter computes the padded size"),
    ("Div", -29, -30, "the exporter computes scales, divides by weights of one, and normalizes the image"),
    ("Equal", -6, -11, "the exporter compares shapes before it broadcasts"),
    ("Floor", -2, -2, "the exporter computes the resized size"),
    ("Max", 0, 4, "in the exporter's loop a Concat and a ReduceMax"),
    ("Min", -1, 1, "in the exporter's loop a Concat and a ReduceMin; one is for the resized size"),
    ("Mul", -37, -43, "the exporter multiplies shapes; boxes are not scaled back, the input has its final size"),
    ("Reciprocal", -2, -2, "the exporter computes scales"),
    ("ReduceMax", -6, -10, "see Max; the largest side of boxes, that they may be moved apart, is the image's"),
    ("ReduceMin", -6, -8, "see Min; numbers of candidates are known"),
    ("ReduceProd", -2, -2, "the exporter computes numbers of anchors"),
    ("Resize", -1, -1, "the input has its final size"),
    ("ScatterElements", -4, -8, "ScatterND puts rows in place without an index for each element"),
    ("ScatterND", 4, 8, "see ScatterElements"),
    ("Sub", -5, -5, "the exporter computes the padding; the image is given normalized"),
    ("Where", -4, -9, "the exporter chooses between shapes to broadcast to"),
];

/// What the reference counts too little for the transposed convolution of the mask head: it takes one product for each
/// input of 100 x 256 x 14 x 14, where each has 256 x 2 x 2.
pub const TRANSPOSED_CONVOLUTION: u64 = 100 * 256 * 14 * 14 * (256 * 2 * 2 - 1);

#[test]
fn parameters_and_multiply_accumulates_are_the_references() {
    for (name, uncounted) in MODELS.into_iter().zip([0, TRANSPOSED_CONVOLUTION]) {
        let (ours, reference) = (build(name, 1, None, None), reference(name));
        assert_eq!(ours.parameters, reference.parameters, "{name}");
        assert_eq!(Some(ours.macs - uncounted), reference.macs(), "{name}");
    }
}

#[test]
fn computing_operators_are_the_references_but_for_the_accepted() {
    for (index, name) in MODELS.into_iter().enumerate() {
        let mut ours = Histogram::new();
        count(build(name, 1, None, None).model.graph.as_ref().unwrap(), &mut ours);
        let reference = reference(name);
        let mut theirs = reference.operators;
        for (operator, count) in reference.operators_in_subgraphs {
            *theirs.entry(operator).or_default() += count;
        }
        let mut found = differences(&ours, &theirs);
        found.retain(|operator, _| !MOVING.contains(&operator.as_str()));
        let accepted: Histogram = ACCEPTED
            .iter()
            .map(|(operator, faster, mask, _)| ((*operator).to_owned(), [*faster, *mask][index]))
            .filter(|(_, difference)| *difference != 0)
            .collect();
        assert_eq!(found, accepted, "{name}: found against accepted");
        let nodes = |histogram: &Histogram| histogram.values().sum::<i64>();
        assert!(nodes(&ours) < nodes(&theirs), "{name}: fewer nodes, since none compute what is known");
    }
}

fn count(graph: &GraphProto, counts: &mut Histogram) {
    for node in &graph.node {
        *counts.entry(node.op_type().to_owned()).or_default() += 1;
        node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()).for_each(|body| count(body, counts));
    }
}

/// Products are fused and laid out in blocks as the reference's are.
#[test]
fn optimized_products_are_the_references() {
    for name in MODELS {
        let (ours, reference) =
            (histogram(&optimized(&build(name, 1, None, None))), reference(name).operators_after_onnxruntime_all);
        let blocked = ours.keys().any(|operator| operator.starts_with("com.microsoft.nchwc:"));
        let convolutions = |histogram: &Histogram| -> i64 {
            let kinds = ["Conv", "com.microsoft.nchwc:Conv", "com.microsoft:FusedConv"];
            kinds.iter().filter_map(|kind| histogram.get(*kind)).sum()
        };
        assert_eq!(convolutions(&ours), convolutions(&reference), "{name}");
        let mut compared = vec!["Gemm", "com.microsoft:FusedGemm", "ConvTranspose", "RoiAlign", "TopK", "Softmax"];
        if blocked {
            compared.extend([
                "com.microsoft.nchwc:Conv",
                "com.microsoft.nchwc:MaxPool",
                "com.microsoft.nchwc:Upsample",
            ]);
        }
        for operator in compared {
            assert_eq!(ours.get(operator), reference.get(operator), "{name} {operator}");
        }
    }
}

/// What a run found, by the level of the pyramid where there are several numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Proposals that enter the suppression, and those that it leaves, by the level of their anchors.
    scored: Vec<usize>,
    left: Vec<usize>,
    /// Proposals that are kept, by the level that they are sampled from.
    regions: Vec<usize>,
    /// Boxes of a class that enter the second suppression, and those that it leaves.
    candidates: usize,
    detections: usize,
    classes: usize,
}

/// A run to be made.
#[derive(Clone, Copy)]
struct Run {
    level: GraphOptimizationLevel,
    threads: usize,
    seed: u64,
    /// Relative change of every element of the image, of either sign.
    nudge: f32,
}

const PLAIN: Run = Run { level: All, threads: 1, seed: 1, nudge: 0.0 };
/// A size that takes a second or so.
pub const SMALL: (u32, u32) = (320, 416);

/// Counts hang on no rounding: they are the same at either optimization level, with one thread and two, and when every
/// element of the image is off by more than rounding.
#[test]
fn small_images_give_equal_counts_however_they_are_run() {
    let built = watched(build("maskrcnn-resnet50-fpn", 1, None, Some(SMALL)));
    let found = find(&built, PLAIN, SMALL);
    check_realistic(&found, 20..=50, 3);
    for (level, threads, nudge) in [(Disable, 1, 0.0), (Disable, 2, 0.0), (All, 2, 0.0), (All, 1, 1e-5)] {
        assert_eq!(find(&built, Run { level, threads, nudge, ..PLAIN }, SMALL), found, "{threads} threads, {nudge}");
    }
    for seed in 2..=5 {
        check_realistic(&find(&built, Run { seed, ..PLAIN }, SMALL), 20..=50, 3);
    }
}

#[test]
fn images_of_the_default_size_give_realistic_counts() {
    let built = watched(build("maskrcnn-resnet50-fpn", 1, None, None));
    let found = find(&built, PLAIN, (800, 1066));
    check_realistic(&found, 15..=45, 4);
    assert_eq!(find(&built, Run { level: Disable, threads: 2, ..PLAIN }, (800, 1066)), found);
}

#[test]
fn every_image_of_a_batch_has_its_own_detections() {
    for name in MODELS {
        let built = build(name, 2, None, Some((192, 224)));
        let outputs = run(&built.model, &built, PLAIN);
        for image in 0..2 {
            let (boxes, _) = numbers::<f32>(&outputs[&format!("boxes.{image}")]);
            let (labels, _) = numbers::<i64>(&outputs[&format!("labels.{image}")]);
            assert_eq!(boxes, [labels[0], 4], "{name} image {image}");
            assert!(labels[0] > 0, "{name} image {image} has no detection");
            if let Some(masks) = outputs.get(&format!("masks.{image}")) {
                assert_eq!(numbers::<f32>(masks).0, [labels[0], 1, 192, 224], "{name} image {image}");
            }
        }
        assert_ne!(numbers::<f32>(&outputs["scores.0"]).1, numbers::<f32>(&outputs["scores.1"]).1, "{name}");
    }
}

/// Both suppressions drop much and leave much; detections are of many classes and sampled from several levels.
fn check_realistic(found: &Found, detections: std::ops::RangeInclusive<usize>, levels: usize) {
    let (scored, left): (usize, usize) = (found.scored.iter().sum(), found.left.iter().sum());
    assert!(left < scored * 2 / 3 && left > 800, "{found:?}");
    assert!(found.left.iter().all(|level| *level > 0), "{found:?}");
    assert_eq!(found.regions.iter().sum::<usize>(), left.min(1000), "{found:?}");
    assert!(found.regions.iter().filter(|regions| **regions >= 5).count() >= levels, "{found:?}");
    assert!(detections.contains(&found.detections) && found.candidates > found.detections, "{found:?}");
    assert!(found.classes >= 10, "{found:?}");
}

/// The model with what tells counts as outputs.
fn watched(mut built: BuiltModel) -> BuiltModel {
    let graph = built.model.graph.as_mut().unwrap();
    let mut names = Vec::new();
    for node in &graph.node {
        if node.op_type() == "NonMaxSuppression" {
            names.extend([node.input[0].clone(), node.output[0].clone()]);
        } else if node.op_type() == "NonZero" && node.name().contains("/box_roi_pool/") {
            names.push(node.output[0].clone());
        }
    }
    assert_eq!(names.len(), 2 * 2 + 4);
    graph.output.extend(names.into_iter().map(|name| ValueInfoProto { name: Some(name), ..Default::default() }));
    built
}

/// Runs a watched model once, checks what it returns and counts.
fn find(built: &BuiltModel, run_it: Run, (height, width): (u32, u32)) -> Found {
    let outputs = run(&built.model, built, run_it);
    let graph = built.model.graph.as_ref().unwrap();
    let watched: Vec<&DynValue> = graph.output[4..].iter().map(|output| &outputs[output.name()]).collect();
    let suppressions: Vec<usize> = (0..graph.output.len() - 4)
        .filter(|index| graph.output[4 + index].name().contains("NonMaxSuppression"))
        .collect();
    let boxes = |index: usize| numbers::<f32>(watched[suppressions[index] - 1]);
    let kept = |index: usize| numbers::<i64>(watched[suppressions[index]]);
    // Levels were moved apart by one more than the longer side.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let levels: Vec<usize> =
        boxes(0).1.chunks_exact(4).map(|sides| (sides[0] / (height.max(width) + 1) as f32) as usize).collect();
    let left = kept(0).1.chunks_exact(3).map(|row| levels[usize::try_from(row[2]).unwrap()]).collect::<Vec<_>>();
    let regions = graph.output[4..].iter().filter(|output| output.name().contains("NonZero"));
    let regions = regions.map(|output| size(numbers::<i64>(&outputs[output.name()]).0[1])).collect();
    let classes = check_detections(&outputs, height, width);
    Found {
        scored: by_level(&levels),
        left: by_level(&left),
        regions,
        candidates: size(boxes(1).0[1]),
        detections: size(kept(1).0[0]),
        classes,
    }
}

/// Boxes lie in the image, scores are probabilities that count, masks too; returns the number of classes.
fn check_detections(outputs: &BTreeMap<String, DynValue>, height: u32, width: u32) -> usize {
    let (shape, boxes) = numbers::<f32>(&outputs["boxes"]);
    let (_, mut labels) = numbers::<i64>(&outputs["labels"]);
    let (_, scores) = numbers::<f32>(&outputs["scores"]);
    assert_eq!((shape[0], scores.len()), (i64::try_from(labels.len()).unwrap(), labels.len()));
    #[allow(clippy::cast_precision_loss)]
    let limits = [width as f32, height as f32];
    for sides in boxes.chunks_exact(4) {
        assert!(sides[0] >= 0.0 && sides[1] >= 0.0 && sides[2] <= limits[0] && sides[3] <= limits[1], "{sides:?}");
        assert!(sides[0] < sides[2] && sides[1] < sides[3], "{sides:?}");
    }
    assert!(scores.iter().all(|score| (0.05..=1.0).contains(score)), "{scores:?}");
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(labels.iter().all(|label| (1..=90).contains(label)), "{labels:?}");
    if let Some(masks) = outputs.get("masks") {
        let (dims, masks) = numbers::<f32>(masks);
        assert_eq!(dims, [shape[0], 1, i64::from(height), i64::from(width)]);
        assert!(masks.iter().all(|value| (0.0..=1.0).contains(value)) && masks.iter().any(|value| *value > 0.1));
    }
    labels.sort_unstable();
    labels.dedup();
    labels.len()
}

fn by_level(levels: &[usize]) -> Vec<usize> {
    (0..5).map(|level| levels.iter().filter(|other| **other == level).count()).collect()
}

fn size(dim: i64) -> usize {
    usize::try_from(dim).unwrap()
}

fn numbers<T: ort::value::PrimitiveTensorElementType + Copy>(value: &DynValue) -> (Vec<i64>, Vec<T>) {
    let (shape, values) = value.try_extract_tensor::<T>().unwrap();
    (shape.to_vec(), values.to_vec())
}

/// All outputs by name, for the image that a launch with that seed is given.
fn run(model: &ModelProto, built: &BuiltModel, Run { level, threads, seed, nudge }: Run) -> BTreeMap<String, DynValue> {
    let _only = only_session();
    let request = InputRequest { seed, ..Default::default() };
    let image = inputs::plan(&built.model, "model", &request).unwrap().swap_remove(0);
    let InputData::Float32(mut values) = image.data else { panic!("an image of {}", image.element) };
    let mut random = fastrand::Rng::with_seed(seed);
    values.iter_mut().for_each(|value| *value *= 1.0 + if random.bool() { nudge } else { -nudge });
    let shape: Vec<i64> = image.shape.iter().map(|&dim| i64::try_from(dim).unwrap()).collect();
    let mut session = Session::builder(environment())
        .unwrap()
        .with_intra_threads(threads)
        .unwrap()
        .with_optimization_level(level)
        .unwrap()
        .with_external_initializer_file_in_memory(built.weights.file_name, weights::fill(&built.weights))
        .unwrap()
        .commit_from_memory(&model.encode_to_vec())
        .unwrap();
    let outputs = session.run(ort::inputs!["input" => Tensor::from_array((shape, values)).unwrap()]).unwrap();
    outputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
