//! What operators take their constant inputs for: one table, from which follows what is a weight and how to make one up.

use crate::onnx::inspect::canonical_domain;
use crate::onnx::proto::NodeProto;

/// What an operator does with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nothing that this program knows of.
    Data,
    /// A factor of a matrix product or a filter.
    Weight(FanIn),
    /// What `DequantizeLinear` turns into numbers; the operators that follow say what for.
    Quantized,
    /// Multiplies what was normalized.
    Gain,
    /// Is added after a product or a normalization: biases, running means.
    Offset,
    /// Must be positive: a variance, what a root or a logarithm is taken of.
    Positive,
    /// Rows that an index picks: embeddings.
    Table,
    /// A term of an element-wise sum: a bias, a position embedding, or a mask.
    Term,
    /// A factor of an element-wise product.
    Factor,
    /// Scale of quantized numbers.
    Scale,
    /// Zero point of quantized numbers.
    ZeroPoint,
    /// Picks elements of another tensor by number.
    Index,
}

/// Over how many products one element of the result is summed, told from the weight's extents or the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FanIn {
    /// Extent of the last axis.
    Last,
    /// Extent of the last axis but one.
    LastButOne,
    /// A filter with the output channels first: the product of all other extents.
    Filter,
    /// A filter with the input channels first: their number for one group, times the window.
    TransposedFilter,
    /// First factor of `Gemm`, whose attribute `transA` decides.
    GemmA,
    /// Second factor of `Gemm`, whose attribute `transB` decides.
    GemmB,
    /// The attribute `K`.
    AttributeK,
}

use FanIn::{AttributeK, Filter, GemmA, GemmB, Last, LastButOne, TransposedFilter};
use Slot::{Data, Factor, Gain, Index, Offset, Positive, Quantized, Scale, Table, Term, Weight, ZeroPoint};

const MATMUL: &[Slot] = &[Weight(Last), Weight(LastButOne)];
const NORM: &[Slot] = &[Data, Gain, Offset];
const RECURRENT: &[Slot] = &[Data, Weight(Last), Weight(Last), Offset, Index, Data, Data, Offset];
const QUANTIZED_BINARY: &[Slot] = &[Data, Scale, ZeroPoint, Data, Scale, ZeroPoint, Scale, ZeroPoint];

