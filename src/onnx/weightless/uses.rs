//! What each tensor of a model is used for: followed from where it stands to the operators that take it.

use std::collections::HashMap;

use super::slots::{self, FanIn, Slot};
use crate::onnx::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto};
use crate::onnx::tensor;

/// Functions may call functions; a chain longer than this is taken for a cycle, which ONNX forbids.
const MAX_CALLS: usize = 16;

/// One operator that takes a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use<'m> {
    /// What for.
    pub slot: Slot,
    /// The operator.
    pub node: &'m NodeProto,
    /// Which of its inputs.
    pub input: usize,
    /// For a weight, over how many products a result is summed.
    pub fan_in: Option<u64>,
    /// For a scale, the quantized tensor that it belongs to.
    pub scales: Option<&'m TensorProto>,
    /// For a quantized tensor, its zero point where that is a constant.
    pub zero_point: Option<&'m TensorProto>,
}

/// The uses of every tensor of one model.
#[derive(Debug, Default)]
pub(super) struct Uses<'m> {
    by_tensor: HashMap<*const TensorProto, Vec<Use<'m>>>,
}

impl<'m> Uses<'m> {
    /// Follows every constant of the model to its uses: through what moves values without making others of them, into
    /// control-flow bodies and model-local functions.
    pub fn of(model: &'m ModelProto) -> Uses<'m> {
        let functions = model.functions.iter().map(|it| ((it.domain(), it.name()), it)).collect();
        let mut walk = Walk { functions, uses: Uses::default(), calls: 0 };
        if let Some(graph) = &model.graph {
            walk.graph(graph, &mut Known::default());
        }
        walk.uses
    }

    /// The uses of one of the model's tensors.
    pub fn by(&self, tensor: &'m TensorProto) -> &[Use<'m>] {
        self.by_tensor.get(&std::ptr::from_ref(tensor)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A value that holds a constant's numbers.
#[derive(Debug, Clone, Default)]
struct Origin<'m> {
    /// The constants; several where they were joined.
    tensors: Vec<&'m TensorProto>,
    /// Extents, where they are still known.
    dims: Option<Vec<i64>>,
    /// An activation: rows that an index picked from a table of integers, to be dequantized next.
    picked: bool,
}

/// Names in scope: of this level, then of those around it.
#[derive(Default)]
struct Known<'m, 'p> {
    outer: Option<&'p Known<'m, 'p>>,
    values: HashMap<&'m str, Origin<'m>>,
}

impl<'m> Known<'m, '_> {
    fn get(&self, name: &str) -> Option<&Origin<'m>> {
        if name.is_empty() {
            return None;
        }
        self.values.get(name).or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }
}

struct Walk<'m> {
    functions: HashMap<(&'m str, &'m str), &'m FunctionProto>,
    uses: Uses<'m>,
    calls: usize,
}

impl<'m> Walk<'m> {
    fn graph(&mut self, graph: &'m GraphProto, known: &mut Known<'m, '_>) {
        for tensor in &graph.initializer {
            known.values.insert(tensor.name(), constant(tensor));
        }
        self.nodes(&graph.node, known);
    }

