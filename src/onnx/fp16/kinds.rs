//! The element type of every value, from the operators that make them: models need not declare it.

use std::collections::HashMap;

use crate::onnx::inspect::canonical_domain;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, TypeProto, ValueInfoProto, type_proto};

/// What is known of a value's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tensor of this element type.
    Tensor(i32),
    /// A sequence or an optional value of tensors of this element type.
    Container(i32),
    /// Nothing.
    Unknown,
}

impl Kind {
    /// 32-bit floating point.
    pub const FLOAT: Kind = Kind::Tensor(DataType::Float as i32);

    /// The declared type of an input, an output or an intermediate value.
    pub fn declared(value: &ValueInfoProto) -> Kind {
        value.r#type.as_ref().map_or(Kind::Unknown, Kind::of_type)
    }

    fn of_type(declared: &TypeProto) -> Kind {
        let inner = |inner: Option<&TypeProto>| match inner.map_or(Kind::Unknown, Kind::of_type) {
            Kind::Tensor(element) | Kind::Container(element) => Kind::Container(element),
            Kind::Unknown => Kind::Unknown,
        };
        match &declared.value {
            Some(type_proto::Value::TensorType(tensor)) => match tensor.elem_type {
                Some(element) if element != 0 => Kind::Tensor(element),
                _ => Kind::Unknown,
            },
            Some(type_proto::Value::SequenceType(sequence)) => inner(sequence.elem_type.as_deref()),
            Some(type_proto::Value::OptionalType(optional)) => inner(optional.elem_type.as_deref()),
            _ => Kind::Unknown,
        }
    }

    fn element(self) -> Option<i32> {
        match self {
            Kind::Tensor(element) | Kind::Container(element) => Some(element),
            Kind::Unknown => None,
        }
    }
}

/// How an operator's outputs get their types.
#[derive(Debug, Clone, Copy)]
enum Out {
    /// That of an input.
    Like(usize),
    /// Always this one.
    Is(DataType),
    /// The number in this attribute, or the default.
    Named(&'static str, Option<DataType>),
    /// That of an input, in a sequence or optional value.
    Wrapped(usize),
    /// What an input's container holds.
    Held(usize),
}

use DataType::{Bool, Float, Int32, Int64, Uint8};
use Out::{Held, Is, Like, Named, Wrapped};

/// Operators whose outputs are not all of the first input's type; the last entry serves all outputs that follow.
static OUTPUTS: &[(&str, &[Out])] = &[
    ("And", &[Is(Bool)]),
    ("ArgMax", &[Is(Int64)]),
    ("ArgMin", &[Is(Int64)]),
    ("BitCast", &[Named("to", None)]),
    ("BlackmanWindow", &[Named("output_datatype", Some(Float))]),
    ("Cast", &[Named("to", None)]),
    ("CastLike", &[Like(1)]),
    ("ConcatFromSequence", &[Held(0)]),
    ("ConvInteger", &[Is(Int32)]),
    ("DequantizeLinear", &[Like(1)]),
    ("Dropout", &[Like(0), Is(Bool)]),
    ("DynamicQuantizeLinear", &[Is(Uint8), Is(Float), Is(Uint8)]),
    ("EmbedLayerNormalization", &[Like(2), Is(Int32), Like(2)]),
    ("Equal", &[Is(Bool)]),
    ("GatherBlockQuantized", &[Like(2)]),
    ("Greater", &[Is(Bool)]),
    ("GreaterOrEqual", &[Is(Bool)]),
    ("HammingWindow", &[Named("output_datatype", Some(Float))]),
    ("HannWindow", &[Named("output_datatype", Some(Float))]),
    ("IsInf", &[Is(Bool)]),
    ("IsNaN", &[Is(Bool)]),
    ("LayerNormalization", &[Like(0), Named("stash_type", Some(Float))]),
    ("Less", &[Is(Bool)]),
    ("LessOrEqual", &[Is(Bool)]),
    ("MatMulInteger", &[Is(Int32)]),
    ("MatMulIntegerToFloat", &[Is(Float)]),
    ("MaxPool", &[Like(0), Is(Int64)]),
    ("MelWeightMatrix", &[Named("output_datatype", Some(Float))]),
    ("Multinomial", &[Named("dtype", Some(Int32))]),
    ("NonMaxSuppression", &[Is(Int64)]),
    ("NonZero", &[Is(Int64)]),
    ("Not", &[Is(Bool)]),
    ("OneHot", &[Like(2)]),
    ("Optional", &[Wrapped(0)]),
    ("OptionalGetElement", &[Held(0)]),
    ("OptionalHasElement", &[Is(Bool)]),
    ("Or", &[Is(Bool)]),
    ("QAttention", &[Is(Float)]),
    ("QLinearConv", &[Like(7)]),
    ("QLinearMatMul", &[Like(7)]),
    ("QuantizeLinear", &[Like(2)]),
    ("RMSNormalization", &[Like(1)]),
    ("RandomNormal", &[Named("dtype", Some(Float))]),
    ("RandomUniform", &[Named("dtype", Some(Float))]),
    ("RegexFullMatch", &[Is(Bool)]),
    ("SequenceAt", &[Held(0)]),
    ("SequenceConstruct", &[Wrapped(0)]),
    ("SequenceLength", &[Is(Int64)]),
    ("Shape", &[Is(Int64)]),
    ("Size", &[Is(Int64)]),
    ("SimplifiedLayerNormalization", &[Like(1), Named("stash_type", Some(Float))]),
    ("SkipLayerNormalization", &[Like(0), Is(Float), Is(Float), Like(0)]),
    ("SkipSimplifiedLayerNormalization", &[Like(0), Is(Float), Is(Float), Like(0)]),
    ("SplitToSequence", &[Wrapped(0)]),
    ("TfIdfVectorizer", &[Is(Float)]),
    ("TopK", &[Like(0), Is(Int64)]),
    ("Unique", &[Like(0), Is(Int64)]),
    ("Where", &[Like(1)]),
    ("Xor", &[Is(Bool)]),
];

/// Operators whose attribute `dtype` overrides the type of their input.
static LIKE_OR_DTYPE: [&str; 4] = ["Bernoulli", "EyeLike", "RandomNormalLike", "RandomUniformLike"];

/// Looks up the kind of a value that a graph around this one makes.
pub type Outer<'a> = &'a dyn Fn(&str) -> Kind;

/// The kinds of the values of one graph.
#[derive(Debug, Default)]
pub struct Kinds(HashMap<String, Kind>);

impl Kinds {
    /// Of all values of a graph. `formals` are the kinds of its inputs where the node around it knows them.
    pub fn of_graph(graph: &GraphProto, formals: &[Kind], functions: &[FunctionProto], outer: Outer<'_>) -> Kinds {
        let mut kinds = Kinds::default();
        for info in graph.value_info.iter().chain(&graph.output) {
            kinds.learn(info.name(), Kind::declared(info));
        }
        for (index, input) in graph.input.iter().enumerate() {
            let formal = formals.get(index).copied().unwrap_or(Kind::Unknown);
            let declared = Kind::declared(input);
            kinds.set(input.name(), if formal == Kind::Unknown { declared } else { formal });
        }
        for tensor in &graph.initializer {
            kinds.set(tensor.name(), Kind::Tensor(tensor.data_type()));
        }
        for tensor in graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()) {
            kinds.set(tensor.name(), Kind::Tensor(tensor.data_type()));
        }
        kinds.infer(&graph.node, functions, outer);
        kinds
    }

