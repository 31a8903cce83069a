//! What built graphs compute on ONNX Runtime.

use std::collections::BTreeSet;
use std::sync::Arc;

use nongemm::zoo;
use nongemm::zoo::weights::{self, WeightsPlan};
use ort::session::builder::GraphOptimizationLevel;

use super::detectors;
use super::reference::{build, fits, tensors};
use super::runtime::{only_session, run};

/// A model, a batch, and a sequence length or an image size; what is `None` is the default.
pub type Case = (&'static str, u32, Option<u32>, Option<(u32, u32)>);

/// Shapes that each take a second or so: every model, batches, second lengths and sizes.
pub const CASES: &[Case] = &[
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
    ("llama-2-7b", 2, Some(3), None),
    ("llama-2-7b-decode", 1, Some(6), None),
    ("llama-3.1-8b", 1, Some(4), None),
    ("llama-3.1-8b-decode", 2, Some(5), None),
    ("mixtral-8x7b", 1, Some(2), None),
    ("mixtral-8x7b-decode", 2, Some(5), None),
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
    ("resnet-50", 1, None, None),
    ("resnet-50", 2, None, Some((97, 64))),
    ("detr-resnet-50", 1, None, Some((128, 96))),
    ("detr-resnet-50", 2, None, Some((97, 160))),
    ("maskformer-swin-base", 1, None, Some((96, 64))),
    ("maskformer-swin-base", 2, None, Some((36, 100))),
    ("maskformer-swin-small", 2, None, Some((64, 52))),
];

/// What the cases must cover: each model; of each family (the name up to the first dash) a batch of 2 or more and two
/// sequence lengths or image sizes.
#[test]
fn every_model_is_run() {
    let family = |name: &'static str| name.split('-').next().unwrap();
    for model in zoo::models() {
        // They have cases of their own.
        if detectors::MODELS.contains(&model.name) {
            continue;
        }
        assert!(CASES.iter().any(|(name, ..)| *name == model.name), "{}", model.name);
        let cases = || CASES.iter().filter(|(name, ..)| family(name) == family(model.name));
        assert!(cases().any(|(_, batch, ..)| *batch >= 2), "{}: no batch of 2", family(model.name));
        let sizes: BTreeSet<_> = cases().map(|(_, _, sequence, image)| (sequence, image)).collect();
        assert!(sizes.len() >= 2, "{}: {sizes:?}", family(model.name));
    }
}

/// Each case unoptimized and fully optimized: the outputs have the declared shapes, are finite and normal, vary, and do
/// not depend on the optimization.
#[test]
fn outputs_are_sound_at_every_shape_and_level() {
    let mut filled = None;
    for &case in CASES {
        check_outputs(case, &mut filled);
    }
}

/// Above this size of its weights, in bytes, a model is run without prepacking: that would take most of the time.
const PREPACKED_UP_TO: u64 = 512 << 20;

/// `filled` holds the weights of the last case, which the next one mostly has too.
fn check_outputs((name, batch, sequence, image): Case, filled: &mut Option<(WeightsPlan, Arc<[u8]>)>) {
    let built = build(name, batch, sequence, image);
    let what = format!("{name} batch {batch} sequence {sequence:?} image {image:?}");
    let _only = only_session();
    if filled.as_ref().is_none_or(|(plan, _)| *plan != built.weights) {
        *filled = None;
    }
    let (_, arena) = filled.get_or_insert_with(|| (built.weights.clone(), weights::fill(&built.weights)));
    let prepack = built.weights.nominal_bytes <= PREPACKED_UP_TO;
    let plain = run(&built, arena, GraphOptimizationLevel::Disable, false);
    let optimized = run(&built, arena, GraphOptimizationLevel::All, prepack);
    let declared = tensors(&built.model.graph.as_ref().unwrap().output);
    for (output, (plain, optimized)) in declared.iter().zip(plain.iter().zip(&optimized)) {
        let what = format!("{what} `{}`", output.name);
        assert!(fits(&plain.0, &output.shape), "{what}: {:?}, declared {:?}", plain.0, output.shape);
        assert_eq!(plain.0, optimized.0, "{what}");
        let sound = |values: &[f32]| values.iter().all(|value| value.is_normal() || *value == 0.0);
        assert!(sound(&plain.1) && sound(&optimized.1), "{what}: a value is not finite or is denormal");
        let largest = plain.1.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let smallest = plain.1.iter().fold(f32::INFINITY, |least, value| least.min(*value));
        assert!(largest > 1e-3 && largest < 1e3 && smallest < largest, "{what}: from {smallest} to {largest}");
        let apart = plain.1.iter().zip(&optimized.1).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
        assert!(apart <= 1e-3 * largest, "{what}: optimization moves a value by {apart} of {largest}");
    }
}
