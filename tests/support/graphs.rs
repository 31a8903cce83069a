//! Small models for tests that run them.

#![allow(dead_code)]

use nongemm::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use nongemm::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};
use nongemm::runtime::session::{FeedTensor, TensorData};
use prost::Message;

pub const FLOAT: i32 = 1;
pub const INT64: i32 = 7;
pub const BOOL: i32 = 9;

pub fn node(op_type: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: Some(op_type.into()),
        name: Some(name.into()),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: outputs.iter().map(|output| (*output).to_owned()).collect(),
        ..NodeProto::default()
    }
}

pub fn value(name: &str, element: i32, shape: &[i64]) -> ValueInfoProto {
    let dim = |extent: &i64| Dimension { value: Some(dimension::Value::DimValue(*extent)), ..Dimension::default() };
    let tensor = type_proto::Tensor {
        elem_type: Some(element),
        shape: Some(TensorShapeProto { dim: shape.iter().map(dim).collect() }),
    };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value, ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

pub fn floats(name: &str, dims: &[i64], values: Vec<f32>) -> TensorProto {
    let (name, dims) = (Some(name.into()), dims.to_vec());
    TensorProto { name, dims, data_type: Some(FLOAT), float_data: values, ..TensorProto::default() }
}

pub fn ints(name: &str, dims: &[i64], values: Vec<i64>) -> TensorProto {
    let (name, dims) = (Some(name.into()), dims.to_vec());
    TensorProto { name, dims, data_type: Some(INT64), int64_data: values, ..TensorProto::default() }
}

pub fn boolean(name: &str, value: bool) -> TensorProto {
    let int32_data = vec![i32::from(value)];
    TensorProto { name: Some(name.into()), data_type: Some(BOOL), int32_data, ..TensorProto::default() }
}

pub fn body(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { name: Some(name.into()), g: Some(graph), r#type: Some(5), ..AttributeProto::default() }
}

pub fn graph(
    nodes: Vec<NodeProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    initializers: Vec<TensorProto>,
) -> GraphProto {
    GraphProto {
        name: Some("graph".into()),
        node: nodes,
        input: inputs,
        output: outputs,
        initializer: initializers,
        ..GraphProto::default()
    }
}

pub fn model(graph: GraphProto) -> Vec<u8> {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(17) }],
        graph: Some(graph),
        ..ModelProto::default()
    }
    .encode_to_vec()
}

/// Positive numbers without a period.
pub fn feed(name: &str, shape: &[i64]) -> FeedTensor {
    let count = shape.iter().product::<i64>();
    let mut random = fastrand::Rng::with_seed(7);
    let data = TensorData::Bytes((0..count).flat_map(|_| (0.1 + random.f32()).to_ne_bytes()).collect());
    FeedTensor { name: name.into(), element: FLOAT, shape: shape.to_vec(), data }
}

/// `count` cheap nodes one after another on a tensor of one element.
pub fn tiny_chain(count: usize) -> Vec<u8> {
    let at = |number: usize| if number == 0 { "x".to_owned() } else { format!("v{number}") };
    let operators = ["Add", "Relu", "Mul", "Identity"];
    let nodes = (0..count)
        .map(|number| {
            let operator = operators[number % operators.len()];
            let (input, output) = (at(number), at(number + 1));
            let inputs = if number % 2 == 0 { vec![input.as_str(), "one"] } else { vec![input.as_str()] };
            node(operator, &format!("/tiny/{operator}_{number}"), &inputs, &[&output])
        })
        .collect();
    let end = at(count);
    model(graph(
        nodes,
        vec![value("x", FLOAT, &[1, 1])],
        vec![value(&end, FLOAT, &[1, 1])],
        vec![floats("one", &[1], vec![1.0])],
    ))
}

/// Blocks of one matrix product with cheap nodes after each, on one row of its result.
#[derive(Debug, Clone, Copy)]
pub struct Mixed {
    pub blocks: usize,
    pub rows: i64,
    pub columns: i64,
    pub tiny: usize,
}

/// Which nodes of a [`Mixed`] model are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    WithoutTiny,
    TinyAlone,
}

/// What the names of a [`Mixed`] model's cheap nodes begin with.
pub const TINY: &str = "/tiny/";

impl Mixed {
    /// The model and its only input.
    pub fn build(self, part: Part) -> (Vec<u8>, FeedTensor) {
        let mut nodes = Vec::new();
        let mut last = "x".to_owned();
        for block in 0..self.blocks {
            let mut append = |operator: &str, prefix: &str, others: &[&str]| {
                let output = format!("v{}", nodes.len());
                let inputs: Vec<&str> = std::iter::once(last.as_str()).chain(others.iter().copied()).collect();
                let name = format!("{prefix}layer.{block}/{operator}_{}", nodes.len());
                nodes.push(node(operator, &name, &inputs, &[&output]));
                last = output;
            };
            if part != Part::TinyAlone {
                append("MatMul", "/big/", &["weight"]);
                append("Slice", "/big/", &["zero", "one_index", "zero"]);
            }
            if part != Part::WithoutTiny {
                for number in 0..self.tiny {
                    match number % 3 {
                        0 => append("Add", TINY, &["row"]),
                        1 => append("Relu", TINY, &[]),
                        _ => append("Mul", TINY, &["row"]),
                    }
                }
            }
            if part != Part::TinyAlone {
                append("Add", "/big/", &["x"]);
            }
        }
        let rows = if part == Part::TinyAlone { 1 } else { self.rows };
        let shape = [rows, self.columns];
        let size = usize::try_from(self.columns).unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        let weight = (0..size * size).map(|_| (random.f32() - 0.5) / size as f32).collect();
        let initializers = vec![
            floats("weight", &[self.columns, self.columns], weight),
            floats("row", &[1, self.columns], vec![1.0; size]),
            ints("zero", &[1], vec![0]),
            ints("one_index", &[1], vec![1]),
        ];
        let output = vec![value(&last, FLOAT, &shape)];
        let bytes = model(graph(nodes, vec![value("x", FLOAT, &shape)], output, initializers));
        (bytes, feed("x", &shape))
    }
}
