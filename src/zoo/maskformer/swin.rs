//! Swin as a backbone, as transformers writes it: every other block is shifted whatever the size, queries, keys and
//! values are projected apart, and each stage gives features.

mod mask;

use crate::onnx::builder::{ConvSpec, GraphBuilder, Value};

use crate::zoo::blocks::{self, EMBEDDING};
use crate::zoo::swin::{self, Windows};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    /// Channels of the first stage; each later one has twice as many.
    pub embedding: i64,
    /// Blocks in each stage.
    pub depths: [i64; 4],
    /// Heads in each stage.
    pub heads: [i64; 4],
    /// Side of a window, in patches.
    pub window: i64,
}

/// Swin-B on windows of 12 patches.
pub const BASE: Config = Config { embedding: 128, depths: [2, 2, 18, 2], heads: [4, 8, 16, 32], window: 12 };
/// Swin-S on windows of 7 patches.
pub const SMALL: Config = Config { embedding: 96, heads: [3, 6, 12, 24], window: 7, ..BASE };

/// Side of a patch, in pixels.
pub const PATCH: i64 = 4;
const EPSILON: f32 = 1e-5;
/// Hidden width of the feed-forward network over the stage's.
const MLP_RATIO: i64 = 4;
/// The exporter computes at export time what depends on constants of up to this many elements.
const FOLDED_ELEMENTS: i64 = 8192;

/// The features of the stages, (batch, channels, rows, columns) each.
pub fn backbone(b: &mut GraphBuilder, config: &Config, image: &Value) -> [Value; 4] {
    let (mut x, mut size) = b.scope("embeddings", |b| {
        let spec = ConvSpec { stride: PATCH, padding: 0, groups: 1 };
        let patches = blocks::conv(b, "projection", image, config.embedding, PATCH, spec);
        let size = [patches.dim(2), patches.dim(3)];
        let flat = b.view(&patches, &[patches.dim(0), patches.dim(1), size[0] * size[1]]);
        let tokens = b.transpose(&flat, &[0, 2, 1]);
        (blocks::layer_norm(b, "norm", &tokens, EPSILON), size)
    });
    let stages = [0, 1, 2, 3].map(|stage| {
        b.scope(&format!("stage.{stage}"), |b| {
            if stage > 0 {
                (x, size) = b.scope("downsample", |b| merge_patches(b, &x, size));
            }
            x = blocks_of_stage(b, &x, size, config, stage);
        });
        (x.clone(), size)
    });
    // Trained with the rest, but no stage's features pass it.
    b.count_parameters(2 * x.dim(-1));
    let mut stage = 0;
    stages.map(|(tokens, [rows, columns])| {
        stage += 1;
        let normed = blocks::layer_norm(b, &format!("hidden_states_norms.{}", stage - 1), &tokens, EPSILON);
        let channels_first = b.transpose(&normed, &[0, 2, 1]);
        b.view(&channels_first, &[tokens.dim(0), tokens.dim(2), rows, columns])
    })
}

fn blocks_of_stage(b: &mut GraphBuilder, x: &Value, size: [i64; 2], config: &Config, stage: usize) -> Value {
    let windows = Windows::always_shifted(x.dim(0), size, config.window);
    let heads = config.heads[stage];
    let mut x = x.clone();
    let regions = mask::Regions::new(b, &windows);
    for block in 0..config.depths[stage] {
        x = b.scope(&format!("block.{block}"), |b| {
            let normed = blocks::layer_norm(b, "layernorm_before", &x, EPSILON);
            let regions = (block % 2 == 1).then_some(&regions);
            let attended = b.scope("attention", |b| window_attention(b, &normed, &windows, heads, regions));
            let x = b.add(&x, &attended);
            let normed = blocks::layer_norm(b, "layernorm_after", &x, EPSILON);
            let fed = blocks::mlp(b, ["intermediate", "output"], &normed, x.dim(-1) * MLP_RATIO);
            b.add(&x, &fed)
        });
    }
    x
}

/// Attention inside windows of (batch, tokens, channels); with regions, inside shifted ones.
fn window_attention(
    b: &mut GraphBuilder,
    x: &Value,
    windows: &Windows,
    heads: i64,
    regions: Option<&mask::Regions>,
) -> Value {
    let (channels, side) = (x.dim(-1), windows.side);
    let ([rows, columns], [height, width], padded) = (windows.counts(), windows.size, windows.padded);
    let shifted = regions.is_some();
    let image = b.view(x, &[windows.batch, height, width, channels]);
    let mut image = b.pad_end(&image, &[0, padded[0] - height, padded[1] - width, 0]);
    if shifted {
        image = swin::roll(b, &image, windows.shift);
    }
    let parts = b.view(&image, &[windows.batch, rows, side, columns, side, channels]);
    let parts = b.transpose(&parts, &[0, 1, 3, 2, 4, 5]);
    let parts = b.reshape(&parts, &[windows.batch * windows.count(), windows.tokens(), channels]);
    let mask = regions.map(|regions| mask::build(b, windows, regions));
    let parts = attend(b, &parts, windows, heads, mask.as_ref());
    let parts = b.reshape(&parts, &[windows.batch, rows, columns, side, side, channels]);
    let parts = b.transpose(&parts, &[0, 1, 3, 2, 4, 5]);
    let flat = [windows.batch, height * width, channels];
    if !shifted && padded == windows.size {
        // The exporter has merged the two views that are next to each other here.
        return b.reshape(&parts, &flat);
    }
    let mut image = b.view(&parts, &[-1, padded[0], padded[1], channels]);
    if shifted {
        image = swin::roll(b, &image, [padded[0] - windows.shift[0], padded[1] - windows.shift[1]]);
    }
    for (axis, (size, padded)) in [1, 2].into_iter().zip(windows.size.into_iter().zip(padded)) {
        if size < padded {
            image = b.slice_by(&image, axis, 0, size, 1);
        }
    }
    b.view(&image, &flat)
}

