//! Which table an integer input indexes: ids beyond its rows make ONNX Runtime fail, so inputs must stay inside.

use std::collections::{HashMap, HashSet};

use super::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto};

/// Functions may call functions; a chain longer than this is taken for a cycle, which ONNX forbids.
const MAX_CALLS: usize = 16;

/// The number of rows of the table that the values of `input` index: of the smallest one, where there are several.
///
/// Follows the input through what moves values without changing them (Cast, Reshape, Identity, Slice and the like),
/// into control-flow bodies and model-local functions, to a Gather or a fused embedding whose table is a constant.
/// `None` where no such table is reached.
pub fn rows(model: &ModelProto, input: &str) -> Option<u64> {
    let graph = model.graph.as_ref()?;
    let functions = model.functions.iter().map(|it| ((it.domain(), it.name()), it)).collect();
    let mut search = Search { functions, rows: None, calls: 0 };
    let mut known = Known::default();
    known.ids.insert(input.to_owned());
    search.graph(graph, &mut known);
    search.rows
}

/// What is known of the values in scope.
#[derive(Default, Clone)]
struct Known {
    /// Values that hold the input's elements.
    ids: HashSet<String>,
    /// Shapes of constant tensors.
    tables: HashMap<String, Vec<i64>>,
}

struct Search<'m> {
    functions: HashMap<(&'m str, &'m str), &'m FunctionProto>,
    rows: Option<u64>,
    calls: usize,
}

impl<'m> Search<'m> {
    fn graph(&mut self, graph: &'m GraphProto, known: &mut Known) {
        for tensor in &graph.initializer {
            known.tables.insert(tensor.name().to_owned(), tensor.dims.clone());
        }
        self.nodes(&graph.node, known);
    }

    fn nodes(&mut self, nodes: &'m [NodeProto], known: &mut Known) {
        for node in nodes {
            self.node(node, known);
        }
    }

    fn node(&mut self, node: &'m NodeProto, known: &mut Known) {
        let operand = |index: usize| node.input.get(index).map(String::as_str).unwrap_or_default();
        match node.op_type() {
            "Constant" => {
                if let (Some(tensor), Some(output)) = (constant(node), node.output.first()) {
                    known.tables.insert(output.clone(), tensor.dims.clone());
                }
            }
            "Gather" if known.ids.contains(operand(1)) => self.table(operand(0), axis(node), known),
            "GatherBlockQuantized" if known.ids.contains(operand(1)) => {
                self.table(operand(0), integer(node, "gather_axis"), known);
            }
            // Ids and segments come first, their tables third and fifth; without positions given, the fourth is theirs.
            "EmbedLayerNormalization" | "QEmbedLayerNormalization" => {
                for (ids, table) in [(0, 2), (1, 4), (8, 3)] {
                    if known.ids.contains(operand(ids)) {
                        self.table(operand(table), 0, known);
                    }
                }
            }
            _ => {}
        }
        if passes_values(node.op_type()) && known.ids.contains(operand(0)) {
            known.ids.extend(node.output.iter().cloned());
        }
        // A table is often stored narrow and widened before use; its rows stay.
        if matches!(node.op_type(), "Cast" | "Identity" | "DequantizeLinear")
            && let (Some(dims), Some(output)) = (known.tables.get(operand(0)).cloned(), node.output.first())
        {
            known.tables.insert(output.clone(), dims);
        }
        for body in node.attribute.iter().flat_map(|it| it.g.iter().chain(&it.graphs)) {
            // Bodies see the values around them; what they define is theirs.
            self.graph(body, &mut known.clone());
        }
        self.call(node, known);
    }

    fn call(&mut self, node: &'m NodeProto, known: &mut Known) {
        let Some(function) = self.functions.get(&(node.domain(), node.op_type())).copied() else { return };
        if self.calls >= MAX_CALLS {
            return;
        }
        let mut inner = Known::default();
        for (formal, actual) in function.input.iter().zip(&node.input) {
            if known.ids.contains(actual) {
                inner.ids.insert(formal.clone());
            }
            if let Some(dims) = known.tables.get(actual) {
                inner.tables.insert(formal.clone(), dims.clone());
            }
        }
        self.calls += 1;
        self.nodes(&function.node, &mut inner);
        self.calls -= 1;
        for (formal, actual) in function.output.iter().zip(&node.output) {
            if inner.ids.contains(formal) {
                known.ids.insert(actual.clone());
            }
        }
    }

    fn table(&mut self, name: &str, axis: i64, known: &Known) {
        let Some(dims) = known.tables.get(name) else { return };
        let from_end = i64::try_from(dims.len()).unwrap_or(0);
        let index = usize::try_from(if axis < 0 { axis + from_end } else { axis }).unwrap_or(usize::MAX);
        if let Some(rows) = dims.get(index).and_then(|&rows| u64::try_from(rows).ok()) {
            self.rows = Some(self.rows.map_or(rows, |smallest| smallest.min(rows)));
        }
    }
}

