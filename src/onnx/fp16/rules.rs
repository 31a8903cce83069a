//! What stays in 32-bit floating point, operator by operator, and why: data, no code.

/// Which inputs of an operator stay in fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// All of them, and its outputs: the whole operator runs in fp32.
    Whole,
    /// These inputs; the others and the outputs are fp16.
    Inputs(&'static [usize]),
    /// These outputs; all inputs and the other outputs are fp16.
    Outputs(&'static [usize]),
}

/// One row: an operator (a name that ends in `*` stands for all that begin so) and why it keeps fp32.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Domain, `""` for the standard one.
    pub domain: &'static str,
    /// Operator type.
    pub operator: &'static str,
    /// What stays.
    pub stays: Stays,
    /// Why.
    pub reason: &'static str,
}

const fn kept(operator: &'static str, stays: Stays, reason: &'static str) -> Kept {
    Kept { domain: "", operator, stays, reason }
}

const fn contrib(operator: &'static str, reason: &'static str) -> Kept {
    Kept { domain: "com.microsoft", operator, stays: Stays::Whole, reason }
}

const STANDARD: &str = "the ONNX standard has it in fp32 only";
const COORDINATES: &str = "coordinates: above 1024 pixels fp16 cannot tell half a pixel";
const RUNNING_SUM: &str = "a running sum or product leaves the range and the precision of fp16";
const SQUARES: &str = "squares overflow fp16 from 256 on";
const RANKING: &str = "fp16 makes ties of scores that differ, and so another selection";
const GENERATED: &str = "its `dtype` says what it makes, and the CPU provider makes no fp16";
const STATISTICS: &str = "mean and deviation have the type that the layer computes in, fp32";
const SIGNAL: &str = "no provider has an fp16 kernel, and spectra exceed its range";
const QUANTIZED: &str = "scales, and what is computed with them, are fp32 in quantized models";
const CONTAINER: &str = "sequences and optional values hold what was put in, as it was";

/// Every operator of the domains that this program knows that does not become fp16 as a whole.
pub static KEPT: &[Kept] = &[
    kept("NonMaxSuppression", Stays::Whole, STANDARD),
    kept("Range", Stays::Whole, STANDARD),
    kept("TfIdfVectorizer", Stays::Whole, STANDARD),
    kept("Celu", Stays::Whole, STANDARD),
    kept("IsInf", Stays::Whole, STANDARD),
    kept("Resize", Stays::Inputs(&[1, 2]), "regions and scales are sizes; the standard has scales in fp32 only"),
    kept("Upsample", Stays::Inputs(&[1]), "scales are sizes; the standard has them in fp32 only"),
    kept("LayerNormalization", Stays::Outputs(&[1, 2]), STATISTICS),
    kept("SimplifiedLayerNormalization", Stays::Outputs(&[1]), STATISTICS),
    Kept {
        domain: "com.microsoft",
        operator: "SkipLayerNormalization",
        stays: Stays::Outputs(&[1, 2]),
        reason: STATISTICS,
    },
    Kept {
        domain: "com.microsoft",
        operator: "SkipSimplifiedLayerNormalization",
        stays: Stays::Outputs(&[1, 2]),
        reason: STATISTICS,
    },
    kept("RoiAlign", Stays::Whole, COORDINATES),
    kept("MaxRoiPool", Stays::Whole, COORDINATES),
    kept("GridSample", Stays::Whole, COORDINATES),
    kept("AffineGrid", Stays::Whole, COORDINATES),
    kept("DeformConv", Stays::Whole, COORDINATES),
    kept("CumSum", Stays::Whole, RUNNING_SUM),
    kept("CumProd", Stays::Whole, RUNNING_SUM),
    kept("ReduceProd", Stays::Whole, RUNNING_SUM),
    kept("ReduceSumSquare", Stays::Whole, SQUARES),
    kept("ReduceL2", Stays::Whole, SQUARES),
    kept("LpNormalization", Stays::Whole, SQUARES),
    kept("MeanVarianceNormalization", Stays::Whole, SQUARES),
    kept("LRN", Stays::Whole, SQUARES),
    kept("TopK", Stays::Whole, RANKING),
    kept("Unique", Stays::Whole, RANKING),
    kept("RandomNormal*", Stays::Whole, GENERATED),
    kept("RandomUniform*", Stays::Whole, GENERATED),
    kept("Bernoulli", Stays::Whole, GENERATED),
    kept("Multinomial", Stays::Whole, GENERATED),
    kept("EyeLike", Stays::Whole, GENERATED),
    kept("HannWindow", Stays::Whole, GENERATED),
    kept("HammingWindow", Stays::Whole, GENERATED),
    kept("BlackmanWindow", Stays::Whole, GENERATED),
    kept("MelWeightMatrix", Stays::Whole, GENERATED),
    kept("DFT", Stays::Whole, SIGNAL),
    kept("STFT", Stays::Whole, SIGNAL),
    kept("Det", Stays::Whole, RUNNING_SUM),
    kept("QuantizeLinear", Stays::Whole, QUANTIZED),
    kept("DequantizeLinear", Stays::Whole, QUANTIZED),
    kept("DynamicQuantizeLinear", Stays::Whole, QUANTIZED),
    kept("QLinear*", Stays::Whole, QUANTIZED),
    kept("Sequence*", Stays::Whole, CONTAINER),
    kept("SplitToSequence", Stays::Whole, CONTAINER),
    kept("ConcatFromSequence", Stays::Whole, CONTAINER),
    kept("Optional*", Stays::Whole, CONTAINER),
    contrib("QLinear*", QUANTIZED),
    contrib("QuantizeLinear", QUANTIZED),
    contrib("DequantizeLinear", QUANTIZED),
    contrib("DynamicQuantize*", QUANTIZED),
    contrib("MatMulIntegerToFloat", QUANTIZED),
    contrib("QAttention", QUANTIZED),
    contrib("QGemm", QUANTIZED),
    contrib("QEmbedLayerNormalization", QUANTIZED),
    contrib("QOrdered*", QUANTIZED),
    contrib("BeamSearch", "it runs whole models, which declare their own types"),
    contrib("GreedySearch", "it runs whole models, which declare their own types"),
    contrib("Sampling", "it runs whole models, which declare their own types"),
    contrib("WhisperBeamSearch", "it runs whole models, which declare their own types"),
    contrib("Range", STANDARD),
    contrib("Rfft", SIGNAL),
    contrib("Irfft", SIGNAL),
];