    fn nodes(&mut self, nodes: &'m [NodeProto], known: &mut Known<'m, '_>) {
        for node in nodes {
            if node.op_type() == "Constant" {
                let tensor = node.attribute.iter().find_map(|attribute| attribute.t.as_ref());
                if let (Some(tensor), Some(output)) = (tensor, node.output.first()) {
                    known.values.insert(output, constant(tensor));
                }
                continue;
            }
            self.record(node, known);
            if let Some(origin) = moved(node, known) {
                known.values.extend(node.output.iter().map(|output| (output.as_str(), origin.clone())));
            }
            for body in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
                let mut inner = Known { outer: Some(known), values: HashMap::new() };
                // The formal inputs of Loop and Scan stand in the order of the node's; If has none.
                for (formal, actual) in body.input.iter().zip(&node.input) {
                    if let Some(origin) = known.get(actual) {
                        inner.values.insert(formal.name(), origin.clone());
                    }
                }
                self.graph(body, &mut inner);
            }
            self.call(node, known);
        }
    }

    fn record(&mut self, node: &'m NodeProto, known: &Known<'m, '_>) {
        let constant_at = |input: Option<usize>| {
            known.get(node.input.get(input?)?).and_then(|origin| origin.tensors.first().copied())
        };
        for (input, name) in node.input.iter().enumerate() {
            let Some(origin) = known.get(name) else { continue };
            let slot = slots::slot(node, input);
            for &tensor in &origin.tensors {
                let (scale, zero_point) = match slot {
                    Slot::Weight(_) | Slot::Quantized => slots::scale_and_zero_point(node, input),
                    _ => (None, None),
                };
                self.add(
                    tensor,
                    Use {
                        slot,
                        node,
                        input,
                        fan_in: fan_in(slot, node, tensor, origin.dims.as_deref()),
                        scales: None,
                        zero_point: constant_at(zero_point),
                    },
                );
                if let Some(scale) = constant_at(scale).filter(|_| is_integer(tensor)) {
                    let of_scale =
                        Use { slot: Slot::Scale, node, input, fan_in: None, scales: Some(tensor), zero_point: None };
                    self.add(scale, of_scale);
                }
            }
        }
    }

    fn add(&mut self, tensor: &'m TensorProto, found: Use<'m>) {
        self.uses.by_tensor.entry(std::ptr::from_ref(tensor)).or_default().push(found);
    }

    fn call(&mut self, node: &'m NodeProto, known: &mut Known<'m, '_>) {
        let Some(function) = self.functions.get(&(node.domain(), node.op_type())).copied() else { return };
        if self.calls >= MAX_CALLS {
            return;
        }
        let actual = function.input.iter().zip(&node.input);
        let values =
            actual.filter_map(|(formal, actual)| Some((formal.as_str(), known.get(actual)?.clone()))).collect();
        let mut inner = Known { outer: None, values };
        self.calls += 1;
        self.nodes(&function.node, &mut inner);
        self.calls -= 1;
        for (formal, actual) in function.output.iter().zip(&node.output) {
            if let Some(origin) = inner.values.remove(formal.as_str()) {
                known.values.insert(actual, origin);
            }
        }
    }
}

fn constant(tensor: &TensorProto) -> Origin<'_> {
    Origin { tensors: vec![tensor], dims: Some(tensor.dims.clone()), picked: false }
}

/// What a node's outputs hold, where it only moves the numbers of constants.
fn moved<'m>(node: &'m NodeProto, known: &Known<'m, '_>) -> Option<Origin<'m>> {
    let first = || known.get(node.input.first()?).cloned();
    let elsewhere = || first().map(|origin| Origin { dims: None, ..origin });
    match node.op_type() {
        "Cast" | "CastLike" | "Identity" | "Neg" | "QuantizeLinear" => first(),
        "DequantizeLinear" => first().filter(|origin| !origin.picked),
        "Transpose" => first().map(|origin| Origin { dims: transposed(node, origin.dims.as_deref()), ..origin }),
        "Expand" | "Flatten" | "Pad" | "Reshape" | "Slice" | "Split" | "Squeeze" | "Tile" | "Unsqueeze" => elsewhere(),
        "Gather" | "GatherElements" | "GatherND" => {
            let narrow = |origin: &Origin<'_>| origin.tensors.iter().any(|tensor| is_integer(tensor));
            let rows = elsewhere().map(|origin| Origin {
                picked: node.input.get(1).is_none_or(|ids| known.get(ids).is_none()),
                ..origin
            });
            rows.filter(|origin| narrow(origin) || !origin.picked)
        }
        "Add" | "Concat" | "Div" | "Mul" | "Sub" => {
            let parts: Option<Vec<&Origin<'m>>> = node.input.iter().map(|input| known.get(input)).collect();
            joined(&parts?)
        }
        _ => None,
    }
}

