//! The region proposal network: scores and moves anchors at every position of every level, and keeps the best.

use crate::onnx::builder::{GraphBuilder, Init, Value};

use super::arranged;
use super::boxes::{self, Scored};
use super::{CHANNELS, Images, PROPOSALS, same};

/// Side of the square anchor of each level, in pixels.
const ANCHOR_SIDES: [f32; 5] = [32.0, 64.0, 128.0, 256.0, 512.0];
/// Height over width of the anchors at each position.
const ASPECT_RATIOS: [f32; 3] = [0.5, 1.0, 2.0];
/// Proposals narrower or lower than this, in pixels, are dropped.
const SMALLEST: f32 = 1e-3;
/// Proposals that overlap a better one by more than this are dropped.
const OVERLAP: f32 = 0.7;

/// The weights of the head, which all levels share.
struct Head {
    conv: [Value; 2],
    objectness: [Value; 2],
    deltas: [Value; 2],
}

/// Proposals for each image, (proposals, 4).
pub fn proposals(b: &mut GraphBuilder, levels: &[Value; 5], images: &Images) -> Vec<Value> {
    let head = b.scope("head", head);
    let (mut scores, mut deltas) = (Vec::new(), Vec::new());
    for level in levels {
        let (score, delta) = b.scope("head", |b| apply(b, &head, level));
        scores.push(score);
        deltas.push(delta);
    }
    let counts: Vec<i64> = scores.iter().map(|score| score.dim(1)).collect();
    let total = counts.iter().sum();
    let scores = b.concat(&scores.iter().collect::<Vec<_>>(), 1);
    let scores = b.reshape(&scores, &[images.batch, total]);
    let deltas = b.concat(&deltas.iter().collect::<Vec<_>>(), 1);
    let deltas = b.reshape(&deltas, &[-1, 4]);
    let anchors = b.scope("anchor_generator", |b| anchors(b, levels, images));
    let moved = boxes::decode(b, &deltas, &anchors, [1.0, 1.0]);
    let moved = b.reshape(&moved, &[images.batch, total, 4]);
    select(b, &moved, &scores, &counts, images)
}

fn head(b: &mut GraphBuilder) -> Head {
    let conv = b.scope("conv", |b| {
        [
            b.arranged_parameter(
                "weight",
                &[CHANNELS, CHANNELS, 3, 3],
                Init::FanIn(9 * CHANNELS),
                arranged::proposal_unit(),
            ),
            b.given_parameter("bias", &[CHANNELS], &arranged::proposal_bias()),
        ]
    });
    let objectness = b.scope("cls_logits", |b| {
        [
            b.given_parameter("weight", &[3, CHANNELS, 1, 1], &arranged::objectness_weight()),
            b.given_parameter("bias", &[3], &arranged::OBJECTNESS_BIAS),
        ]
    });
    let deltas = b.scope("bbox_pred", |b| {
        [
            b.parameter("weight", &[12, CHANNELS, 1, 1], arranged::ANCHOR_MOVES),
            b.given_parameter("bias", &[12], &arranged::anchor_bias()),
        ]
    });
    Head { conv, objectness, deltas }
}

/// Scores (batch, anchors, 1) and moves (batch, anchors, 4) of one level's anchors.
fn apply(b: &mut GraphBuilder, head: &Head, level: &Value) -> (Value, Value) {
    let seen = b.conv(level, &head.conv[0], Some(&head.conv[1]), same(3));
    let seen = b.relu(&seen);
    let [scores, deltas] = [(&head.objectness, 1), (&head.deltas, 4)].map(|([weight, bias], values)| {
        let maps = b.conv(&seen, weight, Some(bias), same(1));
        let [batch, _, rows, columns] = [0, 1, 2, 3].map(|axis| maps.dim(axis));
        let maps = b.reshape(&maps, &[batch, -1, values, rows, columns]);
        let rows = b.transpose(&maps, &[0, 3, 4, 1, 2]);
        b.reshape(&rows, &[batch, -1, values])
    });
    (scores, deltas)
}