/// Operators whose outputs hold elements of their first input, unchanged.
fn passes_values(op_type: &str) -> bool {
    matches!(
        op_type,
        "Cast"
            | "Concat"
            | "Expand"
            | "Flatten"
            | "Gather"
            | "GatherElements"
            | "GatherND"
            | "Identity"
            | "Reshape"
            | "Slice"
            | "Split"
            | "Squeeze"
            | "Tile"
            | "Transpose"
            | "Unsqueeze"
    )
}

fn constant(node: &NodeProto) -> Option<&TensorProto> {
    node.attribute.iter().find(|it| it.name() == "value")?.t.as_ref()
}

fn axis(node: &NodeProto) -> i64 {
    integer(node, "axis")
}

fn integer(node: &NodeProto, name: &str) -> i64 {
    node.attribute.iter().find(|it| it.name() == name).map_or(0, AttributeProto::i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op_type: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            op_type: Some(op_type.into()),
            input: inputs.iter().map(|&it| it.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..Default::default()
        }
    }

    fn table(name: &str, dims: &[i64]) -> TensorProto {
        TensorProto { name: Some(name.into()), dims: dims.to_vec(), ..Default::default() }
    }

    fn model(tables: Vec<TensorProto>, nodes: Vec<NodeProto>) -> ModelProto {
        let graph = GraphProto { initializer: tables, node: nodes, ..Default::default() };
        ModelProto { graph: Some(graph), ..Default::default() }
    }

    #[test]
    fn follows_ids_to_their_table_and_takes_the_smallest() {
        let nodes = vec![
            node("Cast", &["ids"], "a"),
            node("Reshape", &["a", "shape"], "b"),
            node("Gather", &["words", "b"], "x"),
            node("Gather", &["others", "a"], "y"),
            node("Add", &["ids", "one"], "shifted"),
            node("Gather", &["tiny", "shifted"], "z"),
        ];
        let tables = vec![table("words", &[30522, 768]), table("others", &[512, 8]), table("tiny", &[2, 8])];
        assert_eq!(rows(&model(tables, nodes), "ids"), Some(512));
    }

    #[test]
    fn an_input_that_indexes_nothing_constant_has_no_rows() {
        let nodes = vec![node("Gather", &["computed", "ids"], "x"), node("Gather", &["ids", "zero"], "y")];
        assert_eq!(rows(&model(vec![], nodes), "ids"), None);
    }

    #[test]
    fn the_gathers_axis_counts_from_the_end_too() {
        let mut gather = node("Gather", &["w", "ids"], "x");
        gather.attribute = vec![AttributeProto { name: Some("axis".into()), i: Some(-1), ..Default::default() }];
        assert_eq!(rows(&model(vec![table("w", &[4, 99])], vec![gather]), "ids"), Some(99));
    }

    #[test]
    fn a_quantized_table_and_a_constant_node_are_tables() {
        let value = AttributeProto { name: Some("value".into()), t: Some(table("", &[50, 4])), ..Default::default() };
        let mut constant = node("Constant", &[], "c");
        constant.attribute = vec![value];
        let nodes =
            vec![constant, node("DequantizeLinear", &["c", "scale"], "words"), node("Gather", &["words", "ids"], "x")];
        assert_eq!(rows(&model(vec![], nodes), "ids"), Some(50));
    }

    #[test]
    fn fused_embeddings_have_a_table_for_each_input() {
        let nodes = vec![node("EmbedLayerNormalization", &["ids", "segments", "words", "positions", "types"], "x")];
        let model = model(vec![table("words", &[1000, 8]), table("types", &[2, 8])], nodes);
        assert_eq!(rows(&model, "ids"), Some(1000));
        assert_eq!(rows(&model, "segments"), Some(2));
    }

    #[test]
    fn bodies_and_functions_are_searched() {
        let body = GraphProto { node: vec![node("Gather", &["words", "ids"], "x")], ..Default::default() };
        let mut branch = node("If", &["flag"], "y");
        branch.attribute = vec![AttributeProto { g: Some(body), ..Default::default() }];
        assert_eq!(rows(&model(vec![table("words", &[77, 2])], vec![branch]), "ids"), Some(77));

        let mut call = node("Embed", &["ids", "words"], "x");
        call.domain = Some("local".into());
        let mut with_function = model(vec![table("words", &[33, 2])], vec![call]);
        with_function.functions = vec![FunctionProto {
            domain: Some("local".into()),
            name: Some("Embed".into()),
            input: vec!["i".into(), "w".into()],
            output: vec!["o".into()],
            node: vec![node("Gather", &["w", "i"], "o")],
            ..Default::default()
        }];
        assert_eq!(rows(&with_function, "ids"), Some(33));
    }

    #[test]
    fn a_function_that_calls_itself_ends() {
        let mut call = node("F", &["ids"], "x");
        call.domain = Some("local".into());
        let mut recursive = model(vec![], vec![call.clone()]);
        recursive.functions = vec![FunctionProto {
            domain: Some("local".into()),
            name: Some("F".into()),
            input: vec!["ids".into()],
            output: vec!["x".into()],
            node: vec![call],
            ..Default::default()
        }];
        assert_eq!(rows(&recursive, "ids"), None);
    }
}
