//! Vision Transformer (Dosovitskiy et al., 2021), as torchvision writes it.

use crate::onnx::builder::{BuiltGraph, ConvSpec, GemmSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks::{self, BIAS, EMBEDDING, Mask};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    layers: i64,
    hidden: i64,
    heads: i64,
    mlp: i64,
    patch: i64,
    classes: i64,
}

/// ViT-B/16.
pub const B_16: Config = Config { layers: 12, hidden: 768, heads: 12, mlp: 3072, patch: 16, classes: 1000 };
/// ViT-L/16.
pub const L_16: Config = Config { layers: 24, hidden: 1024, heads: 16, mlp: 4096, patch: 16, classes: 1000 };
/// ViT-H/14.
pub const H_14: Config = Config { layers: 32, hidden: 1280, heads: 16, mlp: 5120, patch: 14, classes: 1000 };

const EPSILON: f32 = 1e-6;

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, (height, width): (i64, i64)) -> Result<BuiltGraph, String> {
    super::check_image((height, width), config.patch)?;
    let mut b = GraphBuilder::new(name);
    let image = b.input("input", DataType::Float, &[batch, 3, height, width]);
    let mut x = b.scope("patches", |b| tokens(b, config, &image));
    for layer in 0..config.layers {
        x = b.scope(&format!("encoder/layer.{layer}"), |b| encoder_layer(b, config, &x));
    }
    let x = blocks::layer_norm(&mut b, "encoder/ln", &x, EPSILON);
    let logits = b.scope("heads", |b| {
        let class = b.pick(&x, 1, 0);
        blocks::gemm(b, "head", &class, config.classes, GemmSpec::TransposedWeight)
    });
    b.output("logits", &logits);
    Ok(b.finish())
}

/// Patches and the class token, with positions: (batch, tokens, hidden).
fn tokens(b: &mut GraphBuilder, config: &Config, image: &Value) -> Value {
    let batch = image.dim(0);
    let spec = ConvSpec { stride: config.patch, padding: 0, groups: 1 };
    let patches = blocks::conv(b, "conv_proj", image, config.hidden, config.patch, spec);
    let count = patches.dim(2) * patches.dim(3);
    let patches = b.view(&patches, &[batch, config.hidden, count]);
    let patches = b.transpose(&patches, &[0, 2, 1]);
    // The class token, which the exporter has broadcast over the batch.
    b.count_parameters(config.hidden);
    let class = b.derived_parameter("class_token", &[batch, 1, config.hidden], EMBEDDING);
    let all = b.concat(&[&class, &patches], 1);
    let positions = b.parameter("pos_embedding", &[1, count + 1, config.hidden], EMBEDDING);
    b.add(&all, &positions)
}

fn encoder_layer(b: &mut GraphBuilder, config: &Config, x: &Value) -> Value {
    let normed = blocks::layer_norm(b, "ln_1", x, EPSILON);
    let attended = b.scope("self_attention", |b| self_attention(b, config, &normed));
    let x = b.add(&attended, x);
    let normed = blocks::layer_norm(b, "ln_2", &x, EPSILON);
    let fed = b.scope("mlp", |b| blocks::mlp(b, ["0", "3"], &normed, config.mlp));
    b.add(&x, &fed)
}

/// PyTorch's `MultiheadAttention`: tokens first, one joint projection taken apart by index.
fn self_attention(b: &mut GraphBuilder, config: &Config, x: &Value) -> Value {
    let (batch, tokens, hidden, heads) = (x.dim(0), x.dim(1), config.hidden, config.heads);
    let width = hidden / heads;
    let x = b.transpose(x, &[1, 0, 2]);
    let joint = b.scope("in_proj", |b| {
        let product = blocks::linear_without_bias(b, &x, 3 * hidden);
        let bias = b.parameter("bias", &[3 * hidden], BIAS);
        b.add(&product, &bias)
    });
    let joint = b.view(&joint, &[tokens, batch, 3, hidden]);
    let joint = b.unsqueeze(&joint, &[0]);
    let joint = b.transpose(&joint, &[3, 1, 2, 0, 4]);
    let joint = b.squeeze(&joint, -2);
    let parts = [0, 1, 2].map(|part| b.pick(&joint, 0, part));
    let [q, k, v] = parts.map(|part| {
        let split = b.view(&part, &[tokens, batch * heads, width]);
        b.transpose(&split, &[1, 0, 2])
    });
    let q = b.view(&q, &[batch, heads, tokens, width]);
    let v = b.view(&v, &[batch, heads, tokens, width]);
    let context = blocks::attention(b, &q, &k, &v, Mask::None);
    let context = b.transpose(&context, &[2, 0, 1, 3]);
    let context = b.view(&context, &[batch * tokens, hidden]);
    let output = blocks::gemm(b, "out_proj", &context, hidden, GemmSpec::TransposedWeight);
    let output = b.view(&output, &[tokens, batch, hidden]);
    b.transpose(&output, &[1, 0, 2])
}
