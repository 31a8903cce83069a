//! Tallies -> node records with the profiler's cost removed, and what a reader must doubt.

use std::collections::BTreeMap;

use crate::measure::device;
use crate::measure::prepare::Prepared;
use crate::measure::result::{LaunchResult, LaunchWarning, NodeRecord, OverheadEstimate};
use crate::measure::runs::{Calm, median};
use crate::profile::{NodeTally, Tallies};
use crate::scenario::{Precision, Provider};

/// How far the gap after a node may lie from the session's middle gap and still be the truncated part of its duration
/// (up to 1 us) rather than something else, such as the profiler's list of events growing.
const GAP_REACH_US: f64 = 0.75;

/// After a node of this length the profiler's code and data have left the inner caches.
const LONG_US: f64 = 10.0;

/// What its event then costs more, relative to an event of one input and one output.
const LONG_EXTRA: f64 = 0.25;

/// What the scale was on the models it was tried on, and how far it strayed: it weighs against a noisy measurement.
const EXPECTED_SCALE: f64 = 1.2;
const EXPECTED_SCALE_SPREAD: f64 = 0.15;

/// How ONNX Runtime names the Casts that it puts around nodes for whose types the provider has no kernel; the name of the
/// value follows. Seen with 1.31.1 at each optimization level and in subgraphs.
const INSERTED_CAST: &str = "InsertedPrecisionFreeCast_";

/// Figures of one node before the profiler's cost is known.
struct Timed {
    node: NodeTally,
    executions: f64,
    children: f64,
    raw_us: f64,
    gap_us: f64,
    long: bool,
}

/// Removes the profiler's cost. Also returns the estimate with its scale for this session.
pub(super) fn correct(
    calm: Calm,
    overhead: OverheadEstimate,
    prepared: &Prepared,
) -> (OverheadEstimate, Vec<NodeRecord>) {
    let (timed, middle_gap) = timed(calm.tallies);
    let span_us = |timed: &Timed| {
        // The gap belongs to the event whose cost is subtracted; the gaps between its children lie in its own time.
        timed.raw_us + timed.executions * timed.gap_us - timed.children * middle_gap
    };
    let spans: f64 = timed.iter().map(span_us).sum();
    let error_us = calm.unprofiled.error_us.hypot(calm.profiled.error_us);
    let overhead =
        OverheadEstimate { scale: scale(&timed, &overhead, spans - calm.unprofiled.mean_us, error_us), ..overhead };
    let records = timed
        .into_iter()
        .map(|timed| {
            let cost = event_us(&overhead, &timed) * overhead.scale + long_extra_us(&overhead, &timed);
            let self_us = span_us(&timed) - cost;
            record(timed, prepared, self_us)
        })
        .collect();
    (overhead, records)
}

fn timed(tallies: Tallies) -> (Vec<Timed>, f64) {
    let nodes = tallies.into_nodes();
    let gaps: Vec<f64> =
        nodes.iter().filter(|node| node.gap_us.count() > 0).map(|node| node.gap_us.typical()).collect();
    let middle = median(&gaps);
    let timed = nodes
        .into_iter()
        .map(|node| {
            let own = if node.gap_us.count() > 0 { node.gap_us.typical() } else { middle };
            let (executions, raw_us) = (node.executions.typical(), node.self_us.typical());
            Timed {
                executions,
                children: node.children.typical(),
                raw_us,
                gap_us: own.clamp(middle - GAP_REACH_US, middle + GAP_REACH_US),
                long: raw_us >= LONG_US * executions.max(1.0),
                node,
            }
        })
        .collect();
    (timed, middle)
}

/// Calibrated cost of a node's events in one run.
fn event_us(overhead: &OverheadEstimate, timed: &Timed) -> f64 {
    let tensors = overhead.per_input_us * f64::from(timed.node.inputs.tensors)
        + overhead.per_output_us * f64::from(timed.node.outputs.tensors);
    timed.executions * (overhead.base_us + tensors)
}

fn long_extra_us(overhead: &OverheadEstimate, timed: &Timed) -> f64 {
    let event = overhead.base_us + overhead.per_input_us + overhead.per_output_us;
    if timed.long { timed.executions * event * LONG_EXTRA } else { 0.0 }
}

/// What events cost in this session relative to the chain: profiled and unprofiled runs of the same session differ by
/// all of them together, by `excess_us`. That difference is small beside the noise of long runs, so that it counts by its
/// precision against what was seen elsewhere.
fn scale(timed: &[Timed], overhead: &OverheadEstimate, excess_us: f64, error_us: f64) -> f64 {
    let calibrated: f64 = timed.iter().map(|timed| event_us(overhead, timed)).sum();
    let extra: f64 = timed.iter().map(|timed| long_extra_us(overhead, timed)).sum();
    if calibrated <= 0.0 {
        return 1.0;
    }
    let measured = (excess_us - extra) / calibrated;
    let error = (error_us / calibrated).max(1e-3);
    let (weight, prior) = (1.0 / (error * error), 1.0 / (EXPECTED_SCALE_SPREAD * EXPECTED_SCALE_SPREAD));
    ((measured * weight + EXPECTED_SCALE * prior) / (weight + prior)).clamp(0.5, 2.0)
}

