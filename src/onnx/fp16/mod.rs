//! Precision fp16: a model in 32-bit floating point becomes one in 16-bit, as deployments on GPUs run it.
//!
//! Weights, constants and values become fp16 at every level of the model. What must stay fp32 is in [`rules`] by
//! operator and found by [`regions`] where it depends on what stands around; Casts are put between the two. Values in
//! fp16 or another type already stay what they are. The graph's operators stay the same but for those Casts.

mod convert;
pub mod kinds;
mod plan;
pub mod regions;
pub mod rules;
mod scope;
mod tensors;
pub mod values;
pub mod weights;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::onnx::proto::ModelProto;

use values::Losses;

/// What happens to the model's own inputs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Io {
    /// They keep their declared types, with Casts behind inputs and before outputs: who calls the model need not change.
    Keep,
    /// They become fp16 too, as those of a model that was exported in fp16 are: no Cast stands at the border.
    Convert,
}

/// What the conversion did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HalfReport {
    /// Tensors with values that became fp16.
    pub tensors: u32,
    /// Their elements.
    pub elements: u64,
    /// Elements whose value fp16 cannot hold; those of external weights are counted when these are loaded.
    pub losses: Losses,
    /// Casts that were put between the two precisions.
    pub casts: u32,
    /// Nodes that stay in fp32, wholly or in part, by operator type and reason.
    pub kept: BTreeMap<(String, &'static str), u32>,
    /// Initializers of the main graph that are there twice: index of the original and of the copy.
    pub copies: Vec<(usize, usize)>,
}

/// Why a model has no fp16 form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HalfError {
    /// Most of it is fp16 (or bfloat16) already.
    #[error(
        "the model is in 16-bit floating point already ({half} of {all} elements of its weights); measure it with \
         precision fp32, which for a file means the types that it declares"
    )]
    AlreadyHalf {
        /// Elements of weights in fp16 or bfloat16.
        half: u64,
        /// Elements of weights in any floating-point type.
        all: u64,
    },
    /// Nothing in it is fp32.
    #[error(
        "the model has no value in 32-bit floating point, so precision fp16 would not change it; measure it with \
         precision fp32, which for a file means the types that it declares"
    )]
    NothingToConvert,
    /// A type cannot be told.
    #[error(
        "the type of value `{value}`, which node `{node}` ({operator}) takes, cannot be told; declare it in the model, \
         for example with onnx.shape_inference.infer_shapes, or with the types of custom operators' outputs in value_info"
    )]
    UnknownType {
        /// The value.
        value: String,
        /// A node that takes it.
        node: String,
        /// The operator of that node.
        operator: String,
    },
    /// The values of a tensor are not as many as its dimensions say.
    #[error(
        "tensor `{tensor}` has {bytes} bytes of values where its type and dimensions need {expected}; export the model again"
    )]
    Tensor {
        /// Its name.
        tensor: String,
        /// Bytes there are.
        bytes: usize,
        /// Bytes there should be.
        expected: u64,
    },
}

/// Converts a model. Tensors whose values are in other files become fp16 by type, and their references stay as they
/// are: the caller gives them values ([`weights::file_to_fp16`] does both for a model that was read from a file).
///
/// # Errors
/// [`HalfError`]; the model is then in no state to be used.
pub fn to_fp16(model: &mut ModelProto, io: Io) -> Result<HalfReport, HalfError> {
    convert::convert(model, io, None)
}
