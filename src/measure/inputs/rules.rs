//! Inputs whose name tells what values make sense. The first row that fits decides.

use super::element::ElementType;

/// Values for an input that a rule names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Values {
    /// The same number everywhere.
    All(f64),
    /// Counting up along the last dimension, from the number of cached tokens.
    Positions,
    /// Whether there are cached tokens.
    HasPast,
    /// The number of cached tokens.
    Past,
    /// The number of cached and given tokens, plus this.
    Total(i64),
    /// The length of the sequence that the input measures.
    Length,
    /// Height, then width, of the image input; a third number, the scale, is 1.
    ImageSize,
}

/// Types that a rule holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Any,
    Numbers,
    Integers,
    Floats,
}

struct Rule {
    /// Words, joined by `_`, that stand somewhere in the input's name between its own words.
    words: &'static [&'static str],
    types: For,
    values: Values,
}

const RULES: [Rule; 16] = [
    // True marks what to leave out: leaving out everything makes a softmax over nothing, which is NaN.
    Rule { words: &["padding_mask", "bool_masked_pos"], types: For::Any, values: Values::All(0.0) },
    // Everything takes part: the full work of the declared length. Added to scores, ones change nothing.
    Rule { words: &["mask", "masks", "masked"], types: For::Any, values: Values::All(1.0) },
    Rule {
        words: &["token_type_ids", "token_types", "segment_ids", "input_type_ids", "type_ids"],
        types: For::Integers,
        values: Values::All(0.0),
    },
    Rule {
        words: &["position_ids", "positions", "pos_ids", "position", "cache_position", "input_pos"],
        types: For::Numbers,
        values: Values::Positions,
    },
    // The merged decoders of Optimum switch branches by it.
    Rule { words: &["use_cache_branch", "use_cache", "use_past"], types: For::Any, values: Values::HasPast },
    // What voice models are trained at; Silero takes 8000 or 16000 and nothing else.
    Rule { words: &["sr", "sample_rate", "sampling_rate"], types: For::Numbers, values: Values::All(16_000.0) },
    // Mid-way in the usual thousand steps of diffusion.
    Rule { words: &["timestep", "timesteps"], types: For::Numbers, values: Values::All(500.0) },
    Rule {
        words: &["past_sequence_length", "past_seq_len", "past_length", "past_len"],
        types: For::Integers,
        values: Values::Past,
    },
    Rule {
        words: &["total_sequence_length", "total_seq_len", "total_length"],
        types: For::Integers,
        values: Values::Total(0),
    },
    // GroupQueryAttention counts up to the last token, from 0.
    Rule { words: &["seqlens_k"], types: For::Integers, values: Values::Total(-1) },
    // Room for a short reply after the prompt.
    Rule { words: &["max_length", "max_new_tokens"], types: For::Integers, values: Values::Total(32) },
    Rule { words: &["min_length", "length_penalty"], types: For::Numbers, values: Values::All(1.0) },
    Rule {
        words: &["length", "lengths", "len", "lens", "seqlen", "seqlens"],
        types: For::Integers,
        values: Values::Length,
    },
    Rule {
        words: &[
            "im_shape",
            "image_shape",
            "orig_im_size",
            "im_size",
            "image_size",
            "image_sizes",
            "img_size",
            "target_size",
            "target_sizes",
            "original_size",
            "original_sizes",
        ],
        types: For::Numbers,
        values: Values::ImageSize,
    },
    Rule {
        words: &["scale_factor", "scale_factors", "temperature", "repetition_penalty", "guidance_scale", "speed"],
        types: For::Floats,
        values: Values::All(1.0),
    },
    Rule { words: &["threshold"], types: For::Floats, values: Values::All(0.5) },
];

/// The rule for an input of this name and type.
pub(super) fn values_for(name: &str, element: ElementType) -> Option<Values> {
    let name = words(name);
    let fits = |rule: &&Rule| {
        let typed = match rule.types {
            For::Any => element != ElementType::String,
            For::Numbers => element.is_float() || element.is_integer(),
            For::Integers => element.is_integer(),
            For::Floats => element.is_float(),
        };
        typed && rule.words.iter().any(|words| name.contains(&format!("_{words}_")))
    };
    RULES.iter().find(fits).map(|rule| rule.values)
}

/// Whether the name speaks of token ids.
pub(super) fn names_ids(name: &str) -> bool {
    let name = words(name);
    ["ids", "id", "tokens", "token", "indices", "labels"].iter().any(|word| name.contains(&format!("_{word}_")))
}

/// The name in lower case, its words between `_`.
pub(super) fn words(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!("_{plain}_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_values() {
        use ElementType::{Bool, Float32, Int64, String};
        let cases = [
            ("attention_mask", Int64, Some(Values::All(1.0))),
            ("serving_default_attention_mask:0", Int64, Some(Values::All(1.0))),
            ("encoder.attention_mask", Float32, Some(Values::All(1.0))),
            ("key_padding_mask", Bool, Some(Values::All(0.0))),
            ("bool_masked_pos", Bool, Some(Values::All(0.0))),
            ("token_type_ids", Int64, Some(Values::All(0.0))),
            ("position_ids", Int64, Some(Values::Positions)),
            ("use_cache_branch", Bool, Some(Values::HasPast)),
            ("sr", Int64, Some(Values::All(16_000.0))),
            ("timestep", Float32, Some(Values::All(500.0))),
            ("past_length", Int64, Some(Values::Past)),
            ("total_sequence_length", Int64, Some(Values::Total(0))),
            ("x_lengths", Int64, Some(Values::Length)),
            ("im_shape", Float32, Some(Values::ImageSize)),
            ("score_threshold", Float32, Some(Values::All(0.5))),
            ("length_penalty", Float32, Some(Values::All(1.0))),
            ("damask", Int64, None),
            ("src", Int64, None),
            ("input", Float32, None),
            ("mask", String, None),
        ];
        for (name, element, expected) in cases {
            assert_eq!(values_for(name, element), expected, "{name}");
        }
    }
}
