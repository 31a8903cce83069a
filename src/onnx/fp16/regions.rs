//! Nodes of one graph that stay in fp32 because of what stands around them: boxes, sizes, angles, means of squares.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::onnx::inspect::canonical_domain;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{GraphProto, NodeProto};
use crate::onnx::tensor;

use super::kinds::{Kind, attribute};
use super::rules::{ANGLES, BOXES, ELEMENTWISE, MEAN_OF_SQUARES, MOVES, SCALAR, TO_INTEGER};
use super::values::is_held;

/// Node index -> why it stays.
pub type Regions = BTreeMap<usize, &'static str>;

/// Finds them. `kind` is the type of a value, `scalar` the value of a constant of one element, in this graph or around.
pub fn find(graph: &GraphProto, kind: &dyn Fn(&str) -> Kind, scalar: &dyn Fn(&str) -> Option<f32>) -> Regions {
    let mut search =
        Search { graph, kind, scalar, makers: HashMap::new(), users: HashMap::new(), found: Regions::new() };
    for (index, node) in graph.node.iter().enumerate() {
        node.output.iter().for_each(|name| {
            search.makers.insert(name, index);
        });
        node.input.iter().for_each(|name| search.users.entry(name).or_default().push(index));
    }
    let derived = search.derived();
    for (index, node) in graph.node.iter().enumerate().filter(|(_, node)| canonical_domain(node.domain()).is_empty()) {
        search.seed(index, node, &derived);
    }
    search.found
}

struct Search<'a> {
    graph: &'a GraphProto,
    kind: &'a dyn Fn(&str) -> Kind,
    scalar: &'a dyn Fn(&str) -> Option<f32>,
    makers: HashMap<&'a str, usize>,
    users: HashMap<&'a str, Vec<usize>>,
    found: Regions,
}

impl<'a> Search<'a> {
    fn seed(&mut self, index: usize, node: &'a NodeProto, derived: &HashSet<&'a str>) {
        match node.op_type() {
            "NonMaxSuppression" => self.before(node, &[0, 1], BOXES, None),
            "RoiAlign" | "MaxRoiPool" => self.before(node, &[1], BOXES, None),
            "Cast" if self.is_float(node.input.first()) && is_integer(cast_to(node)) => {
                self.before(node, &[0], TO_INTEGER, None);
            }
            "Range" => self.before(node, &[0, 1, 2], TO_INTEGER, None),
            "Resize" => self.before(node, &[1, 2], TO_INTEGER, None),
            "Upsample" => self.before(node, &[1], TO_INTEGER, None),
            "Sin" | "Cos" if node.input.first().is_some_and(|name| derived.contains(name.as_str())) => {
                self.found.entry(index).or_insert(ANGLES);
                self.before(node, &[0], ANGLES, Some(derived));
            }
            "ReduceMean" | "ReduceSum" => self.mean_of_squares(index, node),
            "ReduceL2" | "ReduceSumSquare" => self.after(index, MEAN_OF_SQUARES),
            "Add" | "Sub" | "Max" | "Clip" if self.has_tiny_scalar(node) => {
                self.found.entry(index).or_insert(SCALAR);
                self.after(index, SCALAR);
            }
            "Mul" | "Min" if self.has_tiny_scalar(node) => {
                self.found.entry(index).or_insert(SCALAR);
            }
            // A divisor beyond the range would be another one.
            "Div" if self.scalars(node).any(|value| value.is_finite() && !is_held(value)) => {
                self.found.entry(index).or_insert(SCALAR);
            }
            _ => {}
        }
    }

    fn scalars<'s>(&'s self, node: &'s NodeProto) -> impl Iterator<Item = f32> + 's {
        node.input.iter().filter_map(|name| (self.scalar)(name))
    }

    /// Whether it takes a constant that is not zero and nearer to it than any normal fp16.
    fn has_tiny_scalar(&self, node: &NodeProto) -> bool {
        self.scalars(node).any(|value| value != 0.0 && value.abs() < 1.0 && !is_held(value))
    }

    fn is_float(&self, name: Option<&String>) -> bool {
        name.is_some_and(|name| (self.kind)(name) == Kind::FLOAT)
    }

