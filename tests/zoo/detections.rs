//! How much the detectors find: what their later stages run on.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, MutexGuard};

use half::f16;
use nongemm::measure::inputs::{self, InputData, InputRequest};
use nongemm::onnx::proto::ValueInfoProto;
use nongemm::zoo::{self, BuildShape, BuiltModel, weights};
use ort::session::builder::GraphOptimizationLevel::{self, All, Disable};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor};

use super::detectors::MODELS;
use super::reference::{build, tensors};
use super::runtime::{only_session, session};

/// A size that takes a second or so.
pub const SMALL: (u32, u32) = (320, 416);
/// The size of the built-in models.
const USUAL: (u32, u32) = (800, 1066);
/// Images that counts are taken of.
const SEEDS: RangeInclusive<u64> = 1..=5;

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

/// Counts hang on no rounding: they are the same at either optimization level, with one thread and two, and when every
/// element of the image is off by more than rounding.
#[test]
fn small_images_give_equal_counts_however_they_are_run() {
    let built = mask_rcnn(SMALL);
    let found = {
        let mut detector = Detector::new(built.clone(), SMALL, All, 1);
        let found = detector.find(1, 0.0);
        check_realistic(&found, 20..=50, 3);
        assert_eq!(detector.find(1, 1e-5), found, "every element of the image changed");
        found
    };
    for (level, threads) in [(Disable, 1), (Disable, 2), (All, 2)] {
        assert_eq!(Detector::new(built.clone(), SMALL, level, threads).find(1, 0.0), found, "{threads} threads");
    }
}

/// Prints what docs/data-dependent.md tells of images of five seeds.
#[test]
fn images_of_either_size_give_realistic_counts() {
    for (size, detections, levels) in [(SMALL, 20..=50, 3), (USUAL, 15..=45, 4)] {
        let mut detector = Detector::new(mask_rcnn(size), size, All, 2);
        let all: Vec<Found> = SEEDS.map(|seed| detector.find(seed, 0.0)).collect();
        println!("maskrcnn-resnet50-fpn, {} x {}:\n{}", size.0, size.1, ranges(&all));
        for found in &all {
            check_realistic(found, detections.clone(), levels);
        }
    }
    let found = Detector::new(mask_rcnn(USUAL), USUAL, All, 2).find(1, 0.0);
    assert_eq!(Detector::new(mask_rcnn(USUAL), USUAL, Disable, 2).find(1, 0.0), found);
}

/// Scores are contrasts of nearly equal numbers, of which half precision keeps less: it may find other boxes, but as many.
#[test]
fn half_precision_finds_as_much() {
    let shape = BuildShape { batch: 1, sequence: None, image: Some(SMALL) };
    let half = zoo::build_fp16("maskrcnn-resnet50-fpn", &shape).unwrap().0;
    let mut detector = Detector::new(half, SMALL, All, 2);
    let all: Vec<Found> = SEEDS.map(|seed| detector.find(seed, 0.0)).collect();
    println!("maskrcnn-resnet50-fpn in fp16, {} x {}:\n{}", SMALL.0, SMALL.1, ranges(&all));
    for found in &all {
        check_realistic(found, 20..=50, 3);
    }
}

#[test]
fn every_image_of_a_batch_has_its_own_detections() {
    for name in MODELS {
        let size = (192, 224);
        let outputs = Detector::new(build(name, 2, None, Some(size)), size, All, 1).run(1, 0.0);
        for image in 0..2 {
            let (boxes, _) = floats(&outputs[&format!("boxes.{image}")]);
            let (labels, _) = integers(&outputs[&format!("labels.{image}")]);
            assert_eq!(boxes, [labels[0], 4], "{name} image {image}");
            assert!(labels[0] > 0, "{name} image {image} has no detection");
            if let Some(masks) = outputs.get(&format!("masks.{image}")) {
                assert_eq!(floats(masks).0, [labels[0], 1, 192, 224], "{name} image {image}");
            }
        }
        assert_ne!(floats(&outputs["scores.0"]).1, floats(&outputs["scores.1"]).1, "{name}");
    }
}

