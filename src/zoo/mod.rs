//! The built-in models: a registry and one file per family.
//!
//! Graphs carry the true architecture and size, follow what PyTorch's exporter makes of the original, and are built for
//! the concrete shapes of one scenario. Weights are synthetic (see [`weights`]). This module imports only
//! [`crate::onnx`].

mod bert;
mod blocks;
mod decoder;
mod detr;
mod gpt2;
mod llama;
mod maskformer;
mod mixtral;
mod rcnn;
mod registry;
mod resnet;
mod rotary;
mod segformer;
mod swin;
mod vit;
pub mod weights;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::onnx::builder::{BuiltGraph, ExternalWeight};
use crate::onnx::fp16::{self, HalfError, HalfReport, Io};
use crate::onnx::proto::ModelProto;
use crate::onnx::proto::tensor_proto::DataType;

use weights::WeightsPlan;

/// A built-in model: one row of the registry.
#[derive(Debug)]
pub struct ZooModel {
    /// The name that selects it, such as `bert-base`.
    pub name: &'static str,
    /// One line on what it is.
    pub about: &'static str,
    /// Trained parameters at the default shape.
    pub parameters: u64,
    /// Tokens when none are asked for; `None` where the model takes no sequence.
    pub default_sequence: Option<u32>,
    /// Height and width in pixels when none are asked for; `None` where the model takes no image.
    pub default_image: Option<(u32, u32)>,
    /// The smallest tier that runs it; `None` for a model that runs only when it is named.
    pub tier: Option<Tier>,
    architecture: Architecture,
}

/// A selection of built-in models by what they cost. Each tier holds the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Small models: all of them within two minutes on two cores.
    Quick,
    /// Every model of up to about 1 GB of weights in 32-bit floating point.
    Standard,
    /// All models of NonGEMM Bench, and the decode steps of its language models.
    Full,
}

impl Tier {
    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Quick => "quick",
            Tier::Standard => "standard",
            Tier::Full => "full",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The family of a model and the sizes that make it this member.
#[derive(Debug)]
enum Architecture {
    Bert(bert::Config),
    Gpt2(gpt2::Config, decoder::Phase),
    Llama(llama::Config, decoder::Phase),
    Vit(vit::Config),
    Swin(swin::Config),
    Segformer(segformer::Config),
    Resnet(resnet::Config),
    Detr(detr::Config),
    Maskformer(maskformer::Config),
    Rcnn(rcnn::Config),
}

/// The shape a model is to be built for; what is `None` takes the model's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildShape {
    /// Independent inputs in one inference.
    pub batch: u32,
    /// Tokens; for a decode step, the tokens that came before.
    pub sequence: Option<u32>,
    /// Height and width in pixels.
    pub image: Option<(u32, u32)>,
}

/// A model ready to be encoded and run.
#[derive(Debug, Clone)]
pub struct BuiltModel {
    /// The graph; its large weights are external, at [`WeightsPlan::file_name`].
    pub model: ModelProto,
    /// What [`weights::fill`] makes the bytes of the external weights from.
    pub weights: WeightsPlan,
    /// Trained parameters.
    pub parameters: u64,
    /// Multiply-accumulates of MatMul, Gemm, Conv and Einsum in one inference.
    pub macs: u64,
}

/// Why a model cannot be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ZooError {
    /// The registry has no such name.
    #[error("there is no built-in model `{name}`; `cargo nongemm list models` shows those there are")]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The model exists, but not in this shape.
    #[error("{model} cannot be built: {problem}")]
    Shape {
        /// The model's name.
        model: &'static str,
        /// What is wrong with the shape, and what would do.
        problem: String,
    },
    /// The model exists, but not in 16-bit floating point.
    #[error("{model} cannot be built in fp16: {source}")]
    Half {
        /// The model's name.
        model: &'static str,
        /// Why.
        source: HalfError,
    },
}

/// All built-in models, in the order they are listed to people.
pub fn models() -> &'static [ZooModel] {
    &registry::MODELS
}

/// The built-in model of that name.
pub fn find(name: &str) -> Option<&'static ZooModel> {
    registry::MODELS.iter().find(|model| model.name == name)
}

/// Builds a model's graph for a shape; the same call always gives the same bytes.
///
/// # Errors
/// When there is no such model, or the model cannot have that shape.
pub fn build(name: &str, shape: &BuildShape) -> Result<BuiltModel, ZooError> {
    build_within(name, shape, weights::CAPACITY)
}

