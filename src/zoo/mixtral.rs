//! Mixtral (Jiang et al., 2024): Llama's blocks with a sparse mixture of experts for the feed-forward network, of which
//! a router picks two for each token.
//!
//! Which expert gets which token depends on values, and random ones would send most tokens to a few experts: after some
//! layers of averaging over a prompt, all tokens look alike to the router. The values here keep them apart. Norms before
//! attention and experts have small gains, so that what a layer adds is small beside the token's embedding, and each
//! router's weights, drawn for its layer alone, tell embeddings apart: tokens are routed as by fair draws, independent
//! from layer to layer. The router's weights are large in turn, so that a choice does not hinge on rounding.

use super::blocks;
use super::llama::{self, Config};
use super::rotary::Frequencies;
use crate::onnx::builder::{GraphBuilder, Init, Value};

/// Experts of a layer, and how a token gets to them.
#[derive(Debug)]
pub struct Experts {
    /// Experts in each layer.
    count: i64,
    /// Experts that each token passes through.
    chosen: i64,
}

/// Mixtral 8x7B.
pub const MIXTRAL_8X7B: Config = Config {
    inner: 14_336,
    shared_heads: 8,
    positions: 32_768,
    frequencies: Frequencies { base: 1e6, stretch: None },
    experts: Some(Experts { count: 8, chosen: 2 }),
    attention_gain: Init::Around { centre: 1e-3, half_width: 1e-4 },
    feed_gain: Init::Around { centre: 2e-2, half_width: 2e-3 },
    ..llama::LLAMA_2_7B
};

/// Router weights that make logits of about one and a half from inputs under [`MIXTRAL_8X7B`]'s gains.
const ROUTER: Init = Init::Around { centre: 0.0, half_width: 2.0 };

/// What the chosen experts make of each token, weighted by the router: (batch, tokens, width) again.
pub fn mixture(b: &mut GraphBuilder, x: &Value, inner: i64, experts: &Experts) -> Value {
    let rows = b.reshape(x, &[-1, x.dim(-1)]);
    let (weights, chosen) = b.scope("gate", |b| route(b, &rows, experts));
    let mut sum = b.zeros(rows.dims());
    for expert in 0..experts.count {
        sum = b.scope(&format!("experts.{expert}"), |b| {
            let routed = Routed::to(b, expert, experts, &weights, &chosen);
            let part = b.gather(&rows, &routed.tokens, 0);
            let output = feed_forward(b, &part, inner);
            let weights = b.unsqueeze(&routed.weights, &[-1]);
            let output = b.mul(&output, &weights);
            let places = b.unsqueeze(&routed.tokens, &[-1]);
            b.scatter_nd_add(&sum, &places, &output)
        });
    }
    b.reshape(&sum, x.dims())
}

/// Weights and numbers of the experts chosen for each token: both (tokens, chosen), weights that add up to one.
fn route(b: &mut GraphBuilder, rows: &Value, experts: &Experts) -> (Value, Value) {
    let weight = b.inline_parameter("weight", &[rows.dim(-1), experts.count], ROUTER);
    let logits = b.matmul(rows, &weight);
    let probabilities = b.softmax(&logits);
    let (weights, chosen) = b.top_k(&probabilities, experts.chosen);
    let total = b.reduce_sum(&weights, &[-1]);
    (b.div(&weights, &total), chosen)
}

/// The tokens that one expert works on, in order, and what its output for each counts.
struct Routed {
    tokens: Value,
    weights: Value,
}

impl Routed {
    fn to(b: &mut GraphBuilder, expert: i64, experts: &Experts, weights: &Value, chosen: &Value) -> Routed {
        let number = b.int64(&[], &[expert]);
        let here = b.equal(chosen, &number);
        // Whole tokens that add up to all choices: of a single token's two, the first two experts get one each.
        let choices = chosen.elements();
        let expected = choices / experts.count + i64::from(expert < choices % experts.count);
        let places = b.non_zero(&here, expected);
        let tokens = b.pick(&places, 0, 0);
        let places = b.transpose(&places, &[1, 0]);
        Routed { tokens, weights: b.gather_nd(weights, &places) }
    }
}

/// One expert: a SiLU of one projection times another, projected back.
fn feed_forward(b: &mut GraphBuilder, x: &Value, inner: i64) -> Value {
    let [gate, up] = ["w1", "w3"].map(|name| b.scope(name, |b| blocks::linear_without_bias(b, x, inner)));
    let opened = b.sigmoid(&gate);
    let gate = b.mul(&gate, &opened);
    let gated = b.mul(&gate, &up);
    b.scope("w2", |b| blocks::linear_without_bias(b, &gated, x.dim(-1)))
}
