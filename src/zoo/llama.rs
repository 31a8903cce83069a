//! Llama (Touvron et al., 2023; Grattafiori et al., 2024), as transformers writes it: root-mean-square norms, rotary
//! positions, gated feed-forward networks, and from 3 on keys and values that several query heads share.

use crate::onnx::builder::{BuiltGraph, GraphBuilder, Init, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks::{self, EMBEDDING, GAIN, Mask};
use super::decoder::{self, Phase, Prompt, Tokens};
use super::mixtral::{self, Experts};
use super::rotary::{self, Frequencies, Stretch};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    pub(super) layers: i64,
    pub(super) hidden: i64,
    /// Width of the feed-forward network.
    pub(super) inner: i64,
    pub(super) heads: i64,
    /// Heads of keys and values; each serves as many query heads.
    pub(super) shared_heads: i64,
    pub(super) vocabulary: i64,
    pub(super) positions: i64,
    pub(super) frequencies: Frequencies,
    /// What stands in place of the one feed-forward network.
    pub(super) experts: Option<Experts>,
    /// Gains of the norm before attention.
    pub(super) attention_gain: Init,
    /// Gains of the norm before the feed-forward network.
    pub(super) feed_gain: Init,
}

/// Llama 2, 7 billion parameters.
pub const LLAMA_2_7B: Config = Config {
    layers: 32,
    hidden: 4096,
    inner: 11_008,
    heads: 32,
    shared_heads: 32,
    vocabulary: 32_000,
    positions: 4096,
    frequencies: Frequencies { base: 10_000.0, stretch: None },
    experts: None,
    attention_gain: GAIN,
    feed_gain: GAIN,
};
/// Llama 3.1, 8 billion parameters.
pub const LLAMA_3_1_8B: Config = Config {
    inner: 14_336,
    shared_heads: 8,
    vocabulary: 128_256,
    positions: 131_072,
    frequencies: Frequencies {
        base: 500_000.0,
        stretch: Some(Stretch { factor: 8.0, low: 1.0, high: 4.0, trained: 8192.0 }),
    },
    ..LLAMA_2_7B
};

const EPSILON: f32 = 1e-5;

impl Config {
    /// Width of a head.
    fn width(&self) -> i64 {
        self.hidden / self.heads
    }
}

/// What all layers are given.
struct Shared {
    mask: Value,
    rotation: rotary::Rotation,
    tokens: Tokens,
}

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, phase: Phase, name: &str, batch: i64, sequence: i64) -> Result<BuiltGraph, String> {
    let tokens = Tokens::new(phase, batch, sequence);
    decoder::check_length(phase, sequence, config.positions)?;
    let mut b = GraphBuilder::new(name);
    let prompt = Prompt::inputs(&mut b, tokens);
    let past = decoder::past_inputs(&mut b, config.layers, tokens, config.shared_heads, config.width());
    let words = b.parameter("embed_tokens.weight", &[config.vocabulary, config.hidden], EMBEDDING);
    let mut x = b.scope("embed_tokens", |b| b.gather(&words, &prompt.ids, 0));
    let mask = b.scope("mask", |b| {
        let kept = b.cast(&prompt.mask, DataType::Bool);
        decoder::mask_bias(b, &kept, tokens)
    });
    let rotation =
        b.scope("rotary_emb", |b| rotary::rotation(b, &config.frequencies, &prompt.positions, config.width()));
    let shared = Shared { mask, rotation, tokens };
    let mut present = Vec::new();
    for layer in 0..config.layers {
        let cache = usize::try_from(layer).ok().and_then(|layer| past.get(layer));
        let (output, keys_values) = b.scope(&format!("layers.{layer}"), |b| block(b, config, &x, cache, &shared));
        x = output;
        present.push(keys_values);
    }
    let normed = rms_norm(&mut b, "norm", &x, GAIN);
    let logits = b.scope("lm_head", |b| blocks::linear_without_bias(b, &normed, config.vocabulary));
    b.output("logits", &logits);
    if phase == Phase::Decode {
        decoder::present_outputs(&mut b, &present);
    }
    Ok(b.finish())
}

