//! The box head: classes and boxes of the proposals, and the detections among them.

use crate::onnx::builder::{GemmSpec, GraphBuilder, Init, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::boxes::{self, Scored};
use super::{CLASSES, DETECTIONS, Detections, Images, arranged, pool};

/// Rows and columns that a proposal is sampled on.
const GRID: i64 = 7;
/// Width of the two layers.
const WIDTH: i64 = 1024;
/// Classes at least this likely are detections.
const LEAST_SCORE: f32 = 0.05;
/// Detections narrower or lower than this, in pixels, are dropped.
const SMALLEST: f32 = 1e-2;
/// Detections that overlap a better one of their class by more than this are dropped.
const OVERLAP: f32 = 0.5;
/// What shifts and growths are divided by.
const DELTA_WEIGHTS: [f32; 2] = [10.0, 5.0];

/// The detections in each image.
pub fn detections(b: &mut GraphBuilder, levels: &[Value; 5], proposals: &[Value], images: &Images) -> Vec<Detections> {
    let pooled = b.scope("box_roi_pool", |b| pool::pool(b, levels, proposals, GRID));
    let features = b.scope("box_head", |b| layers(b, &pooled));
    let (logits, deltas) = b.scope("box_predictor", |b| predictor(b, &features));
    let joined = if let [only] = proposals { only.clone() } else { b.concat(&proposals.iter().collect::<Vec<_>>(), 0) };
    let moved = boxes::decode(b, &deltas, &joined, DELTA_WEIGHTS);
    let scores = b.softmax(&logits);
    let (moved, scores) = (by_image(b, &moved, proposals), by_image(b, &scores, proposals));
    moved.iter().zip(&scores).map(|(moved, scores)| select(b, moved, scores, images.size)).collect()
}

/// Two layers on the sampled features, laid out as rows.
fn layers(b: &mut GraphBuilder, pooled: &Value) -> Value {
    let inputs = pooled.dims()[1..].iter().product();
    let rows = b.reshape(pooled, &[-1, inputs]);
    let hidden = b.scope("fc6", |b| {
        let weight =
            b.arranged_parameter("weight", &[WIDTH, inputs], Init::FanIn(inputs), arranged::class_patterns(inputs));
        let bias = b.given_parameter("bias", &[WIDTH], &arranged::class_thresholds());
        b.gemm(&rows, &weight, &bias, GemmSpec::TransposedWeight)
    });
    let hidden = b.relu(&hidden);
    let hidden = b.scope("fc7", |b| {
        let weight = b.arranged_parameter("weight", &[WIDTH, WIDTH], Init::FanIn(WIDTH), arranged::class_passage());
        let bias = b.given_parameter("bias", &[WIDTH], &arranged::passage_bias());
        b.gemm(&hidden, &weight, &bias, GemmSpec::TransposedWeight)
    });
    b.relu(&hidden)
}

/// Logits of each class, (boxes, classes), and moves for each class, (boxes, 4 x classes).
fn predictor(b: &mut GraphBuilder, features: &Value) -> (Value, Value) {
    let logits = b.scope("cls_score", |b| {
        let runs = arranged::class_weights();
        let weight = b.arranged_parameter("weight", &[CLASSES, WIDTH], Init::FanIn(WIDTH), runs);
        let bias = b.given_parameter("bias", &[CLASSES], &arranged::class_bias());
        b.gemm(features, &weight, &bias, GemmSpec::TransposedWeight)
    });
    let deltas = b.scope("bbox_pred", |b| {
        let weight = b.parameter("weight", &[4 * CLASSES, WIDTH], arranged::CLASS_MOVES);
        let bias = b.parameter("bias", &[4 * CLASSES], super::blocks::BIAS);
        b.gemm(features, &weight, &bias, GemmSpec::TransposedWeight)
    });
    (logits, deltas)
}

/// Rows for the boxes of all images as rows for those of each.
pub fn by_image(b: &mut GraphBuilder, rows: &Value, boxes: &[Value]) -> Vec<Value> {
    if boxes.len() == 1 {
        return vec![rows.clone()];
    }
    let counts: Vec<Value> = boxes.iter().map(|boxes| b.size_of(boxes, 0)).collect();
    let counts = b.concat(&counts.iter().collect::<Vec<_>>(), 0);
    let expected: Vec<i64> = boxes.iter().map(|boxes| boxes.dim(0)).collect();
    b.split_computed(rows, &counts, &expected)
}

/// Every class of every box on its own, those that are likely and that overlap no better one of their class.
fn select(b: &mut GraphBuilder, moved: &Value, scores: &Value, size: [i64; 2]) -> Detections {
    let boxes = boxes::clip(b, moved, size);
    let labels: Vec<i64> = (0..CLASSES).collect();
    let labels = b.int64(&[1, CLASSES], &labels);
    let shape = b.size_of(scores, 0);
    let classes = b.int64(&[1], &[CLASSES]);
    let shape = b.concat(&[&shape, &classes], 0);
    let labels = b.expand_to(&labels, &shape, &[scores.dim(0), CLASSES]);
    // The first class is the background.
    let [boxes, scores, labels] = [&boxes, scores, &labels].map(|x| b.slice(x, 1, 1, i64::MAX));
    let boxes = b.reshape(&boxes, &[-1, 4]);
    let [scores, labels] = [&scores, &labels].map(|x| b.reshape(x, &[-1]));
    debug_assert_eq!(labels.dtype(), DataType::Int64);
    let least = b.scalar(LEAST_SCORE);
    let likely = b.greater(&scores, &least);
    let scored = Scored { boxes, scores, kind: labels }.filter(b, &likely, DETECTIONS);
    let scored = scored.without_small(b, SMALLEST);
    let Scored { boxes, scores, kind } = scored.suppress(b, OVERLAP, DETECTIONS, size);
    Detections { boxes, scores, labels: kind }
}
