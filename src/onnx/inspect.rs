//! What the rest of the program asks about a model: its declared inputs and outputs, operator sets, parameters, and
//! which domain each node's operator is of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::proto::tensor_proto::DataType;
use super::proto::tensor_shape_proto::dimension;
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, ValueInfoProto, type_proto};
use super::tensor;
use super::visit::{self, Scope, TensorRole, Visitor};

/// One dimension of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(u64),
    /// A name, or an expression over names such as `past_sequence_length + 1`.
    Symbol(String),
    /// Neither, or a negative number, as some exporters write.
    Unknown,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(size) => size.fmt(f),
            Dim::Symbol(name) => name.fmt(f),
            Dim::Unknown => f.write_str("?"),
        }
    }
}

/// The declared type of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueKind {
    /// A dense tensor.
    Tensor {
        /// Element type as [`DataType`]'s number.
        element: i32,
        /// Dimensions; `None` where not even the rank is declared.
        shape: Option<Vec<Dim>>,
    },
    /// A sparse tensor.
    SparseTensor,
    /// A sequence of values.
    Sequence,
    /// A map.
    Map,
    /// A value that may be absent.
    Optional,
    /// A type of a custom operator's.
    Opaque,
    /// Nothing was declared.
    Undeclared,
}

impl ValueKind {
    /// What it is in words, such as `a sequence`.
    pub fn what(&self) -> &'static str {
        match self {
            ValueKind::Tensor { .. } => "a tensor",
            ValueKind::SparseTensor => "a sparse tensor",
            ValueKind::Sequence => "a sequence",
            ValueKind::Map => "a map",
            ValueKind::Optional => "an optional value",
            ValueKind::Opaque => "an opaque value",
            ValueKind::Undeclared => "of no declared type",
        }
    }
}

/// A declared input or output of the main graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ValueKind,
}

/// The inputs that a run must be given: initializers that are also listed as inputs (their defaults) are left out.
pub fn inputs(model: &ModelProto) -> Vec<Declared> {
    let Some(graph) = &model.graph else { return Vec::new() };
    let defaults = initializer_names(graph);
    graph.input.iter().filter(|input| !defaults.contains(input.name())).map(declared).collect()
}

/// The outputs of the main graph, in order.
pub fn outputs(model: &ModelProto) -> Vec<Declared> {
    model.graph.iter().flat_map(|graph| &graph.output).map(declared).collect()
}

fn initializer_names(graph: &GraphProto) -> HashSet<&str> {
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    graph.initializer.iter().chain(sparse).map(TensorProto::name).collect()
}

/// What a model declares of one value.
pub fn declared(value: &ValueInfoProto) -> Declared {
    let kind = match value.r#type.as_ref().and_then(|declared| declared.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => {
            ValueKind::Tensor { element: tensor.elem_type.unwrap_or_default(), shape: tensor.shape.as_ref().map(dims) }
        }
        Some(type_proto::Value::SparseTensorType(_)) => ValueKind::SparseTensor,
        Some(type_proto::Value::SequenceType(_)) => ValueKind::Sequence,
        Some(type_proto::Value::MapType(_)) => ValueKind::Map,
        Some(type_proto::Value::OptionalType(_)) => ValueKind::Optional,
        Some(type_proto::Value::OpaqueType(_)) => ValueKind::Opaque,
        None => ValueKind::Undeclared,
    };
    Declared { name: value.name().to_owned(), kind }
}

fn dims(shape: &TensorShapeProto) -> Vec<Dim> {
    let dim = |value: &Option<dimension::Value>| match value {
        Some(dimension::Value::DimValue(size)) => u64::try_from(*size).map_or(Dim::Unknown, Dim::Fixed),
        Some(dimension::Value::DimParam(name)) if !name.trim().is_empty() => Dim::Symbol(name.trim().to_owned()),
        _ => Dim::Unknown,
    };
    shape.dim.iter().map(|it| dim(&it.value)).collect()
}

/// The operator set version of each domain; the standard domain is `""`.
pub fn opsets(model: &ModelProto) -> BTreeMap<String, i64> {
    model.opset_import.iter().map(|set| (canonical_domain(set.domain()).to_owned(), set.version())).collect()
}

