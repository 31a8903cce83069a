//! Regions sampled from the level of the pyramid that suits their size.

use std::f32::consts::LN_2;

use crate::onnx::builder::{GraphBuilder, RoiGrid, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::boxes;

/// The level, counted as the power of two by which it is coarser than the image, that a box of [`USUAL_SIDE`] goes to.
const USUAL_LEVEL: f32 = 4.0;
/// Side of a box as pictures of ImageNet have it, in pixels.
const USUAL_SIDE: f32 = 224.0;
/// The finest and the coarsest level that regions are sampled from.
const LEVELS: [f32; 2] = [2.0, 5.0];
/// What keeps a box at the boundary on the coarser side.
const EPSILON: f32 = 1e-6;
/// Samples along each axis of a cell.
const SAMPLING: i64 = 2;

/// Features of each box of each image, (boxes of all images, channels, size, size).
pub fn pool(b: &mut GraphBuilder, levels: &[Value; 5], boxes: &[Value], size: i64) -> Value {
    let images = image_of_each(b, boxes);
    let boxes = if let [only] = boxes { only.clone() } else { b.concat(&boxes.iter().collect::<Vec<_>>(), 0) };
    let level_of = level_of_each(b, &boxes);
    let count = b.size_of(&boxes, 0);
    let (regions, channels) = (boxes.dim(0), levels[0].dim(1));
    let rest = b.int64(&[3], &[channels, size, size]);
    let shape = b.concat(&[&count, &rest], 0);
    let mut pooled = b.filled(&shape, &[regions, channels, size, size]);
    for (index, level) in (0_i16..4).zip(levels) {
        let wanted = b.int64(&[], &[index.into()]);
        let here = b.equal(&level_of, &wanted);
        let here = b.positions(&here, regions / 4);
        let [boxes, images] = [&boxes, &images].map(|x| b.gather(x, &here, 0));
        let grid = RoiGrid { size, sampling: SAMPLING, scale: 0.25 / f32::from(1_i16 << index) };
        let features = b.roi_align(level, &boxes, &images, grid);
        let rows = b.unsqueeze(&here, &[1]);
        pooled = b.scatter_nd(&pooled, &rows, &features);
    }
    pooled
}

/// Which image of the batch each box lies in.
fn image_of_each(b: &mut GraphBuilder, boxes: &[Value]) -> Value {
    let images: Vec<Value> = (0_i64..)
        .zip(boxes)
        .map(|(index, boxes)| {
            let count = b.size_of(boxes, 0);
            let index = b.int64(&[1], &[index]);
            b.expand_to(&index, &count, &[boxes.dim(0)])
        })
        .collect();
    if let [only] = images.as_slice() { only.clone() } else { b.concat(&images.iter().collect::<Vec<_>>(), 0) }
}

/// The level that each box is sampled from, 0 for the finest: equation 1 of the paper on feature pyramids.
fn level_of_each(b: &mut GraphBuilder, boxes: &Value) -> Value {
    let [width, height] = boxes::extents(b, boxes);
    let area = b.mul(&width, &height);
    let side = b.sqrt(&area);
    let [usual_side, ln_2, usual_level, epsilon] =
        [USUAL_SIDE, LN_2, USUAL_LEVEL, EPSILON].map(|value| b.scalar(value));
    let ratio = b.div(&side, &usual_side);
    let ratio = b.log(&ratio);
    let octaves = b.div(&ratio, &ln_2);
    let level = b.add(&octaves, &usual_level);
    let level = b.add(&level, &epsilon);
    let level = b.floor(&level);
    let level = b.clip(&level, Some(LEVELS[0]), Some(LEVELS[1]));
    let level = b.cast(&level, DataType::Int64);
    let finest = b.int64(&[], &[2]);
    b.sub(&level, &finest)
}
