//! What can be repeated in a graph, operator by operator, and which of it to repeat.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use globset::Glob;

use crate::measure::result::{LaunchResult, NodeRecord};
use crate::onnx::order::{Walk, displaced};
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto};
use crate::onnx::repeat;
use crate::summary::OperatorKey;
use crate::taxonomy::Group;

use super::choose::choose;
use super::{Repeatable, Target, Wish, suite};

/// A copy disturbs where other nodes than this share of the time run earlier or later because of it.
const DISTURBING_SHARE: f64 = 0.001;

/// Copies that disturb nothing are preferred where they come so near to the wished size, relative to it.
const NEAR: f64 = 0.1;

/// What one treated graph repeats.
pub(super) struct Choice {
    pub operators: Vec<OperatorKey>,
    pub share: f64,
    /// Names of nodes, with the number of copies of each.
    pub repeats: Vec<(String, u32)>,
}

/// The operators of a graph whose nodes were timed.
pub(super) struct Candidates<'a> {
    operators: Vec<Operator<'a>>,
    total_us: f64,
}

pub(super) struct Operator<'a> {
    key: OperatorKey,
    op_type: &'a str,
    group: Option<Group>,
    total_us: f64,
    /// Nodes that can be repeated.
    nodes: Vec<Candidate<'a>>,
    /// Why a node cannot.
    why_not: Option<String>,
}

struct Candidate<'a> {
    name: &'a str,
    self_us: f64,
    /// True where a copy makes other nodes run earlier or later.
    disturbs: bool,
}

impl<'a> Candidates<'a> {
    /// The operators of the graph, by the times of its nodes in a launch of it.
    pub fn of(model: &ModelProto, measured: &'a LaunchResult) -> Candidates<'a> {
        let total_us = measured.nodes.iter().map(|node| node.self_us).sum();
        let no_graph = GraphProto::default();
        let graph = Timed::of(model.graph.as_ref().unwrap_or(&no_graph), measured);
        let mut operators: BTreeMap<OperatorKey, Operator<'a>> = BTreeMap::new();
        for record in &measured.nodes {
            let (key, group, _) = suite::resolve(record);
            let operator = operators.entry(key.clone()).or_insert_with(|| Operator {
                key,
                op_type: &record.op_type,
                group,
                total_us: 0.0,
                nodes: Vec::new(),
                why_not: None,
            });
            operator.total_us += record.self_us;
            match graph.why_not(record) {
                None => operator.nodes.push(Candidate {
                    name: &record.name,
                    self_us: record.self_us,
                    disturbs: graph.displaced_us(&record.name) > DISTURBING_SHARE * total_us,
                }),
                Some(why) => operator.why_not = Some(format!("{}: {why}", record.name)),
            }
        }
        Candidates { operators: operators.into_values().collect(), total_us }
    }

    /// The operators that are to grow, for each treated graph that the wish asks for.
    pub fn meant(&self, wish: &Wish) -> anyhow::Result<Vec<Vec<&Operator<'a>>>> {
        match &wish.target {
            Target::Operators(glob) => Ok(self.matching(glob)?.into_iter().map(|one| vec![one]).collect()),
            Target::Group(group) => {
                let means = |one: &&Operator<'_>| one.group == Some(*group) && !one.nodes.is_empty();
                let meant: Vec<&Operator<'a>> = self.operators.iter().filter(means).collect();
                if meant.is_empty() {
                    bail!("no operator of the optimized graph in that group can be repeated; it runs {}", self.list());
                }
                Ok(vec![meant])
            }
        }
    }