/// Self-attention of (windows, tokens, channels) with a bias by relative position.
fn attend(b: &mut GraphBuilder, x: &Value, windows: &Windows, heads: i64, mask: Option<&Value>) -> Value {
    let (all, tokens, channels) = (x.dim(0), x.dim(1), x.dim(2));
    let width = channels / heads;
    let split = |b: &mut GraphBuilder, name: &str| {
        let projected = blocks::linear(b, name, x, channels);
        b.view(&projected, &[all, tokens, -1, width])
    };
    let q = split(b, "query");
    let q = b.transpose(&q, &[0, 2, 1, 3]);
    let k = split(b, "key");
    let v = split(b, "value");
    let v = b.transpose(&v, &[0, 2, 1, 3]);
    // The exporter has merged the transposition of the keys into that of their heads.
    let k = b.transpose(&k, &[0, 2, 3, 1]);
    let scores = b.matmul(&q, &k);
    #[allow(clippy::cast_precision_loss, reason = "the width of a head is small")]
    let root = b.scalar((width as f32).sqrt());
    let scores = b.div(&scores, &root);
    let bias = b.scope("relative_position_bias", |b| position_bias(b, heads, windows.side));
    let mut scores = b.add(&scores, &bias);
    if let Some(mask) = mask {
        let by_window = b.view(&scores, &[windows.batch, windows.count(), heads, tokens, tokens]);
        let mask = b.unsqueeze(mask, &[0, 2]);
        let masked = b.add(&by_window, &mask);
        scores = b.view(&masked, &[-1, heads, tokens, tokens]);
    }
    let weights = b.softmax(&scores);
    let context = b.matmul(&weights, &v);
    let context = b.transpose(&context, &[0, 2, 1, 3]);
    let context = b.view(&context, &[all, tokens, channels]);
    blocks::linear(b, "output", &context, channels)
}

/// The bias by relative position, (1, heads, tokens, tokens): rows of a trained table, one for each offset. Of small
/// windows the exporter has already looked the rows up, and also laid them out where that was small enough.
fn position_bias(b: &mut GraphBuilder, heads: i64, side: i64) -> Value {
    let (offsets, tokens) = ((2 * side - 1) * (2 * side - 1), side * side);
    let looked_up = tokens * tokens <= FOLDED_ELEMENTS;
    let rows = if looked_up {
        b.count_parameters(offsets * heads);
        if tokens * tokens * heads <= FOLDED_ELEMENTS {
            return b.derived_parameter("table", &[1, heads, tokens, tokens], EMBEDDING);
        }
        b.derived_parameter("table", &[tokens * tokens, heads], EMBEDDING)
    } else {
        let table = b.parameter("table", &[offsets, heads], EMBEDDING);
        let indices = b.int64(&[tokens, tokens], &offset_indices(side));
        let indices = b.view(&indices, &[-1]);
        let indices = b.unsqueeze(&indices, &[-1]);
        b.gather_nd(&table, &indices)
    };
    let bias = b.view(&rows, &[tokens, tokens, -1]);
    let bias = b.transpose(&bias, &[2, 0, 1]);
    b.unsqueeze(&bias, &[0])
}

/// For each pair of tokens of a window, the row of the table that holds the bias for their offset.
fn offset_indices(side: i64) -> Vec<i64> {
    let span = 2 * side - 1;
    let place = |token: i64| (token / side, token % side);
    (0..side * side)
        .flat_map(|one| (0..side * side).map(move |other| (place(one), place(other))))
        .map(|((row, column), (other_row, other_column))| {
            (row - other_row + side - 1) * span + column - other_column + side - 1
        })
        .collect()
}

/// Halves the resolution and doubles the width of (batch, tokens, channels).
fn merge_patches(b: &mut GraphBuilder, x: &Value, [rows, columns]: [i64; 2]) -> (Value, [i64; 2]) {
    let (batch, channels) = (x.dim(0), x.dim(-1));
    let mut image = b.view(x, &[batch, rows, columns, channels]);
    let odd = [rows % 2, columns % 2];
    if odd != [0, 0] {
        image = b.pad_end(&image, &[0, odd[0], odd[1], 0]);
    }
    let joined = swin::join_quarters(b, &image);
    let tokens = b.view(&joined, &[batch, -1, 4 * channels]);
    let normed = blocks::layer_norm(b, "norm", &tokens, EPSILON);
    let reduced = b.scope("reduction", |b| blocks::linear_without_bias(b, &normed, 2 * channels));
    (reduced, [joined.dim(1), joined.dim(2)])
}