/// Inputs of each operator in order; those beyond the end are [`Slot::Data`]. Operators of the standard domain and of
/// ONNX Runtime's own; `ai.onnx:Attention`, which has no weights, shares its name with one that has.
const SLOTS: &[(&str, &[Slot])] = &[
    ("Add", &[Term, Term]),
    ("Attention", &[Data, Weight(LastButOne), Offset]),
    ("BatchNormalization", &[Data, Gain, Offset, Offset, Positive]),
    ("BiasAdd", &[Data, Offset]),
    ("BiasGelu", &[Data, Offset]),
    ("Conv", &[Data, Weight(Filter), Offset]),
    ("ConvInteger", &[Data, Weight(Filter), ZeroPoint, ZeroPoint]),
    ("ConvTranspose", &[Data, Weight(TransposedFilter), Offset]),
    ("DecoderMaskedMultiHeadAttention", &[Data, Data, Data, Data, Data, Data, Data, Data, Data, Data, Offset]),
    ("DeformConv", &[Data, Weight(Filter), Data, Offset]),
    ("DequantizeLinear", &[Quantized, Scale, ZeroPoint]),
    ("Div", &[Factor, Factor]),
    (
        "DynamicQuantizeLSTM",
        &[
            Data,
            Weight(LastButOne),
            Weight(LastButOne),
            Offset,
            Index,
            Data,
            Data,
            Offset,
            Scale,
            ZeroPoint,
            Scale,
            ZeroPoint,
        ],
    ),
    ("DynamicQuantizeMatMul", &[Data, Weight(LastButOne), Scale, ZeroPoint, Offset]),
    ("Einsum", MATMUL),
    ("EmbedLayerNormalization", &[Index, Index, Table, Table, Table, Gain, Offset]),
    ("FastGelu", &[Data, Offset]),
    ("FusedConv", &[Data, Weight(Filter), Offset]),
    ("FusedGemm", &[Weight(GemmA), Weight(GemmB), Offset]),
    ("FusedMatMul", MATMUL),
    ("GRU", RECURRENT),
    ("Gather", &[Table, Index]),
    ("GatherBlockQuantized", &[Quantized, Index, Scale, ZeroPoint]),
    ("GatherElements", &[Table, Index]),
    ("GatherND", &[Table, Index]),
    ("Gemm", &[Weight(GemmA), Weight(GemmB), Offset]),
    ("GroupNorm", NORM),
    ("GroupNormalization", NORM),
    ("GroupQueryAttention", &[Data, Data, Data, Data, Data, Data, Data, Table, Table]),
    ("InstanceNormalization", NORM),
    ("LSTM", RECURRENT),
    ("LayerNormalization", NORM),
    ("Log", &[Positive]),
    ("MatMul", MATMUL),
    ("MatMulBnb4", &[Data, Weight(AttributeK), Scale]),
    ("MatMulInteger", &[Weight(Last), Weight(LastButOne), ZeroPoint, ZeroPoint]),
    ("MatMulIntegerToFloat", &[Weight(Last), Weight(LastButOne), Scale, Scale, ZeroPoint, ZeroPoint, Offset]),
    ("MatMulNBits", &[Data, Weight(AttributeK), Scale, ZeroPoint, Index, Offset]),
    ("MoE", &[Data, Data, Weight(Last), Offset, Weight(Last), Offset, Weight(Last), Offset]),
    ("Mul", &[Factor, Factor]),
    ("MultiHeadAttention", &[Data, Data, Data, Offset]),
    ("NhwcConv", &[Data, Weight(Filter), Offset]),
    ("PRelu", &[Data, Gain]),
    ("Pow", &[Positive]),
    ("QAttention", &[Data, Weight(LastButOne), Offset, Scale, Scale, Data, ZeroPoint, ZeroPoint]),
    (
        "QEmbedLayerNormalization",
        &[
            Index, Index, Quantized, Quantized, Quantized, Quantized, Quantized, Data, Scale, Scale, Scale, Scale,
            Scale, ZeroPoint, ZeroPoint, ZeroPoint, ZeroPoint, ZeroPoint,
        ],
    ),
    ("QGemm", &[Weight(GemmA), Scale, ZeroPoint, Weight(GemmB), Scale, ZeroPoint, Offset, Scale, ZeroPoint]),
    ("QLinearAdd", QUANTIZED_BINARY),
    ("QLinearConv", &[Data, Scale, ZeroPoint, Weight(Filter), Scale, ZeroPoint, Scale, ZeroPoint, Offset]),
    ("QLinearMatMul", &[Weight(Last), Scale, ZeroPoint, Weight(LastButOne), Scale, ZeroPoint, Scale, ZeroPoint]),
    ("QLinearMul", QUANTIZED_BINARY),
    (
        "QMoE",
        &[
            Data,
            Data,
            Weight(Last),
            Scale,
            Offset,
            Weight(Last),
            Scale,
            Offset,
            Weight(Last),
            Scale,
            Offset,
            ZeroPoint,
            ZeroPoint,
            ZeroPoint,
        ],
    ),
    ("QuantizeLinear", &[Data, Scale, ZeroPoint]),
    ("RMSNormalization", NORM),
    ("RNN", RECURRENT),
    ("Reciprocal", &[Positive]),
    ("RotaryEmbedding", &[Data, Data, Table, Table]),
    ("ScatterElements", &[Data, Index, Data]),
    ("ScatterND", &[Data, Index, Data]),
    ("SimplifiedLayerNormalization", NORM),
    ("SkipGroupNorm", &[Data, Gain, Offset, Data, Offset]),
    ("SkipLayerNormalization", &[Data, Data, Gain, Offset, Offset]),
    ("SkipSimplifiedLayerNormalization", &[Data, Data, Gain, Offset]),
    ("Sqrt", &[Positive]),
    ("Sub", &[Term, Term]),
];

/// What `node` does with its input of this number.
pub(super) fn slot(node: &NodeProto, input: usize) -> Slot {
    let slots = row(node).unwrap_or_default();
    slots.get(input).copied().unwrap_or(Data)
}

/// The inputs that belong to the quantized input of this number: its scale and its zero point.
pub(super) fn scale_and_zero_point(node: &NodeProto, input: usize) -> (Option<usize>, Option<usize>) {
    match (node.op_type(), input) {
        ("MatMulInteger" | "ConvInteger", 0 | 1) => (None, Some(input + 2)),
        ("MatMulIntegerToFloat", 0 | 1) => (Some(input + 2), Some(input + 4)),
        ("DynamicQuantizeLSTM", 1 | 2) => (Some(6 + 2 * input), Some(7 + 2 * input)),
        ("GatherBlockQuantized", 0) => (Some(2), Some(3)),
        ("QAttention", 1) => (Some(4), Some(7)),
        ("QEmbedLayerNormalization", 2..=6) => (Some(input + 6), Some(input + 11)),
        ("QMoE", 2 | 5 | 8) => (Some(input + 1), None),
        _ => (Some(input + 1), Some(input + 2)),
    }
}

