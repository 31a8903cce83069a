//! GPT-2 (Radford et al., 2019), as transformers writes it: prefill of a prompt, or one decode step on a cache.

use crate::onnx::builder::{BuiltGraph, GemmSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks::{self, EMBEDDING, Mask};
use super::decoder::{self, Phase, Prompt, Tokens};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    layers: i64,
    hidden: i64,
    heads: i64,
    vocabulary: i64,
    positions: i64,
}

/// GPT-2 small.
pub const SMALL: Config = Config { layers: 12, hidden: 768, heads: 12, vocabulary: 50_257, positions: 1024 };
/// GPT-2 large.
pub const LARGE: Config = Config { layers: 36, hidden: 1280, heads: 20, ..SMALL };
/// GPT-2 XL.
pub const XL: Config = Config { layers: 48, hidden: 1600, heads: 25, ..SMALL };

const EPSILON: f32 = 1e-5;

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, phase: Phase, name: &str, batch: i64, sequence: i64) -> Result<BuiltGraph, String> {
    let tokens = Tokens::new(phase, batch, sequence);
    decoder::check_length(phase, sequence, config.positions)?;
    let mut b = GraphBuilder::new(name);
    let prompt = Prompt::inputs(&mut b, tokens);
    let past = decoder::past_inputs(&mut b, config.layers, tokens, config.heads, config.hidden / config.heads);
    let words = b.parameter("wte", &[config.vocabulary, config.hidden], EMBEDDING);
    let mut x = embeddings(&mut b, config, &words, &prompt);
    let mask = b.scope("mask", |b| {
        let mask = b.view(&prompt.mask, &[batch, -1]);
        let kept = b.cast(&mask, DataType::Bool);
        decoder::mask_bias(b, &kept, tokens)
    });
    let mut present = Vec::new();
    for layer in 0..config.layers {
        let cache = usize::try_from(layer).ok().and_then(|layer| past.get(layer));
        let (output, keys_values) = b.scope(&format!("h.{layer}"), |b| block(b, config, &x, &mask, cache, tokens));
        x = output;
        present.push(keys_values);
    }
    let logits = b.scope("lm_head", |b| head(b, &x, &words));
    b.output("logits", &logits);
    if phase == Phase::Decode {
        decoder::present_outputs(&mut b, &present);
    }
    Ok(b.finish())
}

fn embeddings(b: &mut GraphBuilder, config: &Config, words: &Value, prompt: &Prompt) -> Value {
    b.scope("embeddings", |b| {
        let places = b.parameter("wpe", &[config.positions, config.hidden], EMBEDDING);
        let ids = b.view(&prompt.ids, &[-1, prompt.ids.dim(1)]);
        let word = b.gather(words, &ids, 0);
        let place = b.gather(&places, &prompt.positions, 0);
        b.add(&word, &place)
    })
}

/// One transformer block; also the keys and values to keep.
fn block(
    b: &mut GraphBuilder,
    config: &Config,
    x: &Value,
    mask: &Value,
    past: Option<&[Value; 2]>,
    tokens: Tokens,
) -> (Value, [Value; 2]) {
    let normed = blocks::layer_norm(b, "ln_1", x, EPSILON);
    let (attended, present) = b.scope("attn", |b| self_attention(b, config, &normed, mask, past, tokens));
    let x = b.add(&attended, x);
    let normed = blocks::layer_norm(b, "ln_2", &x, EPSILON);
    let fed = b.scope("mlp", |b| {
        let wide = projection(b, "c_fc", &normed, 4 * config.hidden);
        let active = tanh_gelu(b, &wide);
        projection(b, "c_proj", &active, config.hidden)
    });
    (b.add(&x, &fed), present)
}

fn self_attention(
    b: &mut GraphBuilder,
    config: &Config,
    x: &Value,
    mask: &Value,
    past: Option<&[Value; 2]>,
    tokens: Tokens,
) -> (Value, [Value; 2]) {
    let Tokens { batch, new, all } = tokens;
    let width = config.hidden / config.heads;
    let joint = projection(b, "c_attn", x, 3 * config.hidden);
    let parts = b.split(&joint, 2, 3);
    // The exporter writes keys and values before queries.
    let [mut k, mut v, q] = [1, 2, 0].map(|part: usize| {
        let heads = b.view(&parts[part], &[batch, new, -1, width]);
        b.transpose(&heads, &[0, 2, 1, 3])
    });
    if let Some([past_k, past_v]) = past {
        k = b.concat(&[past_k, &k], -2);
        v = b.concat(&[past_v, &v], -2);
    }
    let rows = b.reshape(&k, &[-1, all, width]);
    let context = blocks::attention(b, &q, &rows, &v, Mask::AddedGuarded(mask));
    let context = b.transpose(&context, &[0, 2, 1, 3]);
    let context = b.reshape(&context, &[batch * new, config.hidden]);
    let output = blocks::gemm(b, "c_proj", &context, config.hidden, GemmSpec::Plain);
    (b.view(&output, &[batch, new, config.hidden]), [k, v])
}

/// GPT-2's `Conv1D`: a Gemm between two reshapes.
fn projection(b: &mut GraphBuilder, name: &str, x: &Value, outputs: i64) -> Value {
    let rows = b.view(x, &[-1, x.dim(-1)]);
    let output = blocks::gemm(b, name, &rows, outputs, GemmSpec::Plain);
    b.view(&output, &[x.dim(0), x.dim(1), outputs])
}

/// The approximation by tanh, written out in eight operators (transformers' `gelu_new`).
fn tanh_gelu(b: &mut GraphBuilder, x: &Value) -> Value {
    // The fourth is the square root of 2 / pi.
    let [half, three, cubic, scale, one] = [0.5, 3.0, 0.044_715, 0.797_884_6, 1.0].map(|value| b.scalar(value));
    let halved = b.mul(x, &half);
    let cube = b.pow(x, &three);
    let cube = b.mul(&cube, &cubic);
    let inner = b.add(x, &cube);
    let inner = b.mul(&inner, &scale);
    let bent = b.tanh(&inner);
    let raised = b.add(&bent, &one);
    b.mul(&halved, &raised)
}

/// The language-model head, tied to the word embeddings: their transpose is part of the graph.
fn head(b: &mut GraphBuilder, x: &Value, words: &Value) -> Value {
    let normed = blocks::layer_norm(b, "ln_f", x, EPSILON);
    let normed = b.view(&normed, &[-1, x.dim(1), x.dim(2)]);
    let table = b.transpose(words, &[1, 0]);
    b.matmul(&normed, &table)
}
