//! Tallies -> node records with the profiler's cost removed, and what a reader must doubt.

use crate::measure::launch::median;
use crate::measure::prepare::Prepared;
use crate::measure::result::{LaunchResult, LaunchWarning, NodeRecord, OverheadEstimate};
use crate::profile::Tallies;
use crate::scenario::Provider;

/// The middle half of the runs: what preempted a node in some of them is left out.
const LOW: f64 = 0.25;
const HIGH: f64 = 0.75;

pub(super) fn records(tallies: Tallies, overhead: &OverheadEstimate, prepared: &Prepared) -> Vec<NodeRecord> {
    tallies
        .into_nodes()
        .into_iter()
        .map(|node| {
            let executions = node.executions.mean_between(LOW, HIGH);
            let raw_us = node.self_us.mean_between(LOW, HIGH);
            let cost = overhead.base_us
                + overhead.per_input_us * f64::from(node.inputs.tensors)
                + overhead.per_output_us * f64::from(node.outputs.tensors);
            NodeRecord {
                domain: prepared.domain_of(&node.name, &node.op_type),
                name: node.name,
                op_type: node.op_type,
                provider: node.provider,
                depth: node.depth,
                inputs: node.inputs.text,
                outputs: node.outputs.text,
                executions: executions.round() as u32,
                raw_us,
                self_us: (raw_us - executions * cost).max(0.0),
            }
        })
        .collect()
}

/// Reconciliation, contention and fall-back.
pub(super) fn doubts(result: &LaunchResult, provider: Provider) -> Vec<LaunchWarning> {
    let mut doubts = Vec::new();
    let sum: f64 = result.nodes.iter().map(|node| node.self_us).sum();
    if result.latency_us > 0.0 && !(0.9..=1.03).contains(&(sum / result.latency_us)) {
        doubts.push(LaunchWarning::NotReconciled { ratio: sum / result.latency_us });
    }
    let raw: f64 = result.nodes.iter().map(|node| node.raw_us).sum();
    if raw > 0.0 && median(&result.profiled_us) / raw > 1.5 {
        doubts.push(LaunchWarning::Contended { ratio: median(&result.profiled_us) / raw });
    }
    let strangers = result.nodes.iter().filter(|node| node.provider != provider.onnxruntime_name()).count();
    if provider != Provider::Cpu && strangers > 0 {
        doubts.push(LaunchWarning::FellBack { nodes: u32::try_from(strangers).unwrap_or(u32::MAX) });
    }
    doubts
}
