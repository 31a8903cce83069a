//! Launches -> summary.

use std::collections::BTreeMap;

use crate::measure::result::{LaunchResult, LaunchWarning, NodeRecord, PROTOCOL};
use crate::scenario::{Scenario, ScenarioId};
use crate::taxonomy::Group;

use super::device::{self, OperatorLaunches};
use super::{Inserted, OperatorKey, OperatorSummary, Sample, ShapeClass, Summary, UnsteadyOperator, median};

/// Names a node's operator: its canonical key, its group where the taxonomy knows it, and the `fused` mark.
pub type Resolver<'a> = &'a dyn Fn(&NodeRecord) -> (OperatorKey, Option<Group>, bool);

/// Launches that cannot be one scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// There is nothing to summarize.
    #[error("{id}: no launch succeeded, so there is nothing to summarize; see the launch's log for the reason")]
    NoLaunches {
        /// The scenario.
        id: ScenarioId,
    },
    /// The launches ran different models or libraries, so their times are no sample of anything.
    #[error(
        "{id}: launches ran with different {what} (`{first}`, then `{other}`); \
         something replaced it while the suite ran, measure again with it left alone"
    )]
    Mixed {
        /// The scenario.
        id: ScenarioId,
        /// What differs.
        what: &'static str,
        /// Its value in the first launch.
        first: String,
        /// Its value in a later one.
        other: String,
    },
}

/// Sums each launch by operator and provider and lays the launches side by side.
///
/// An operator that some launches did not run has a time of 0 in these; its executions are the median over launches
/// and it is listed as unsteady.
///
/// # Errors
/// No launch at all, or launches of different models or of different ONNX Runtime versions.
pub fn summarize(
    scenario: Scenario,
    id: ScenarioId,
    launches: &[LaunchResult],
    resolver: Resolver<'_>,
) -> Result<Summary, SummaryError> {
    let Some(first) = launches.first() else { return Err(SummaryError::NoLaunches { id }) };
    same(&id, "model", launches, |launch| launch.model_sha256.as_str())?;
    same(&id, "ONNX Runtime versions", launches, |launch| launch.onnxruntime.as_str())?;
    same(&id, "clocks", launches, |launch| launch.clock.name())?;

    let self_sums: Vec<f64> = launches.iter().map(|l| l.nodes.iter().map(|n| n.self_us).sum()).collect();
    let raw_sums = launches.iter().map(|l| l.nodes.iter().map(|n| n.raw_us).sum::<f64>());
    let latencies: Vec<f64> = launches.iter().map(|l| l.latency_us).collect();
    let (operators, unsteady) = operators(launches, &self_sums, resolver);
    let iterations = launches.iter().map(|l| l.unprofiled_us.len() + l.profiled_us.len()).sum::<usize>();

    Ok(Summary {
        scenario,
        id,
        protocol: PROTOCOL,
        onnxruntime: first.onnxruntime.clone(),
        model_sha256: first.model_sha256.clone(),
        synthetic_weights: first.synthetic_weights,
        clock: first.clock,
        gpu: first.gpu.clone(),
        device: device::device(launches),
        remainder_us: Sample(latencies.iter().zip(&self_sums).map(|(latency, sum)| latency - sum).collect()),
        reconciliation: Sample(self_sums.iter().zip(&latencies).map(|(sum, latency)| ratio(*sum, *latency)).collect()),
        raw_reconciliation: Sample(raw_sums.zip(&latencies).map(|(sum, latency)| ratio(sum, *latency)).collect()),
        latency_us: Sample(latencies),
        iterations: u32::try_from(iterations).unwrap_or(u32::MAX),
        running_us: Sample(launches.iter().map(|l| l.unprofiled_us.iter().chain(&l.profiled_us).sum()).collect()),
        peak_rss_bytes: launches.iter().filter_map(|l| l.peak_rss_bytes).max(),
        operators,
        warnings: worst_of_each_kind(launches.iter().flat_map(|l| &l.warnings)),
        unsteady,
    })
}

/// Requires that a fact holds for all launches alike.
fn same<'a>(
    id: &ScenarioId,
    what: &'static str,
    launches: &'a [LaunchResult],
    fact: impl Fn(&'a LaunchResult) -> &'a str,
) -> Result<(), SummaryError> {
    let mut facts = launches.iter().map(fact);
    let Some(first) = facts.next() else { return Ok(()) };
    match facts.find(|other| *other != first) {
        None => Ok(()),
        Some(other) => {
            Err(SummaryError::Mixed { id: id.clone(), what, first: first.to_owned(), other: other.to_owned() })
        }
    }
}

