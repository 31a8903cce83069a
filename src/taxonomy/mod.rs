//! Every operator of ONNX Runtime, its group and why: data in `operators.toml`, looked up here.
//!
//! Imports nothing of ours: it takes names and answers with rows of the table.

mod resolve;
mod table;

use serde::{Deserialize, Serialize};

pub use resolve::{Resolution, Resolved, resolve};
pub use table::{Operator, Taxonomy, get, taxonomy};

/// What kind of work an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Matrix products and convolutions, fused ones too.
    Gemm,
    /// Layer, batch, group, instance and RMS normalization.
    Normalization,
    /// Gelu, Relu, Sigmoid and the like.
    Activation,
    /// Softmax and what turns scores into probabilities.
    LogitComputation,
    /// Add, Mul, Div, comparisons, casts-free arithmetic.
    ElementWise,
    /// ReduceMean, ArgMax, TopK and the like.
    Reduction,
    /// Layout, copy and shape: Transpose, Reshape, Concat, Slice.
    Memory,
    /// Gather and embedding look-ups.
    Embedding,
    /// Resize, Upsample, GridSample.
    Interpolation,
    /// Max, average and global pooling.
    Pooling,
    /// NonMaxSuppression, RoiAlign and proposal work.
    RoiSelection,
    /// QuantizeLinear, DequantizeLinear and the like.
    Quantization,
    /// Copies between devices.
    DataTransfer,
    /// If, Loop, Scan.
    ControlFlow,
    /// LSTM, GRU, RNN.
    Recurrent,
    /// None of the above.
    Other,
}

impl Group {
    /// Every group, in the order in which tables show them.
    pub const fn all() -> [Group; 16] {
        [
            Group::Gemm,
            Group::Normalization,
            Group::Activation,
            Group::LogitComputation,
            Group::ElementWise,
            Group::Reduction,
            Group::Memory,
            Group::Embedding,
            Group::Interpolation,
            Group::Pooling,
            Group::RoiSelection,
            Group::Quantization,
            Group::DataTransfer,
            Group::ControlFlow,
            Group::Recurrent,
            Group::Other,
        ]
    }

    /// The stable kebab-case name, as it stands in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Gemm => "gemm",
            Group::Normalization => "normalization",
            Group::Activation => "activation",
            Group::LogitComputation => "logit-computation",
            Group::ElementWise => "element-wise",
            Group::Reduction => "reduction",
            Group::Memory => "memory",
            Group::Embedding => "embedding",
            Group::Interpolation => "interpolation",
            Group::Pooling => "pooling",
            Group::RoiSelection => "roi-selection",
            Group::Quantization => "quantization",
            Group::DataTransfer => "data-transfer",
            Group::ControlFlow => "control-flow",
            Group::Recurrent => "recurrent",
            Group::Other => "other",
        }
    }

    /// The name for people, such as `logit computation`.
    pub const fn title(self) -> &'static str {
        match self {
            Group::Gemm => "GEMM",
            Group::LogitComputation => "logit computation",
            Group::RoiSelection => "RoI selection",
            Group::DataTransfer => "data transfer",
            Group::ControlFlow => "control flow",
            other => other.name(),
        }
    }

    /// One line on what counts to the group.
    pub const fn description(self) -> &'static str {
        match self {
            Group::Gemm => "matrix products and convolutions, and fused operators that contain one",
            Group::Normalization => "layer, batch, group, instance and root-mean-square normalization",
            Group::Activation => "Gelu, Relu, Sigmoid and other non-linear functions between layers",
            Group::LogitComputation => "Softmax and what else turns scores into probabilities or choices",
            Group::ElementWise => "arithmetic, comparison and selection, each element by itself",
            Group::Reduction => "sums, means, extremes, ranking and scans over axes",
            Group::Memory => "layout, copy, shape, type and construction of tensors: traffic without arithmetic",
            Group::Embedding => "look-ups by index: Gather and embedding tables",
            Group::Interpolation => "resampling of images",
            Group::Pooling => "windows and whole images reduced for each channel",
            Group::RoiSelection => "proposals, boxes and regions of interest: suppression, cropping, alignment",
            Group::Quantization => "conversion between floats and quantized numbers",
            Group::DataTransfer => "copies between host and device",
            Group::ControlFlow => "If, Loop, Scan and generation loops: their own time, without what they run",
            Group::Recurrent => "LSTM, GRU and RNN: many small dependent steps, products included",
            Group::Other => "known operators that fit no other group: signals, strings, trees, random numbers",
        }
    }

    /// True for the matrix-product side of the split that the product is named for.
    pub const fn is_gemm(self) -> bool {
        matches!(self, Group::Gemm)
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_distinct_name_and_title_and_serializes_as_its_name() {
        let mut names = std::collections::BTreeSet::new();
        for group in Group::all() {
            assert!(names.insert(group.name()), "{} twice", group.name());
            assert_eq!(serde_json::to_value(group).unwrap(), group.name());
            assert_eq!(group.title().to_lowercase().replace(' ', "-"), group.name());
            assert!(!group.description().is_empty());
        }
    }

    #[test]
    fn only_one_group_is_on_the_gemm_side() {
        assert_eq!(Group::all().into_iter().filter(|group| group.is_gemm()).collect::<Vec<_>>(), [Group::Gemm]);
    }
}
