//! The feature pyramid that ends in one embedding for each pixel of the finest features.

use crate::onnx::builder::{ConvSpec, GraphBuilder, Value};

use crate::zoo::blocks::{self, BIAS, GAIN};
use crate::zoo::detr::transformer::WIDTH;

/// Groups of channels that are normalized together.
const GROUPS: i64 = 32;
const EPSILON: f32 = 1e-5;

/// (batch, width, height, width) at the finest features' resolution.
pub fn build(b: &mut GraphBuilder, features: &[Value; 4]) -> Value {
    let [finer @ .., deepest] = features;
    let mut x = b.scope("stem", |b| {
        let x = conv_and_norm(b, deepest, 3);
        b.relu(&x)
    });
    for (layer, lateral) in finer.iter().rev().enumerate() {
        x = b.scope(&format!("layer.{layer}"), |b| {
            let lateral = b.scope("proj", |b| conv_and_norm(b, lateral, 1));
            let larger = b.resize_nearest(&x, lateral.dim(2), lateral.dim(3));
            let sum = b.add(&larger, &lateral);
            let x = b.scope("block", |b| conv_and_norm(b, &sum, 3));
            b.relu(&x)
        });
    }
    blocks::conv(b, "mask_projection", &x, WIDTH, 3, ConvSpec { stride: 1, padding: 1, groups: 1 })
}

/// A convolution without bias that keeps the size, and group normalization, which the exporter writes as instance
/// normalization of the groups with the trained gain and bias behind it.
fn conv_and_norm(b: &mut GraphBuilder, x: &Value, kernel: i64) -> Value {
    let spec = ConvSpec { stride: 1, padding: kernel / 2, groups: 1 };
    let x = blocks::conv_weight(b, x, WIDTH, kernel, spec, None);
    let groups = b.reshape(&x, &[x.dim(0), GROUPS, -1]);
    let normed = b.instance_normalization(&groups, EPSILON);
    let normed = b.reshape(&normed, x.dims());
    let gain = b.parameter("norm.weight", &[WIDTH, 1, 1], GAIN);
    let scaled = b.mul(&normed, &gain);
    let bias = b.parameter("norm.bias", &[WIDTH, 1, 1], BIAS);
    b.add(&scaled, &bias)
}
