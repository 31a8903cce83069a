//! A fluent builder of graphs with concrete shapes.
//!
//! Each operator method appends one node, computes the shape and type of what comes out, and counts parameters and
//! multiply-accumulates, so that a graph's totals need no second pass. A wrong shape is a bug in the code that builds
//! the graph, never something a user typed, so the methods panic and name the node.

mod attributes;
mod control;
mod detection;
mod layout;
mod math;
mod parameters;
mod routing;
mod unary;
mod value;
mod vision;

use std::collections::HashMap;

use super::proto::tensor_proto::DataType;
use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use attributes::{attr_float, attr_int, attr_ints, attr_string, attribute};
use value::{axis_index, int, value_info};

pub use detection::RoiGrid;
pub use math::{ConvSpec, GemmSpec};
pub use parameters::{ExternalWeight, Init, Run};
pub use value::Value;

/// The operator set that built graphs import.
pub const OPSET: i64 = 20;
/// The version of the ONNX container format that goes with [`OPSET`].
const IR_VERSION: i64 = 10;

/// A finished graph with its totals.
#[derive(Debug, Clone)]
pub struct BuiltGraph {
    /// The model; initializers listed in `external` are marked as external and have no location yet.
    pub model: ModelProto,
    /// The parameters that need bytes from outside, in the order they were added.
    pub external: Vec<ExternalWeight>,
    /// Trained parameters of the architecture (constants not counted).
    pub parameters: u64,
    /// Multiply-accumulates of MatMul, Gemm, Conv and Einsum in one inference.
    pub macs: u64,
}

/// Appends nodes to one graph.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
    scope: Vec<String>,
    taken: HashMap<String, u32>,
    constants: HashMap<(i32, Vec<i64>, Vec<u8>), Value>,
    external: Vec<ExternalWeight>,
    parameters: u64,
    macs: u64,
}

impl GraphBuilder {
    /// Starts an empty graph.
    pub fn new(name: &str) -> Self {
        GraphBuilder {
            graph: GraphProto { name: Some(name.to_owned()), ..Default::default() },
            scope: Vec::new(),
            taken: HashMap::new(),
            constants: HashMap::new(),
            external: Vec::new(),
            parameters: 0,
            macs: 0,
        }
    }

    /// Runs `body` with `name` appended to the scope, which is the prefix of the names of the nodes and parameters added.
    pub fn scope<T>(&mut self, name: &str, body: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(name.to_owned());
        let result = body(self);
        self.scope.pop();
        result
    }

    /// Declares a graph input.
    pub fn input(&mut self, name: &str, dtype: DataType, dims: &[i64]) -> Value {
        let value = Value::fixed(name, dtype, dims);
        self.graph.input.push(value_info(&value));
        self.taken.insert(name.to_owned(), 1);
        value
    }

    /// Declares `value` a graph output under `name`: the node that makes it is changed to write that name.
    ///
    /// # Panics
    /// When no node makes the value.
    pub fn output(&mut self, name: &str, value: &Value) {
        let renamed = Value { name: name.into(), ..value.clone() };
        let mut made = false;
        for node in &mut self.graph.node {
            for output in node.output.iter_mut().filter(|output| **output == *value.name) {
                *output = name.to_owned();
                made = true;
            }
            node.input.iter_mut().filter(|input| **input == *value.name).for_each(|input| *input = name.to_owned());
        }
        assert!(made, "graph output `{name}`: no node makes `{}`", value.name);
        self.graph.value_info.retain(|info| info.name.as_deref() != Some(&*value.name));
        self.graph.output.push(value_info(&renamed));
    }

    /// Closes the graph. No version of this program is written into it: a model keeps its hash over releases that do not
    /// change it.
    pub fn finish(self) -> BuiltGraph {
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
            producer_name: Some("cargo-nongemm".to_owned()),
            graph: Some(self.graph),
            ..Default::default()
        };
        BuiltGraph { model, external: self.external, parameters: self.parameters, macs: self.macs }
    }

    /// Appends a node with one output of the given type and shape.
    fn node(
        &mut self,
        op: &str,
        inputs: &[&Value],
        dtype: DataType,
        dims: Vec<i64>,
        attributes: Vec<AttributeProto>,
    ) -> Value {
        let inputs: Vec<Option<&Value>> = inputs.iter().copied().map(Some).collect();
        self.node_with_outputs(op, &inputs, vec![(dtype, dims)], attributes).swap_remove(0)
    }

    /// Appends a node whose outputs are open where an input is.
    fn node_with_outputs(
        &mut self,
        op: &str,
        inputs: &[Option<&Value>],
        outputs: Vec<(DataType, Vec<i64>)>,
        attributes: Vec<AttributeProto>,
    ) -> Vec<Value> {
        let open = inputs.iter().flatten().any(|input| input.open);
        self.append(op, inputs, outputs, attributes, open)
    }

    /// Appends a node; where its outputs are `open`, the model declares no shape for them. An input that is `None` is
    /// left out.
    fn append(
        &mut self,
        op: &str,
        inputs: &[Option<&Value>],
        outputs: Vec<(DataType, Vec<i64>)>,
        attributes: Vec<AttributeProto>,
        open: bool,
    ) -> Vec<Value> {
        let name = self.unique(&format!("/{}", self.scoped("/", op)));
        let values: Vec<Value> = outputs
            .into_iter()
            .enumerate()
            .map(|(i, (dtype, dims))| Value { open, ..Value::fixed(format!("{name}_output_{i}"), dtype, &dims) })
            .collect();
        if !open {
            self.graph.value_info.extend(values.iter().map(value_info));
        }
        self.graph.node.push(NodeProto {
            name: Some(name),
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|input| input.map_or_else(String::new, |value| value.name.to_string())).collect(),
            output: values.iter().map(|value| value.name.to_string()).collect(),
            attribute: attributes,
            ..Default::default()
        });
        values
    }

    fn scoped(&self, separator: &str, name: &str) -> String {
        let mut full = String::new();
        for part in &self.scope {
            full.push_str(part);
            full.push_str(separator);
        }
        full + name
    }

    /// The name itself when it is free, else with the first free number behind it.
    fn unique(&mut self, wanted: &str) -> String {
        let Some(count) = self.taken.get_mut(wanted) else {
            self.taken.insert(wanted.to_owned(), 1);
            return wanted.to_owned();
        };
        let numbered = format!("{wanted}_{count}");
        *count += 1;
        self.unique(&numbered)
    }
}

#[cfg(test)]
mod tests;
