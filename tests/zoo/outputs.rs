//! What built graphs compute on ONNX Runtime.

use nongemm::zoo::{self, weights};
use ort::session::builder::GraphOptimizationLevel;
use prost::Message;

use super::reference::{build, tensors};
use super::runtime::{only_session, run};

/// A model, a batch, and a sequence length or an image size; what is `None` is the default.
pub type Case = (&'static str, u32, Option<u32>, Option<(u32, u32)>);

/// Shapes that each take a second or so: every model, batches, second lengths and sizes.
pub const CASES: [Case; 21] = [
    ("bert-base", 1, None, None),
    ("bert-base", 2, Some(33), None),
    ("gpt2", 1, None, None),
    ("gpt2", 2, Some(40), None),
    ("gpt2-decode", 1, None, None),
    ("gpt2-decode", 2, Some(7), None),
    ("gpt2-large", 2, Some(9), None),
    ("gpt2-large-decode", 2, Some(17), None),
    ("gpt2-xl", 1, Some(8), None),
    ("gpt2-xl-decode", 1, Some(5), None),
    ("vit-b-16", 2, None, Some((64, 96))),
    ("vit-l-16", 2, None, Some((32, 64))),
    ("vit-h-14", 1, None, Some((56, 28))),
    ("swin-t", 1, None, None),
    ("swin-t", 2, None, Some((256, 192))),
    ("swin-t", 2, None, Some((36, 60))),
    ("swin-s", 1, None, Some((64, 64))),
    ("swin-b", 2, None, Some((64, 32))),
    ("segformer-b0", 1, None, None),
    ("segformer-b0", 2, None, Some((64, 128))),
    ("segformer-b5", 2, None, Some((64, 96))),
];

#[test]
fn building_twice_gives_the_same_bytes() {
    for model in zoo::models() {
        let bytes = || build(model.name, 2, None, None).model.encode_to_vec();
        assert_eq!(bytes(), bytes(), "{}", model.name);
    }
}

#[test]
fn every_model_is_run() {
    for model in zoo::models() {
        assert!(CASES.iter().any(|(name, ..)| *name == model.name), "{}", model.name);
    }
}

/// Each case unoptimized and fully optimized: the outputs have the declared shapes, are finite and normal, vary, and do
/// not depend on the optimization.
#[test]
fn outputs_are_sound_at_every_shape_and_level() {
    for (name, batch, sequence, image) in CASES {
        check_outputs(name, batch, sequence, image);
    }
}

fn check_outputs(name: &str, batch: u32, sequence: Option<u32>, image: Option<(u32, u32)>) {
    let built = build(name, batch, sequence, image);
    let what = format!("{name} batch {batch} sequence {sequence:?} image {image:?}");
    let _only = only_session();
    let arena = weights::fill(&built.weights);
    let plain = run(&built, &arena, GraphOptimizationLevel::Disable);
    let optimized = run(&built, &arena, GraphOptimizationLevel::All);
    let declared = tensors(&built.model.graph.as_ref().unwrap().output);
    for (output, (plain, optimized)) in declared.iter().zip(plain.iter().zip(&optimized)) {
        let what = format!("{what} `{}`", output.name);
        assert_eq!(plain.0, output.shape, "{what}");
        assert_eq!(optimized.0, output.shape, "{what}");
        let sound = |values: &[f32]| values.iter().all(|value| value.is_normal() || *value == 0.0);
        assert!(sound(&plain.1) && sound(&optimized.1), "{what}: a value is not finite or is denormal");
        let largest = plain.1.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let smallest = plain.1.iter().fold(f32::INFINITY, |least, value| least.min(*value));
        assert!(largest > 1e-3 && largest < 1e3 && smallest < largest, "{what}: from {smallest} to {largest}");
        let apart = plain.1.iter().zip(&optimized.1).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
        assert!(apart <= 1e-3 * largest, "{what}: optimization moves a value by {apart} of {largest}");
    }
}
