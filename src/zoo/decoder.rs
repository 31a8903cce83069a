//! What generating language models share: prefill and decode, the cache's inputs and outputs, the causal mask.

use crate::onnx::builder::{GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

/// Which half of text generation a graph runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All tokens of a prompt at once, no cache.
    Prefill,
    /// One new token; keys and values of the earlier ones come in and go out.
    Decode,
}

/// How many tokens a graph sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Sequences in one inference.
    pub batch: i64,
    /// Tokens computed.
    pub new: i64,
    /// Tokens attended to.
    pub all: i64,
}

impl Tokens {
    /// A prompt of `sequence` tokens, or one token after as many.
    pub fn new(phase: Phase, batch: i64, sequence: i64) -> Tokens {
        match phase {
            Phase::Prefill => Tokens { batch, new: sequence, all: sequence },
            Phase::Decode => Tokens { batch, new: 1, all: sequence + 1 },
        }
    }

    /// Tokens whose keys and values come in.
    pub fn past(self) -> i64 {
        self.all - self.new
    }
}

/// Longest prompt: its causal mask, a constant of the graph, takes the square of it in bytes.
const LONGEST_PROMPT: i64 = 16_384;

/// Refuses more tokens than the model has positions for, and prompts whose causal mask would not fit a graph.
pub fn check_length(phase: Phase, sequence: i64, positions: i64) -> Result<(), String> {
    let new = i64::from(phase == Phase::Decode);
    super::check_sequence(sequence, positions - new)?;
    if phase == Phase::Prefill && sequence > LONGEST_PROMPT {
        return Err(format!(
            "a prompt of {sequence} tokens has a causal mask of {sequence}x{sequence}, too large for a graph; give at \
             most {LONGEST_PROMPT}"
        ));
    }
    Ok(())
}

/// What a decoder is told of a prompt: token ids, a mask of 1 for tokens and 0 for padding, and positions.
#[derive(Debug)]
pub struct Prompt {
    /// (batch, new).
    pub ids: Value,
    /// (batch, all).
    pub mask: Value,
    /// (batch, new).
    pub positions: Value,
}

impl Prompt {
    /// Declares the three inputs.
    pub fn inputs(b: &mut GraphBuilder, tokens: Tokens) -> Prompt {
        Prompt {
            ids: b.input("input_ids", DataType::Int64, &[tokens.batch, tokens.new]),
            mask: b.input("attention_mask", DataType::Int64, &[tokens.batch, tokens.all]),
            positions: b.input("position_ids", DataType::Int64, &[tokens.batch, tokens.new]),
        }
    }
}

/// Keys and values of the earlier tokens, (batch, heads, past, width) each, a pair a layer; none in a prefill.
pub fn past_inputs(b: &mut GraphBuilder, layers: i64, tokens: Tokens, heads: i64, width: i64) -> Vec<[Value; 2]> {
    if tokens.past() == 0 {
        return Vec::new();
    }
    let dims = [tokens.batch, heads, tokens.past(), width];
    (0..layers)
        .map(|layer| {
            ["key", "value"].map(|kind| b.input(&format!("past_key_values.{layer}.{kind}"), DataType::Float, &dims))
        })
        .collect()
}

/// Declares the keys and values to keep as outputs.
pub fn present_outputs(b: &mut GraphBuilder, present: &[[Value; 2]]) {
    for (layer, [key, value]) in present.iter().enumerate() {
        b.output(&format!("present.{layer}.key"), key);
        b.output(&format!("present.{layer}.value"), value);
    }
}

/// Zero where a token may look (not ahead of itself, not at padding), else the lowest number: (batch, 1, new, all).
/// `kept` is (batch, all) and true for what is no padding.
pub fn mask_bias(b: &mut GraphBuilder, kept: &Value, tokens: Tokens) -> Value {
    let Tokens { batch, new, all } = tokens;
    let causal = if tokens.past() == 0 {
        let every = b.bool(&[new, 1], &vec![true; usize::try_from(new).unwrap_or(0)]);
        let behind: Vec<bool> = (0..new).flat_map(|row| (0..all).map(move |column| column <= row)).collect();
        let behind = b.bool(&[new, all], &behind);
        b.and(&every, &behind)
    } else {
        // The newest token is behind none: the exporter has folded its row of the causal mask.
        b.bool(&[1, all], &vec![true; usize::try_from(all).unwrap_or(0)])
    };
    let pairs: Vec<i64> = (0..batch).flat_map(|row| (0..all).flat_map(move |column| [row, column])).collect();
    let pairs = b.int64(&[batch, all, 2], &pairs);
    let kept = b.gather_nd(kept, &pairs);
    let kept = b.view(&kept, &[batch, 1, all]);
    let allowed = b.and(&causal, &kept);
    let allowed = b.unsqueeze(&allowed, &[1]);
    let (zero, lowest) = (b.scalar(0.0), b.scalar(f32::MIN));
    b.select(&allowed, &zero, &lowest)
}