/// Constants that are computed from one another, with the extents of the largest.
fn joined<'m>(parts: &[&Origin<'m>]) -> Option<Origin<'m>> {
    let elements = |origin: &Origin<'_>| origin.dims.as_ref().map_or(0, |dims| dims.iter().product::<i64>());
    let largest = parts.iter().copied().max_by_key(|origin| elements(origin))?;
    Some(Origin {
        tensors: parts.iter().flat_map(|origin| origin.tensors.iter().copied()).collect(),
        dims: largest.dims.clone(),
        picked: parts.iter().any(|origin| origin.picked),
    })
}

fn transposed(node: &NodeProto, dims: Option<&[i64]>) -> Option<Vec<i64>> {
    let dims = dims?;
    match node.attribute.iter().find(|attribute| attribute.name() == "perm") {
        None => Some(dims.iter().rev().copied().collect()),
        Some(perm) => perm.ints.iter().map(|&axis| dims.get(usize::try_from(axis).ok()?).copied()).collect(),
    }
}

fn fan_in(slot: Slot, node: &NodeProto, tensor: &TensorProto, dims: Option<&[i64]>) -> Option<u64> {
    let Slot::Weight(rule) = slot else { return None };
    Some(match (dims, rule) {
        (Some(dims), _) => slots::fan_in(rule, node, dims),
        (None, FanIn::AttributeK) => slots::fan_in(rule, node, &[]),
        // Reshaped on the way: the largest extent errs on the side of small values.
        (None, _) => tensor.dims.iter().filter_map(|&dim| u64::try_from(dim).ok()).max().unwrap_or(1).max(1),
    })
}

/// True for the types that hold quantized numbers.
pub(super) fn is_integer(tensor: &TensorProto) -> bool {
    use crate::onnx::proto::tensor_proto::DataType::*;
    matches!(tensor::data_type(tensor), Uint8 | Int8 | Uint16 | Int16 | Int32 | Uint4 | Int4 | Uint2 | Int2)
}

