//! Launches of one scenario -> shares per operator and group, with their spread over launches.
//!
//! The launch is the unit of replication: each figure here is a sample with one value a launch.

mod centre;
mod device;
mod groups;
mod past;
mod side;
mod statistics;
mod summarize;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::measure::result::{Clock, GpuFacts, KernelUse, PROTOCOL, StrayWork};
pub use crate::taxonomy::Group;
pub use centre::{FEWEST_TELLING, Resolution, Timed, common, telling};
pub use device::{DeviceSummary, OperatorDevice};
pub use groups::GroupSummary;
pub use past::{OperatorPast, Past};
pub use side::{Field, Side, SideOperator, SideShape, clock_field, gpu_facts};
pub use statistics::{error_of_median, median};
pub use summarize::{SummaryError, summarize};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::result::LaunchWarning;
use crate::scenario::{Scenario, ScenarioId};

/// One figure observed once per launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sample(pub Vec<f64>);

/// Where the latency of one scenario goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What was measured.
    pub scenario: Scenario,
    /// Its canonical id.
    pub id: ScenarioId,
    /// [`PROTOCOL`] of the program that measured it.
    pub protocol: u32,
    /// ONNX Runtime that ran it.
    pub onnxruntime: String,
    /// SHA-256 of the model.
    pub model_sha256: String,
    /// True where the weights were made up: a built-in model's, or those of a file without its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic_weights: bool,
    /// Where the times of operators come from. Summaries of different clocks are never compared for time.
    #[serde(default, skip_serializing_if = "Clock::is_host")]
    pub clock: Clock,
    /// The GPU and what drove it; `None` for a provider on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuFacts>,
    /// What the device did in a run; there with [`Clock::DeviceCupti`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceSummary>,
    /// Unprofiled latency in microseconds, a value per launch.
    pub latency_us: Sample,
    /// Latency minus the sum of self times, in microseconds: dispatch between nodes and what the correction missed; by the
    /// device's own clock, the time in which it had nothing to do.
    pub remainder_us: Sample,
    /// Sum of corrected self times / latency.
    pub reconciliation: Sample,
    /// Sum of self times as the profiler reported them, uncorrected, / latency.
    pub raw_reconciliation: Sample,
    /// Unprofiled and profiled iterations that entered, over all launches.
    pub iterations: u32,
    /// Wall time of all those runs together, in microseconds, a value per launch.
    pub running_us: Sample,
    /// Largest resident set over the launches, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// Operators by descending median time.
    pub operators: Vec<OperatorSummary>,
    /// What the launches warned of: one of each kind, the worst.
    pub warnings: Vec<LaunchWarning>,
    /// Operators that did not run equally often in every launch; empty for a graph whose structure is fixed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsteady: Vec<UnsteadyOperator>,
}

/// An operator whose executions differ between launches of one scenario, as data-dependent control flow makes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsteadyOperator {
    /// Which.
    pub key: OperatorKey,
    /// Where it runs.
    pub provider: String,
    /// Executions in one run, a value per launch; 0 where it did not run.
    pub executions: Vec<u32>,
}

/// All nodes of one operator on one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorSummary {
    /// Canonical `domain:OpType`, the unit of comparison.
    pub key: OperatorKey,
    /// Its group; `None` for an operator that the taxonomy does not know.
    pub group: Option<Group>,
    /// True for a fused operator that contains a matrix product.
    pub fused: bool,
    /// Execution provider, as ONNX Runtime spells it.
    pub provider: String,
    /// Distinct nodes.
    pub nodes: u32,
    /// Executions in one run; more than `nodes` where loops repeat them.
    pub executions: u32,
    /// Self time per run in microseconds, a value per launch.
    pub self_us: Sample,
    /// Self time / sum of all self times, 0 to 1, a value per launch.
    pub share: Sample,
    /// The shapes it ran at, by descending time.
    pub shapes: Vec<ShapeClass>,
    /// The part of all this that is not the model's own; `None` where all of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inserted: Option<Inserted>,
    /// What the device did for it; there with [`Clock::DeviceCupti`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<OperatorDevice>,
}

/// Nodes that ONNX Runtime put in: Casts around operators for whose types the provider has no kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inserted {
    /// Distinct nodes.
    pub nodes: u32,
    /// Executions in one run.
    pub executions: u32,
    /// Self time per run in microseconds, a value per launch.
    pub self_us: Sample,
    /// Self time / sum of all self times, 0 to 1, a value per launch.
    pub share: Sample,
}

/// Nodes of one operator that ran at the same input shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShapeClass {
    /// Input types and shapes.
    pub inputs: String,
    /// Executions in one run.
    pub executions: u32,
    /// Median over launches of the self time per run, in microseconds.
    pub self_us: f64,
    /// True where launches did not run it equally often, as where a shape depends on the data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub varies: bool,
}

/// Canonical `domain:OpType`, such as `ai.onnx:MatMul` or `com.microsoft:FusedMatMul`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperatorKey(pub String);

impl fmt::Display for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