/// Like [`build`], with the weights in an arena of `capacity` bytes in place of [`weights::CAPACITY`]; `u64::MAX` gives
/// each weight bytes of its own.
///
/// # Errors
/// As [`build`].
pub fn build_within(name: &str, shape: &BuildShape, capacity: u64) -> Result<BuiltModel, ZooError> {
    let model = find(name).ok_or_else(|| ZooError::Unknown { name: name.to_owned() })?;
    let mut graph = model.graph(shape).map_err(|problem| ZooError::Shape { model: model.name, problem })?;
    let weights = weights::plan(&mut graph, capacity);
    let BuiltGraph { model, parameters, macs, .. } = graph;
    Ok(BuiltModel { model, weights, parameters, macs })
}

/// Builds a model in 16-bit floating point, inputs and outputs included, as one exported in that precision has them:
/// images and caches of keys and values are fp16 where GPUs serve these models.
///
/// # Errors
/// As [`build`], and when the conversion refuses the graph.
pub fn build_fp16(name: &str, shape: &BuildShape) -> Result<(BuiltModel, HalfReport), ZooError> {
    build_fp16_within(name, shape, weights::CAPACITY)
}

/// Builds a model in 16-bit floating point with its weights in an arena of `capacity` bytes; see [`build_within`].
///
/// # Errors
/// As [`build_fp16`].
pub fn build_fp16_within(name: &str, shape: &BuildShape, capacity: u64) -> Result<(BuiltModel, HalfReport), ZooError> {
    let model = find(name).ok_or_else(|| ZooError::Unknown { name: name.to_owned() })?;
    let mut graph = model.graph(shape).map_err(|problem| ZooError::Shape { model: model.name, problem })?;
    let report =
        fp16::to_fp16(&mut graph.model, Io::Convert).map_err(|source| ZooError::Half { model: model.name, source })?;
    follow_types(&mut graph, &report);
    let weights = weights::plan(&mut graph, capacity);
    let BuiltGraph { model, parameters, macs, .. } = graph;
    Ok((BuiltModel { model, weights, parameters, macs }, report))
}

/// Gives the external weights the types that their initializers have now, and those that are there twice a second place.
fn follow_types(graph: &mut BuiltGraph, report: &HalfReport) {
    for &(original, copy) in &report.copies {
        let twice = graph.external.iter().find(|weight| weight.initializer == original).cloned();
        graph.external.extend(twice.map(|weight| ExternalWeight { initializer: copy, ..weight }));
    }
    let initializers = graph.model.graph.as_ref().map_or(&[][..], |graph| &graph.initializer);
    for weight in &mut graph.external {
        if let Some(dtype) = initializers.get(weight.initializer).and_then(|it| DataType::try_from(it.data_type()).ok())
        {
            weight.dtype = dtype;
        }
    }
}

impl ZooModel {
    /// Builds the graph, or says what is wrong with the shape.
    fn graph(&self, shape: &BuildShape) -> Result<BuiltGraph, String> {
        if shape.batch == 0 {
            return Err("a batch of 0 holds nothing; give 1 or more".to_owned());
        }
        let batch = i64::from(shape.batch);
        let sequence = || resolve("sequence length", shape.sequence, self.default_sequence).map(i64::from);
        let image = || {
            let (height, width) = resolve("image size", shape.image, self.default_image)?;
            Ok::<_, String>((i64::from(height), i64::from(width)))
        };
        if shape.sequence.is_some() && self.default_sequence.is_none() {
            return Err("it takes an image, not a sequence; leave the sequence length out".to_owned());
        }
        if shape.image.is_some() && self.default_image.is_none() {
            return Err("it takes a sequence, not an image; leave the image size out".to_owned());
        }
        match &self.architecture {
            Architecture::Bert(config) => bert::build(config, self.name, batch, sequence()?),
            Architecture::Gpt2(config, phase) => gpt2::build(config, *phase, self.name, batch, sequence()?),
            Architecture::Llama(config, phase) => llama::build(config, *phase, self.name, batch, sequence()?),
            Architecture::Vit(config) => vit::build(config, self.name, batch, image()?),
            Architecture::Swin(config) => swin::build(config, self.name, batch, image()?),
            Architecture::Segformer(config) => segformer::build(config, self.name, batch, image()?),
            Architecture::Resnet(config) => resnet::build(config, self.name, batch, image()?),
            Architecture::Detr(config) => detr::build(config, self.name, batch, image()?),
            Architecture::Maskformer(config) => maskformer::build(config, self.name, batch, image()?),
            Architecture::Rcnn(config) => rcnn::build(config, self.name, batch, image()?),
        }
    }
}

