//! Small ONNX models made for tests.

use nongemm::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto, tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension, type_proto,
};

/// `float[rows, inner]` times a weight, plus a bias, through Softmax: one operator of three groups.
pub fn classifier(rows: Dim, inner: i64, classes: i64) -> ModelProto {
    let graph = GraphProto {
        name: Some("classifier".into()),
        input: vec![value("features", tensor_proto::DataType::Float, &[rows.clone(), Dim::Fixed(inner)])],
        output: vec![value("scores", tensor_proto::DataType::Float, &[rows, Dim::Fixed(classes)])],
        initializer: vec![weights("weight", &[inner, classes]), weights("bias", &[classes])],
        node: vec![
            node("product", "MatMul", &["features", "weight"], &["product_out"]),
            node("shift", "Add", &["product_out", "bias"], &["shift_out"]),
            node("squash", "Erf", &["shift_out"], &["squash_out"]),
            node("probabilities", "Softmax", &["squash_out"], &["scores"]),
        ],
        ..GraphProto::default()
    };
    model(graph)
}

/// A declared dimension.
#[derive(Clone)]
pub enum Dim {
    Fixed(i64),
    Named(&'static str),
}

pub fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(20) }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

pub fn node(name: &str, op_type: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        name: Some(name.into()),
        op_type: Some(op_type.into()),
        input: inputs.iter().map(|s| (*s).into()).collect(),
        output: outputs.iter().map(|s| (*s).into()).collect(),
        ..NodeProto::default()
    }
}

/// An integer attribute.
pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..AttributeProto::default()
    }
}

/// Float values that repeat only after a while, around zero.
pub fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let count = dims.iter().product::<i64>();
    let bytes: Vec<u8> = (0..count).flat_map(|i| (((i * 37 % 1009) as f32 - 504.0) / 5040.0).to_le_bytes()).collect();
    TensorProto {
        name: Some(name.into()),
        data_type: Some(tensor_proto::DataType::Float as i32),
        dims: dims.to_vec(),
        raw_data: Some(bytes.into()),
        ..TensorProto::default()
    }
}

pub fn value(name: &str, element: tensor_proto::DataType, dims: &[Dim]) -> ValueInfoProto {
    let dim = dims
        .iter()
        .map(|dim| Dimension {
            value: Some(match dim {
                Dim::Fixed(n) => dimension::Value::DimValue(*n),
                Dim::Named(name) => dimension::Value::DimParam((*name).into()),
            }),
            ..Dimension::default()
        })
        .collect();
    let tensor = type_proto::Tensor { elem_type: Some(element as i32), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}
