//! In which order ONNX Runtime executes the nodes of a graph, and how to have it take another.
//!
//! It walks backwards from the nodes that nobody reads, the last of them first, depth first, at each node into the input
//! that is made by the latest node of the file, and executes each node once its inputs are made. Seen with 1.25 to 1.31; an
//! order that comes out different costs a control its likeness to the original, never its correctness.

use std::collections::HashMap;

use super::proto::{GraphProto, NodeProto};

/// The walk of ONNX Runtime over one graph. Nodes are named by their places in the file.
pub struct Walk {
    /// For each node, those that make its inputs, in their order in the file.
    producers: Vec<Vec<usize>>,
    /// The nodes that no other reads from.
    leaves: Vec<usize>,
}

impl Walk {
    /// Looks at the graph.
    pub fn of(graph: &GraphProto) -> Walk {
        let producers = producers(graph);
        let mut is_read = vec![false; producers.len()];
        for &producer in producers.iter().flatten() {
            is_read[producer] = true;
        }
        let leaves = (0..producers.len()).filter(|at| !is_read[*at]).collect();
        Walk { producers, leaves }
    }

    /// The nodes in the order in which they are executed.
    pub fn order(&self) -> Vec<usize> {
        self.order_from(&[])
    }

    /// The same where the file ends with a copy of a node that nobody reads: what the copy needs is executed first. The
    /// copy itself is left out.
    pub fn order_with_copy_of(&self, node: usize) -> Vec<usize> {
        self.order_from(&self.producers[node])
    }

    fn order_from(&self, first: &[usize]) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.producers.len());
        let mut entered = vec![false; self.producers.len()];
        // The nodes to visit, last first; with `true`, those whose inputs are all made by then.
        let mut stack: Vec<(usize, bool)> = self.leaves.iter().chain(first).map(|at| (*at, false)).collect();
        while let Some((at, made)) = stack.pop() {
            if made {
                order.push(at);
            } else if !std::mem::replace(&mut entered[at], true) {
                stack.push((at, true));
                stack.extend(self.producers[at].iter().filter(|other| !entered[**other]).map(|other| (*other, false)));
            }
        }
        order
    }
}

/// Puts the nodes into the order in which ONNX Runtime would execute them. Where inputs of a node come from separate
/// branches, that makes it execute the branches in the reverse order: ONNX Runtime writes an optimized graph in the order
/// in which it executes it, and takes it back in the same order only after this.
pub fn turn_branches(graph: &mut GraphProto) {
    let order = Walk::of(graph).order();
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    graph.node = order.into_iter().filter_map(|at| nodes[at].take()).collect();
}

/// The members of `order` that do not stand between the same others as in `before`: the fewest whose removal leaves both
/// orders alike. What `before` lacks counts for nothing.
pub fn displaced(before: &[usize], order: &[usize]) -> Vec<usize> {
    let place: HashMap<usize, usize> = before.iter().enumerate().map(|(place, member)| (*member, place)).collect();
    let places: Vec<(usize, usize)> = order.iter().filter_map(|member| Some((*member, *place.get(member)?))).collect();
    // The longest rising subsequence (Fredman 1975): `ends[l]` ends the best one of length l + 1 so far.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(places.len());
    for (at, (_, place)) in places.iter().enumerate() {
        let length = ends.partition_point(|end| places[*end].1 < *place);
        previous.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut stays = vec![false; places.len()];
    let mut at = ends.last().copied();
    while let Some(kept) = at {
        stays[kept] = true;
        at = previous[kept];
    }
    places.iter().zip(stays).filter(|(_, stays)| !stays).map(|((member, _), _)| *member).collect()
}

/// For each node, those that make its inputs, in their order in the file, each once.
fn producers(graph: &GraphProto) -> Vec<Vec<usize>> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        makers.extend(node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), at)));
    }
    let of = |(at, node): (usize, &NodeProto)| {
        let mut found = Vec::new();
        read_by(node, &mut |name| found.extend(makers.get(name).copied().filter(|maker| *maker != at)));
        found.sort_unstable();
        found.dedup();
        found
    };
    graph.node.iter().enumerate().map(of).collect()
}

