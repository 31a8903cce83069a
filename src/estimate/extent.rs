//! How large every value of a graph is: as declared, else by what the operator does to its inputs.
//!
//! This is no shape inference. Where a shape is not declared, the number of elements is what matters, and for most
//! operators that is the number of elements of the largest input.

use std::collections::{BTreeMap, HashMap};

use crate::onnx::inspect::{self, Declared, Dim, ValueKind};
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::onnx::tensor;

use super::products::{self, is_product};

/// Bits of an element whose type is not known.
const USUAL_BITS: u64 = 32;

/// The size of one value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Extent {
    /// Number of elements.
    pub elements: u64,
    /// Bits of one element.
    pub bits: u64,
    /// Sizes along the axes, where they are known.
    pub dims: Option<Vec<u64>>,
}

impl Extent {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.elements.saturating_mul(self.bits).div_ceil(8)
    }

    /// Size along an axis counted from the end, 1 for the last.
    pub fn size_back(&self, back: usize) -> Option<u64> {
        let dims = self.dims.as_ref()?;
        dims.len().checked_sub(back).map(|axis| dims[axis])
    }

    fn of_dims(dims: Vec<u64>, bits: u64) -> Extent {
        Extent { elements: product(&dims), bits, dims: Some(dims) }
    }

    fn of_tensor(tensor: &TensorProto) -> Extent {
        let dims = tensor.dims.iter().map(|&dim| u64::try_from(dim).unwrap_or(0)).collect();
        Extent::of_dims(dims, tensor::element_bits(tensor.data_type.unwrap_or_default()).unwrap_or(USUAL_BITS))
    }

    fn counted(elements: u64, bits: u64) -> Extent {
        Extent { elements, bits, dims: None }
    }
}

/// The sizes of values by name.
#[derive(Debug, Default)]
pub(super) struct Extents<'m> {
    values: HashMap<&'m str, Extent>,
    symbols: HashMap<String, u64>,
    /// Shapes and sizes that are given as constants.
    shapes: HashMap<&'m str, Vec<i64>>,
}