/// Part / whole; 0 of nothing, so that no NaN enters a document.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// What one operator on one provider did in each launch.
struct Tally {
    group: Option<Group>,
    fused: bool,
    all: Part,
    shapes: BTreeMap<String, (Vec<u32>, Vec<f64>)>,
    inserted: Part,
    device: OperatorLaunches,
}

/// Nodes, executions and time in each launch.
struct Part {
    nodes: Vec<u32>,
    executions: Vec<u32>,
    self_us: Vec<f64>,
}

impl Part {
    fn none(launches: usize) -> Part {
        Part { nodes: vec![0; launches], executions: vec![0; launches], self_us: vec![0.0; launches] }
    }

    fn add(&mut self, launch: usize, node: &NodeRecord) {
        self.nodes[launch] += 1;
        self.executions[launch] += node.executions;
        self.self_us[launch] += node.self_us;
    }

    fn shares(&self, sums: &[f64]) -> Sample {
        Sample(self.self_us.iter().zip(sums).map(|(part, whole)| ratio(*part, *whole)).collect())
    }

    /// `None` where there is nothing in any launch.
    fn inserted(self, sums: &[f64]) -> Option<Inserted> {
        let share = self.shares(sums);
        self.nodes.iter().any(|nodes| *nodes > 0).then(|| Inserted {
            nodes: median_count(&self.nodes),
            executions: median_count(&self.executions),
            self_us: Sample(self.self_us),
            share,
        })
    }
}

impl Tally {
    fn new(launches: usize, group: Option<Group>, fused: bool) -> Self {
        let (all, inserted) = (Part::none(launches), Part::none(launches));
        let device = OperatorLaunches::none(launches);
        Tally { group, fused, all, shapes: BTreeMap::new(), inserted, device }
    }

    fn add(&mut self, launch: usize, node: &NodeRecord) {
        let launches = self.all.nodes.len();
        self.all.add(launch, node);
        self.device.add(launch, node);
        if node.inserted {
            self.inserted.add(launch, node);
        }
        if !self.shapes.contains_key(&node.inputs) {
            self.shapes.insert(node.inputs.clone(), (vec![0; launches], vec![0.0; launches]));
        }
        if let Some((executions, self_us)) = self.shapes.get_mut(&node.inputs) {
            executions[launch] += node.executions;
            self_us[launch] += node.self_us;
        }
    }

    fn shape_classes(&self) -> Vec<ShapeClass> {
        let class = |(inputs, (executions, self_us)): (&String, &(Vec<u32>, Vec<f64>))| ShapeClass {
            inputs: inputs.clone(),
            executions: median_count(executions),
            self_us: median(self_us).unwrap_or(0.0),
            varies: disagrees(executions),
        };
        let mut classes: Vec<ShapeClass> = self.shapes.iter().map(class).collect();
        classes.sort_by(|a, b| b.self_us.total_cmp(&a.self_us).then_with(|| a.inputs.cmp(&b.inputs)));
        classes
    }
}

/// The operators by descending median time, and those that the launches do not agree on.
fn operators(
    launches: &[LaunchResult],
    self_sums: &[f64],
    resolver: Resolver<'_>,
) -> (Vec<OperatorSummary>, Vec<UnsteadyOperator>) {
    let mut tallies: BTreeMap<(OperatorKey, String), Tally> = BTreeMap::new();
    for (index, launch) in launches.iter().enumerate() {
        for node in &launch.nodes {
            let (key, group, fused) = resolver(node);
            let tally =
                tallies.entry((key, node.provider.clone())).or_insert_with(|| Tally::new(launches.len(), group, fused));
            tally.add(index, node);
        }
    }
    let mut summaries = Vec::with_capacity(tallies.len());
    let mut unsteady = Vec::new();
    for ((key, provider), tally) in tallies {
        let shapes = tally.shape_classes();
        if disagrees(&tally.all.executions) || disagrees(&tally.all.nodes) {
            let executions = tally.all.executions.clone();
            unsteady.push(UnsteadyOperator { key: key.clone(), provider: provider.clone(), executions });
        }
        summaries.push(OperatorSummary {
            key,
            group: tally.group,
            fused: tally.fused,
            provider,
            nodes: median_count(&tally.all.nodes),
            executions: median_count(&tally.all.executions),
            share: tally.all.shares(self_sums),
            self_us: Sample(tally.all.self_us),
            shapes,
            device: tally.device.summary(),
            inserted: tally.inserted.inserted(self_sums),
        });
    }
    // The map is sorted by key and the sort is stable, so equal times keep a fixed order.
    summaries.sort_by(|a, b| b.self_us.median().total_cmp(&a.self_us.median()));
    (summaries, unsteady)
}

