//! SegFormer (Xie et al., 2021), as transformers writes it: a hierarchical encoder and an all-MLP decoder.

use crate::onnx::builder::{BuiltGraph, ConvSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks::{self, BIAS};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    stages: [Stage; 4],
    decoder: i64,
    classes: i64,
}

/// One resolution of the encoder.
#[derive(Debug)]
struct Stage {
    layers: i64,
    hidden: i64,
    heads: i64,
    /// Keys and values are computed at this fraction of the resolution.
    reduction: i64,
    patch: i64,
    stride: i64,
}

/// SegFormer B0.
pub const B0: Config = Config {
    stages: [
        Stage { layers: 2, hidden: 32, heads: 1, reduction: 8, patch: 7, stride: 4 },
        Stage { layers: 2, hidden: 64, heads: 2, reduction: 4, patch: 3, stride: 2 },
        Stage { layers: 2, hidden: 160, heads: 5, reduction: 2, patch: 3, stride: 2 },
        Stage { layers: 2, hidden: 256, heads: 8, reduction: 1, patch: 3, stride: 2 },
    ],
    decoder: 256,
    classes: 150,
};

/// SegFormer B5.
pub const B5: Config = Config {
    stages: [
        Stage { layers: 3, hidden: 64, heads: 1, reduction: 8, patch: 7, stride: 4 },
        Stage { layers: 6, hidden: 128, heads: 2, reduction: 4, patch: 3, stride: 2 },
        Stage { layers: 40, hidden: 320, heads: 5, reduction: 2, patch: 3, stride: 2 },
        Stage { layers: 3, hidden: 512, heads: 8, reduction: 1, patch: 3, stride: 2 },
    ],
    decoder: 768,
    classes: 150,
};

const EPSILON: f32 = 1e-5;
/// The deepest stage sees the image at this fraction, so both sides must be multiples of it.
const IMAGE_UNIT: i64 = 32;
/// Hidden width of the feed-forward network over the stage's.
const MLP_RATIO: i64 = 4;
const POINTWISE: ConvSpec = ConvSpec { stride: 1, padding: 0, groups: 1 };

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, (height, width): (i64, i64)) -> Result<BuiltGraph, String> {
    super::check_image((height, width), IMAGE_UNIT)?;
    let mut b = GraphBuilder::new(name);
    let mut x = b.input("pixel_values", DataType::Float, &[batch, 3, height, width]);
    let mut features = Vec::new();
    for (index, stage) in config.stages.iter().enumerate() {
        x = b.scope(&format!("encoder/stage.{index}"), |b| encoder_stage(b, stage, &x));
        features.push(x.clone());
    }
    let logits = b.scope("decode_head", |b| decoder(b, config, &features));
    b.output("logits", &logits);
    Ok(b.finish())
}

/// (batch, channels, height, width) in, the same at the stage's resolution and width out.
fn encoder_stage(b: &mut GraphBuilder, stage: &Stage, x: &Value) -> Value {
    let (mut tokens, height, width) = b.scope("patch_embed", |b| {
        let spec = ConvSpec { stride: stage.stride, padding: stage.patch / 2, groups: 1 };
        let patches = blocks::conv(b, "proj", x, stage.hidden, stage.patch, spec);
        let tokens = image_to_tokens(b, &patches);
        (blocks::layer_norm(b, "layer_norm", &tokens, EPSILON), patches.dim(2), patches.dim(3))
    });
    for layer in 0..stage.layers {
        tokens = b.scope(&format!("block.{layer}"), |b| {
            let normed = blocks::layer_norm(b, "layer_norm_1", &tokens, EPSILON);
            let attended = b.scope("attention", |b| attention(b, stage, &normed, height, width));
            let tokens = b.add(&attended, &tokens);
            let normed = blocks::layer_norm(b, "layer_norm_2", &tokens, EPSILON);
            let fed = b.scope("mlp", |b| mix_ffn(b, &normed, height, width));
            b.add(&fed, &tokens)
        });
    }
    let tokens = blocks::layer_norm(b, "layer_norm", &tokens, EPSILON);
    let image = b.view(&tokens, &[x.dim(0), height, width, -1]);
    b.transpose(&image, &[0, 3, 1, 2])
}

