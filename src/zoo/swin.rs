//! Swin Transformer (Liu et al., 2021), as torchvision writes it: attention in windows that shift every other block.

pub mod mask;

use crate::onnx::builder::{BuiltGraph, ConvSpec, GemmSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks::{self, EMBEDDING};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    embedding: i64,
    depths: [i64; 4],
    heads: [i64; 4],
    window: i64,
    classes: i64,
}

/// Swin-T.
pub const TINY: Config =
    Config { embedding: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24], window: 7, classes: 1000 };
/// Swin-S.
pub const SMALL: Config = Config { depths: [2, 2, 18, 2], ..TINY };
/// Swin-B.
pub const BASE: Config = Config { embedding: 128, heads: [4, 8, 16, 32], ..SMALL };

const EPSILON: f32 = 1e-5;
const PATCH: i64 = 4;
/// Hidden width of the feed-forward network over the stage's.
const MLP_RATIO: i64 = 4;
/// The exporter computes at export time what depends on constants of up to this many elements.
const FOLDED_ELEMENTS: i64 = 8192;

/// How the blocks of one stage cut the image into windows.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Images.
    pub batch: i64,
    /// Rows and columns of the stage.
    pub size: [i64; 2],
    /// The same, filled up to whole windows.
    pub padded: [i64; 2],
    /// Side of a window.
    pub side: i64,
    /// How far shifted blocks are shifted along each axis.
    pub shift: [i64; 2],
}

impl Windows {
    /// Windows that are not shifted along an axis that one of them covers.
    fn new(batch: i64, size: [i64; 2], side: i64) -> Self {
        let windows = Self::always_shifted(batch, size, side);
        let shift = windows.padded.map(|length| if length <= side { 0 } else { side / 2 });
        Windows { shift, ..windows }
    }

    /// Windows that are shifted whatever the size.
    pub fn always_shifted(batch: i64, size: [i64; 2], side: i64) -> Self {
        let padded = size.map(|length| (length + side - 1) / side * side);
        Windows { batch, size, padded, side, shift: [side / 2; 2] }
    }

    /// Windows along each axis.
    pub fn counts(&self) -> [i64; 2] {
        self.padded.map(|length| length / self.side)
    }

    /// Windows of one image.
    pub fn count(&self) -> i64 {
        self.counts().iter().product()
    }

    /// Tokens in a window.
    pub fn tokens(&self) -> i64 {
        self.side * self.side
    }

    fn shifts(&self) -> bool {
        self.shift != [0, 0]
    }
}

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, (height, width): (i64, i64)) -> Result<BuiltGraph, String> {
    super::check_image((height, width), PATCH)?;
    let mut b = GraphBuilder::new(name);
    let image = b.input("input", DataType::Float, &[batch, 3, height, width]);
    let mut x = b.scope("patches", |b| {
        let spec = ConvSpec { stride: PATCH, padding: 0, groups: 1 };
        let patches = blocks::conv(b, "proj", &image, config.embedding, PATCH, spec);
        let patches = b.transpose(&patches, &[0, 2, 3, 1]);
        blocks::layer_norm(b, "norm", &patches, EPSILON)
    });
    for (stage, (&depth, &heads)) in config.depths.iter().zip(&config.heads).enumerate() {
        x = b.scope(&format!("stage.{stage}"), |b| {
            let x = if stage == 0 { x.clone() } else { b.scope("merge", |b| merge_patches(b, &x)) };
            blocks_of_stage(b, &x, depth, heads, config.window)
        });
    }
    let logits = head(&mut b, config, &x);
    b.output("logits", &logits);
    Ok(b.finish())
}

