//! Initializers: from fp32 to fp16, and copies of those that are needed in both.

use std::collections::HashMap;

use bytes::Bytes;

use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use crate::onnx::tensor;

use super::kinds::attribute;
use super::scope::{Precision, Value};
use super::weights::Gather;
use super::{HalfError, HalfReport, values};

/// `Constant` nodes of fp32 become initializers, as ONNX Runtime makes them when it loads a model: an initializer can be
/// there in both precisions.
pub fn hoist_constants(graph: &mut GraphProto) {
    let mut hoisted = Vec::new();
    graph.node.retain_mut(|node| match hoistable(node) {
        Some(tensor) => {
            hoisted.push(tensor);
            false
        }
        None => true,
    });
    graph.initializer.extend(hoisted);
}

fn hoistable(node: &NodeProto) -> Option<TensorProto> {
    let standard = matches!(node.domain(), "" | "ai.onnx");
    if !standard || node.op_type() != "Constant" {
        return None;
    }
    let name = Some(node.output.first()?.clone());
    if let Some(tensor) = attribute(node, "value").and_then(|it| it.t.as_ref()) {
        let float = tensor.data_type() == DataType::Float as i32;
        return float.then(|| TensorProto { name, ..tensor.clone() });
    }
    let float = |dims: Vec<i64>, float_data: Vec<f32>| TensorProto {
        name: name.clone(),
        dims,
        data_type: Some(DataType::Float as i32),
        float_data,
        ..Default::default()
    };
    if let Some(value) = attribute(node, "value_float") {
        return Some(float(Vec::new(), vec![value.f()]));
    }
    let values = attribute(node, "value_floats")?.floats.clone();
    Some(float(vec![i64::try_from(values.len()).ok()?], values))
}

/// The values of initializers of one element that are kept in the model.
pub fn scalars(graph: &GraphProto) -> HashMap<String, f32> {
    let scalar = |tensor: &TensorProto| {
        let float = tensor.data_type() == DataType::Float as i32 && tensor::elements(tensor) == Some(1);
        let raw = float.then(|| tensor::raw_bytes(tensor)).flatten()?;
        Some((tensor.name().to_owned(), f32::from_le_bytes(raw.as_ref().try_into().ok()?)))
    };
    graph.initializer.iter().filter_map(scalar).collect()
}

/// Gives each initializer the precisions that its uses asked for.
pub fn finish(
    graph: &mut GraphProto,
    uses: &HashMap<String, Value>,
    report: &mut HalfReport,
    mut gather: Option<&mut Gather>,
    main: bool,
) -> Result<(), HalfError> {
    let mut half = |tensor: &mut TensorProto, report: &mut HalfReport| to_half(tensor, report, gather.as_deref_mut());
    for index in 0..graph.initializer.len() {
        let Some(Value::Stored { first, copy }) = uses.get(graph.initializer[index].name()) else { continue };
        if let Some(name) = copy.borrow().as_ref() {
            let mut copied = TensorProto { name: Some(name.clone()), ..graph.initializer[index].clone() };
            if first.get() == Some(Precision::Full) {
                half(&mut copied, report)?;
            }
            if main {
                report.copies.push((index, graph.initializer.len()));
            }
            graph.initializer.push(copied);
        }
        if first.get() == Some(Precision::Half) {
            half(&mut graph.initializer[index], report)?;
            let name = graph.initializer[index].name().to_owned();
            // An initializer that is an input too is that input's default.
            for input in graph.input.iter_mut().filter(|input| input.name() == name) {
                retype(input);
            }
        }
    }
    Ok(())
}

/// Converts one tensor's values, or notes that they are to be converted when they are loaded.
pub fn to_half(
    tensor: &mut TensorProto,
    report: &mut HalfReport,
    gather: Option<&mut Gather>,
) -> Result<(), HalfError> {
    let elements = tensor::elements(tensor).unwrap_or(0);
    report.tensors += 1;
    report.elements += elements;
    if tensor::is_external(tensor) {
        if let Some(gather) = gather {
            gather.convert(tensor);
        }
        tensor.data_type = Some(DataType::Float16 as i32);
        return Ok(());
    }
    let raw = tensor::raw_bytes(tensor).unwrap_or_default();
    if u64::try_from(raw.len()).ok() != Some(elements * 4) {
        let tensor = tensor.name().to_owned();
        return Err(HalfError::Tensor { tensor, bytes: raw.len(), expected: elements * 4 });
    }
    let mut bytes = Vec::with_capacity(raw.len() / 2);
    values::convert(&raw, &mut bytes, &mut report.losses);
    tensor.data_type = Some(DataType::Float16 as i32);
    tensor::set_raw(tensor, Bytes::from(bytes));
    Ok(())
}

/// A number attribute, such as the `to` of a Cast.
pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

/// The value that ConstantOfShape fills with; without one it is a zero of fp32.
pub fn fill_half(node: &mut NodeProto, report: &mut HalfReport) {
    let zero = TensorProto {
        dims: vec![1],
        data_type: Some(DataType::Float16 as i32),
        raw_data: Some(vec![0, 0].into()),
        ..Default::default()
    };
    match node.attribute.iter_mut().find(|attribute| attribute.name() == "value").and_then(|it| it.t.as_mut()) {
        Some(tensor) => {
            // A scalar of the wrong size is left for ONNX Runtime to complain of.
            let _ = to_half(tensor, report, None);
        }
        None => node.attribute.push(AttributeProto {
            name: Some("value".to_owned()),
            r#type: Some(AttributeType::Tensor as i32),
            t: Some(zero),
            ..Default::default()
        }),
    }
}

/// Declares a value of fp32 to be fp16.
pub fn retype(info: &mut ValueInfoProto) {
    if let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_mut().and_then(|it| it.value.as_mut())
        && tensor.elem_type == Some(DataType::Float as i32)
    {
        tensor.elem_type = Some(DataType::Float16 as i32);
    }
}