/// A domain with the standard one always written `""`.
pub fn canonical_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// How many learned values a model has, by where they are.
///
/// Scalars are not counted: exporters turn constants of the code (a scale, an epsilon) into them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parameters {
    /// Elements of floating-point initializers with at least one dimension, in graphs that run, at every level. Tied
    /// weights, one initializer used twice, count once.
    pub initializers: u64,
    /// Elements of floating-point values with at least one dimension in `Constant` nodes, where some exporters put
    /// weights.
    pub constants: u64,
    /// Elements of initializers of at most 8 bits an element with at least two dimensions: quantized weights.
    pub quantized: u64,
}

impl Parameters {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.initializers + self.constants + self.quantized
    }
}

/// Counts a model's parameters.
pub fn parameters(model: &ModelProto) -> Parameters {
    struct Count(Parameters);
    impl<'m> Visitor<'m> for Count {
        fn tensor(&mut self, scope: &Scope<'_>, role: TensorRole, tensor: &'m TensorProto) {
            if !scope.runs() || tensor.dims.is_empty() {
                return;
            }
            let elements = tensor::elements(tensor).unwrap_or(0);
            match (role, is_float(tensor.data_type.unwrap_or_default())) {
                (TensorRole::Attribute, true) => self.0.constants += elements,
                (TensorRole::Attribute, false) => {}
                (_, true) => self.0.initializers += elements,
                (_, false) => {
                    let narrow = tensor::element_bits(tensor.data_type.unwrap_or_default()).is_some_and(|it| it <= 8);
                    let boolean = tensor.data_type == Some(DataType::Bool.into());
                    if narrow && !boolean && tensor.dims.len() > 1 {
                        self.0.quantized += elements;
                    }
                }
            }
        }
    }
    let mut count = Count(Parameters::default());
    visit::model(model, &mut count);
    count.0
}

