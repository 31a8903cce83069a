//! The mask head, and masks laid into the image.

use crate::onnx::builder::{ConvSpec, GraphBuilder, Init, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::heads::by_image;
use super::{CHANNELS, CLASSES, Detections, boxes, pool, same};
use crate::zoo::blocks::{self, BIAS};

/// Rows and columns that a detection is sampled on.
const GRID: i64 = 14;
/// Convolutions before the masks are made.
const DEPTH: usize = 4;
/// Zeros around a mask before it is scaled to its box.
const BORDER: i64 = 1;

/// For each image the masks of its detections' classes, (detections, 1, 28, 28), as probabilities.
pub fn predict(b: &mut GraphBuilder, levels: &[Value; 5], detections: &[Detections]) -> Vec<Value> {
    let found: Vec<Value> = detections.iter().map(|found| found.boxes.clone()).collect();
    let mut x = b.scope("mask_roi_pool", |b| pool::pool(b, levels, &found, GRID));
    for layer in 0..DEPTH {
        x = b.scope("mask_head", |b| blocks::conv(b, &layer.to_string(), &x, CHANNELS, 3, same(3)));
        x = b.relu(&x);
    }
    let logits = b.scope("mask_predictor", |b| {
        let finer = b.scope("conv5_mask", |b| {
            let weight = b.parameter("weight", &[CHANNELS, CHANNELS, 2, 2], Init::FanIn(CHANNELS));
            let bias = b.parameter("bias", &[CHANNELS], BIAS);
            b.conv_transpose(&x, &weight, &bias, ConvSpec { stride: 2, padding: 0, groups: 1 })
        });
        let finer = b.relu(&finer);
        blocks::conv(b, "mask_fcn_logits", &finer, CLASSES, 1, same(1))
    });
    let likely = b.sigmoid(&logits);
    let labels: Vec<&Value> = detections.iter().map(|found| &found.labels).collect();
    let labels = if let [only] = labels[..] { only.clone() } else { b.concat(&labels, 0) };
    let count = b.size_of(&labels, 0);
    let count = b.to_scalar(&count);
    let rows = b.count_to(&count, labels.dim(0));
    let [rows, labels] = [&rows, &labels].map(|x| b.unsqueeze(x, &[1]));
    let at = b.concat(&[&rows, &labels], 1);
    let masks = b.gather_nd(&likely, &at);
    let masks = b.unsqueeze(&masks, &[1]);
    by_image(b, &masks, &found)
}

/// Each image's masks scaled to their boxes and laid into an empty image each, (detections, 1, height, width).
pub fn paste(b: &mut GraphBuilder, masks: &[Value], detections: &[Detections], size: [i64; 2]) -> Vec<Value> {
    masks.iter().zip(detections).map(|(masks, found)| paste_into_image(b, masks, &found.boxes, size)).collect()
}

/// One detection after the other, as torchvision does it, in eager mode and when exported: each has a size of its own.
fn paste_into_image(b: &mut GraphBuilder, masks: &Value, boxes: &Value, size: [i64; 2]) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "sides of masks are small")]
    let growth = (masks.dim(-1) + 2 * BORDER) as f32 / masks.dim(-1) as f32;
    let masks = b.pad_around(masks, &[0, 0, BORDER, BORDER]);
    let boxes = grow(b, boxes, growth);
    let boxes = b.cast(&boxes, DataType::Int64);
    let count = b.size_of(&masks, 0);
    let count = b.to_scalar(&count);
    b.for_each(&count, masks.dim(0), |b, run| {
        let [mask, sides] = [&masks, &boxes].map(|x| b.gather(x, run, 0));
        paste_one(b, &mask, &sides, size)
    })
}

/// Boxes made larger around their centres.
fn grow(b: &mut GraphBuilder, boxes: &Value, by: f32) -> Value {
    let extents = boxes::extents(b, boxes);
    let [half, by] = [0.5, by].map(|value| b.scalar(value));
    let sides = [0, 1].map(|axis| {
        let (from, to) = (boxes::coordinate(b, boxes, axis), boxes::coordinate(b, boxes, axis + 2));
        let reach = b.mul(&extents[usize::from(axis != 0)], &half);
        let centre = b.add(&from, &to);
        let centre = b.mul(&centre, &half);
        let reach = b.mul(&reach, &by);
        [b.sub(&centre, &reach), b.add(&centre, &reach)].map(|side| b.unsqueeze(&side, &[1]))
    });
    let [[left, right], [top, bottom]] = &sides;
    b.concat(&[left, top, right, bottom], 1)
}

/// A mask, (1, rows, columns), in an image of its own, (1, height, width): the part of it that lies inside.
fn paste_one(b: &mut GraphBuilder, mask: &Value, sides: &Value, size: [i64; 2]) -> Value {
    let sides = b.split(sides, 0, 4);
    let [zero, one] = [0, 1].map(|value| b.int64(&[1], &[value]));
    // Rows first: (from, to, how many, first and last inside the image).
    let axes = [(1, 3, size[0]), (0, 2, size[1])].map(|(from, to, most)| {
        let (from, to) = (&sides[from], &sides[to]);
        let extent = b.sub(to, from);
        let extent = b.add(&extent, &one);
        let extent = b.max(&extent, &one);
        let most = b.int64(&[1], &[most]);
        let first = b.max(from, &zero);
        let end = b.add(to, &one);
        let end = b.min(&end, &most);
        let cut = [&first, &end].map(|bound| b.sub(bound, from));
        let behind = b.sub(&most, &end);
        (extent, cut, first, behind)
    });
    let [(height, cut_rows, above, below), (width, cut_columns, before, behind)] = &axes;
    let lead = b.int64(&[2], &[1, 1]);
    let wanted = b.concat(&[&lead, height, width], 0);
    let mask = b.unsqueeze(mask, &[0]);
    let scaled = b.resize_computed(&mask, &wanted, mask.dims());
    let inside = b.slice_between(&scaled, 2, &cut_rows[0], &cut_rows[1], mask.dim(2));
    let inside = b.slice_between(&inside, 3, &cut_columns[0], &cut_columns[1], mask.dim(3));
    let none = b.int64(&[2], &[0, 0]);
    let pads = b.concat(&[&none, above, before, &none, below, behind], 0);
    let pasted = b.pad_computed(&inside, &pads, &[1, 1, size[0], size[1]]);
    b.squeeze(&pasted, 0)
}