/// What was asked for, else the default.
fn resolve<T>(what: &str, asked: Option<T>, default: Option<T>) -> Result<T, String> {
    asked.or(default).ok_or_else(|| format!("it needs a {what}"))
}

/// Refuses a sequence outside 1 to `most` tokens.
fn check_sequence(sequence: i64, most: i64) -> Result<(), String> {
    if (1..=most).contains(&sequence) {
        return Ok(());
    }
    Err(format!("a sequence of {sequence} tokens is outside 1 to {most}, the positions it was trained for"))
}

/// Refuses an image whose sides are not positive multiples of `unit` pixels.
fn check_image((height, width): (i64, i64), unit: i64) -> Result<(), String> {
    if height > 0 && width > 0 && height % unit == 0 && width % unit == 0 {
        return Ok(());
    }
    Err(format!("an image of {height}x{width} pixels: both sides must be positive multiples of {unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, batch: u32, sequence: Option<u32>, image: Option<(u32, u32)>) -> String {
        build(name, &BuildShape { batch, sequence, image }).expect_err("the shape is not possible").to_string()
    }

    #[test]
    fn names_are_unique_and_found() {
        for model in models() {
            assert!(std::ptr::eq(find(model.name).unwrap(), model), "{}", model.name);
            assert!(model.default_sequence.is_some() != model.default_image.is_some(), "{}", model.name);
        }
    }

    /// The same word on the command line, in the configuration and in lists.
    #[test]
    fn tiers_have_one_name_each() {
        use clap::ValueEnum;
        for &tier in Tier::value_variants() {
            assert_eq!(tier.to_possible_value().unwrap().get_name(), tier.name());
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.name());
        }
    }

    #[test]
    fn the_quick_tier_is_what_baselines_are_committed_for() {
        let quick: Vec<&str> =
            models().iter().filter(|model| model.tier == Some(Tier::Quick)).map(|model| model.name).collect();
        assert_eq!(quick, ["bert-base", "gpt2", "gpt2-decode", "vit-b-16", "swin-t", "segformer-b0"]);
    }

    #[test]
    fn an_unknown_name_is_an_error_with_a_remedy() {
        let message = problem("bert-basic", 1, None, None);
        assert!(message.contains("`bert-basic`") && message.contains("list models"), "{message}");
    }

    #[test]
    fn an_impossible_shape_names_the_model_and_what_would_do() {
        let cases = [
            (problem("bert-base", 0, None, None), ["bert-base", "batch"]),
            (problem("bert-base", 1, Some(513), None), ["bert-base", "1 to 512"]),
            (problem("bert-base", 1, None, Some((224, 224))), ["bert-base", "leave the image size out"]),
            (problem("gpt2", 1, Some(1025), None), ["gpt2", "1 to 1024"]),
            (problem("gpt2-decode", 1, Some(1024), None), ["gpt2-decode", "1 to 1023"]),
            (problem("llama-2-7b", 1, Some(4097), None), ["llama-2-7b", "1 to 4096"]),
            (problem("llama-3.1-8b", 1, Some(16_385), None), ["llama-3.1-8b", "at most 16384"]),
            (problem("llama-3.1-8b-decode", 1, Some(131_072), None), ["llama-3.1-8b-decode", "1 to 131071"]),
            (problem("vit-b-16", 1, None, Some((224, 230))), ["224x230", "multiples of 16"]),
            (problem("vit-b-16", 1, Some(16), None), ["vit-b-16", "leave the sequence length out"]),
            (problem("swin-t", 1, None, Some((30, 224))), ["swin-t", "multiples of 4"]),
            (problem("segformer-b0", 1, None, Some((0, 512))), ["segformer-b0", "multiples of 32"]),
            (problem("resnet-50", 1, None, Some((224, 31))), ["224x31", "32 or more"]),
            (problem("detr-resnet-50", 1, None, Some((16, 800))), ["16x800", "32 or more"]),
            (problem("maskformer-swin-base", 1, None, Some((800, 1066))), ["800x1066", "multiples of 4"]),
        ];
        for (message, parts) in cases {
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
    }

    #[test]
    fn rows_state_the_parameters_of_the_graph() {
        for model in models() {
            let built = build(model.name, &BuildShape { batch: 1, sequence: None, image: None }).unwrap();
            assert_eq!(built.parameters, model.parameters, "{}", model.name);
        }
    }
}