fn blocks_of_stage(b: &mut GraphBuilder, x: &Value, depth: i64, heads: i64, window: i64) -> Value {
    let windows = Windows::new(x.dim(0), [x.dim(1), x.dim(2)], window);
    let mut x = x.clone();
    // The exporter finds the masks of a stage equal and keeps one.
    let mut mask = None;
    for block in 0..depth {
        x = b.scope(&format!("block.{block}"), |b| {
            let shifted = block % 2 == 1 && windows.shifts();
            let normed = blocks::layer_norm(b, "norm1", &x, EPSILON);
            let attended =
                b.scope("attn", |b| window_attention(b, &normed, &windows, heads, shifted.then_some(&mut mask)));
            let x = b.add(&x, &attended);
            let normed = blocks::layer_norm(b, "norm2", &x, EPSILON);
            let fed = b.scope("mlp", |b| blocks::mlp(b, ["0", "3"], &normed, x.dim(-1) * MLP_RATIO));
            b.add(&x, &fed)
        });
    }
    x
}

/// Attention inside windows; with a place for the stage's mask, inside shifted ones.
fn window_attention(
    b: &mut GraphBuilder,
    x: &Value,
    windows: &Windows,
    heads: i64,
    shifted: Option<&mut Option<Value>>,
) -> Value {
    let channels = x.dim(-1);
    let ([rows, columns], side, tokens) = (windows.counts(), windows.side, windows.tokens());
    let bias = b.scope("relative_position_bias", |b| position_bias(b, heads, tokens, side));
    let mut x = b.pad_end(x, &[0, windows.padded[0] - windows.size[0], windows.padded[1] - windows.size[1], 0]);
    if shifted.is_some() {
        x = roll(b, &x, windows.shift);
    }
    let x = b.view(&x, &[windows.batch, rows, side, columns, side, channels]);
    let x = b.transpose(&x, &[0, 1, 3, 2, 4, 5]);
    let x = b.view(&x, &[windows.batch * windows.count(), tokens, channels]);
    let is_shifted = shifted.is_some();
    let x = attend(b, &x, windows, heads, &bias, shifted);
    let x = b.view(&x, &[windows.batch, rows, columns, side, side, channels]);
    let x = b.transpose(&x, &[0, 1, 3, 2, 4, 5]);
    let mut x = b.view(&x, &[windows.batch, windows.padded[0], windows.padded[1], channels]);
    if is_shifted {
        x = roll(b, &x, [windows.padded[0] - windows.shift[0], windows.padded[1] - windows.shift[1]]);
    }
    for (axis, (size, padded)) in [1, 2].into_iter().zip(windows.size.into_iter().zip(windows.padded)) {
        if size < padded {
            x = b.slice_by(&x, axis, 0, size, 1);
        }
    }
    x
}

/// Self-attention of (windows, tokens, channels) with a bias by relative position.
fn attend(
    b: &mut GraphBuilder,
    x: &Value,
    windows: &Windows,
    heads: i64,
    bias: &Value,
    shifted: Option<&mut Option<Value>>,
) -> Value {
    let (all, tokens, channels) = (x.dim(0), x.dim(1), x.dim(2));
    let width = channels / heads;
    let joint = blocks::linear(b, "qkv", x, 3 * channels);
    let joint = b.view(&joint, &[all, tokens, 3, heads, width]);
    let joint = b.transpose(&joint, &[2, 0, 3, 1, 4]);
    let [q, k, v] = [0, 1, 2].map(|part| b.pick(&joint, 0, part));
    #[allow(clippy::cast_precision_loss, reason = "the width of a head is small")]
    let scale = b.scalar((width as f32).sqrt().recip());
    let q = b.mul(&q, &scale);
    let k = b.transpose(&k, &[0, 1, 3, 2]);
    let scores = b.matmul(&q, &k);
    let mut scores = b.add(&scores, bias);
    if let Some(place) = shifted {
        let mask = place.get_or_insert_with(|| b.scope("mask", |b| mask::build(b, windows)));
        let by_window = b.view(&scores, &[windows.batch, windows.count(), heads, tokens, tokens]);
        let masked = b.add(&by_window, mask);
        scores = b.view(&masked, &[-1, heads, tokens, tokens]);
    }
    let weights = b.softmax(&scores);
    let context = b.matmul(&weights, &v);
    let context = b.transpose(&context, &[0, 2, 1, 3]);
    let context = b.view(&context, &[all, tokens, channels]);
    blocks::linear(b, "proj", &context, channels)
}

