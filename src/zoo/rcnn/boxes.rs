//! Boxes as left, top, right and bottom in pixels: moved by what a head says, cut at the image's edge, selected.

use crate::onnx::builder::{GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

/// Largest logarithm of a growth in size: boxes of 16 pixels grow to 1000 at most.
const MOST_GROWTH: f32 = 4.135_166_6;

/// One coordinate of boxes, (boxes, 4), as (boxes).
pub fn coordinate(b: &mut GraphBuilder, boxes: &Value, index: i64) -> Value {
    b.pick(boxes, -1, index)
}

/// Width and height, or whatever else is the difference of opposite sides.
pub fn extents(b: &mut GraphBuilder, boxes: &Value) -> [Value; 2] {
    [0, 1].map(|axis| {
        let (from, to) = (coordinate(b, boxes, axis), coordinate(b, boxes, axis + 2));
        b.sub(&to, &from)
    })
}

/// Moves each of the boxes, (boxes, 4), by shifts and growths for each class, (boxes, 4 x classes), divided by `weights`
/// where those are not one: (boxes, classes, 4).
pub fn decode(b: &mut GraphBuilder, deltas: &Value, boxes: &Value, weights: [f32; 2]) -> Value {
    let classes = deltas.dim(1) / 4;
    let sizes = extents(b, boxes);
    let moved = [0, 1].map(|axis| {
        let half = b.scalar(0.5);
        let size = &sizes[usize::from(axis != 0)];
        let from = coordinate(b, boxes, axis);
        let reach = b.mul(size, &half);
        let centre = b.add(&from, &reach);
        let [size, centre] = [size, &centre].map(|x| b.unsqueeze(x, &[1]));
        let shift = delta(b, deltas, axis, weights[0]);
        let growth = delta(b, deltas, axis + 2, weights[1]);
        let growth = b.clip(&growth, None, Some(MOST_GROWTH));
        let shift = b.mul(&shift, &size);
        let centre = b.add(&shift, &centre);
        let growth = b.exp(&growth);
        let size = b.mul(&growth, &size);
        let reach = b.mul(&size, &half);
        [b.sub(&centre, &reach), b.add(&centre, &reach)]
    });
    let [[left, right], [top, bottom]] = moved;
    let sides = [left, top, right, bottom].map(|side| b.unsqueeze(&side, &[2]));
    let sides = b.concat(&[&sides[0], &sides[1], &sides[2], &sides[3]], 2);
    debug_assert_eq!(sides.dim(1), classes);
    sides
}

fn delta(b: &mut GraphBuilder, deltas: &Value, index: i64, weight: f32) -> Value {
    let all = b.slice_by(deltas, 1, index, i64::MAX, 4);
    #[allow(clippy::float_cmp, reason = "the weight is a constant, one where nothing is to be divided")]
    if weight == 1.0 {
        return all;
    }
    let weight = b.scalar(weight);
    b.div(&all, &weight)
}

/// Cuts (..., 4) boxes at the edges of an image of that height and width.
pub fn clip(b: &mut GraphBuilder, boxes: &Value, [height, width]: [i64; 2]) -> Value {
    let rank = boxes.dims().len();
    let zero = b.scalar(0.0);
    let axes = [(0, width), (1, height)].map(|(axis, most)| {
        #[allow(clippy::cast_precision_loss, reason = "sides of images are small")]
        let most = b.scalar(most as f32);
        let both = b.slice_by(boxes, -1, axis, i64::MAX, 2);
        let both = b.max(&both, &zero);
        let both = b.min(&both, &most);
        b.unsqueeze(&both, &[i64::try_from(rank).expect("a rank is small")])
    });
    let joined = b.concat(&[&axes[0], &axes[1]], -1);
    let mut shape = vec![-1];
    shape.extend_from_slice(&boxes.dims()[1..]);
    b.reshape(&joined, &shape)
}

/// Boxes with what belongs to each; a selection applies to all.
#[derive(Debug, Clone)]
pub struct Scored {
    /// (boxes, 4).
    pub boxes: Value,
    /// (boxes).
    pub scores: Value,
    /// What overlapping boxes must share to be compared: the level or the class.
    pub kind: Value,
}

impl Scored {
    fn at(&self, b: &mut GraphBuilder, indices: &Value) -> Scored {
        let [boxes, scores, kind] = [&self.boxes, &self.scores, &self.kind].map(|x| b.gather(x, indices, 0));
        Scored { boxes, scores, kind }
    }

    /// Those for which the condition holds, of which `expected` are expected.
    pub fn filter(&self, b: &mut GraphBuilder, condition: &Value, expected: i64) -> Scored {
        let indices = b.positions(condition, expected);
        self.at(b, &indices)
    }

    /// Those with both sides of at least so many pixels.
    pub fn without_small(&self, b: &mut GraphBuilder, least: f32) -> Scored {
        let least = b.scalar(least);
        let [wide, high] = extents(b, &self.boxes).map(|extent| b.greater_or_equal(&extent, &least));
        let large = b.and(&wide, &high);
        self.filter(b, &large, self.boxes.dim(0))
    }

    /// Those that no higher-scoring box of the same kind overlaps by more than `overlap`, highest score first, at most
    /// `most`. Boxes lie in an image of `size`; each kind is moved to a place of its own, so that one suppression does
    /// for all.
    pub fn suppress(&self, b: &mut GraphBuilder, overlap: f32, most: i64, size: [i64; 2]) -> Scored {
        #[allow(clippy::cast_precision_loss, reason = "sides of images are small")]
        let apart = b.scalar((size[0].max(size[1]) + 1) as f32);
        let kind = b.cast(&self.kind, DataType::Float);
        let offsets = b.mul(&kind, &apart);
        let offsets = b.unsqueeze(&offsets, &[1]);
        let moved = b.add(&self.boxes, &offsets);
        let kept = b.non_max_suppression(&moved, &self.scores, overlap, self.boxes.dim(0));
        let kept = b.slice(&kept, 0, 0, most);
        self.at(b, &kept)
    }
}
