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