impl<'m> Extents<'m> {
    /// Sizes of all values in a model whose inputs have these shapes; inputs that are not named have their declared
    /// one.
    pub fn of(model: &'m ModelProto, inputs: &BTreeMap<String, Vec<u64>>) -> Extents<'m> {
        let mut extents = Extents::default();
        for Declared { name, kind } in inspect::inputs(model) {
            let (ValueKind::Tensor { shape: Some(dims), .. }, Some(sizes)) = (kind, inputs.get(&name)) else {
                continue;
            };
            for (dim, &size) in dims.into_iter().zip(sizes) {
                if let Dim::Symbol(symbol) = dim {
                    extents.symbols.insert(symbol, size);
                }
            }
        }
        if let Some(graph) = &model.graph {
            extents.enter(graph, inputs);
        }
        extents
    }

    /// The size of a value; `None` for one that is left out or that no node has made yet.
    pub fn get(&self, name: &str) -> Option<&Extent> {
        self.values.get(name)
    }

    /// What the inputs of a node are, those left out skipped.
    pub fn inputs<'a>(&'a self, node: &'a NodeProto) -> impl Iterator<Item = &'a Extent> {
        node.input.iter().filter_map(|name| self.get(name))
    }

    fn enter(&mut self, graph: &'m GraphProto, inputs: &BTreeMap<String, Vec<u64>>) {
        for tensor in &graph.initializer {
            self.values.insert(tensor.name(), Extent::of_tensor(tensor));
            self.shapes.extend(whole_numbers(tensor).map(|shape| (tensor.name(), shape)));
        }
        for value in graph.input.iter().chain(&graph.value_info).chain(&graph.output) {
            let Declared { name, kind } = inspect::declared(value);
            let ValueKind::Tensor { element, shape } = kind else { continue };
            let bits = tensor::element_bits(element).unwrap_or(USUAL_BITS);
            let known = inputs.get(&name).cloned().or_else(|| shape.and_then(|dims| self.sizes(&dims)));
            if let Some(dims) = known {
                self.values.insert(value.name(), Extent::of_dims(dims, bits));
            }
        }
        for node in &graph.node {
            // Bodies see the values around them.
            for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
                self.enter(body, &BTreeMap::new());
            }
            for (index, output) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
                if !self.values.contains_key(output.as_str()) {
                    let made = self.made_by(node, index);
                    self.values.insert(output, made);
                }
            }
        }
    }

    /// The sizes of a declared shape, where every axis is a number or a name that an input gives a size to.
    fn sizes(&self, dims: &[Dim]) -> Option<Vec<u64>> {
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => Some(*size),
            Dim::Symbol(name) => self.symbols.get(name).copied(),
            Dim::Unknown => None,
        };
        dims.iter().map(size).collect()
    }

    /// A shape that is given as a constant.
    fn shape(&self, node: &NodeProto, input: usize) -> Option<&[i64]> {
        self.shapes.get(node.input.get(input)?.as_str()).map(Vec::as_slice)
    }

    /// The shape of a slice whose bounds and axes are constants.
    fn sliced(&self, node: &NodeProto, x: &Extent) -> Option<Vec<u64>> {
        let mut dims = x.dims.clone()?;
        let (starts, ends) = (self.shape(node, 1)?, self.shape(node, 2)?);
        let axes = self.shape(node, 3)?;
        let steps = self.shape(node, 4);
        for (place, ((&axis, &start), &end)) in axes.iter().zip(starts).zip(ends).enumerate() {
            let axis = place_of(axis, dims.len())?;
            let size = i64::try_from(dims[axis]).ok()?;
            let bound = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at.min(size) };
            let step = steps.and_then(|steps| steps.get(place)).copied().unwrap_or(1);
            // Backwards, the bounds stand the other way round.
            let length = if step < 0 { bound(start) - bound(end) } else { bound(end) - bound(start) };
            dims[axis] = length.max(0).unsigned_abs().div_ceil(step.unsigned_abs().max(1));
        }
        Some(dims)
    }

    /// The size of an output that is not declared.
    fn made_by(&self, node: &NodeProto, output: usize) -> Extent {
        let input = |index: usize| node.input.get(index).and_then(|name| self.get(name));
        let largest = || self.inputs(node).max_by_key(|extent| extent.elements).cloned();
        let unknown = || Extent::counted(1, USUAL_BITS);
        match node.op_type() {
            "Constant" => constant(node).unwrap_or_else(unknown),
            "Shape" | "Size" | "NonZero" | "ArgMax" | "ArgMin" => {
                let elements = if matches!(node.op_type(), "Shape" | "Size") { 8 } else { 1 };
                Extent::counted(elements, 64)
            }
            "Cast" => {
                let bits = integer(node, "to").and_then(|to| tensor::element_bits(i32::try_from(to).ok()?));
                Extent { bits: bits.unwrap_or(USUAL_BITS), ..input(0).cloned().unwrap_or_else(unknown) }
            }
            "DequantizeLinear" => Extent { bits: USUAL_BITS, ..input(0).cloned().unwrap_or_else(unknown) },
            "QuantizeLinear" => Extent { bits: 8, ..input(0).cloned().unwrap_or_else(unknown) },
            "Reshape" => input(0).map_or_else(unknown, |extent| reshaped(extent, self.shape(node, 1))),
            "Expand" | "Resize" => {
                let index = if node.op_type() == "Expand" { 1 } else { 3 };
                let extent = input(0).cloned().unwrap_or_else(unknown);
                let dims = self.shape(node, index).and_then(sizes);
                dims.map_or(extent.clone(), |dims| Extent::of_dims(dims, extent.bits))
            }
            "Squeeze" | "Unsqueeze" | "Flatten" => {
                input(0).map_or_else(unknown, |extent| Extent::counted(extent.elements, extent.bits))
            }
            "Slice" => input(0).map_or_else(unknown, |extent| {
                let cut = self.sliced(node, extent).map(|dims| Extent::of_dims(dims, extent.bits));
                cut.unwrap_or_else(|| Extent::counted(extent.elements, extent.bits))
            }),
            "Transpose" => input(0).map_or_else(unknown, |extent| transposed(extent, node)),
            "Gather" => input(0).zip(input(1)).map_or_else(unknown, |(table, indices)| {
                let row = table.dims.as_ref().and_then(|dims| Some(table.elements / (*dims.first()?).max(1)));
                Extent::counted(row.unwrap_or(1).saturating_mul(indices.elements), table.bits)
            }),
            "Split" => {
                let parts = u64::try_from(node.output.len().max(1)).unwrap_or(u64::MAX);
                input(0).map_or_else(unknown, |extent| Extent::counted(extent.elements.div_ceil(parts), extent.bits))
            }
            "Concat" => {
                let bits = largest().map_or(USUAL_BITS, |extent| extent.bits);
                let elements = self.inputs(node).map(|extent| extent.elements).fold(0, u64::saturating_add);
                let dims = joined(node, input(0), elements);
                dims.map_or_else(|| Extent::counted(elements, bits), |dims| Extent::of_dims(dims, bits))
            }
            "GlobalAveragePool" | "GlobalMaxPool" => {
                let planes = input(0).and_then(|x| Some(product(x.dims.as_ref()?.get(..2)?)));
                Extent::counted(planes.unwrap_or(1), USUAL_BITS)
            }
            "MaxPool" | "AveragePool" if output == 0 => {
                let extent = input(0).cloned().unwrap_or_else(unknown);
                Extent::counted((extent.elements / steps(node)).max(1), extent.bits)
            }
            // A product of two values of which only the number of elements is known: as in attention, where the result
            // of the second is as large as the smaller factor of the first.
            op if is_product(op) => products::of(node, self)
                .map(|product| product.output)
                .or_else(|| self.inputs(node).min_by_key(|extent| extent.elements).cloned())
                .unwrap_or_else(unknown),
            _ => largest().unwrap_or_else(unknown),
        }
    }
}

