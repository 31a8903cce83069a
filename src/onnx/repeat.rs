//! Repeats nodes of a graph: extra real work of a known kind, for proving that a gate sees it.
//!
//! A copy has the operator, the attributes and the inputs of its original, and outputs that nobody reads. What it costs is
//! what the original costs, and no other node is changed.

use std::collections::HashSet;

use super::proto::{GraphProto, ModelProto, NodeProto};

/// Why nodes cannot be repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepeatError {
    /// Nothing in the main graph has this name.
    #[error("the main graph has no node `{node}`")]
    NoSuchNode {
        /// The name.
        node: String,
    },
    /// The name means more than one node.
    #[error("the main graph has several nodes `{node}`; give each a name of its own")]
    Ambiguous {
        /// The name.
        node: String,
    },
    /// A copy would not be the same work, or none.
    #[error("node `{node}` ({operator}) cannot be repeated: {why}")]
    Refused {
        /// The name.
        node: String,
        /// Its operator type.
        operator: String,
        /// The reason.
        why: &'static str,
    },
}

/// Gives each node of the main graph a name that no other one has; names that are unique already stay.
pub fn name_nodes(model: &mut ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let mut taken: HashSet<String> = graph.node.iter().map(|node| node.name().to_owned()).collect();
    let mut seen = HashSet::new();
    for node in &mut graph.node {
        if !node.name().is_empty() && seen.insert(node.name().to_owned()) {
            continue;
        }
        let stem = if node.name().is_empty() { node.op_type().to_owned() } else { node.name().to_owned() };
        let name = fresh(&stem, &mut taken);
        seen.insert(name.clone());
        node.name = Some(name);
    }
}

/// Adds so many copies of each named node of the main graph. Copies come last in the graph, those of its first nodes
/// behind those of its last: ONNX Runtime, which begins its walk at the last node that nobody reads from, then runs each
/// copy as early as its inputs are there.
///
/// # Errors
/// [`RepeatError`] for a name that is not there or means several nodes, and for nodes that [`why_not`] refuses; the model
/// is unchanged then.
pub fn repeat_nodes(model: &mut ModelProto, repeats: &[(String, u32)]) -> Result<(), RepeatError> {
    let Some(graph) = &mut model.graph else {
        return match repeats.first() {
            Some((node, _)) => Err(RepeatError::NoSuchNode { node: node.clone() }),
            None => Ok(()),
        };
    };
    let mut wanted: Vec<(usize, u32)> = Vec::with_capacity(repeats.len());
    for (name, copies) in repeats {
        wanted.push((find(graph, name)?, *copies));
    }
    wanted.sort_unstable();
    let mut names: HashSet<String> = graph.node.iter().map(|node| node.name().to_owned()).collect();
    let mut values = values(graph);
    let mut copies = Vec::new();
    for (at, count) in wanted {
        for _ in 0..count {
            let original = &graph.node[at];
            let mut copy = original.clone();
            copy.name = Some(fresh(original.name(), &mut names));
            for output in copy.output.iter_mut().filter(|output| !output.is_empty()) {
                *output = fresh(output, &mut values);
            }
            copies.push(copy);
        }
    }
    graph.node.extend(copies.into_iter().rev());
    Ok(())
}

fn find(graph: &GraphProto, name: &str) -> Result<usize, RepeatError> {
    let mut places = graph.node.iter().enumerate().filter(|(_, node)| node.name() == name);
    let (at, node) = places.next().ok_or_else(|| RepeatError::NoSuchNode { node: name.to_owned() })?;
    if places.next().is_some() {
        return Err(RepeatError::Ambiguous { node: name.to_owned() });
    }
    match why_not(node) {
        None => Ok(at),
        Some(why) => Err(RepeatError::Refused { node: name.to_owned(), operator: node.op_type().to_owned(), why }),
    }
}

/// Why a copy of this node would not be the same work again; `None` where it would.
pub fn why_not(node: &NodeProto) -> Option<&'static str> {
    let has_body = node.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty());
    if has_body {
        return Some("its work is that of the nodes in its body");
    }
    match node.op_type() {
        "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Identity" | "Dropout" => {
            Some("it hands on its input as it is, and a copy of it would have to copy the data")
        }
        "MemcpyFromHost" | "MemcpyToHost" => Some("ONNX Runtime itself puts it in"),
        operator if operator.starts_with("Sequence") || operator.starts_with("Optional") => {
            Some("its outputs are no tensors")
        }
        _ if node.output.iter().all(String::is_empty) => Some("it has no outputs"),
        _ => None,
    }
}