/// True where launches do not count the same.
fn disagrees(counts: &[u32]) -> bool {
    counts.windows(2).any(|pair| pair[0] != pair[1])
}

/// The middle count; the upper one of an even number, so that it is a count that occurred.
fn median_count(counts: &[u32]) -> u32 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

/// One warning of each kind: the one that doubts its launch most, in the order of first appearance.
fn worst_of_each_kind<'a>(warnings: impl Iterator<Item = &'a LaunchWarning>) -> Vec<LaunchWarning> {
    let mut worst: Vec<LaunchWarning> = Vec::new();
    for warning in warnings {
        let kind = std::mem::discriminant(warning);
        match worst.iter_mut().find(|kept| std::mem::discriminant(*kept) == kind) {
            None => worst.push(warning.clone()),
            Some(kept) if doubt(warning).total_cmp(&doubt(kept)).is_gt() => *kept = warning.clone(),
            Some(_) => {}
        }
    }
    worst
}

/// How bad a warning is among those of its kind; no unit.
fn doubt(warning: &LaunchWarning) -> f64 {
    match warning {
        LaunchWarning::ProfileTruncated => 0.0,
        LaunchWarning::NotReconciled { ratio } => ratio.max(f64::MIN_POSITIVE).ln().abs(),
        LaunchWarning::Contended { ratio } => *ratio,
        LaunchWarning::FellBack { nodes, .. } => f64::from(*nodes),
        LaunchWarning::Unattributed { share, .. } => *share,
        LaunchWarning::ClocksDisagree { contained } => -contained,
        LaunchWarning::Synchronous { .. } => 0.0,
        LaunchWarning::FewIterations { runs } => -f64::from(*runs),
        LaunchWarning::ConvertedTypes { share, .. } => *share,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::Clock;
    use crate::summary::testing::{Op, bert, id, launch, op, resolve, scenario, summary_of};

    fn find<'a>(summary: &'a Summary, key: &str) -> &'a OperatorSummary {
        summary.operators.iter().find(|operator| operator.key.0 == key).unwrap()
    }

    #[test]
    fn operators_carry_a_value_per_launch_and_shares_sum_to_one() {
        let slower: Vec<Op> = bert().into_iter().map(|o| Op { self_us: o.self_us * 2.0, ..o }).collect();
        let summary = summary_of(&[launch(&bert()), launch(&slower), launch(&bert())]);
        let softmax = find(&summary, "ai.onnx:Softmax");
        assert_eq!(softmax.self_us, Sample(vec![800.0, 1600.0, 800.0]));
        assert_eq!((softmax.executions, softmax.nodes), (12, 1));
        for launch in 0..3 {
            let sum: f64 = summary.operators.iter().map(|operator| operator.share.0[launch]).sum();
            assert!((sum - 1.0).abs() < 1e-12, "launch {launch}: {sum}");
        }
        assert_eq!(summary.operators[0].key.0, "ai.onnx:MatMul");
        assert_eq!(summary.iterations, 60);
        assert!(summary.unsteady.is_empty());
    }

    #[test]
    fn remainder_and_reconciliations_refer_to_the_unprofiled_latency() {
        let mut one = launch(&[op("MatMul", 1, 60.0), op("Add", 1, 30.0)]);
        one.latency_us = 100.0;
        let summary = summary_of(&[one]);
        assert_eq!(summary.remainder_us, Sample(vec![10.0]));
        assert_eq!(summary.reconciliation, Sample(vec![0.9]));
        assert_eq!(summary.raw_reconciliation, Sample(vec![0.94]));
    }

    #[test]
    fn a_launch_without_time_gives_zeros_and_no_nan() {
        let mut one = launch(&[op("MatMul", 1, 0.0)]);
        one.latency_us = 0.0;
        let summary = summary_of(&[one]);
        assert_eq!(summary.reconciliation, Sample(vec![0.0]));
        assert_eq!(summary.operators[0].share, Sample(vec![0.0]));
    }

    #[test]
    fn one_operator_on_two_providers_is_two_rows() {
        let cuda = Op { provider: "CUDAExecutionProvider", ..op("Add", 2, 10.0) };
        let summary = summary_of(&[launch(&[op("Add", 1, 5.0), cuda])]);
        let rows: Vec<_> = summary.operators.iter().map(|o| (o.provider.as_str(), o.executions)).collect();
        assert_eq!(rows, [("CUDAExecutionProvider", 2), ("CPUExecutionProvider", 1)]);
    }

    #[test]
    fn nodes_that_the_runtime_put_in_are_a_part_of_their_operator() {
        let mut one = launch(&[op("MatMul", 1, 50.0), op("Cast", 1, 10.0), op("Cast", 3, 40.0)]);
        one.nodes[2].inserted = true;
        let summary = summary_of(&[one]);
        let cast = find(&summary, "ai.onnx:Cast");
        assert_eq!((cast.nodes, cast.executions, &cast.self_us), (2, 4, &Sample(vec![50.0])));
        let (self_us, share) = (Sample(vec![40.0]), Sample(vec![0.4]));
        assert_eq!(cast.inserted, Some(Inserted { nodes: 1, executions: 3, self_us, share }));
        assert_eq!(find(&summary, "ai.onnx:MatMul").inserted, None);
    }

    #[test]
    fn shapes_are_classes_by_descending_time() {
        let mut one = launch(&[op("Add", 1, 5.0), op("Add", 2, 10.0), op("Add", 3, 1.0)]);
        one.nodes[1].inputs = "float[8]".into();
        let summary = summary_of(&[one]);
        let shapes: Vec<_> = summary.operators[0].shapes.iter().map(|s| (s.inputs.as_str(), s.executions)).collect();
        assert_eq!(shapes, [("float[8]", 2), ("float[1,128,768]", 4)]);
    }

    #[test]
    fn launches_that_disagree_in_structure_are_named() {
        let looped = [op("MatMul", 4, 60.0), op("NonZero", 1, 1.0)];
        let summary = summary_of(&[launch(&[op("MatMul", 3, 50.0)]), launch(&looped), launch(&looped)]);
        assert_eq!(find(&summary, "ai.onnx:MatMul").executions, 4);
        assert_eq!(find(&summary, "ai.onnx:NonZero").self_us, Sample(vec![0.0, 1.0, 1.0]));
        let unsteady: Vec<_> = summary.unsteady.iter().map(|u| (u.key.0.as_str(), u.executions.clone())).collect();
        assert_eq!(unsteady, [("ai.onnx:MatMul", vec![3, 4, 4]), ("ai.onnx:NonZero", vec![0, 1, 1])]);
    }

    #[test]
    fn warnings_are_merged_to_the_worst_of_each_kind() {
        let warn = |warnings| LaunchResult { warnings, ..launch(&bert()) };
        let summary = summary_of(&[
            warn(vec![LaunchWarning::FewIterations { runs: 8 }, LaunchWarning::NotReconciled { ratio: 1.1 }]),
            warn(vec![LaunchWarning::NotReconciled { ratio: 0.5 }, LaunchWarning::FewIterations { runs: 4 }]),
        ]);
        let expected = [LaunchWarning::FewIterations { runs: 4 }, LaunchWarning::NotReconciled { ratio: 0.5 }];
        assert_eq!(summary.warnings, expected);
    }

    #[test]
    fn launches_of_nothing_or_of_two_models_are_errors() {
        let none = summarize(scenario(), id(), &[], &resolve).unwrap_err();
        assert!(none.to_string().contains("no launch succeeded"), "{none}");
        let other = LaunchResult { model_sha256: "cd".repeat(32), ..launch(&bert()) };
        let mixed = summarize(scenario(), id(), &[launch(&bert()), other], &resolve).unwrap_err();
        assert!(matches!(mixed, SummaryError::Mixed { what: "model", .. }), "{mixed}");
        let waiting = LaunchResult { clock: Clock::DeviceSynchronous, ..launch(&bert()) };
        let mixed = summarize(scenario(), id(), &[launch(&bert()), waiting], &resolve).unwrap_err();
        assert!(matches!(mixed, SummaryError::Mixed { what: "clocks", .. }), "{mixed}");
    }
}