fn row(node: &NodeProto) -> Option<&'static [Slot]> {
    if node.op_type() == "Attention" && canonical_domain(node.domain()).is_empty() {
        return None;
    }
    SLOTS.iter().find(|(op, _)| *op == node.op_type()).map(|(_, slots)| *slots)
}

/// Over how many products one element of the result of `node` is summed when a weight of these extents is a factor;
/// at least 1.
pub(super) fn fan_in(rule: FanIn, node: &NodeProto, dims: &[i64]) -> u64 {
    let axis = |from_end: usize| dims.len().checked_sub(from_end).and_then(|index| dims.get(index)).copied();
    let transposed = |name: &str| integer(node, name) == Some(1);
    let inner = |plain: usize, turned: usize, name: &str| axis(if transposed(name) { turned } else { plain });
    let window = || dims.iter().skip(2).product::<i64>();
    let count = match rule {
        Last => axis(1),
        // A vector as second factor is summed over all of it.
        LastButOne if dims.len() == 1 => axis(1),
        LastButOne => axis(2),
        Filter => Some(dims.iter().skip(1).product()),
        TransposedFilter => dims.first().map(|inputs| inputs / integer(node, "group").unwrap_or(1).max(1) * window()),
        GemmA => inner(1, 2, "transA"),
        GemmB => inner(2, 1, "transB"),
        AttributeK => integer(node, "K"),
    };
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1).max(1)
}

/// The value of an integer attribute.
pub(super) fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name() == name).and_then(|attribute| attribute.i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::AttributeProto;

    fn node(op: &str, attributes: &[(&str, i64)]) -> NodeProto {
        let attribute = |(name, value): &(&str, i64)| AttributeProto {
            name: Some((*name).to_owned()),
            i: Some(*value),
            ..Default::default()
        };
        NodeProto {
            op_type: Some(op.to_owned()),
            attribute: attributes.iter().map(attribute).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn the_table_is_sorted_and_names_each_operator_once() {
        assert!(SLOTS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn scales_and_zero_points_stand_where_the_pairs_say() {
        for (op, slots) in SLOTS {
            let node = node(op, &[]);
            for (input, slot) in slots.iter().enumerate() {
                let quantized = *slot == Quantized || (slots.contains(&ZeroPoint) && matches!(slot, Weight(_)));
                if !quantized || *op == "QMoE" {
                    continue;
                }
                let (scale, zero) = scale_and_zero_point(&node, input);
                assert!(scale.is_none_or(|at| slots.get(at) == Some(&Scale)), "{op} {input}");
                assert!(zero.is_none_or(|at| slots.get(at) == Some(&ZeroPoint)), "{op} {input}");
            }
        }
    }

    #[test]
    fn the_fan_in_follows_extents_and_attributes() {
        let plain = node("Gemm", &[]);
        assert_eq!(fan_in(LastButOne, &plain, &[768, 3072]), 768);
        assert_eq!(fan_in(LastButOne, &plain, &[99]), 99);
        assert_eq!(fan_in(Last, &plain, &[2, 512, 128]), 128);
        assert_eq!(fan_in(GemmB, &plain, &[40, 10]), 40);
        assert_eq!(fan_in(GemmB, &node("Gemm", &[("transB", 1)]), &[10, 40]), 40);
        assert_eq!(fan_in(GemmA, &node("Gemm", &[("transA", 1)]), &[40, 10]), 40);
        assert_eq!(fan_in(Filter, &plain, &[64, 3, 7, 7]), 147);
        assert_eq!(fan_in(TransposedFilter, &node("ConvTranspose", &[("group", 4)]), &[64, 8, 2, 2]), 64);
        assert_eq!(fan_in(AttributeK, &node("MatMulNBits", &[("K", 4096)]), &[1, 1, 1]), 4096);
        assert_eq!(fan_in(LastButOne, &plain, &[]), 1);
        assert_eq!(fan_in(Last, &plain, &[0]), 1);
    }

    #[test]
    fn attention_has_weights_in_onnx_runtimes_domain_alone() {
        let mut attention = node("Attention", &[]);
        assert_eq!(slot(&attention, 1), Data);
        attention.domain = Some("com.microsoft".to_owned());
        assert_eq!(slot(&attention, 1), Weight(LastButOne));
        assert_eq!(slot(&node("Conv", &[]), 2), Offset);
        assert_eq!(slot(&node("Conv", &[]), 3), Data);
        assert_eq!(slot(&node("Unheard", &[]), 0), Data);
    }
}
