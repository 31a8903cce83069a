//! Values of the graph under construction: names, types and shapes.

use std::rc::Rc;

use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto};

/// A tensor in the graph under construction: its name, its element type and its concrete shape.
#[derive(Debug, Clone)]
pub struct Value {
    pub(super) name: Rc<str>,
    pub(super) dtype: DataType,
    pub(super) dims: Rc<[i64]>,
    /// True where the sizes depend on data; `dims` are then the expected ones.
    pub(super) open: bool,
}

impl Value {
    /// The shape, in elements: concrete, or where it depends on data ([`Value::is_open`]) the expected one, which counts
    /// for [`super::BuiltGraph::macs`] and is not written into the model.
    pub fn dims(&self) -> &[i64] {
        &self.dims
    }

    /// Size along an axis; negative axes count from the end.
    ///
    /// # Panics
    /// When there is no such axis.
    pub fn dim(&self, axis: i64) -> i64 {
        self.dims[axis_index(axis, self.dims.len())]
    }

    /// Number of elements.
    pub fn elements(&self) -> i64 {
        self.dims.iter().product()
    }

    /// The element type.
    pub fn dtype(&self) -> DataType {
        self.dtype
    }

    /// True where the sizes depend on data, because an operator such as NonZero made this value or one that it was
    /// computed from. Reshapes of such values must leave the varying size to be computed.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// A value of fixed sizes.
    pub(super) fn fixed(name: impl Into<Rc<str>>, dtype: DataType, dims: &[i64]) -> Value {
        Value { name: name.into(), dtype, dims: dims.into(), open: false }
    }
}

/// The position of an axis that may be counted from the end.
///
/// # Panics
/// When there is no such axis.
pub(super) fn axis_index(axis: i64, rank: usize) -> usize {
    let from_start = if axis < 0 { usize::try_from(-axis).map(|back| rank - back) } else { usize::try_from(axis) };
    match from_start {
        Ok(index) if index < rank => index,
        _ => panic!("axis {axis} of a tensor of rank {rank}"),
    }
}

/// The 64-bit integers nearest a length or an axis: lengths of shapes always fit.
pub(super) fn int(length: usize) -> i64 {
    i64::try_from(length).expect("a length in memory fits 63 bits")
}

/// Type and shape as the model declares them; sizes that depend on data are named after the value and the axis.
pub(super) fn value_info(value: &Value) -> ValueInfoProto {
    use tensor_shape_proto::dimension::Value::{DimParam, DimValue};
    let size = |(axis, &size): (usize, &i64)| match value.open {
        true => DimParam(format!("{}_dim_{axis}", value.name)),
        false => DimValue(size),
    };
    let dim = value
        .dims
        .iter()
        .enumerate()
        .map(|dim| tensor_shape_proto::Dimension { denotation: None, value: Some(size(dim)) })
        .collect();
    let tensor = type_proto::Tensor { elem_type: Some(value.dtype as i32), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(value.name.to_string()),
        r#type: Some(TypeProto { denotation: None, value: Some(type_proto::Value::TensorType(tensor)) }),
        ..Default::default()
    }
}