/// The bias by relative position, (1, heads, tokens, tokens); trained as a table of one row for each offset, which the
/// exporter has already looked up, and also laid out where that was small enough.
fn position_bias(b: &mut GraphBuilder, heads: i64, tokens: i64, side: i64) -> Value {
    b.count_parameters((2 * side - 1) * (2 * side - 1) * heads);
    if tokens * tokens * heads <= FOLDED_ELEMENTS {
        return b.derived_parameter("table", &[1, heads, tokens, tokens], EMBEDDING);
    }
    let table = b.derived_parameter("table", &[tokens * tokens, heads], EMBEDDING);
    let table = b.view(&table, &[tokens, tokens, -1]);
    let table = b.transpose(&table, &[2, 0, 1]);
    b.unsqueeze(&table, &[0])
}

/// Rows and columns moved towards the start by `shift`, those that fall off put at the end.
pub fn roll(b: &mut GraphBuilder, x: &Value, shift: [i64; 2]) -> Value {
    let mut x = x.clone();
    for (axis, by) in [1, 2].into_iter().zip(shift) {
        let size = x.dim(axis);
        if by % size != 0 {
            let first = b.slice(&x, axis, 0, by);
            let rest = b.slice(&x, axis, by, size);
            x = b.concat(&[&rest, &first], axis);
        }
    }
    x
}

/// Halves the resolution and doubles the width.
fn merge_patches(b: &mut GraphBuilder, x: &Value) -> Value {
    let channels = x.dim(-1);
    let x = b.pad_end(x, &[0, x.dim(1) % 2, x.dim(2) % 2, 0]);
    let joined = join_quarters(b, &x);
    let normed = blocks::layer_norm(b, "norm", &joined, EPSILON);
    b.scope("reduction", |b| blocks::linear_without_bias(b, &normed, 2 * channels))
}

/// Each square of four positions of (batch, rows, columns, channels) as the channels of one; both sides are even.
pub fn join_quarters(b: &mut GraphBuilder, x: &Value) -> Value {
    let every_other = |b: &mut GraphBuilder, x: &Value, axis: i64, from: i64| b.slice_by(x, axis, from, i64::MAX, 2);
    let even = every_other(b, x, 1, 0);
    let even_even = every_other(b, &even, 2, 0);
    let odd = every_other(b, x, 1, 1);
    let odd_even = every_other(b, &odd, 2, 0);
    let even_odd = every_other(b, &even, 2, 1);
    let odd_odd = every_other(b, &odd, 2, 1);
    b.concat(&[&even_even, &odd_even, &even_odd, &odd_odd], -1)
}

/// Mean over all positions and the classifier.
fn head(b: &mut GraphBuilder, config: &Config, x: &Value) -> Value {
    let (batch, channels) = (x.dim(0), x.dim(-1));
    let normed = blocks::layer_norm(b, "norm", x, EPSILON);
    b.scope("head", |b| {
        let image = b.transpose(&normed, &[0, 3, 1, 2]);
        let mean = b.reduce_mean(&image, &[-1, -2]);
        // PyTorch's adaptive pooling ends in a view by strides, which the exporter writes as a lookup.
        let flat = b.reshape(&mean, &[-1]);
        let positions: Vec<i64> = (0..batch * channels).collect();
        let positions = b.int64(&[batch, channels, 1, 1], &positions);
        let pooled = b.gather(&flat, &positions, 0);
        let pooled = b.view(&pooled, &[batch, channels]);
        blocks::gemm(b, "fc", &pooled, config.classes, GemmSpec::TransposedWeight)
    })
}