/// The names of all values that copies must not collide with.
fn values(graph: &GraphProto) -> HashSet<String> {
    let made = graph.node.iter().flat_map(|node| node.output.iter().chain(&node.input)).cloned();
    let declared =
        graph.input.iter().chain(&graph.output).chain(&graph.value_info).map(|value| value.name().to_owned());
    let stored = graph.initializer.iter().map(|tensor| tensor.name().to_owned());
    made.chain(declared).chain(stored).collect()
}

/// The name with the first number behind it that makes it new.
fn fresh(stem: &str, taken: &mut HashSet<String>) -> String {
    let mut number = 2_u64;
    loop {
        let name = format!("{stem}/{number}");
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::{AttributeProto, TensorProto, ValueInfoProto};

    fn node(name: &str, operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
        NodeProto {
            name: Some(name.into()),
            op_type: Some(operator.into()),
            input: inputs.iter().map(|name| (*name).into()).collect(),
            output: outputs.iter().map(|name| (*name).into()).collect(),
            ..NodeProto::default()
        }
    }

    /// x -> Relu -> r -> Split -> s, "" ; then Softmax of s.
    fn model() -> ModelProto {
        let mut split = node("split", "Split", &["r", "sizes"], &["s", ""]);
        split.attribute.push(AttributeProto { name: Some("axis".into()), i: Some(1), ..AttributeProto::default() });
        ModelProto {
            graph: Some(GraphProto {
                input: vec![ValueInfoProto { name: Some("x".into()), ..ValueInfoProto::default() }],
                initializer: vec![TensorProto { name: Some("s/2".into()), ..TensorProto::default() }],
                node: vec![
                    node("relu", "Relu", &["x"], &["r"]),
                    split,
                    node("softmax", "Softmax", &["s"], &["y"]),
                    node("view", "Reshape", &["y", "shape"], &["z"]),
                ],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        }
    }

    fn graph(model: &ModelProto) -> &GraphProto {
        model.graph.as_ref().unwrap()
    }

    #[test]
    fn a_copy_is_the_same_work_with_outputs_of_its_own() {
        let (before, mut model) = (model(), model());
        repeat_nodes(&mut model, &[("split".into(), 1)]).unwrap();
        let (old, new) = (graph(&before), graph(&model));
        assert_eq!(old.node[..], new.node[..4], "the originals are as they were");
        let copy = &new.node[4];
        assert_eq!(
            (copy.op_type(), &copy.input, &copy.attribute),
            ("Split", &old.node[1].input, &old.node[1].attribute)
        );
        assert_eq!(copy.name(), "split/2");
        assert_eq!(copy.output, ["s/3", ""], "`s/2` is the name of a weight, and what is left out stays out");
    }

    #[test]
    fn copies_stand_behind_one_another_in_the_reverse_order_of_their_originals() {
        let mut model = model();
        repeat_nodes(&mut model, &[("softmax".into(), 1), ("relu".into(), 2)]).unwrap();
        let names: Vec<&str> = graph(&model).node[4..].iter().map(NodeProto::name).collect();
        assert_eq!(names, ["softmax/2", "relu/3", "relu/2"]);
    }

    #[test]
    fn what_cannot_be_repeated_is_named_and_nothing_changes() {
        let mut body = node("branch", "If", &["x"], &["b"]);
        body.attribute.push(AttributeProto { g: Some(GraphProto::default()), ..AttributeProto::default() });
        let mut original = model();
        original.graph.as_mut().unwrap().node.extend([body, node("relu", "Relu", &["x"], &["other"])]);
        let cases = [
            ("absent", "no node `absent`"),
            ("relu", "several nodes `relu`"),
            ("view", "`view` (Reshape) cannot be repeated: it hands on its input"),
            ("branch", "`branch` (If) cannot be repeated: its work is that of the nodes in its body"),
        ];
        for (name, words) in cases {
            let mut model = original.clone();
            let error = repeat_nodes(&mut model, &[("softmax".into(), 1), (name.into(), 1)]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert_eq!(model, original);
        }
    }

    #[test]
    fn nodes_without_a_name_of_their_own_get_one() {
        let mut model = model();
        let nodes = &mut model.graph.as_mut().unwrap().node;
        nodes[0].name = None;
        nodes[1].name = Some("softmax".into());
        nodes.push(node("Relu/2", "Relu", &["x"], &["other"]));
        name_nodes(&mut model);
        let names: Vec<&str> = graph(&model).node.iter().map(NodeProto::name).collect();
        assert_eq!(names, ["Relu/3", "softmax", "softmax/2", "view", "Relu/2"]);
    }
}