/// Calls `read` with each value that a node or its bodies name as an input.
fn read_by<'g>(node: &'g NodeProto, read: &mut dyn FnMut(&'g str)) {
    node.input.iter().for_each(|name| read(name));
    for body in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
        body.output.iter().for_each(|output| read(output.name()));
        for inner in &body.node {
            read_by(inner, read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes named after what they make, from lines such as `c = a b`.
    fn graph(lines: &[&str]) -> GraphProto {
        let node = |line: &&str| {
            let (output, inputs) = line.split_once(" = ").unwrap();
            NodeProto {
                name: Some(output.into()),
                input: inputs.split(' ').map(str::to_owned).collect(),
                output: vec![output.into()],
                ..NodeProto::default()
            }
        };
        GraphProto { node: lines.iter().map(node).collect(), ..GraphProto::default() }
    }

    fn names(graph: &GraphProto, order: &[usize]) -> String {
        order.iter().map(|at| graph.node[*at].name()).collect::<Vec<_>>().join(" ")
    }

    /// The three branches of an attention, its mask, and what follows.
    const ATTENTION: [&str; 8] =
        ["n = x", "k = n", "q = n", "qk = q k", "soft = qk", "v = n", "mul = soft v", "out = mul n"];

    #[test]
    fn the_branch_that_ends_last_in_the_file_runs_first() {
        let graph = graph(&ATTENTION);
        assert_eq!(names(&graph, &Walk::of(&graph).order()), "n v q k qk soft mul out");
    }

    #[test]
    fn turned_twice_the_branches_run_as_in_the_file() {
        let mut graph = graph(&ATTENTION);
        turn_branches(&mut graph);
        assert_eq!(names(&graph, &Walk::of(&graph).order()), "n k q qk soft v mul out");
    }

    #[test]
    fn a_copy_runs_first_what_it_needs_and_displaces_the_rest() {
        let graph = graph(&ATTENTION);
        let walk = Walk::of(&graph);
        let with_copy = walk.order_with_copy_of(4);
        assert_eq!(names(&graph, &with_copy), "n q k qk v soft mul out");
        assert_eq!(names(&graph, &displaced(&walk.order(), &with_copy)), "v");
        assert!(displaced(&walk.order(), &walk.order_with_copy_of(6)).is_empty());
    }

    #[test]
    fn what_bodies_read_comes_before_them() {
        let mut graph = graph(&["a = x", "b = x", "if = b", "out = if"]);
        let body = GraphProto { node: self::graph(&["inner = a"]).node, ..GraphProto::default() };
        let attribute = crate::onnx::proto::AttributeProto { g: Some(body), ..Default::default() };
        graph.node[2].attribute.push(attribute);
        assert_eq!(names(&graph, &Walk::of(&graph).order()), "b a if out");
    }

    #[test]
    fn every_node_runs_once_after_what_it_reads() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..200 {
            let count = random.usize(1..40);
            let lines: Vec<String> = (0..count)
                .map(|at| {
                    let inputs: Vec<String> =
                        (0..random.usize(0..3)).map(|_| format!("v{}", random.usize(0..=at))).collect();
                    format!("v{} = x {}", at + 1, inputs.join(" "))
                })
                .collect();
            let mut graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>());
            for _ in 0..2 {
                let order = Walk::of(&graph).order();
                let mut place = vec![None; count];
                order.iter().enumerate().for_each(|(at, node)| place[*node] = Some(at));
                for (node, producers) in producers(&graph).iter().enumerate() {
                    assert!(producers.iter().all(|producer| place[*producer] < place[node]), "{lines:?} {order:?}");
                }
                assert_eq!(order.len(), count);
                turn_branches(&mut graph);
            }
        }
    }
}
