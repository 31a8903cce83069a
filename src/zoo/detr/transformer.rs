//! DETR's transformer, which MaskFormer shares: attention between tokens that carry positions apart from their content,
//! and a decoder of learned queries.

use crate::onnx::builder::{GraphBuilder, Init, Value};
use crate::zoo::blocks;

/// Width of the tokens.
pub const WIDTH: i64 = 256;
/// Learned queries: the most objects that can be found.
pub const QUERIES: i64 = 100;
const HEADS: i64 = 8;
/// Hidden width of the feed-forward networks.
const FEED_FORWARD: i64 = 2048;
/// Layers of the encoder, and of the decoder.
const LAYERS: i64 = 6;
const EPSILON: f32 = 1e-5;
/// Of variance one, as training starts: attention must tell the queries apart.
const QUERY: Init = Init::Around { centre: 0.0, half_width: 1.732 };

/// The encoder over (batch, tokens, width); `mask` is added to the scores.
pub fn encoder(b: &mut GraphBuilder, tokens: &Value, positions: &Value, mask: &Value) -> Value {
    let mut x = tokens.clone();
    for layer in 0..LAYERS {
        x = b.scope(&format!("layer.{layer}"), |b| {
            let placed = b.add(&x, positions);
            let attended = b.scope("self_attn", |b| attention(b, [&placed, &placed, &x], Some(mask)));
            let x = add_and_norm(b, "self_attn_layer_norm", &x, &attended);
            feed_forward(b, &x)
        });
    }
    x
}

/// The learned positions of the queries, (batch, queries, width).
pub fn query_positions(b: &mut GraphBuilder, batch: i64) -> Value {
    let table = b.parameter("query_position_embeddings.weight", &[QUERIES, WIDTH], QUERY);
    let table = b.unsqueeze(&table, &[0]);
    let table = b.expand_by(&table, &[1, 1, 1]);
    b.tile(&table, &[batch, 1, 1])
}

/// The decoder: what the queries find in `memory` (batch, tokens, width), normalized. Queries start from zero.
pub fn decoder(
    b: &mut GraphBuilder,
    queries: &Value,
    memory: &Value,
    positions: &Value,
    mask: Option<&Value>,
) -> Value {
    let zeros = vec![0.0; queries.dims().iter().product::<i64>().try_into().expect("queries fit memory")];
    let mut x = b.float(queries.dims(), &zeros);
    // The exporter finds the sums of all layers equal and keeps one.
    let mut placed_memory = None;
    for layer in 0..LAYERS {
        x = b.scope(&format!("layer.{layer}"), |b| {
            let placed = b.add(&x, queries);
            let attended = b.scope("self_attn", |b| attention(b, [&placed, &placed, &x], None));
            let x = add_and_norm(b, "self_attn_layer_norm", &x, &attended);
            let placed = b.add(&x, queries);
            let keys = placed_memory.get_or_insert_with(|| b.add(memory, positions));
            let attended = b.scope("encoder_attn", |b| attention(b, [&placed, keys, memory], mask));
            let x = add_and_norm(b, "encoder_attn_layer_norm", &x, &attended);
            feed_forward(b, &x)
        });
    }
    blocks::layer_norm(b, "layernorm", &x, EPSILON)
}

fn add_and_norm(b: &mut GraphBuilder, name: &str, x: &Value, more: &Value) -> Value {
    let sum = b.add(x, more);
    blocks::layer_norm(b, name, &sum, EPSILON)
}

fn feed_forward(b: &mut GraphBuilder, x: &Value) -> Value {
    let wide = blocks::linear(b, "fc1", x, FEED_FORWARD);
    let active = b.relu(&wide);
    let fed = blocks::linear(b, "fc2", &active, WIDTH);
    add_and_norm(b, "final_layer_norm", x, &fed)
}

/// Attention of the first operand to the second, which gives the third's values; all (batch, tokens, width).
fn attention(b: &mut GraphBuilder, [queries, keys, values]: [&Value; 3], mask: Option<&Value>) -> Value {
    let (batch, targets, sources, width) = (queries.dim(0), queries.dim(1), keys.dim(1), WIDTH / HEADS);
    #[allow(clippy::cast_precision_loss, reason = "the width of a head is small")]
    let scale = (width as f32).sqrt().recip();
    let q = blocks::linear(b, "q_proj", queries, WIDTH);
    let scale = b.scalar(scale);
    let q = b.mul(&q, &scale);
    let k = blocks::linear(b, "k_proj", keys, WIDTH);
    let k = split_heads(b, &k, -1);
    let v = blocks::linear(b, "v_proj", values, WIDTH);
    let v = split_heads(b, &v, -1);
    let q = split_heads(b, &q, targets);
    // Between the heads of one image the exporter has found that nothing needs to be joined before the first product.
    let joined = mask.is_none() || batch > 1;
    let heads = batch * HEADS;
    let q = if joined { b.view(&q, &[heads, -1, width]) } else { q };
    let k = b.view(&k, &[heads, -1, width]);
    let v = b.view(&v, &[heads, -1, width]);
    let k = b.transpose(&k, &[0, 2, 1]);
    let mut scores = b.matmul(&q, &k);
    if let Some(mask) = mask {
        let by_image = if joined { b.view(&scores, &[batch, HEADS, targets, sources]) } else { scores };
        let masked = b.add(&by_image, mask);
        scores = b.view(&masked, &[heads, targets, sources]);
    }
    let weights = b.softmax(&scores);
    let context = b.matmul(&weights, &v);
    let context = b.view(&context, &[batch, HEADS, targets, width]);
    let context = b.transpose(&context, &[0, 2, 1, 3]);
    let context = b.view(&context, &[batch, targets, WIDTH]);
    blocks::linear(b, "out_proj", &context, WIDTH)
}

/// (batch, tokens, width) to (batch, heads, tokens, width of a head); the view states `tokens`, or -1.
fn split_heads(b: &mut GraphBuilder, x: &Value, tokens: i64) -> Value {
    let heads = b.view(x, &[x.dim(0), tokens, HEADS, WIDTH / HEADS]);
    b.transpose(&heads, &[0, 2, 1, 3])
}