    /// Values that come from integers, truth values and constants alone: positions, sizes, masks.
    fn derived(&self) -> HashSet<&'a str> {
        let mut derived: HashSet<&str> = HashSet::new();
        for node in &self.graph.node {
            let constant = |name: &str| {
                name.is_empty() || (self.kind)(name) != Kind::FLOAT || self.initializer(name) || derived.contains(name)
            };
            let starts = node.op_type() == "Cast" && !self.is_float(node.input.first());
            let passes =
                starts || is_passage(node) || matches!(node.op_type(), "MatMul" | "Range" | "CumSum" | "Einsum");
            if passes && node.input.iter().all(|name| constant(name)) {
                derived.extend(node.output.iter().map(String::as_str));
            }
        }
        derived
    }

    fn initializer(&self, name: &str) -> bool {
        self.graph.initializer.iter().any(|tensor| tensor.name() == name)
    }

    /// Marks what computes these inputs, back through element-wise operators and moves to the product, the convolution
    /// or the integer that it begins with. With `within`, only through those values, and through products too.
    fn before(
        &mut self,
        node: &'a NodeProto,
        inputs: &[usize],
        reason: &'static str,
        within: Option<&HashSet<&'a str>>,
    ) {
        let mut open: Vec<&str> =
            inputs.iter().filter_map(|&index| node.input.get(index)).map(String::as_str).collect();
        let mut seen: HashSet<&str> = HashSet::new();
        while let Some(name) = open.pop() {
            let inside = within.is_none_or(|within| within.contains(name));
            let Some(&index) = self.makers.get(name).filter(|_| inside && seen.insert(name)) else { continue };
            let maker = &self.graph.node[index];
            let product = within.is_some() && matches!(maker.op_type(), "MatMul" | "Einsum");
            let start = maker.op_type() == "Cast" && !self.is_float(maker.input.first());
            if !(is_passage(maker) || product || start) || (self.kind)(name) != Kind::FLOAT {
                continue;
            }
            self.found.entry(index).or_insert(reason);
            if !start {
                open.extend(maker.input.iter().map(String::as_str));
            }
        }
    }

    /// A mean over squares: the squares, the mean and what follows it. Layers that norm are written so.
    fn mean_of_squares(&mut self, index: usize, node: &'a NodeProto) {
        let Some(square) = node.input.first().and_then(|name| self.makers.get(name.as_str())).copied() else { return };
        let maker = &self.graph.node[square];
        let squares = match (maker.op_type(), maker.input.as_slice()) {
            ("Pow", [_, exponent]) => (self.scalar)(exponent).is_some_and(|exponent| exponent >= 2.0),
            ("Mul", [a, b]) => a == b,
            _ => false,
        };
        if squares {
            self.found.insert(square, MEAN_OF_SQUARES);
            self.found.insert(index, MEAN_OF_SQUARES);
            self.after(index, MEAN_OF_SQUARES);
        }
    }

    /// Marks what a node's result passes through until it has divided or multiplied something, that node included: in
    /// between it may be too small or too large for fp16.
    fn after(&mut self, index: usize, reason: &'static str) {
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            let outputs = &self.graph.node[index].output;
            let users: Vec<usize> =
                outputs.iter().filter_map(|name| self.users.get(name.as_str())).flatten().copied().collect();
            for user in users {
                let node = &self.graph.node[user];
                let ends = matches!(node.op_type(), "Mul" | "Div" | "Log");
                // One over a root is a step on the way to the product.
                let inverts =
                    node.op_type() == "Div" && node.input.first().is_some_and(|it| (self.scalar)(it).is_some());
                let passes = inverts
                    || MOVES.contains(&node.op_type())
                    || matches!(node.op_type(), "Add" | "Sqrt" | "Reciprocal" | "Pow" | "Clip" | "Max");
                let close = matches!(node.op_type(), "Add" | "Max" | "Clip" | "Pow");
                // Sums with other values than a constant are no step on the way.
                if close && self.scalars(node).next().is_none() {
                    continue;
                }
                if (ends || passes) && !self.found.contains_key(&user) {
                    self.found.insert(user, reason);
                    open.extend(passes.then_some(user));
                }
            }
        }
    }
}

/// Whether a region reaches through this node.
fn is_passage(node: &NodeProto) -> bool {
    let operator = node.op_type();
    canonical_domain(node.domain()).is_empty() && (MOVES.contains(&operator) || ELEMENTWISE.contains(&operator))
}

fn cast_to(node: &NodeProto) -> i32 {
    attribute(node, "to").and_then(|it| i32::try_from(it.i()).ok()).unwrap_or(0)
}

fn is_integer(element: i32) -> bool {
    let boolean = element == DataType::Bool as i32;
    let float = [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16];
    !boolean && !float.iter().any(|it| *it as i32 == element) && tensor::element_bits(element).is_some()
}