/// The anchors of all levels for every image, (images x anchors, 4): three shapes around each position.
fn anchors(b: &mut GraphBuilder, levels: &[Value; 5], images: &Images) -> Value {
    let all: Vec<Value> = levels
        .iter()
        .zip(ANCHOR_SIDES)
        .map(|(level, side)| {
            let [rows, columns] = [level.dim(2), level.dim(3)];
            let [down, across] = [images.padded[0] / rows, images.padded[1] / columns];
            #[allow(clippy::cast_precision_loss, reason = "positions in an image are small")]
            let at = |count: i64, step: i64, axes: [f32; 4]| -> Vec<f32> {
                (0..count).flat_map(|index| axes.map(|along| (index * step) as f32 * along)).collect()
            };
            let across = b.float(&[1, columns, 1, 4], &at(columns, across, [1.0, 0.0, 1.0, 0.0]));
            let down = b.float(&[rows, 1, 1, 4], &at(rows, down, [0.0, 1.0, 0.0, 1.0]));
            let shapes = b.float(&[1, 1, 3, 4], &shapes(side).concat());
            let positions = b.add(&down, &across);
            let anchors = b.add(&positions, &shapes);
            b.reshape(&anchors, &[-1, 4])
        })
        .collect();
    let one = b.concat(&all.iter().collect::<Vec<_>>(), 0);
    if images.batch == 1 {
        return one;
    }
    let each: Vec<&Value> = (0..images.batch).map(|_| &one).collect();
    b.concat(&each, 0)
}

/// The anchors around a position, of the area of a square and in whole pixels.
fn shapes(side: f32) -> [[f32; 4]; 3] {
    ASPECT_RATIOS.map(|ratio| {
        let (half_width, half_height) = (side / ratio.sqrt() / 2.0, side * ratio.sqrt() / 2.0);
        [-half_width, -half_height, half_width, half_height].map(f32::round_ties_even)
    })
}

/// The best of each level, of which those are kept that overlap no better one of their level.
fn select(b: &mut GraphBuilder, moved: &Value, scores: &Value, counts: &[i64], images: &Images) -> Vec<Value> {
    let parts = b.split_sizes(scores, 1, counts);
    let (mut best, mut at, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = 0;
    for (level, part) in parts.iter().enumerate() {
        let count = part.dim(1).min(PROPOSALS);
        let (values, mut indices) = b.top_k(part, count);
        if level > 0 {
            let before = b.int64(&[], &[before]);
            indices = b.add(&indices, &before);
        }
        before += part.dim(1);
        best.push(values);
        at.push(indices);
        kinds.extend(std::iter::repeat_n(i64::try_from(level).expect("there are five levels"), to_size(count)));
    }
    let best = b.concat(&best.iter().collect::<Vec<_>>(), 1);
    let at = b.concat(&at.iter().collect::<Vec<_>>(), 1);
    let best = b.sigmoid(&best);
    let kinds = b.int64(&[best.dim(1)], &kinds);
    (0..images.batch)
        .map(|image| {
            let [moved, best, at] = [moved, &best, &at].map(|x| of_image(b, x, image));
            let moved = b.gather(&moved, &at, 0);
            let boxes = boxes::clip(b, &moved, images.size);
            let scored = Scored { boxes, scores: best, kind: kinds.clone() }.without_small(b, SMALLEST);
            // torchvision compares with a least score that nobody sets.
            let zero = b.scalar(0.0);
            let likely = b.greater_or_equal(&scored.scores, &zero);
            let scored = scored.filter(b, &likely, scored.boxes.dim(0));
            scored.suppress(b, OVERLAP, PROPOSALS, images.size).boxes
        })
        .collect()
}

/// What belongs to one image of a batch, along the first axis.
fn of_image(b: &mut GraphBuilder, x: &Value, image: i64) -> Value {
    if x.dim(0) == 1 { b.squeeze(x, 0) } else { b.pick(x, 0, image) }
}

fn to_size(count: i64) -> usize {
    usize::try_from(count).expect("a number of anchors is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What torchvision's `AnchorGenerator.generate_anchors` gives for 32 and 512 pixels.
    #[test]
    fn anchors_are_torchvisions() {
        let expected = [[-23.0, -11.0, 23.0, 11.0], [-16.0, -16.0, 16.0, 16.0], [-11.0, -23.0, 11.0, 23.0]];
        assert_eq!(shapes(32.0), expected);
        let expected = [[-362.0, -181.0, 362.0, 181.0], [-256.0, -256.0, 256.0, 256.0], [-181.0, -362.0, 181.0, 362.0]];
        assert_eq!(shapes(512.0), expected);
    }
}