    /// The kind of a value of this graph.
    pub fn get(&self, name: &str) -> Option<Kind> {
        self.0.get(name).copied()
    }

    fn set(&mut self, name: &str, kind: Kind) {
        self.0.insert(name.to_owned(), kind);
    }

    fn learn(&mut self, name: &str, kind: Kind) {
        if kind != Kind::Unknown {
            self.set(name, kind);
        }
    }

    fn infer(&mut self, nodes: &[NodeProto], functions: &[FunctionProto], outer: Outer<'_>) {
        for node in nodes {
            for (output, kind) in node.output.iter().zip(self.outputs(node, functions, outer)) {
                // What the operator says beats what is declared, unless it says nothing.
                self.learn(output, kind);
            }
        }
    }

    fn outputs(&self, node: &NodeProto, functions: &[FunctionProto], outer: Outer<'_>) -> Vec<Kind> {
        let kind_of = |name: &str| self.get(name).unwrap_or_else(|| outer(name));
        let input = |index: usize| node.input.get(index).map_or(Kind::Unknown, |name| kind_of(name));
        let inputs: Vec<Kind> = (0..node.input.len()).map(input).collect();
        let domain = canonical_domain(node.domain());
        if let Some(function) = find_function(functions, node) {
            return function_outputs(function, &inputs, functions);
        }
        let count = node.output.len();
        match (domain, node.op_type()) {
            ("", "If" | "Loop" | "Scan") => self.control_flow(node, &inputs, functions, outer),
            ("", "Constant") => vec![constant(node)],
            ("", "ConstantOfShape") => {
                vec![
                    attribute(node, "value")
                        .and_then(|it| it.t.as_ref())
                        .map_or(Kind::FLOAT, |tensor| Kind::Tensor(tensor.data_type())),
                ]
            }
            ("", "SequenceEmpty") => {
                let element = attribute(node, "dtype").map_or(Float as i32, |it| number(it.i()));
                vec![Kind::Container(element)]
            }
            ("", "SequenceMap") => vec![Kind::Unknown; count],
            ("", operator) if LIKE_OR_DTYPE.contains(&operator) => {
                vec![attribute(node, "dtype").map_or(input(0), |it| Kind::Tensor(number(it.i())))]
            }
            ("" | "com.microsoft", operator) => match OUTPUTS.iter().find(|(name, _)| *name == operator) {
                Some((_, outs)) => (0..count).map(|index| out(outs, index, node, &inputs)).collect(),
                None if domain.is_empty() => vec![input(0); count],
                // Of fused operators the declared types are known better.
                None => node.output.iter().map(|name| self.get(name).unwrap_or(input(0))).collect(),
            },
            ("ai.onnx.ml", operator) => match operator {
                "ArrayFeatureExtractor" => vec![input(0); count],
                "LinearClassifier" | "SVMClassifier" | "TreeEnsembleClassifier" => vec![Kind::Unknown, Kind::FLOAT],
                "LinearRegressor" | "Normalizer" | "SVMRegressor" | "Scaler" | "TreeEnsembleRegressor" => {
                    vec![Kind::FLOAT; count]
                }
                _ => vec![Kind::Unknown; count],
            },
            _ => vec![Kind::Unknown; count],
        }
    }

