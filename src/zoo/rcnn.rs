//! Faster R-CNN (Ren et al., 2015) and Mask R-CNN (He et al., 2017) on ResNet-50 with a feature pyramid, as torchvision
//! writes them.
//!
//! The input is what torchvision's transform hands on: normalized, with the shorter side at 800 pixels. Scaling a
//! photograph is the work of whoever decodes it; given an image of that size, torchvision's transform leaves it at that,
//! so boxes and masks come out in pixels of the input. Filling up to multiples of 32 belongs to the model and is in it.

mod arranged;
mod boxes;
mod heads;
mod masks;
mod pool;
mod rpn;

use crate::onnx::builder::{BuiltGraph, ConvSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks;
use super::resnet::{self, BatchNorm};

/// One member of the family.
#[derive(Debug)]
pub struct Config {
    masks: bool,
}

/// Boxes alone.
pub const FASTER: Config = Config { masks: false };
/// Boxes with a mask each.
pub const MASK: Config = Config { masks: true };

/// Classes, the background included.
const CLASSES: i64 = 91;
/// Channels of each level of the pyramid.
const CHANNELS: i64 = 256;
/// The sides of the padded image are multiples of this.
const UNIT: i64 = 32;
/// The smallest side at which the deepest level still has several positions.
const SMALLEST_IMAGE: i64 = 64;
/// Most proposals that a level of the pyramid hands on, and that are kept in all.
const PROPOSALS: i64 = 1000;
/// Most detections.
const DETECTIONS: i64 = 100;

/// A convolution that keeps the size.
const fn same(kernel: i64) -> ConvSpec {
    ConvSpec { stride: 1, padding: kernel / 2, groups: 1 }
}

/// The images of a batch: their number, and the size of each before and after filling up.
#[derive(Debug, Clone, Copy)]
struct Images {
    batch: i64,
    size: [i64; 2],
    padded: [i64; 2],
}

/// What is found in one image.
#[derive(Debug, Clone)]
struct Detections {
    boxes: Value,
    labels: Value,
    scores: Value,
}

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, (height, width): (i64, i64)) -> Result<BuiltGraph, String> {
    if height.min(width) < SMALLEST_IMAGE {
        return Err(format!("an image of {height}x{width} pixels: both sides must be {SMALLEST_IMAGE} or more"));
    }
    let padded = [height, width].map(|side| (side + UNIT - 1) / UNIT * UNIT);
    let images = Images { batch, size: [height, width], padded };
    let mut b = GraphBuilder::new(name);
    let input = b.input("input", DataType::Float, &[batch, 3, height, width]);
    let image = b.scope("transform", |b| b.pad_end(&input, &[0, 0, padded[0] - height, padded[1] - width]));
    let levels = b.scope("backbone", |b| {
        let features = b.scope("body", |b| resnet::trunk(b, &image, BatchNorm::Frozen));
        b.scope("fpn", |b| pyramid(b, &features))
    });
    let proposals = b.scope("rpn", |b| rpn::proposals(b, &levels, &images));
    let detections = b.scope("roi_heads", |b| heads::detections(b, &levels, &proposals, &images));
    let masks = config.masks.then(|| {
        let masks = b.scope("roi_heads", |b| masks::predict(b, &levels, &detections));
        b.scope("transform", |b| masks::paste(b, &masks, &detections, images.size))
    });
    for (index, found) in detections.iter().enumerate() {
        let named = |name: &str| if batch == 1 { name.to_owned() } else { format!("{name}.{index}") };
        b.output(&named("boxes"), &found.boxes);
        b.output(&named("labels"), &found.labels);
        b.output(&named("scores"), &found.scores);
        if let Some(masks) = &masks {
            b.output(&named("masks"), &masks[index]);
        }
    }
    Ok(b.finish())
}

/// The feature pyramid (Lin et al., 2017): every level a sum of its features and of all coarser ones, and a fifth level
/// of every other position of the fourth.
fn pyramid(b: &mut GraphBuilder, features: &[Value; 4]) -> [Value; 5] {
    let mut sums: Vec<Value> = Vec::new();
    for (level, feature) in features.iter().enumerate().rev() {
        let lateral = blocks::conv(b, &format!("inner_blocks.{level}"), feature, CHANNELS, 1, same(1));
        sums.push(match sums.last() {
            None => lateral,
            Some(coarser) => {
                let finer = b.resize_nearest(coarser, lateral.dim(2), lateral.dim(3));
                b.add(&lateral, &finer)
            }
        });
    }
    sums.reverse();
    let levels =
        [0, 1, 2, 3].map(|level| b.scope(&format!("layer_blocks.{level}"), |b| smooth(b, &sums[level], level)));
    let last = b.max_pool(&levels[3], 1, 2, 0);
    let [p2, p3, p4, p5] = levels;
    [p2, p3, p4, p5, last]
}

fn smooth(b: &mut GraphBuilder, sum: &Value, level: usize) -> Value {
    let (dims, runs) = ([CHANNELS, CHANNELS, 3, 3], arranged::contrast_feature(level));
    let weight = b.arranged_parameter("weight", &dims, arranged::level_weight(level), runs);
    let bias = b.given_parameter("bias", &[CHANNELS], &arranged::level_bias(level));
    b.conv(sum, &weight, Some(&bias), same(3))
}
