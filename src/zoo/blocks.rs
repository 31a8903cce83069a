//! What the families share: linear layers, norms, attention, feed-forward networks.

use crate::onnx::builder::{ConvSpec, GemmSpec, GraphBuilder, Init, Value};

/// Biases: small, around zero.
pub const BIAS: Init = Init::Around { centre: 0.0, half_width: 0.02 };
/// Gains of normalizations: near one.
pub const GAIN: Init = Init::Around { centre: 1.0, half_width: 0.1 };
/// Learned embeddings and positions.
pub const EMBEDDING: Init = Init::Around { centre: 0.0, half_width: 0.05 };

/// A linear layer over the last axis as a product and a sum, the exporter's form for operands of rank 3 and more.
pub fn linear(b: &mut GraphBuilder, name: &str, x: &Value, outputs: i64) -> Value {
    b.scope(name, |b| {
        let product = linear_without_bias(b, x, outputs);
        let bias = b.parameter("bias", &[outputs], BIAS);
        b.add(&product, &bias)
    })
}

/// A product with a weight of (inputs, outputs) in the current scope.
pub fn linear_without_bias(b: &mut GraphBuilder, x: &Value, outputs: i64) -> Value {
    let inputs = x.dim(-1);
    let weight = b.parameter("weight", &[inputs, outputs], Init::FanIn(inputs));
    b.matmul(x, &weight)
}

/// A linear layer on an operand of rank 2 as one Gemm.
pub fn gemm(b: &mut GraphBuilder, name: &str, x: &Value, outputs: i64, spec: GemmSpec) -> Value {
    b.scope(name, |b| {
        let inputs = x.dim(-1);
        let dims = match spec {
            GemmSpec::Plain => [inputs, outputs],
            GemmSpec::TransposedWeight => [outputs, inputs],
        };
        let weight = b.parameter("weight", &dims, Init::FanIn(inputs));
        let bias = b.parameter("bias", &[outputs], BIAS);
        b.gemm(x, &weight, &bias, spec)
    })
}

/// A convolution with a square kernel and a bias.
pub fn conv(b: &mut GraphBuilder, name: &str, x: &Value, outputs: i64, kernel: i64, spec: ConvSpec) -> Value {
    b.scope(name, |b| {
        let bias = b.parameter("bias", &[outputs], BIAS);
        conv_weight(b, x, outputs, kernel, spec, Some(&bias))
    })
}

/// A convolution with a square kernel whose weight is in the current scope.
pub fn conv_weight(
    b: &mut GraphBuilder,
    x: &Value,
    outputs: i64,
    kernel: i64,
    spec: ConvSpec,
    bias: Option<&Value>,
) -> Value {
    let inputs = x.dim(1) / spec.groups;
    let weight = b.parameter("weight", &[outputs, inputs, kernel, kernel], Init::FanIn(inputs * kernel * kernel));
    b.conv(x, &weight, bias, spec)
}

/// Layer normalization over the last axis.
pub fn layer_norm(b: &mut GraphBuilder, name: &str, x: &Value, epsilon: f32) -> Value {
    b.scope(name, |b| {
        let width = x.dim(-1);
        let gain = b.parameter("weight", &[width], GAIN);
        let bias = b.parameter("bias", &[width], BIAS);
        b.layer_normalization(x, &gain, &bias, epsilon)
    })
}

/// Two linear layers with a GELU between them.
pub fn mlp(b: &mut GraphBuilder, names: [&str; 2], x: &Value, hidden: i64) -> Value {
    let wide = linear(b, names[0], x, hidden);
    let active = b.gelu(&wide);
    linear(b, names[1], &active, x.dim(-1))
}

/// What is done to the scores of scaled dot-product attention before and after the softmax.
#[derive(Debug, Clone, Copy)]
pub enum Mask<'a> {
    /// Every position sees every other.
    None,
    /// Added to the scores.
    Added(&'a Value),
    /// Added to the scores; rows in which nothing may be seen would give NaN, which is replaced by zero.
    AddedGuarded(&'a Value),
}

/// Scaled dot-product attention as the exporter decomposes it: both operands of the first product carry the square root
/// of the scale. `q` and `v` are (batch, heads, tokens, width), `k` is (batch x heads, tokens, width).
pub fn attention(b: &mut GraphBuilder, q: &Value, k: &Value, v: &Value, mask: Mask<'_>) -> Value {
    let (batch, heads, width) = (q.dim(0), q.dim(1), q.dim(3));
    let k = b.transpose(k, &[0, 2, 1]);
    let k = b.reshape(&k, &[batch, heads, width, k.dim(-1)]);
    let scale = b.float(&[1], &[root_of_scale(width)]);
    let q = b.mul(q, &scale);
    let k = b.mul(&k, &scale);
    let mut scores = b.matmul(&q, &k);
    if let Mask::Added(bias) | Mask::AddedGuarded(bias) = mask {
        scores = b.add(&scores, bias);
    }
    let mut weights = b.softmax(&scores);
    if let Mask::AddedGuarded(_) = mask {
        let undefined = b.is_nan(&weights);
        let zero = b.scalar(0.0);
        weights = b.select(&undefined, &zero, &weights);
    }
    b.matmul(&weights, v)
}

/// The fourth root of 1 / `width`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a scale, rounded as PyTorch does")]
fn root_of_scale(width: i64) -> f32 {
    (1.0 / (width as f64).sqrt()).sqrt() as f32
}