fn is_float(data_type: i32) -> bool {
    matches!(
        DataType::try_from(data_type),
        Ok(DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
    )
}

/// Which operator each named node of a model is, at every level.
#[derive(Debug, Clone, Default)]
pub struct NodeIndex {
    by_name: HashMap<String, Vec<(String, String)>>,
}

impl NodeIndex {
    /// Indexes all named nodes of the main graph, its control-flow bodies and the model's functions.
    pub fn of(model: &ModelProto) -> NodeIndex {
        struct Build(NodeIndex);
        impl<'m> Visitor<'m> for Build {
            fn node(&mut self, scope: &Scope<'_>, node: &'m NodeProto) {
                if node.name().is_empty() || !scope.runs() {
                    return;
                }
                let operator = (canonical_domain(node.domain()).to_owned(), node.op_type().to_owned());
                let known = self.0.by_name.entry(node.name().to_owned()).or_default();
                if !known.contains(&operator) {
                    known.push(operator);
                }
            }
        }
        let mut build = Build(NodeIndex::default());
        visit::model(model, &mut build);
        build.0
    }

    /// The domain (`""` is the standard one) of the node of this name; `None` where there is no such node, or where
    /// nodes of different domains share the name.
    pub fn domain(&self, name: &str) -> Option<&str> {
        let operators = self.by_name.get(name)?;
        let (first, _) = operators.first()?;
        operators.iter().all(|(domain, _)| domain == first).then_some(first.as_str())
    }

    /// The domain of the node of this name and operator type: exact where an optimizer kept both.
    pub fn domain_of(&self, name: &str, op_type: &str) -> Option<&str> {
        let mut same = self.by_name.get(name)?.iter().filter(|(_, kind)| kind == op_type);
        let (domain, _) = same.next()?;
        same.next().is_none().then_some(domain.as_str())
    }

    /// Number of distinct names.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether no node has a name.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::tensor_shape_proto::Dimension;
    use crate::onnx::proto::{AttributeProto, OperatorSetIdProto, TrainingInfoProto, TypeProto};

    fn value(name: &str, kind: type_proto::Value) -> ValueInfoProto {
        let declared = TypeProto { value: Some(kind), ..Default::default() };
        ValueInfoProto { name: Some(name.into()), r#type: Some(declared), ..Default::default() }
    }

    fn tensor_of(data_type: DataType, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: Some(data_type.into()), dims: dims.to_vec(), ..Default::default() }
    }

    fn node(name: &str, domain: &str, op_type: &str) -> NodeProto {
        NodeProto {
            name: Some(name.into()),
            domain: Some(domain.into()),
            op_type: Some(op_type.into()),
            ..Default::default()
        }
    }

    #[test]
    fn inputs_leave_out_initializers_and_keep_every_kind() {
        let dim = |value| Dimension { value, ..Default::default() };
        let shape = TensorShapeProto {
            dim: vec![
                dim(Some(dimension::Value::DimValue(3))),
                dim(Some(dimension::Value::DimParam("batch".into()))),
                dim(Some(dimension::Value::DimParam(String::new()))),
                dim(Some(dimension::Value::DimValue(-1))),
                dim(None),
            ],
        };
        let tensor = type_proto::Tensor { elem_type: Some(7), shape: Some(shape) };
        let graph = GraphProto {
            input: vec![
                value("x", type_proto::Value::TensorType(tensor.clone())),
                value("w", type_proto::Value::TensorType(tensor.clone())),
                value("rankless", type_proto::Value::TensorType(type_proto::Tensor { shape: None, ..tensor })),
                value("list", type_proto::Value::SequenceType(Box::default())),
                value("maybe", type_proto::Value::OptionalType(Box::default())),
                ValueInfoProto { name: Some("bare".into()), ..Default::default() },
            ],
            initializer: vec![TensorProto { name: Some("w".into()), ..Default::default() }],
            ..Default::default()
        };
        let inputs = inputs(&ModelProto { graph: Some(graph), ..Default::default() });
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(names, ["x", "rankless", "list", "maybe", "bare"]);
        let shape = vec![Dim::Fixed(3), Dim::Symbol("batch".into()), Dim::Unknown, Dim::Unknown, Dim::Unknown];
        assert_eq!(inputs[0].kind, ValueKind::Tensor { element: 7, shape: Some(shape) });
        assert_eq!(inputs[1].kind, ValueKind::Tensor { element: 7, shape: None });
        assert_eq!(inputs[2].kind, ValueKind::Sequence);
        assert_eq!(inputs[3].kind, ValueKind::Optional);
        assert_eq!(inputs[4].kind, ValueKind::Undeclared);
    }

    #[test]
    fn parameters_are_counted_where_they_are_and_training_is_not() {
        let constant = AttributeProto { t: Some(tensor_of(DataType::Float, &[7])), ..Default::default() };
        let graph = GraphProto {
            initializer: vec![
                tensor_of(DataType::Float, &[2, 3]),
                tensor_of(DataType::Float16, &[4]),
                tensor_of(DataType::Float, &[]),
                tensor_of(DataType::Int64, &[9, 9]),
                tensor_of(DataType::Int8, &[5, 2]),
                tensor_of(DataType::Uint8, &[5]),
                tensor_of(DataType::Bool, &[8, 8]),
            ],
            node: vec![NodeProto { attribute: vec![constant], ..Default::default() }],
            ..Default::default()
        };
        let training = TrainingInfoProto { algorithm: Some(graph.clone()), ..Default::default() };
        let model = ModelProto { graph: Some(graph), training_info: vec![training], ..Default::default() };
        let count = parameters(&model);
        assert_eq!(count, Parameters { initializers: 10, constants: 7, quantized: 10 });
        assert_eq!(count.total(), 27);
    }

    #[test]
    fn nodes_are_found_in_bodies_and_a_shared_name_is_never_guessed() {
        let body = GraphProto { node: vec![node("inner", "com.microsoft", "Gelu")], ..Default::default() };
        let mut outer = node("If", "ai.onnx", "If");
        outer.attribute = vec![AttributeProto { g: Some(body), ..Default::default() }];
        let nodes =
            vec![outer, node("n", "", "Add"), node("n", "custom", "Add"), node("m", "", "A"), node("m", "", "B")];
        let graph = GraphProto { node: nodes, ..Default::default() };
        let index = NodeIndex::of(&ModelProto { graph: Some(graph), ..Default::default() });
        assert_eq!(index.domain("inner"), Some("com.microsoft"));
        assert_eq!(index.domain("If"), Some(""));
        assert_eq!(index.domain("n"), None);
        assert_eq!(index.domain_of("n", "Add"), None);
        assert_eq!(index.domain("m"), Some(""));
        assert_eq!(index.domain_of("m", "B"), Some(""));
        assert_eq!(index.domain_of("m", "C"), None);
        assert_eq!(index.domain("absent"), None);
        assert_eq!(index.len(), 4);
    }

    #[test]
    fn the_standard_domain_has_one_spelling() {
        let set = |domain: &str, version| OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) };
        let model =
            ModelProto { opset_import: vec![set("ai.onnx", 20), set("com.microsoft", 1)], ..Default::default() };
        assert_eq!(opsets(&model), BTreeMap::from([(String::new(), 20), ("com.microsoft".to_owned(), 1)]));
    }
}