    fn matching(&self, glob: &str) -> anyhow::Result<Vec<&Operator<'a>>> {
        let matcher = Glob::new(glob).with_context(|| format!("`{glob}` is not a glob"))?.compile_matcher();
        let means = |one: &&Operator<'_>| matcher.is_match(&one.key.0) || matcher.is_match(one.op_type);
        let meant: Vec<&Operator<'a>> = self.operators.iter().filter(means).collect();
        if meant.is_empty() {
            bail!("no operator of the optimized graph matches `{glob}`; it runs {}", self.list());
        }
        Ok(meant)
    }

    /// The operators that a glob means, and what they take.
    pub fn meant_by(&self, glob: &str) -> anyhow::Result<Vec<Repeatable>> {
        Ok(self.matching(glob)?.into_iter().map(Operator::facts).collect())
    }

    /// Which nodes to copy so that these operators' work grows by about the fraction.
    pub fn of_operators(&self, meant: &[&Operator<'_>], fraction: f64) -> anyhow::Result<Choice> {
        let (mut repeats, mut own_us) = (Vec::new(), 0.0);
        for operator in meant {
            let copies = operator.copies(fraction);
            if copies.is_empty() {
                let why = operator.why_not.as_deref().unwrap_or("its nodes take no time that could be measured");
                bail!("{} cannot be repeated: {why}", operator.key);
            }
            own_us += operator.total_us;
            for (node, copies) in copies {
                repeats.push((node.name.to_owned(), copies));
            }
        }
        Ok(Choice {
            operators: meant.iter().map(|one| one.key.clone()).collect(),
            share: own_us / self.total_us,
            repeats,
        })
    }

    /// By how much the operators' time grew, relative to the plain graph's, all other operators' growth divided out.
    pub fn growth(&self, meant: &[&Operator<'_>], treated: &LaunchResult) -> f64 {
        let is_meant = |key: &OperatorKey| meant.iter().any(|one| one.key == *key);
        let own_us: f64 = meant.iter().map(|one| one.total_us).sum();
        let (mut now_us, mut others_us) = (0.0, 0.0);
        for node in &treated.nodes {
            if is_meant(&suite::resolve(node).0) { now_us += node.self_us } else { others_us += node.self_us }
        }
        let before_us = self.total_us - own_us;
        let machine = if before_us > 0.0 && others_us > 0.0 { others_us / before_us } else { 1.0 };
        now_us / own_us / machine - 1.0
    }

    /// The operators that can be repeated, by descending time.
    pub fn repeatable(&self) -> Vec<Repeatable> {
        let copied = |one: &&Operator<'_>| one.nodes.iter().any(|node| node.self_us > 0.0);
        let mut found: Vec<Repeatable> = self.operators.iter().filter(copied).map(Operator::facts).collect();
        found.sort_by(|a, b| b.self_us.total_cmp(&a.self_us));
        found
    }

    /// The operators by descending time.
    fn list(&self) -> String {
        let mut operators: Vec<&Operator<'_>> = self.operators.iter().collect();
        operators.sort_by(|a, b| b.total_us.total_cmp(&a.total_us));
        let keys: Vec<&str> = operators.iter().map(|one| one.key.0.as_str()).collect();
        keys.join(", ")
    }
}

impl<'a> Operator<'a> {
    fn facts(&self) -> Repeatable {
        Repeatable { key: self.key.clone(), group: self.group, self_us: self.total_us }
    }

    /// The nodes to copy, with how often; empty where nothing can be copied.
    fn copies(&self, fraction: f64) -> Vec<(&Candidate<'a>, u32)> {
        let wanted_us = fraction * self.total_us;
        let calm = copies_among(self.nodes.iter().filter(|node| !node.disturbs).collect(), wanted_us);
        let reached: f64 = calm.iter().map(|(node, copies)| f64::from(*copies) * node.self_us).sum();
        let near = (reached - wanted_us).abs() <= NEAR * wanted_us;
        if near { calm } else { copies_among(self.nodes.iter().collect(), wanted_us) }
    }
}

/// The nodes of these to copy.
fn copies_among<'n, 'a>(nodes: Vec<&'n Candidate<'a>>, wanted_us: f64) -> Vec<(&'n Candidate<'a>, u32)> {
    let times: Vec<f64> = nodes.iter().map(|node| node.self_us).collect();
    nodes.into_iter().zip(choose(&times, wanted_us)).filter(|(_, copies)| *copies > 0).collect()
}

/// A graph with the times of its nodes.
struct Timed<'m> {
    graph: &'m GraphProto,
    places: BTreeMap<&'m str, usize>,
    times_us: Vec<f64>,
    walk: Walk,
    order: Vec<usize>,
}

impl<'m> Timed<'m> {
    fn of(graph: &'m GraphProto, measured: &LaunchResult) -> Timed<'m> {
        let places: BTreeMap<&str, usize> = graph.node.iter().enumerate().map(|(at, node)| (node.name(), at)).collect();
        let mut times_us = vec![0.0; graph.node.len()];
        for record in &measured.nodes {
            if let Some(&at) = places.get(record.name.as_str()) {
                times_us[at] = record.self_us;
            }
        }
        let walk = Walk::of(graph);
        let order = walk.order();
        Timed { graph, places, times_us, walk, order }
    }

    fn why_not(&self, record: &NodeRecord) -> Option<&'static str> {
        let node: Option<&NodeProto> = self.places.get(record.name.as_str()).map(|at| &self.graph.node[*at]);
        match node {
            _ if record.depth > 0 => Some("it is in the body of another node"),
            _ if record.executions != 1 => Some("it does not run exactly once"),
            None => Some("the optimized graph does not show it"),
            Some(node) => repeat::why_not(node),
        }
    }

    /// Time of the nodes that run earlier or later for a copy of this one: ONNX Runtime runs what the copy needs before
    /// all else.
    fn displaced_us(&self, name: &str) -> f64 {
        let Some(&at) = self.places.get(name) else { return 0.0 };
        displaced(&self.order, &self.walk.order_with_copy_of(at)).into_iter().map(|at| self.times_us[at]).sum()
    }
}
