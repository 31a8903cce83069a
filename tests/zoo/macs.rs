//! Multiply-accumulates from the architecture, for models of which the reference has no count. Each formula is also held
//! against a model of the family of which it has one, where there is any.

use super::reference::{ENTRIES, reference};

/// A Vision Transformer on a square image.
fn vit(layers: u64, width: u64, inner: u64, patch: u64) -> u64 {
    let patches = (224 / patch).pow(2);
    // The class token is one more.
    let tokens = patches + 1;
    let embedding = patches * (3 * patch * patch) * width;
    // Query, key, value and output; scores and context; the two layers of the MLP.
    let layer = 4 * tokens * width * width + 2 * tokens * tokens * width + 2 * tokens * width * inner;
    embedding + layers * layer + width * 1000
}

/// GPT-2 computing `new` tokens that look at `all`; its MLP is four times as wide.
fn gpt2(layers: u64, width: u64, new: u64, all: u64) -> u64 {
    let layer = new * (4 + 8) * width * width + 2 * new * all * width;
    layers * layer + new * width * 50_257
}

/// Llama computing `new` tokens that look at `all`; heads are 128 wide. `shared` is the width of all keys.
fn llama(inner: u64, shared: u64, vocabulary: u64, new: u64, all: u64) -> u64 {
    let (layers, width) = (32, 4096);
    // Query and output are full, key and value may be narrower. Scores and context are computed for every query head.
    let attention = new * (2 * width * width + 2 * width * shared) + 2 * new * all * width;
    // Gate, up and down.
    let mlp = 3 * new * width * inner;
    // The angles of rotary positions are a product of 64 frequencies and the positions.
    64 * new + layers * (attention + mlp) + new * width * vocabulary
}

/// Mixtral: Llama's blocks whose router sends each token to two of eight experts.
fn mixtral(new: u64, all: u64) -> u64 {
    let (layers, width, inner) = (32, 4096, 14_336);
    llama(2 * inner, 1024, 32_000, new, all) + layers * new * width * 8
}

/// At the entries' shapes.
fn by_formula(model: &str) -> Option<u64> {
    let count = match model {
        "vit-b-16" => vit(12, 768, 3072, 16),
        "vit-l-16" => vit(24, 1024, 4096, 16),
        "vit-h-14" => vit(32, 1280, 5120, 14),
        "gpt2" => gpt2(12, 768, 512, 512),
        "gpt2-decode" => gpt2(12, 768, 1, 513),
        "gpt2-large" => gpt2(36, 1280, 256, 256),
        "gpt2-large-decode" => gpt2(36, 1280, 1, 513),
        "gpt2-xl" => gpt2(48, 1600, 512, 512),
        "gpt2-xl-decode" => gpt2(48, 1600, 1, 513),
        "llama-2-7b" => llama(11_008, 4096, 32_000, 512, 512),
        "llama-2-7b-decode" => llama(11_008, 4096, 32_000, 1, 513),
        "llama-3.1-8b" => llama(14_336, 1024, 128_256, 512, 512),
        "llama-3.1-8b-decode" => llama(14_336, 1024, 128_256, 1, 513),
        "mixtral-8x7b" => mixtral(512, 512),
        "mixtral-8x7b-decode" => mixtral(1, 513),
        _ => return None,
    };
    Some(count)
}

/// Models whose formula stands beside their graph, in src/zoo.
const COUNTED_THERE: &[&str] = &["maskformer-swin-base"];

#[test]
fn multiply_accumulates_follow_from_the_architecture() {
    for entry in ENTRIES {
        let (ours, counted) = (entry.build().macs, by_formula(entry.model));
        assert_eq!(ours, counted.unwrap_or(ours), "{}", entry.model);
        let known = reference(entry.key).macs().is_some() || counted.is_some() || COUNTED_THERE.contains(&entry.model);
        assert!(known, "{}: neither the reference nor a formula says what it multiplies", entry.model);
    }
}