/// True for operators that pack several numbers into each byte of a `uint8` tensor, with a scale for each block.
pub(super) fn is_packed(found: &Use<'_>) -> bool {
    matches!(found.node.op_type(), "MatMulNBits" | "MatMulBnb4" | "QMoE" | "GatherBlockQuantized")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::tensor_proto::DataType;
    use crate::onnx::proto::{AttributeProto, ValueInfoProto};

    fn tensor(name: &str, data_type: DataType, dims: &[i64]) -> TensorProto {
        let (name, data_type) = (Some(name.to_owned()), Some(data_type.into()));
        TensorProto { name, data_type, dims: dims.to_vec(), ..Default::default() }
    }

    fn floats(name: &str, dims: &[i64]) -> TensorProto {
        tensor(name, DataType::Float, dims)
    }

    fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|&it| it.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..Default::default()
        }
    }

    fn model(initializer: Vec<TensorProto>, node: Vec<NodeProto>) -> ModelProto {
        ModelProto { graph: Some(GraphProto { initializer, node, ..Default::default() }), ..Default::default() }
    }

    /// Slots and fan-ins of the model's first initializer.
    fn of_first(model: &ModelProto) -> Vec<(Slot, Option<u64>)> {
        let uses = Uses::of(model);
        uses.by(&model.graph.as_ref().unwrap().initializer[0]).iter().map(|it| (it.slot, it.fan_in)).collect()
    }

    const ROWS: Slot = Slot::Weight(FanIn::LastButOne);

    #[test]
    fn a_weight_is_followed_through_what_moves_it() {
        let mut turn = node("Transpose", &["w"], "turned");
        turn.attribute = vec![AttributeProto { name: Some("perm".into()), ints: vec![1, 0], ..Default::default() }];
        let chain = vec![turn, node("Cast", &["turned"], "cast"), node("MatMul", &["x", "cast"], "y")];
        let found = of_first(&model(vec![floats("w", &[30, 7])], chain));
        assert_eq!(found, [(Slot::Data, None), (Slot::Data, None), (ROWS, Some(7))]);

        let chain = vec![node("Reshape", &["w", "shape"], "shaped"), node("MatMul", &["x", "shaped"], "y")];
        assert_eq!(of_first(&model(vec![floats("w", &[30, 7])], chain)).last(), Some(&(ROWS, Some(30))));
    }

    #[test]
    fn a_value_computed_from_an_activation_is_no_constant() {
        let chain = vec![node("Add", &["x", "w"], "sum"), node("MatMul", &["y", "sum"], "z")];
        assert_eq!(of_first(&model(vec![floats("w", &[8, 8])], chain)), [(Slot::Term, None)]);
        let chain = vec![node("Gather", &["w", "ids"], "rows"), node("Sqrt", &["rows"], "z")];
        assert_eq!(of_first(&model(vec![floats("w", &[8, 8])], chain)), [(Slot::Table, None)]);
    }

    #[test]
    fn a_variance_is_known_behind_the_epsilon_added_to_it() {
        let chain = vec![node("Add", &["w", "epsilon"], "sum"), node("Sqrt", &["sum"], "z")];
        let found = of_first(&model(vec![floats("w", &[8]), floats("epsilon", &[])], chain));
        assert_eq!(found, [(Slot::Term, None), (Slot::Positive, None)]);
    }

    #[test]
    fn quantized_weights_know_their_scale_zero_point_and_product() {
        let initializers =
            vec![tensor("w", DataType::Int8, &[16, 4]), floats("scale", &[4]), tensor("zero", DataType::Int8, &[4])];
        let chain =
            vec![node("DequantizeLinear", &["w", "scale", "zero"], "real"), node("MatMul", &["x", "real"], "y")];
        let model = model(initializers, chain);
        let graph = model.graph.as_ref().unwrap();
        let uses = Uses::of(&model);
        let weight = uses.by(&graph.initializer[0]);
        assert_eq!(weight[0].slot, Slot::Quantized);
        assert_eq!(weight[0].zero_point, Some(&graph.initializer[2]));
        assert_eq!((weight[1].slot, weight[1].fan_in), (ROWS, Some(16)));
        assert!(uses.by(&graph.initializer[1]).iter().any(|it| it.scales == Some(&graph.initializer[0])));
        assert!(uses.by(&graph.initializer[2]).iter().all(|it| it.slot == Slot::ZeroPoint));

        let rows = vec![node("Gather", &["w", "ids"], "rows"), node("DequantizeLinear", &["rows", "scale"], "real")];
        let embedding = super::tests::model(vec![tensor("w", DataType::Uint8, &[99, 4]), floats("scale", &[])], rows);
        assert_eq!(of_first(&embedding), [(Slot::Table, None), (Slot::Quantized, None)]);
    }

    #[test]
    fn bodies_and_functions_see_what_is_passed_in_and_what_is_around() {
        let body = GraphProto {
            input: vec![
                ValueInfoProto::default(),
                ValueInfoProto { name: Some("carried".into()), ..Default::default() },
            ],
            node: vec![node("MatMul", &["a", "w"], "b"), node("Sqrt", &["carried"], "c")],
            ..Default::default()
        };
        let mut repeat = node("Loop", &["times", "w"], "y");
        repeat.attribute = vec![AttributeProto { g: Some(body), ..Default::default() }];
        let found = of_first(&model(vec![floats("w", &[5, 5])], vec![repeat]));
        assert_eq!(found, [(Slot::Data, None), (ROWS, Some(5)), (Slot::Positive, None)]);

        let mut calling = model(vec![floats("w", &[5, 5])], vec![node("Dense", &["x", "w"], "y")]);
        calling.functions = vec![FunctionProto {
            name: Some("Dense".into()),
            input: vec!["input".into(), "matrix".into()],
            output: vec!["output".into()],
            node: vec![node("MatMul", &["input", "matrix"], "output"), node("Dense", &["input", "matrix"], "again")],
            ..Default::default()
        }];
        let found = of_first(&calling);
        assert!(found.contains(&(ROWS, Some(5))), "{found:?}");
        assert!(found.len() < 100, "a function that calls itself ends");
    }
}