/// Attention whose keys and values come from a strided convolution of the tokens laid out as an image.
fn attention(b: &mut GraphBuilder, stage: &Stage, x: &Value, height: i64, width: i64) -> Value {
    let (batch, tokens, hidden) = (x.dim(0), x.dim(1), stage.hidden);
    let head = hidden / stage.heads;
    let split = |b: &mut GraphBuilder, name: &str, x: &Value, order: [i64; 4]| {
        let projected = blocks::linear(b, name, x, hidden);
        let heads = b.view(&projected, &[batch, -1, stage.heads, head]);
        b.transpose(&heads, &order)
    };
    let q = split(b, "query", x, [0, 2, 1, 3]);
    let reduced = if stage.reduction > 1 { reduce(b, stage, x, height, width) } else { x.clone() };
    // The exporter has merged the transposition of the keys into that of their heads.
    let k = split(b, "key", &reduced, [0, 2, 3, 1]);
    let v = split(b, "value", &reduced, [0, 2, 1, 3]);
    let scores = b.matmul(&q, &k);
    #[allow(clippy::cast_precision_loss, reason = "the width of a head is small")]
    let root = b.scalar((head as f32).sqrt());
    let scores = b.div(&scores, &root);
    let weights = b.softmax(&scores);
    let context = b.matmul(&weights, &v);
    let context = b.transpose(&context, &[0, 2, 1, 3]);
    let context = b.view(&context, &[batch, tokens, hidden]);
    blocks::linear(b, "output", &context, hidden)
}

fn reduce(b: &mut GraphBuilder, stage: &Stage, x: &Value, height: i64, width: i64) -> Value {
    let image = tokens_to_image(b, x, height, width);
    let spec = ConvSpec { stride: stage.reduction, padding: 0, groups: 1 };
    let small = blocks::conv(b, "sr", &image, stage.hidden, stage.reduction, spec);
    let small = b.view(&small, &[x.dim(0), stage.hidden, -1]);
    let small = b.transpose(&small, &[0, 2, 1]);
    blocks::layer_norm(b, "layer_norm", &small, EPSILON)
}

/// A feed-forward network with a depthwise convolution in its middle.
fn mix_ffn(b: &mut GraphBuilder, x: &Value, height: i64, width: i64) -> Value {
    let hidden = x.dim(-1) * MLP_RATIO;
    let wide = blocks::linear(b, "dense1", x, hidden);
    let image = tokens_to_image(b, &wide, height, width);
    let mixed = blocks::conv(b, "dwconv", &image, hidden, 3, ConvSpec { stride: 1, padding: 1, groups: hidden });
    let tokens = image_to_tokens(b, &mixed);
    let active = b.gelu(&tokens);
    blocks::linear(b, "dense2", &active, x.dim(-1))
}

/// All stages brought to one width and to the first one's resolution, joined and classified by pixel.
fn decoder(b: &mut GraphBuilder, config: &Config, features: &[Value]) -> Value {
    let (height, width) = (features[0].dim(2), features[0].dim(3));
    let mut resized: Vec<Value> = Vec::new();
    for (index, feature) in features.iter().enumerate() {
        resized.push(b.scope(&format!("linear_c.{index}"), |b| {
            let tokens = image_to_tokens(b, feature);
            let projected = blocks::linear(b, "proj", &tokens, config.decoder);
            let image = tokens_to_image(b, &projected, feature.dim(2), feature.dim(3));
            b.resize_bilinear(&image, height, width)
        }));
    }
    let deepest_first: Vec<&Value> = resized.iter().rev().collect();
    let joined = b.concat(&deepest_first, 1);
    let fused = b.scope("linear_fuse", |b| {
        // The convolution has no bias of its own: this one is what is left of the batch normalization folded into it.
        b.count_parameters(2 * config.decoder);
        let bias = b.derived_parameter("bias", &[config.decoder], BIAS);
        blocks::conv_weight(b, &joined, config.decoder, 1, POINTWISE, Some(&bias))
    });
    let active = b.relu(&fused);
    blocks::conv(b, "classifier", &active, config.classes, 1, POINTWISE)
}

/// (batch, channels, height, width) to (batch, tokens, channels).
fn image_to_tokens(b: &mut GraphBuilder, image: &Value) -> Value {
    let rows = b.view(image, &[image.dim(0), image.dim(1), image.dim(2) * image.dim(3)]);
    b.transpose(&rows, &[0, 2, 1])
}

/// (batch, tokens, channels) to (batch, channels, height, width).
fn tokens_to_image(b: &mut GraphBuilder, tokens: &Value, height: i64, width: i64) -> Value {
    let columns = b.transpose(tokens, &[0, 2, 1]);
    b.view(&columns, &[tokens.dim(0), tokens.dim(2), height, width])
}
