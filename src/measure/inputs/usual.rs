//! The names that exporters give dimensions, and what each means.
//!
//! Collected from what PyTorch's exporters, Optimum, ONNX Runtime GenAI, tf2onnx and Paddle write.

/// What a dimension counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Independent items computed together.
    Batch,
    /// Tokens given to the model in this run.
    Sequence,
    /// Tokens on the encoder's side of an encoder-decoder model.
    EncoderSequence,
    /// Tokens whose keys and values are cached from earlier runs.
    Past,
    /// Cached and given tokens together.
    Total,
    /// Rows of an image.
    Height,
    /// Columns of an image.
    Width,
    /// Rows of the latent image of a diffusion model, an eighth of the image's.
    LatentHeight,
    /// Columns of such a latent image.
    LatentWidth,
    /// Something else with one usual size.
    Usual(u64),
}

/// Names by meaning, in lower case with `_` between words.
const NAMES: [(Meaning, &[&str]); 15] = [
    (
        Meaning::Batch,
        &["batch", "batchsize", "batch_size", "batch_dim", "batch_size_out", "dynamic_batch", "bs", "n", "b"],
    ),
    (
        Meaning::Sequence,
        &[
            "sequence",
            "sequence_length",
            "sequence_len",
            "sequence_size",
            "seq",
            "seq_length",
            "seq_len",
            "seqlen",
            "seq_dim",
            "max_seq_len",
            "max_sequence_length",
            "tokens",
            "num_tokens",
            "n_tokens",
            "token_count",
            "text_length",
            "text_len",
            "text_sequence_length",
            "query_length",
            "query_len",
            "decoder_sequence",
            "decoder_sequence_length",
            "decoder_seq_len",
            "target_sequence_length",
            "target_length",
            "tgt_len",
            "tgt_seq_len",
        ],
    ),
    (
        Meaning::EncoderSequence,
        &[
            "encoder_sequence",
            "encoder_sequence_length",
            "encoder_sequence_length_out",
            "encoder_seq_len",
            "encoder_length",
            "source_sequence_length",
            "source_length",
            "src_len",
            "src_seq_len",
        ],
    ),
    (
        Meaning::Past,
        &[
            "cache_length",
            "cache_len",
            "cached_length",
            "cached_sequence_length",
            "kv_length",
            "kv_len",
            "kv_sequence_length",
        ],
    ),
    (
        Meaning::Total,
        &[
            "total_sequence_length",
            "total_sequence",
            "total_seq_len",
            "total_seq_length",
            "total_length",
            "total_len",
            "mask_length",
            "attention_mask_length",
            "attention_mask_sequence_length",
        ],
    ),
    (Meaning::Height, &["height", "h", "image_height", "img_height", "input_height", "pixel_height"]),
    (Meaning::Width, &["width", "w", "image_width", "img_width", "input_width", "pixel_width"]),
    (Meaning::LatentHeight, &["latent_height", "height_latent"]),
    (Meaning::LatentWidth, &["latent_width", "width_latent"]),
    (Meaning::Usual(3), &["channels", "channel", "num_channels", "n_channels", "in_channels", "c"]),
    (Meaning::Usual(4), &["latent_channels", "num_channels_latent", "num_choices"]),
    (Meaning::Usual(80), &["feature_size", "num_mel_bins", "n_mels"]),
    (Meaning::Usual(3000), &["nb_max_frames"]),
    (Meaning::Usual(16), &["num_frames"]),
    (Meaning::Usual(16_000), &["num_samples", "samples", "audio_length", "audio_len", "audio_sequence_length"]),
];

/// What a name means; `None` for names that mean nothing usual, and for expressions.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    let name = name.trim();
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return None;
    }
    let name = name.to_lowercase().replace(['-', '.'], "_");
    if let Some((meaning, _)) = NAMES.iter().find(|(_, names)| names.contains(&name.as_str())) {
        return Some(*meaning);
    }
    // Families: past_..., text_batch_size, batch_1.
    let numbered_batch =
        || name.strip_prefix("batch_").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if name.starts_with("past_") || name == "past" {
        Some(Meaning::Past)
    } else if name.ends_with("_batch_size") || name.ends_with("_batch") || numbered_batch() {
        Some(Meaning::Batch)
    } else {
        None
    }
}

/// Whether an exporter made the name up, so that it says nothing: `p2o.DynamicDimension.0`, `unk__12`, `s77`.
pub(super) fn is_generated(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    numbered("p2o.DynamicDimension.")
        || numbered("DynamicDimension.")
        || numbered("unk__")
        || numbered("s")
        || numbered("u")
        || numbered("dim_")
        || (digits.len() < name.len() && (digits.ends_with("_dynamic_axes_") || digits.ends_with("_dim_")))
        || matches!(name, "?" | "None" | "none" | "unknown" | "-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_in_any_spelling() {
        let cases = [
            ("batch", Meaning::Batch),
            ("Batch-Size", Meaning::Batch),
            ("N", Meaning::Batch),
            ("text_batch_size", Meaning::Batch),
            ("batch_1", Meaning::Batch),
            ("sequence_length", Meaning::Sequence),
            ("seq.len", Meaning::Sequence),
            ("decoder_sequence_length", Meaning::Sequence),
            ("encoder_sequence_length", Meaning::EncoderSequence),
            ("past_sequence_length", Meaning::Past),
            ("past_decoder_sequence_length", Meaning::Past),
            ("total_sequence_length", Meaning::Total),
            ("H", Meaning::Height),
            ("width", Meaning::Width),
            ("num_channels", Meaning::Usual(3)),
        ];
        for (name, expected) in cases {
            assert_eq!(meaning(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn expressions_and_the_unusual_mean_nothing() {
        for name in ["past_sequence_length + 1", "batch_size * num_heads", "batch_norm_size", "foo", "s0", ""] {
            assert_eq!(meaning(name), None, "{name}");
        }
    }

    #[test]
    fn generated_names_are_told_from_given_ones() {
        for name in ["p2o.DynamicDimension.12", "unk__3", "s77", "input_dynamic_axes_1", "x_dim_0", "?", "None"] {
            assert!(is_generated(name), "{name}");
        }
        for name in ["s", "size", "batch", "s0 + 1", "num_boxes", "stride2"] {
            assert!(!is_generated(name), "{name}");
        }
    }
}
