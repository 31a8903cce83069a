//! Attributes of nodes.

use prost::bytes::Bytes;

use crate::onnx::proto::AttributeProto;
use crate::onnx::proto::attribute_proto::AttributeType;

pub(super) fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind as i32), ..Default::default() }
}

pub(super) fn attr_int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

pub(super) fn attr_ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub(super) fn attr_float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

pub(super) fn attr_string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(Bytes::from(value.to_owned())), ..attribute(name, AttributeType::String) }
}
