//! What a launch holds in memory at most: weights as ONNX Runtime keeps them, and activations while they live.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::onnx::tensor;
use crate::scenario::Provider;

use super::Storage;
use super::extent::{Extents, is_half};
use super::products::is_product;

/// Weights from this size on are worth counting one by one.
const COUNTED_FROM_BYTES: u64 = 16 << 10;

/// Values that are known before the first inference: weights, and what is computed from them alone.
pub(super) fn constants(graph: &GraphProto) -> HashSet<&str> {
    let mut known: HashSet<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    for node in &graph.node {
        let folded = match node.input.as_slice() {
            [] => node.op_type() == "Constant",
            inputs => inputs.iter().all(|name| known.contains(name.as_str())),
        };
        if folded {
            known.extend(node.output.iter().map(String::as_str));
        }
    }
    known
}

/// True where everything that a node makes is known before the first inference.
pub(super) fn is_folded(node: &NodeProto, constants: &HashSet<&str>) -> bool {
    node.output.iter().all(|name| constants.contains(name.as_str()))
}

/// Operators that hand on their input as it is: nothing is copied.
pub(super) fn is_view(op_type: &str) -> bool {
    matches!(op_type, "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Identity" | "Dropout")
}

/// Size of the weights as the model states them, each once, in bytes.
pub(super) fn nominal_bytes(model: &ModelProto) -> u64 {
    initializers(model).filter_map(tensor::byte_len).sum()
}

fn initializers(model: &ModelProto) -> impl Iterator<Item = &TensorProto> {
    model.graph.iter().flat_map(|graph| &graph.initializer)
}

/// Bytes that weights take while a session lives: where they are stored, and the copies that kernels make of them.
pub(super) fn resident_bytes(model: &ModelProto, storage: Storage, provider: Provider) -> u64 {
    let stored = match storage {
        Storage::Arena { bytes } => bytes,
        Storage::File => nominal_bytes(model),
    };
    stored + copies_bytes(model, provider)
}

/// Matrices and kernels are packed for the product that reads them. Equal content is packed once, so that weights which
/// share a place in the arena share the copy too.
fn copies_bytes(model: &ModelProto, provider: Provider) -> u64 {
    let Some(graph) = &model.graph else { return 0 };
    let mut weights: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
    let mut packed = BTreeSet::new();
    let mut bytes = 0;
    for node in &graph.node {
        let found = node.input.iter().find_map(|name| weights.get(name.as_str()).copied());
        if let (Some(tensor), "Transpose", Some(output)) = (found, node.op_type(), node.output.first()) {
            // Fused into the product that reads it.
            weights.insert(output, tensor);
            continue;
        }
        if !is_product(node.op_type()) {
            continue;
        }
        for tensor in node.input.iter().filter_map(|name| weights.get(name.as_str()).copied()) {
            if provider == Provider::Cpu && is_half(tensor) {
                // The CPU's kernels compute in 32 bits: each weight becomes a copy of twice its size, which nothing
                // shares, and that is packed as well.
                bytes += if packed.insert((tensor.name(), "", "")) { 4 * counted(tensor) } else { 0 };
            } else if packed.insert(place(tensor)) {
                bytes += counted(tensor);
            }
        }
    }
    bytes
}

fn counted(tensor: &TensorProto) -> u64 {
    tensor::byte_len(tensor).filter(|&bytes| bytes >= COUNTED_FROM_BYTES).unwrap_or(0)
}

/// What makes two weights the same content: file, offset and length where they lie outside the model.
fn place(tensor: &TensorProto) -> (&str, &str, &str) {
    let entry = |key: &str| {
        let found = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
        found.and_then(|entry| entry.value.as_deref()).unwrap_or_default()
    };
    if tensor::is_external(tensor) {
        (entry("location"), entry("offset"), entry("length"))
    } else {
        (tensor.name(), "", "")
    }
}

/// The most bytes that are alive between two nodes, when each value lives from the node that makes it to the last that
/// reads it. Inputs and outputs of the model live throughout.
pub(super) fn live_bytes(graph: &GraphProto, extents: &Extents<'_>) -> u64 {
    let owner = owners(graph);
    let owner_of = |name: &str| owner.get(name).copied();
    let mut last_use: HashMap<&str, usize> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        for value in node.input.iter().chain(&node.output).filter_map(|name| owner_of(name)) {
            last_use.insert(value, at);
        }
    }
    for value in graph.output.iter().filter_map(|output| owner_of(output.name())) {
        last_use.insert(value, usize::MAX);
    }
    let bytes = |name: &str| extents.get(name).map_or(0, super::extent::Extent::bytes);
    let inputs = graph.input.iter().map(|input| bytes(input.name()));
    let mut alive: u64 = inputs.fold(0, u64::saturating_add);
    let mut most = alive;
    let mut ending: HashMap<usize, Vec<&str>> = HashMap::new();
    for (value, at) in last_use {
        ending.entry(at).or_default().push(value);
    }
    for (at, node) in graph.node.iter().enumerate() {
        // A view owns nothing.
        let made = node.output.iter().filter(|name| owner_of(name) == Some(name.as_str()));
        alive = made.map(|name| bytes(name)).fold(alive, u64::saturating_add);
        most = most.max(alive);
        let ended = ending.remove(&at).unwrap_or_default();
        alive = ended.into_iter().map(bytes).fold(alive, u64::saturating_sub);
    }
    most
}

/// For each value that a node makes, the one whose memory it is: itself, or what it is a view of. Values of weights and
/// inputs have none here.
fn owners(graph: &GraphProto) -> HashMap<&str, &str> {
    let mut owner: HashMap<&str, &str> = HashMap::new();
    let constants = constants(graph);
    for node in graph.node.iter().filter(|node| !is_folded(node, &constants)) {
        let viewed = node.input.first().filter(|_| is_view(node.op_type()));
        let behind = viewed.and_then(|name| owner.get(name.as_str()).copied());
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            match (viewed, behind) {
                (None, _) => owner.insert(output, output),
                (Some(_), Some(behind)) => owner.insert(output, behind),
                // A view of an input or a weight.
                (Some(_), None) => None,
            };
        }
    }
    owner
}