/// One transformer block; also the keys and values to keep.
fn block(
    b: &mut GraphBuilder,
    config: &Config,
    x: &Value,
    past: Option<&[Value; 2]>,
    shared: &Shared,
) -> (Value, [Value; 2]) {
    let normed = rms_norm(b, "input_layernorm", x, config.attention_gain);
    let (attended, present) = b.scope("self_attn", |b| self_attention(b, config, &normed, past, shared));
    let x = b.add(x, &attended);
    let normed = rms_norm(b, "post_attention_layernorm", &x, config.feed_gain);
    let fed = match &config.experts {
        None => b.scope("mlp", |b| gated_mlp(b, &normed, config.inner)),
        Some(experts) => b.scope("block_sparse_moe", |b| mixtral::mixture(b, &normed, config.inner, experts)),
    };
    (b.add(&x, &fed), present)
}

fn self_attention(
    b: &mut GraphBuilder,
    config: &Config,
    x: &Value,
    past: Option<&[Value; 2]>,
    shared: &Shared,
) -> (Value, [Value; 2]) {
    let Tokens { batch, new, all } = shared.tokens;
    let width = config.width();
    let parts = [("q_proj", config.heads), ("k_proj", config.shared_heads), ("v_proj", config.shared_heads)];
    let [q, k, mut v] = parts.map(|(name, heads)| {
        let rows = linear(b, name, x, heads * width);
        let rows = b.view(&rows, &[batch, new, -1, width]);
        b.transpose(&rows, &[0, 2, 1, 3])
    });
    let [q, mut k] = shared.rotation.apply(b, [&q, &k]);
    if let Some([past_k, past_v]) = past {
        k = b.concat(&[past_k, &k], -2);
        v = b.concat(&[past_v, &v], -2);
    }
    let present = [k.clone(), v.clone()];
    let groups = config.heads / config.shared_heads;
    if groups > 1 {
        k = repeated(b, &k, groups);
        v = repeated(b, &v, groups);
        v = b.view(&v, &[batch, config.heads, all, width]);
    }
    let k = b.reshape(&k, &[-1, all, width]);
    let context = blocks::attention(b, &q, &k, &v, Mask::AddedGuarded(&shared.mask));
    let context = b.transpose(&context, &[0, 2, 1, 3]);
    let context = b.view(&context, &[batch, new, -1]);
    (linear(b, "o_proj", &context, config.hidden), present)
}

/// Each head `times` over: (batch, heads, times, tokens, width).
fn repeated(b: &mut GraphBuilder, x: &Value, times: i64) -> Value {
    let x = b.unsqueeze(x, &[2]);
    let dims = [x.dim(0), x.dim(1), times, x.dim(3), x.dim(4)];
    b.expand(&x, &dims)
}

/// Normalization by the root of the mean square over the last axis, written out as the exporter does.
fn rms_norm(b: &mut GraphBuilder, name: &str, x: &Value, gain: Init) -> Value {
    b.scope(name, |b| {
        let gain = b.parameter("weight", &[x.dim(-1)], gain);
        let [two, epsilon] = [2.0, EPSILON].map(|value| b.scalar(value));
        let square = b.pow(x, &two);
        let mean = b.reduce_mean(&square, &[-1]);
        let mean = b.add(&mean, &epsilon);
        let root = b.sqrt(&mean);
        let scale = b.reciprocal(&root);
        let scaled = b.mul(x, &scale);
        b.mul(&gain, &scaled)
    })
}

/// The gated feed-forward network: a SiLU of one projection times another, projected back.
pub fn gated_mlp(b: &mut GraphBuilder, x: &Value, inner: i64) -> Value {
    let gate = linear(b, "gate_proj", x, inner);
    let opened = b.sigmoid(&gate);
    let gate = b.mul(&gate, &opened);
    let up = linear(b, "up_proj", x, inner);
    let gated = b.mul(&gate, &up);
    linear(b, "down_proj", &gated, x.dim(-1))
}

/// A linear layer without bias in a scope of its own.
fn linear(b: &mut GraphBuilder, name: &str, x: &Value, outputs: i64) -> Value {
    b.scope(name, |b| blocks::linear_without_bias(b, x, outputs))
}
