//! Every operator of ONNX Runtime, its group and why: data in `operators.toml`, looked up here.

use serde::{Deserialize, Serialize};

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
