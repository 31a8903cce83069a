//! Operators that multiply and accumulate: what comes out, and how many multiply-accumulates that takes.

use crate::onnx::proto::NodeProto;

use super::extent::{Extent, Extents, integer, steps};

/// What a matrix product or convolution comes to.
pub(super) struct Product {
    /// Its result.
    pub output: Extent,
    /// Multiply-accumulates.
    pub macs: u64,
}

/// True for operators whose time is that of their multiply-accumulates.
pub(super) fn is_product(op_type: &str) -> bool {
    weight_index(op_type).is_some()
}

/// Which input is the matrix or the kernel; the other factor is the first input.
fn weight_index(op_type: &str) -> Option<usize> {
    Some(match op_type {
        "MatMul"
        | "Gemm"
        | "FusedMatMul"
        | "FusedGemm"
        | "TransposeMatMul"
        | "MatMulInteger"
        | "MatMulNBits"
        | "MatMulIntegerToFloat"
        | "DynamicQuantizeMatMul"
        | "Conv"
        | "FusedConv"
        | "ConvInteger"
        | "ConvTranspose"
        | "NhwcFusedConv"
        | "Attention"
        | "QAttention"
        | "LSTM"
        | "GRU"
        | "RNN" => 1,
        "QLinearConv" | "QLinearMatMul" | "QGemm" => 3,
        _ => return None,
    })
}

/// The result and the work of a node; `None` for an operator that is no product, and where sizes are missing.
pub(super) fn of(node: &NodeProto, extents: &Extents<'_>) -> Option<Product> {
    let input = |index: usize| node.input.get(index).and_then(|name| extents.get(name));
    let (x, weight) = (input(0)?, input(weight_index(node.op_type())?)?);
    // A declared result is better than one computed here.
    let made = node.output.first().and_then(|name| extents.get(name));
    let finish = |elements: u64, per_element: u64| {
        let output = made.cloned().unwrap_or(Extent { elements, bits: x.bits, dims: None });
        Some(Product { macs: output.elements.saturating_mul(per_element), output })
    };
    match node.op_type() {
        "Conv" | "FusedConv" | "QLinearConv" | "ConvInteger" | "NhwcFusedConv" => {
            let dims = weight.dims.as_ref().filter(|dims| dims.len() >= 3)?;
            let groups = u64::try_from(integer(node, "group").unwrap_or(1)).ok()?;
            let channels = dims[1].saturating_mul(groups).max(1);
            finish((x.elements / channels / steps(node)).saturating_mul(dims[0]), weight.elements / dims[0].max(1))
        }
        "ConvTranspose" => {
            let dims = weight.dims.as_ref().filter(|dims| dims.len() >= 3)?;
            let groups = u64::try_from(integer(node, "group").unwrap_or(1)).ok()?;
            let elements = (x.elements / dims[0].max(1))
                .saturating_mul(steps(node))
                .saturating_mul(dims[1])
                .saturating_mul(groups);
            let macs = x.elements.saturating_mul(weight.elements / dims[0].max(1));
            Some(Product { macs, ..finish(elements, 0)? })
        }
        "LSTM" | "GRU" | "RNN" => {
            let steps = x.elements / weight.size_back(1)?.max(1);
            let recurrent = input(2).map_or(0, |recurrent| recurrent.elements);
            let macs = steps.saturating_mul(weight.elements.saturating_add(recurrent));
            Some(Product { macs, ..finish(steps.saturating_mul((weight.size_back(2)? / 4).max(1)), 0)? })
        }
        "MatMulNBits" => {
            let size = |name| integer(node, name).and_then(|size| u64::try_from(size).ok());
            let (inner, columns) = (size("K")?.max(1), size("N")?);
            finish((x.elements / inner).saturating_mul(columns), inner)
        }
        _ => {
            let transposed = integer(node, "transB") == Some(1);
            let (inner, columns) = match transposed {
                true => (weight.size_back(1)?.max(1), weight.size_back(2)?),
                false => (weight.size_back(2)?.max(1), weight.size_back(1)?),
            };
            let mut product = finish((x.elements / inner).saturating_mul(columns), inner)?;
            if let (None, Some(dims)) = (made, &x.dims) {
                let (_, kept) = dims.split_last()?;
                product.output.dims = Some(kept.iter().copied().chain([columns]).collect());
            }
            Some(product)
        }
    }
}
