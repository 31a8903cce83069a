//! A fluent builder of graphs with concrete shapes.
//!
//! Each operator method appends one node, computes the shape and type of what comes out, and counts parameters and
//! multiply-accumulates, so that a graph's totals need no second pass. A wrong shape is a bug in the code that builds
//! the graph, never something a user typed, so the methods panic and name the node.

mod control;
mod detection;
mod layout;
mod math;
mod routing;
mod unary;
mod vision;

use std::collections::HashMap;
use std::rc::Rc;

use prost::bytes::Bytes;

use super::proto::tensor_proto::{DataLocation, DataType};
use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto, type_proto,
};

use super::tensor::element_bits;

pub use detection::RoiGrid;
pub use math::{ConvSpec, GemmSpec};

/// The operator set that built graphs import.
pub const OPSET: i64 = 20;
/// The version of the ONNX container format that goes with [`OPSET`].
const IR_VERSION: i64 = 10;
/// Parameters of more elements than this are kept outside the model; the rest carry their values inline.
const INLINE_ELEMENTS: i64 = 4096;

/// A tensor in the graph under construction: its name, its element type and its concrete shape.
#[derive(Debug, Clone)]
pub struct Value {
    name: Rc<str>,
    dtype: DataType,
    dims: Rc<[i64]>,
    /// True where the sizes depend on data; `dims` are then the expected ones.
    open: bool,
}

impl Value {
    /// The shape, in elements: concrete, or where it depends on data ([`Value::is_open`]) the expected one, which counts
    /// for [`BuiltGraph::macs`] and is not written into the model.
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
    fn fixed(name: impl Into<Rc<str>>, dtype: DataType, dims: &[i64]) -> Value {
        Value { name: name.into(), dtype, dims: dims.into(), open: false }
    }
}

/// How the values of a parameter are drawn; what they are does not change the timing, but they must neither explode nor
/// vanish on the way through a deep graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform with variance 1 / `fan_in`: a product over that many inputs keeps the variance of its operand.
    FanIn(i64),
    /// Uniform around `centre`, up to `half_width` either side.
    Around {
        /// The mean.
        centre: f32,
        /// Largest distance from the mean.
        half_width: f32,
    },
}

impl Init {
    /// Half the width of the uniform distribution and its centre.
    fn range(self) -> (f32, f32) {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "a scale; rounding it is harmless")]
            Init::FanIn(fan_in) => ((3.0 / fan_in as f32).sqrt(), 0.0),
            Init::Around { centre, half_width } => (half_width, centre),
        }
    }
}

/// Consecutive elements of a parameter, in row-major order, that all have one value instead of a drawn one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Index of the first element.
    pub start: i64,
    /// Number of elements.
    pub count: i64,
    /// What they are.
    pub value: f32,
}

/// A parameter whose bytes stand outside the model; where is decided after the graph is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalWeight {
    /// Index in the graph's list of initializers.
    pub initializer: usize,
    /// Shape, in elements of `dtype`.
    pub dims: Vec<i64>,
    /// Element type: 32-bit floating point as built.
    pub dtype: DataType,
    /// Half the width of the uniform distribution of its values, around zero.
    pub half_width: f32,
    /// Values that are not drawn; where runs overlap, the later one holds.
    pub arranged: Vec<Run>,
}