fn record(timed: Timed, prepared: &Prepared, self_us: f64) -> NodeRecord {
    record_of(timed.node, timed.executions, timed.raw_us, self_us, prepared)
}

/// A node with its times per run.
pub(super) fn record_of(
    node: NodeTally,
    executions: f64,
    raw_us: f64,
    self_us: f64,
    prepared: &Prepared,
) -> NodeRecord {
    let domain = prepared.domain_of(&node.name, &node.op_type);
    NodeRecord {
        inserted: domain.is_none() && node.op_type == "Cast" && node.name.starts_with(INSERTED_CAST),
        domain,
        name: node.name,
        op_type: node.op_type,
        provider: node.provider,
        depth: node.depth,
        inputs: node.inputs.text,
        outputs: node.outputs.text,
        executions: whole(executions),
        raw_us,
        self_us: self_us.max(0.0),
        device: None,
    }
}

/// Nearest whole number of executions.
fn whole(executions: f64) -> u32 {
    // Saturates by definition of the conversion; executions are counts of events.
    executions.round() as u32
}

/// Reconciliation, contention, fall-back and conversions.
pub(super) fn doubts(result: &LaunchResult, provider: Provider, precision: Precision) -> Vec<LaunchWarning> {
    let sum: f64 = result.nodes.iter().map(|node| node.self_us).sum();
    let mut doubts = match &result.device {
        Some(record) => device::doubts(record, result.latency_us),
        None => doubts_of_host(result, sum),
    };
    doubts.extend(fallen_back(result, provider));
    let inserted = || result.nodes.iter().filter(|node| node.inserted);
    let casts: u32 = inserted().map(|node| node.executions).sum();
    // Where no kernel at all takes fp16, Casts that cancel each other are gone, and everything runs in fp32.
    if casts > 0 || (precision, provider) == (Precision::Fp16, Provider::Cpu) {
        let share = inserted().map(|node| node.self_us).sum::<f64>() / sum.max(f64::MIN_POSITIVE);
        doubts.push(LaunchWarning::ConvertedTypes { casts, share });
    }
    doubts
}

/// Roughly half of an event's cost lies outside of the durations.
fn profiler_between_nodes_us(result: &LaunchResult) -> f64 {
    let executions: f64 = result.nodes.iter().map(|node| f64::from(node.executions)).sum();
    executions * result.overhead.base_us / 2.0
}

/// What speaks against times by the host's clock.
fn doubts_of_host(result: &LaunchResult, sum_us: f64) -> Vec<LaunchWarning> {
    let mut doubts = Vec::new();
    let ratio = sum_us / result.latency_us;
    if result.latency_us > 0.0 && !(0.9..=1.05).contains(&ratio) {
        doubts.push(LaunchWarning::NotReconciled { ratio });
    }
    let raw: f64 = result.nodes.iter().map(|node| node.raw_us).sum();
    let ratio = median(&result.profiled_us) / (raw + profiler_between_nodes_us(result));
    if raw > 0.0 && ratio > 1.25 {
        doubts.push(LaunchWarning::Contended { ratio });
    }
    doubts
}

/// Nodes that another provider ran than the one asked for, and the copies that this made necessary.
fn fallen_back(result: &LaunchResult, provider: Provider) -> Option<LaunchWarning> {
    let strangers = || result.nodes.iter().filter(|node| node.provider != provider.onnxruntime_name());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut operators: BTreeMap<&str, u32> = BTreeMap::new();
    strangers().for_each(|node| *operators.entry(&node.op_type).or_default() += 1);
    let mut operators: Vec<(String, u32)> =
        operators.into_iter().map(|(op_type, nodes)| (op_type.to_owned(), nodes)).collect();
    // The map is sorted by name and the sort is stable.
    operators.sort_by_key(|(_, nodes)| std::cmp::Reverse(*nodes));
    let copies = result.nodes.iter().filter(|node| COPIES.contains(&node.op_type.as_str()));
    (strangers().count() > 0).then(|| LaunchWarning::FellBack {
        nodes: count(strangers().count()),
        operators,
        copies: copies.map(|node| node.executions).sum(),
    })
}

/// The operators that ONNX Runtime puts between nodes of different providers.
const COPIES: [&str; 2] = ["MemcpyFromHost", "MemcpyToHost"];
