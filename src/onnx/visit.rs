//! Walking every graph, node and tensor of a model, at every level.
//!
//! Levels are the main graph, the bodies of control flow (graphs in attributes, to any depth), model-local functions,
//! and training graphs.

use std::fmt;

use super::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto};

/// Where in a model something is; its `Display` is for messages, such as ``node `If_3` (If), then_branch``.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    parent: Option<&'a Scope<'a>>,
    kind: ScopeKind<'a>,
}

#[derive(Debug, Clone, Copy)]
enum ScopeKind<'a> {
    Main,
    Training,
    Function(&'a str, &'a str),
    Body(&'a NodeProto, &'a str),
}

impl Scope<'_> {
    /// How many control-flow bodies surround this place; 0 in the main graph and directly in a function.
    pub fn depth(&self) -> usize {
        let own = usize::from(matches!(self.kind, ScopeKind::Body(..)));
        own + self.parent.map_or(0, Scope::depth)
    }

    /// Whether ONNX Runtime executes what is here in an inference: not training graphs.
    pub fn runs(&self) -> bool {
        !matches!(self.kind, ScopeKind::Training) && self.parent.is_none_or(Scope::runs)
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ScopeKind::Main => f.write_str("main graph"),
            ScopeKind::Training => f.write_str("training graph"),
            ScopeKind::Function(domain, name) => write!(f, "function `{domain}:{name}`"),
            ScopeKind::Body(node, attribute) => {
                if let Some(parent) = self.parent.filter(|parent| !matches!(parent.kind, ScopeKind::Main)) {
                    write!(f, "{parent}, ")?;
                }
                write!(f, "node `{}` ({}), {attribute}", node.name(), node.op_type())
            }
        }
    }
}

/// What a tensor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorRole {
    /// A dense initializer.
    Initializer,
    /// Values or indices of a sparse initializer.
    Sparse,
    /// A value in a node's or function's attribute, such as that of `Constant`.
    Attribute,
}

/// Receives what [`model`] finds; each method is called before what is inside, and does nothing unless overridden.
pub trait Visitor<'m> {
    /// A graph: main, body or training.
    fn graph(&mut self, _scope: &Scope<'_>, _graph: &'m GraphProto) {}
    /// A node of a graph or function.
    fn node(&mut self, _scope: &Scope<'_>, _node: &'m NodeProto) {}
    /// A tensor with or without values.
    fn tensor(&mut self, _scope: &Scope<'_>, _role: TensorRole, _tensor: &'m TensorProto) {}
}

/// Walks the whole model: main graph, functions, then training graphs.
pub fn model<'m>(model: &'m ModelProto, visitor: &mut impl Visitor<'m>) {
    if let Some(main) = &model.graph {
        graph(&Scope { parent: None, kind: ScopeKind::Main }, main, visitor);
    }
    for function in &model.functions {
        let scope = Scope { parent: None, kind: ScopeKind::Function(function.domain(), function.name()) };
        for default in &function.attribute_proto {
            attribute(&scope, None, default, visitor);
        }
        nodes(&scope, &function.node, visitor);
    }
    for training in &model.training_info {
        for part in training.initialization.iter().chain(&training.algorithm) {
            graph(&Scope { parent: None, kind: ScopeKind::Training }, part, visitor);
        }
    }
}

fn graph<'m>(scope: &Scope<'_>, graph: &'m GraphProto, visitor: &mut impl Visitor<'m>) {
    visitor.graph(scope, graph);
    for tensor in &graph.initializer {
        visitor.tensor(scope, TensorRole::Initializer, tensor);
    }
    for tensor in graph.sparse_initializer.iter().flat_map(sparse_parts) {
        visitor.tensor(scope, TensorRole::Sparse, tensor);
    }
    nodes(scope, &graph.node, visitor);
}

fn nodes<'m>(scope: &Scope<'_>, nodes: &'m [NodeProto], visitor: &mut impl Visitor<'m>) {
    for node in nodes {
        visitor.node(scope, node);
        for value in &node.attribute {
            attribute(scope, Some(node), value, visitor);
        }
    }
}

fn attribute<'m>(
    scope: &Scope<'_>,
    node: Option<&'m NodeProto>,
    value: &'m AttributeProto,
    visitor: &mut impl Visitor<'m>,
) {
    let sparse = value.sparse_tensor.iter().chain(&value.sparse_tensors).flat_map(sparse_parts);
    for tensor in value.t.iter().chain(&value.tensors).chain(sparse) {
        visitor.tensor(scope, TensorRole::Attribute, tensor);
    }
    for body in value.g.iter().chain(&value.graphs) {
        let inner = match node {
            Some(node) => Scope { parent: Some(scope), kind: ScopeKind::Body(node, value.name()) },
            None => *scope,
        };
        graph(&inner, body, visitor);
    }
}

fn sparse_parts(sparse: &SparseTensorProto) -> impl Iterator<Item = &TensorProto> {
    sparse.values.iter().chain(&sparse.indices)
}

/// Calls `change` on every tensor of the model, in the order of [`model`].
///
/// # Errors
///
/// Stops at the first error that `change` returns.
pub fn tensors_mut<E>(
    model: &mut ModelProto,
    change: &mut impl FnMut(TensorRole, &mut TensorProto) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(main) = &mut model.graph {
        graph_mut(main, change)?;
    }
    for function in &mut model.functions {
        for default in &mut function.attribute_proto {
            attribute_mut(default, change)?;
        }
        nodes_mut(&mut function.node, change)?;
    }
    for training in &mut model.training_info {
        for part in training.initialization.iter_mut().chain(&mut training.algorithm) {
            graph_mut(part, change)?;
        }
    }
    Ok(())
}

fn graph_mut<E>(
    graph: &mut GraphProto,
    change: &mut impl FnMut(TensorRole, &mut TensorProto) -> Result<(), E>,
) -> Result<(), E> {
    for tensor in &mut graph.initializer {
        change(TensorRole::Initializer, tensor)?;
    }
    for sparse in &mut graph.sparse_initializer {
        for tensor in sparse.values.iter_mut().chain(&mut sparse.indices) {
            change(TensorRole::Sparse, tensor)?;
        }
    }
    nodes_mut(&mut graph.node, change)
}

fn nodes_mut<E>(
    nodes: &mut [NodeProto],
    change: &mut impl FnMut(TensorRole, &mut TensorProto) -> Result<(), E>,
) -> Result<(), E> {
    for value in nodes.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute_mut(value, change)?;
    }
    Ok(())
}

fn attribute_mut<E>(
    value: &mut AttributeProto,
    change: &mut impl FnMut(TensorRole, &mut TensorProto) -> Result<(), E>,
) -> Result<(), E> {
    for tensor in value.t.iter_mut().chain(&mut value.tensors) {
        change(TensorRole::Attribute, tensor)?;
    }
    for sparse in value.sparse_tensor.iter_mut().chain(&mut value.sparse_tensors) {
        for tensor in sparse.values.iter_mut().chain(&mut sparse.indices) {
            change(TensorRole::Attribute, tensor)?;
        }
    }
    for body in value.g.iter_mut().chain(&mut value.graphs) {
        graph_mut(body, change)?;
    }
    Ok(())
}