impl ExternalWeight {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        let width = element_bits(self.dtype as i32).unwrap_or_default() / 8;
        self.dims.iter().product::<i64>().unsigned_abs() * width
    }
}

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

    /// Adds a trained parameter in 32-bit floating point, counted in the total.
    pub fn parameter(&mut self, name: &str, dims: &[i64], init: Init) -> Value {
        self.parameters += dims.iter().product::<i64>().unsigned_abs();
        self.derived_parameter(name, dims, init)
    }

    /// Adds what the exporter computed from a trained parameter (a broadcast, a gathered table): stored like a parameter,
    /// not counted; see [`GraphBuilder::count_parameters`].
    pub fn derived_parameter(&mut self, name: &str, dims: &[i64], init: Init) -> Value {
        self.initializer(name, dims, init, INLINE_ELEMENTS)
    }

    /// Like [`GraphBuilder::parameter`], with values that stand in the model however many they are: for parameters whose
    /// values decide what is computed, so that they cannot share bytes with others.
    pub fn inline_parameter(&mut self, name: &str, dims: &[i64], init: Init) -> Value {
        self.count_parameters(dims.iter().product());
        self.initializer(name, dims, init, i64::MAX)
    }

    /// An initializer that is kept outside the model where it has more elements than `most_inline`.
    fn initializer(&mut self, name: &str, dims: &[i64], init: Init, most_inline: i64) -> Value {
        let name = self.unique(&self.scoped(".", name));
        let elements: i64 = dims.iter().product();
        let (half_width, centre) = init.range();
        let mut tensor = TensorProto {
            name: Some(name.clone()),
            dims: dims.to_vec(),
            data_type: Some(DataType::Float as i32),
            ..Default::default()
        };
        if elements > most_inline && centre == 0.0 {
            tensor.data_location = Some(DataLocation::External as i32);
            let initializer = self.graph.initializer.len();
            let (dims, dtype, arranged) = (dims.to_vec(), DataType::Float, Vec::new());
            self.external.push(ExternalWeight { initializer, dims, dtype, half_width, arranged });
        } else {
            let values = inline_values(self.graph.initializer.len(), elements, half_width, centre);
            tensor.raw_data = Some(Bytes::from(values));
        }
        self.graph.initializer.push(tensor);
        Value::fixed(name, DataType::Float, dims)
    }

    /// Adds a trained parameter like [`GraphBuilder::parameter`], some of whose values are arranged so that what the model
    /// does with data is realistic.
    ///
    /// # Panics
    /// When the parameter is so small that it stands in the model: [`GraphBuilder::given_parameter`] is for those.
    pub fn arranged_parameter(&mut self, name: &str, dims: &[i64], init: Init, runs: Vec<Run>) -> Value {
        let value = self.parameter(name, dims, init);
        let weight = self.external.last_mut().filter(|weight| weight.initializer + 1 == self.graph.initializer.len());
        weight.unwrap_or_else(|| panic!("`{}` is not outside the model", value.name)).arranged = runs;
        value
    }

    /// Adds a trained parameter all of whose values are given; they stand in the model.
    ///
    /// # Panics
    /// When the number of values is not that of the shape.
    pub fn given_parameter(&mut self, name: &str, dims: &[i64], values: &[f32]) -> Value {
        assert_eq!(dims.iter().product::<i64>(), int(values.len()), "parameter `{name}` of {dims:?}");
        self.parameters += values.len() as u64;
        let name = self.unique(&self.scoped(".", name));
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims: dims.to_vec(),
            data_type: Some(DataType::Float as i32),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()),
            ..Default::default()
        });
        Value::fixed(name, DataType::Float, dims)
    }

    /// Adds to the count of trained parameters those that reach the graph only in derived form.
    pub fn count_parameters(&mut self, count: i64) {
        self.parameters += count.unsigned_abs();
    }

    /// A constant of 64-bit integers; equal constants share one initializer.
    pub fn int64(&mut self, dims: &[i64], values: &[i64]) -> Value {
        self.constant(DataType::Int64, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A constant of 32-bit floating point; equal constants share one initializer.
    pub fn float(&mut self, dims: &[i64], values: &[f32]) -> Value {
        self.constant(DataType::Float, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A scalar of 32-bit floating point.
    pub fn scalar(&mut self, value: f32) -> Value {
        self.float(&[], &[value])
    }

    /// A constant of truth values; equal constants share one initializer.
    pub fn bool(&mut self, dims: &[i64], values: &[bool]) -> Value {
        self.constant(DataType::Bool, dims, values.iter().map(|&value| u8::from(value)).collect())
    }

    fn constant(&mut self, dtype: DataType, dims: &[i64], bytes: Vec<u8>) -> Value {
        let key = (dtype as i32, dims.to_vec(), bytes);
        if let Some(known) = self.constants.get(&key) {
            return known.clone();
        }
        let name = self.unique(&format!("constant_{}", self.constants.len()));
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims: dims.to_vec(),
            data_type: Some(dtype as i32),
            raw_data: Some(Bytes::from(key.2.clone())),
            ..Default::default()
        });
        let value = Value::fixed(name, dtype, dims);
        self.constants.insert(key, value.clone());
        value
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

/// The position of an axis that may be counted from the end.
///
/// # Panics
/// When there is no such axis.
fn axis_index(axis: i64, rank: usize) -> usize {
    let from_start = if axis < 0 { usize::try_from(-axis).map(|back| rank - back) } else { usize::try_from(axis) };
    match from_start {
        Ok(index) if index < rank => index,
        _ => panic!("axis {axis} of a tensor of rank {rank}"),
    }
}

/// The 64-bit integers nearest a length or an axis: lengths of shapes always fit.
fn int(length: usize) -> i64 {
    i64::try_from(length).expect("a length in memory fits 63 bits")
}

/// Little-endian values for a small parameter: uniform, different for each initializer, equal on every machine.
fn inline_values(initializer: usize, elements: i64, half_width: f32, centre: f32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(0x6e6f_6e67_656d_6d00 ^ initializer as u64);
    (0..elements).flat_map(|_| (centre + (random.f32() * 2.0 - 1.0) * half_width).to_le_bytes()).collect()
}

/// Type and shape as the model declares them; sizes that depend on data are named after the value and the axis.
fn value_info(value: &Value) -> ValueInfoProto {
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

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind as i32), ..Default::default() }
}

fn attr_int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

fn attr_ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

fn attr_float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

fn attr_string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(Bytes::from(value.to_owned())), ..attribute(name, AttributeType::String) }
}

#[cfg(test)]
mod tests;