/// Why an operator of a domain that is not in the table stays in fp32.
pub const CUSTOM: &str = "a custom operator: which types it takes is not known here";
/// Why a call of a function of the model stays in fp32.
pub const FUNCTION: &str = "a function of the model, whose body is written for fp32";
/// Why operators of a region before integers stay in fp32.
pub const TO_INTEGER: &str = "it becomes an integer (an index, a size, a level): fp16 has whole numbers up to 2048";
/// Why operators before boxes stay in fp32.
pub const BOXES: &str = "arithmetic of boxes: above 1024 pixels fp16 cannot tell half a pixel";
/// Why operators before sine and cosine stay in fp32.
pub const ANGLES: &str = "angles of positions: fp16 has whole numbers up to 2048";
/// Why a mean of squares stays in fp32.
pub const MEAN_OF_SQUARES: &str = "a mean of squares and its root: squares overflow fp16 from 256 on";
/// Why what holds a tiny or huge scalar stays in fp32.
pub const SCALAR: &str = "a scalar that fp16 cannot hold as a normal number, such as an epsilon";

/// Operators that only move elements: they run in the precision in which their input already is.
pub static MOVES: [&str; 22] = [
    "Compress",
    "Concat",
    "DepthToSpace",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "Pad",
    "Reshape",
    "ReverseSequence",
    "ScatterElements",
    "ScatterND",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// Operators that compute element by element, on floating point: regions of fp32 reach through these and [`MOVES`].
pub static ELEMENTWISE: [&str; 20] = [
    "Abs",
    "Add",
    "Ceil",
    "Clip",
    "Div",
    "Exp",
    "Floor",
    "Log",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Pow",
    "Reciprocal",
    "Round",
    "Sqrt",
    "Sub",
    "Sum",
    "Where",
];

/// Operators that take any type and give none of floating point: their input stays as it is.
pub static TYPELESS: [&str; 4] = ["Shape", "Size", "NonZero", "IsNaN"];

/// The row of an operator, where it has one.
pub fn find(domain: &str, operator: &str) -> Option<&'static Kept> {
    let fits = |row: &&Kept| match row.operator.strip_suffix('*') {
        Some(prefix) => operator.starts_with(prefix),
        None => operator == row.operator,
    };
    KEPT.iter().filter(|row| row.domain == domain).find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_name_prefix_and_domain() {
        let cases = [
            ("", "NonMaxSuppression", true),
            ("", "MatMul", false),
            ("", "QLinearConv", true),
            ("", "RandomNormalLike", true),
            ("com.microsoft", "QLinearAdd", true),
            ("com.microsoft", "MatMulNBits", false),
            ("com.microsoft", "TopK", false),
        ];
        for (domain, operator, stays) in cases {
            assert_eq!(find(domain, operator).is_some(), stays, "{domain}:{operator}");
        }
    }

    #[test]
    fn no_operator_is_in_two_tables() {
        for operator in MOVES.iter().chain(&ELEMENTWISE).chain(&TYPELESS) {
            assert!(find("", operator).is_none(), "{operator}");
            assert!(!(MOVES.contains(operator) && ELEMENTWISE.contains(operator)), "{operator}");
        }
    }
}