    fn control_flow(
        &self,
        node: &NodeProto,
        inputs: &[Kind],
        functions: &[FunctionProto],
        outer: Outer<'_>,
    ) -> Vec<Kind> {
        let formals = formals(node, inputs);
        let around = |name: &str| self.get(name).unwrap_or_else(|| outer(name));
        let mut results = vec![Kind::Unknown; node.output.len()];
        for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
            let kinds = Kinds::of_graph(body, &formals, functions, &around);
            // The first output of a loop's body is whether to go on.
            let skipped = usize::from(node.op_type() == "Loop");
            for (result, output) in results.iter_mut().zip(body.output.iter().skip(skipped)) {
                if *result == Kind::Unknown {
                    *result = kinds.get(output.name()).unwrap_or_else(|| around(output.name()));
                }
            }
        }
        results
    }
}

/// The kinds of the inputs of a node's bodies.
pub fn formals(node: &NodeProto, inputs: &[Kind]) -> Vec<Kind> {
    match node.op_type() {
        "Loop" => [Kind::Tensor(Int64 as i32), Kind::Tensor(Bool as i32)]
            .into_iter()
            .chain(inputs.iter().skip(2).copied())
            .collect(),
        "Scan" => inputs.to_vec(),
        _ => Vec::new(),
    }
}

fn out(outs: &[Out], index: usize, node: &NodeProto, inputs: &[Kind]) -> Kind {
    let input = |index: usize| inputs.get(index).copied().unwrap_or(Kind::Unknown);
    match outs.get(index).or(outs.last()) {
        Some(Like(from)) if node.op_type() == "QuantizeLinear" && inputs.len() <= *from => {
            let element = attribute(node, "output_dtype").map_or(Uint8 as i32, |it| number(it.i()));
            Kind::Tensor(element)
        }
        Some(Like(from)) => input(*from),
        Some(Is(element)) => Kind::Tensor(*element as i32),
        Some(Named(name, default)) => match attribute(node, name).map(|it| number(it.i())) {
            Some(element) => Kind::Tensor(element),
            None => default.map_or(Kind::Unknown, |element| Kind::Tensor(element as i32)),
        },
        Some(Wrapped(from)) => input(*from).element().map_or(Kind::Unknown, Kind::Container),
        Some(Held(from)) => input(*from).element().map_or(Kind::Unknown, Kind::Tensor),
        None => Kind::Unknown,
    }
}

fn number(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(0)
}

/// An attribute by name.
pub fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}

fn constant(node: &NodeProto) -> Kind {
    let of = |attribute: &AttributeProto| match attribute.name() {
        "value" => attribute.t.as_ref().map(|tensor| tensor.data_type()),
        "value_float" | "value_floats" => Some(Float as i32),
        "value_int" | "value_ints" => Some(Int64 as i32),
        "value_string" | "value_strings" => Some(DataType::String as i32),
        "sparse_value" => attribute.sparse_tensor.as_ref()?.values.as_ref().map(|tensor| tensor.data_type()),
        _ => None,
    };
    node.attribute.iter().find_map(of).map_or(Kind::Unknown, Kind::Tensor)
}

/// The function of the model that a node calls.
pub fn find_function<'f>(functions: &'f [FunctionProto], node: &NodeProto) -> Option<&'f FunctionProto> {
    functions.iter().find(|function| {
        function.name() == node.op_type() && canonical_domain(function.domain()) == canonical_domain(node.domain())
    })
}

fn function_outputs(function: &FunctionProto, inputs: &[Kind], functions: &[FunctionProto]) -> Vec<Kind> {
    let mut kinds = Kinds::default();
    for (formal, kind) in function.input.iter().zip(inputs) {
        kinds.learn(formal, *kind);
    }
    // A model whose functions call each other in a circle is refused by every runtime; here it must only end.
    let others: Vec<FunctionProto> = functions.iter().filter(|it| !std::ptr::eq(*it, function)).cloned().collect();
    kinds.infer(&function.node, &others, &|_| Kind::Unknown);
    function.output.iter().map(|output| kinds.get(output).unwrap_or(Kind::Unknown)).collect()
}