/// Both suppressions drop much and leave much; detections are of many classes and sampled from several levels.
fn check_realistic(found: &Found, detections: RangeInclusive<usize>, levels: usize) {
    let (scored, left): (usize, usize) = (found.scored.iter().sum(), found.left.iter().sum());
    assert!(left < scored * 2 / 3 && left > 800, "{found:?}");
    assert!(found.left.iter().all(|level| *level > 0), "{found:?}");
    assert_eq!(found.regions.iter().sum::<usize>(), left.min(1000), "{found:?}");
    assert!(found.regions.iter().filter(|regions| **regions >= 5).count() >= levels, "{found:?}");
    assert!(detections.contains(&found.detections) && found.candidates > found.detections, "{found:?}");
    assert!(found.classes >= 10, "{found:?}");
}

/// Least and greatest of each count, a line each.
fn ranges(all: &[Found]) -> String {
    let range = |of: &dyn Fn(&Found) -> usize| {
        let counts = || all.iter().map(of);
        let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        if least == most { least.to_string() } else { format!("{least} to {most}") }
    };
    let levels = |name: &str, of: &dyn Fn(&Found) -> &[usize]| {
        let each: Vec<String> = (0..of(&all[0]).len()).map(|level| range(&|found| of(found)[level])).collect();
        format!("  {name}: {}; in all {}\n", each.join(", "), range(&|found| of(found).iter().sum()))
    };
    levels("before suppression", &|found| &found.scored)
        + &levels("left", &|found| &found.left)
        + &levels("sampled from", &|found| &found.regions)
        + &format!(
            "  boxes of a class: {}\n  detections: {}\n  classes: {}",
            range(&|found| found.candidates),
            range(&|found| found.detections),
            range(&|found| found.classes)
        )
}

fn mask_rcnn(size: (u32, u32)) -> BuiltModel {
    build("maskrcnn-resnet50-fpn", 1, None, Some(size))
}

/// A session on a detector. One at a time.
struct Detector {
    built: BuiltModel,
    session: Session,
    /// Read in place by the session, which goes first.
    _arena: Arc<[u8]>,
    size: (u32, u32),
    /// True where its input and most of what it computes is of 16 bits.
    half: bool,
    _only: MutexGuard<'static, ()>,
}

impl Detector {
    /// With what tells counts as outputs, where the model is for one image.
    fn new(mut built: BuiltModel, size: (u32, u32), level: GraphOptimizationLevel, threads: usize) -> Detector {
        let _only = only_session();
        watch(&mut built);
        let arena = weights::fill(&built.weights);
        let session = session(&built, &arena, level, true, threads);
        let half = tensors(&built.model.graph.as_ref().unwrap().input)[0].dtype == "FLOAT16";
        Detector { built, session, _arena: arena, size, half, _only }
    }

    /// All outputs by name, for the image that a launch with that seed is given, every element of it changed by `nudge` of
    /// itself.
    fn run(&mut self, seed: u64, nudge: f32) -> BTreeMap<String, DynValue> {
        let request = InputRequest { seed, ..Default::default() };
        let image = inputs::plan(&self.built.model, "model", &request).unwrap().swap_remove(0);
        let shape: Vec<i64> = image.shape.iter().map(|&dim| i64::try_from(dim).unwrap()).collect();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut nudged = |value: f32| value * (1.0 + if random.bool() { nudge } else { -nudge });
        let input: SessionInputValue = match image.data {
            InputData::Float32(values) => {
                let values: Vec<f32> = values.into_iter().map(nudged).collect();
                Tensor::from_array((shape, values)).unwrap().into()
            }
            InputData::Float16(values) => {
                let values: Vec<f16> = values.into_iter().map(|it| f16::from_f32(nudged(it.to_f32()))).collect();
                Tensor::from_array((shape, values)).unwrap().into()
            }
            _ => panic!("an image of {}", image.element),
        };
        let outputs = self.session.run(vec![("input", input)]).unwrap();
        outputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Runs once, checks what it returns and counts.
    fn find(&mut self, seed: u64, nudge: f32) -> Found {
        let outputs = self.run(seed, nudge);
        let graph = self.built.model.graph.as_ref().unwrap();
        let watched: Vec<&DynValue> = graph.output[4..].iter().map(|output| &outputs[output.name()]).collect();
        let suppressions: Vec<usize> = (0..graph.output.len() - 4)
            .filter(|index| graph.output[4 + index].name().contains("NonMaxSuppression"))
            .collect();
        let boxes = |index: usize| floats(watched[suppressions[index] - 1]);
        let kept = |index: usize| integers(watched[suppressions[index]]);
        let levels: Vec<usize> = boxes(0).1.chunks_exact(4).map(|sides| self.level(sides[0])).collect();
        let left = kept(0).1.chunks_exact(3).map(|row| levels[usize::try_from(row[2]).unwrap()]).collect::<Vec<_>>();
        let regions = graph.output[4..].iter().filter(|output| output.name().contains("NonZero"));
        let regions = regions.map(|output| size(integers(&outputs[output.name()]).0[1])).collect();
        Found {
            scored: by_level(&levels),
            left: by_level(&left),
            regions,
            candidates: size(boxes(1).0[1]),
            detections: size(kept(1).0[0]),
            classes: self.check_detections(&outputs),
        }
    }

    /// The level of a proposal by its left side: levels were moved apart by one more than the longer side of the image.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn level(&self, left: f32) -> usize {
        // Half precision rounds by so much between 2048 and 4096 pixels, where all levels but the first begin.
        let rounding = if self.half { 2.0 } else { 0.0 };
        ((left + rounding) / (self.size.0.max(self.size.1) + 1) as f32) as usize
    }

