//! BERT with a classification head (Devlin et al., 2019), as transformers writes it.

use crate::onnx::builder::{BuiltGraph, GemmSpec, GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

use super::blocks::{self, EMBEDDING, Mask};

/// The sizes of one member of the family.
#[derive(Debug)]
pub struct Config {
    layers: i64,
    hidden: i64,
    heads: i64,
    intermediate: i64,
    vocabulary: i64,
    positions: i64,
    labels: i64,
}

/// BERT base, uncased.
pub const BASE: Config =
    Config { layers: 12, hidden: 768, heads: 12, intermediate: 3072, vocabulary: 30_522, positions: 512, labels: 2 };

const EPSILON: f32 = 1e-12;

/// Builds the graph, or says what is wrong with the shape.
pub fn build(config: &Config, name: &str, batch: i64, sequence: i64) -> Result<BuiltGraph, String> {
    super::check_sequence(sequence, config.positions)?;
    let mut graph = GraphBuilder::new(name);
    let b = &mut graph;
    let [ids, mask, types] = ["input_ids", "attention_mask", "token_type_ids"]
        .map(|input| b.input(input, DataType::Int64, &[batch, sequence]));
    let (mut x, mask) =
        b.scope("bert", |b| (b.scope("embeddings", |b| embeddings(b, config, &ids, &types)), mask_bias(b, &mask)));
    for layer in 0..config.layers {
        x = b.scope(&format!("encoder/layer.{layer}"), |b| encoder_layer(b, config, &x, &mask));
    }
    let pooled = b.scope("pooler", |b| {
        let first = b.pick(&x, 1, 0);
        let dense = blocks::gemm(b, "dense", &first, config.hidden, GemmSpec::TransposedWeight);
        b.tanh(&dense)
    });
    let logits = blocks::gemm(b, "classifier", &pooled, config.labels, GemmSpec::TransposedWeight);
    b.output("logits", &logits);
    Ok(graph.finish())
}

fn embeddings(b: &mut GraphBuilder, config: &Config, ids: &Value, types: &Value) -> Value {
    let words = b.parameter("word_embeddings", &[config.vocabulary, config.hidden], EMBEDDING);
    let kinds = b.parameter("token_type_embeddings", &[2, config.hidden], EMBEDDING);
    let places = b.parameter("position_embeddings", &[config.positions, config.hidden], EMBEDDING);
    let word = b.gather(&words, ids, 0);
    let kind = b.gather(&kinds, types, 0);
    let sum = b.add(&word, &kind);
    let tokens: Vec<i64> = (0..ids.dim(1)).collect();
    let positions = b.int64(&[1, ids.dim(1)], &tokens);
    let place = b.gather(&places, &positions, 0);
    let sum = b.add(&sum, &place);
    blocks::layer_norm(b, "LayerNorm", &sum, EPSILON)
}

/// Zero where the mask is one, else the lowest number: (batch, 1, tokens, tokens).
fn mask_bias(b: &mut GraphBuilder, mask: &Value) -> Value {
    let (batch, tokens) = (mask.dim(0), mask.dim(1));
    b.scope("mask", |b| {
        let mask = b.unsqueeze(mask, &[1, 2]);
        let mask = b.expand(&mask, &[batch, 1, tokens, tokens]);
        let mask = b.cast(&mask, DataType::Float);
        let (one, lowest) = (b.scalar(1.0), b.scalar(f32::MIN));
        let hidden = b.sub(&one, &mask);
        let is_hidden = b.cast(&hidden, DataType::Bool);
        b.select(&is_hidden, &lowest, &hidden)
    })
}

fn encoder_layer(b: &mut GraphBuilder, config: &Config, x: &Value, mask: &Value) -> Value {
    let (batch, tokens) = (x.dim(0), x.dim(1));
    let width = config.hidden / config.heads;
    let attended = b.scope("attention", |b| {
        let [q, k, v] = ["query", "key", "value"].map(|name| {
            let projected = blocks::linear(b, name, x, config.hidden);
            let heads = b.view(&projected, &[batch, -1, config.heads, width]);
            b.transpose(&heads, &[0, 2, 1, 3])
        });
        let k = b.reshape(&k, &[-1, tokens, width]);
        let context = blocks::attention(b, &q, &k, &v, Mask::Added(mask));
        let context = b.transpose(&context, &[0, 2, 1, 3]);
        let context = b.view(&context, &[batch, tokens, config.hidden]);
        let output = blocks::linear(b, "output/dense", &context, config.hidden);
        let sum = b.add(&output, x);
        blocks::layer_norm(b, "output/LayerNorm", &sum, EPSILON)
    });
    let fed = blocks::mlp(b, ["intermediate/dense", "output/dense"], &attended, config.intermediate);
    let sum = b.add(&fed, &attended);
    blocks::layer_norm(b, "output/LayerNorm", &sum, EPSILON)
}