/// The shape of a tensor of a few whole numbers that is one.
fn whole_numbers(tensor: &TensorProto) -> Option<Vec<i64>> {
    let few = tensor.dims.len() == 1 && tensor.dims[0] <= 8 && tensor.data_type == Some(DataType::Int64.into());
    let bytes = tensor::raw_bytes(tensor).filter(|_| few)?;
    Some(bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
}

/// A shape without anything left open.
fn sizes(shape: &[i64]) -> Option<Vec<u64>> {
    shape.iter().map(|&size| u64::try_from(size).ok()).collect()
}

/// A value in another shape, where 0 keeps an axis and -1 takes what is left.
fn reshaped(extent: &Extent, shape: Option<&[i64]>) -> Extent {
    let kept = |axis: usize| extent.dims.as_ref().and_then(|dims| dims.get(axis)).copied();
    let size = |(axis, &size): (usize, &i64)| match size {
        0 => kept(axis),
        -1 => Some(0),
        size => u64::try_from(size).ok(),
    };
    let Some(mut dims) = shape.and_then(|shape| shape.iter().enumerate().map(size).collect::<Option<Vec<u64>>>())
    else {
        return Extent::counted(extent.elements, extent.bits);
    };
    if let Some(open) = dims.iter().position(|&size| size == 0) {
        let others: u64 = dims.iter().filter(|&&size| size != 0).fold(1, |product, &size| product.saturating_mul(size));
        dims[open] = extent.elements / others.max(1);
    }
    Extent::of_dims(dims, extent.bits)
}

/// The shape of a concatenation of so many elements in all.
fn joined(node: &NodeProto, first: Option<&Extent>, elements: u64) -> Option<Vec<u64>> {
    let mut dims = first?.dims.clone()?;
    let axis = place_of(integer(node, "axis")?, dims.len())?;
    dims[axis] = 1;
    dims[axis] = elements / product(&dims).max(1);
    Some(dims)
}

/// The index of an axis that may be counted from the end.
fn place_of(axis: i64, rank: usize) -> Option<usize> {
    let place = match axis {
        0.. => usize::try_from(axis).ok()?,
        _ => rank.checked_sub(usize::try_from(axis.checked_neg()?).ok()?)?,
    };
    (place < rank).then_some(place)
}

fn transposed(extent: &Extent, node: &NodeProto) -> Extent {
    let order = node.attribute.iter().find(|attribute| attribute.name() == "perm").map(|it| it.ints.as_slice());
    let dims = extent.dims.as_ref().and_then(|dims| match order {
        Some(order) => order.iter().map(|&axis| dims.get(usize::try_from(axis).ok()?).copied()).collect(),
        None => Some(dims.iter().rev().copied().collect()),
    });
    Extent { dims, ..*extent }
}

fn constant(node: &NodeProto) -> Option<Extent> {
    node.attribute.iter().find_map(|attribute| attribute.t.as_ref()).map(Extent::of_tensor)
}

/// Inputs that stand behind one output of an operator that steps over a plane: the product of its strides.
pub(super) fn steps(node: &NodeProto) -> u64 {
    let strides = node.attribute.iter().find(|attribute| attribute.name() == "strides");
    strides.map_or(1, |strides| strides.ints.iter().map(|&step| step.unsigned_abs()).product::<u64>().max(1))
}

/// An attribute that is a whole number.
pub(super) fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name() == name).and_then(|attribute| attribute.i)
}

/// True for the types that ONNX Runtime's CPU kernels compute in 32 bits instead.
pub(super) fn is_half(tensor: &TensorProto) -> bool {
    let halves = [DataType::Float16, DataType::Bfloat16];
    halves.iter().any(|&half| tensor.data_type == Some(half.into()))
}

fn product(dims: &[u64]) -> u64 {
    dims.iter().fold(1, |product, &dim| product.saturating_mul(dim))
}