    /// Boxes lie in the image, scores are probabilities that count, masks too; returns the number of classes.
    fn check_detections(&self, outputs: &BTreeMap<String, DynValue>) -> usize {
        let (height, width) = self.size;
        let (shape, boxes) = floats(&outputs["boxes"]);
        let (_, mut labels) = integers(&outputs["labels"]);
        let (_, scores) = floats(&outputs["scores"]);
        assert_eq!((shape[0], scores.len()), (i64::try_from(labels.len()).unwrap(), labels.len()));
        #[allow(clippy::cast_precision_loss)]
        let limits = [width as f32, height as f32];
        for sides in boxes.chunks_exact(4) {
            assert!(sides[0] >= 0.0 && sides[1] >= 0.0 && sides[2] <= limits[0] && sides[3] <= limits[1], "{sides:?}");
            assert!(sides[0] < sides[2] && sides[1] < sides[3], "{sides:?}");
        }
        // The threshold is 0.05, or what half precision makes of it.
        assert!(scores.iter().all(|score| (0.0499..=1.0).contains(score)), "{scores:?}");
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        assert!(labels.iter().all(|label| (1..=90).contains(label)), "{labels:?}");
        if let Some(masks) = outputs.get("masks") {
            let (dims, masks) = floats(masks);
            assert_eq!(dims, [shape[0], 1, i64::from(height), i64::from(width)]);
            assert!(masks.iter().all(|value| (0.0..=1.0).contains(value)) && masks.iter().any(|value| *value > 0.1));
        }
        labels.sort_unstable();
        labels.dedup();
        labels.len()
    }
}

/// Makes outputs of what tells counts, where the model is for one image.
fn watch(built: &mut BuiltModel) {
    let graph = built.model.graph.as_mut().unwrap();
    let mut names = Vec::new();
    for node in &graph.node {
        if node.op_type() == "NonMaxSuppression" {
            names.extend([node.input[0].clone(), node.output[0].clone()]);
        } else if node.op_type() == "NonZero" && node.name().contains("/box_roi_pool/") {
            names.push(node.output[0].clone());
        }
    }
    // Two suppressions and four levels to sample from; a batch has them for each image.
    if names.len() == 2 * 2 + 4 {
        graph.output.extend(names.into_iter().map(|name| ValueInfoProto { name: Some(name), ..Default::default() }));
    }
}

fn by_level(levels: &[usize]) -> Vec<usize> {
    (0..5).map(|level| levels.iter().filter(|other| **other == level).count()).collect()
}

fn size(dim: i64) -> usize {
    usize::try_from(dim).unwrap()
}

fn integers(value: &DynValue) -> (Vec<i64>, Vec<i64>) {
    let (shape, values) = value.try_extract_tensor::<i64>().unwrap();
    (shape.to_vec(), values.to_vec())
}

/// Numbers of 32 or 16 bits.
fn floats(value: &DynValue) -> (Vec<i64>, Vec<f32>) {
    if let Ok((shape, values)) = value.try_extract_tensor::<f32>() {
        return (shape.to_vec(), values.to_vec());
    }
    let (shape, values) = value.try_extract_tensor::<f16>().unwrap();
    (shape.to_vec(), values.iter().map(|value| value.to_f32()).collect())
}
