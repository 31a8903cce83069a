//! What one launch says of itself: the document that crosses from the child process to the supervisor.

mod device;

use serde::{Deserialize, Serialize};

pub use device::{Clock, DeviceRecord, GpuFacts, KernelUse, NodeDevice, StrayWork};

/// Version of [`LaunchResult`] as it crosses the process boundary.
pub const LAUNCH_SCHEMA: u32 = 1;

/// Version of how things are measured. It grows when warm-up, the choice of iterations, the overhead's correction or the
/// latency come to mean something else, so that figures of two versions are no longer comparable.
pub const PROTOCOL: u32 = 1;

/// Everything one launch measured. Times are microseconds of wall time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchResult {
    /// [`LAUNCH_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of the ONNX Runtime library that ran, such as `1.31.1`.
    pub onnxruntime: String,
    /// SHA-256 of the model as given to ONNX Runtime (graph, without external data), in hexadecimal.
    pub model_sha256: String,
    /// True where the weights were made up, by the zoo or for a file without them.
    #[serde(default)]
    pub synthetic_weights: bool,
    /// From the start of the child process until the session could run.
    pub ready_us: f64,
    /// Warm-up runs, discarded.
    pub warmup_runs: u32,
    /// Where the times of nodes come from.
    #[serde(default, skip_serializing_if = "Clock::is_host")]
    pub clock: Clock,
    /// The GPU and the libraries that drove it; `None` for a provider that runs on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuFacts>,
    /// What the device did in a profiled run; there with [`Clock::DeviceCupti`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceRecord>,
    /// Wall time of each unprofiled run, in order.
    pub unprofiled_us: Vec<f64>,
    /// `model_run` duration of each profiled run, in order.
    pub profiled_us: Vec<f64>,
    /// Mean of the lower half of `unprofiled_us`, the latency that shares refer to: on a machine that others use too, the
    /// upper half tells of them. Node times come from the calmer half of the profiled runs.
    pub latency_us: f64,
    /// What the profiler adds to a node's reported duration, as calibrated in this launch.
    pub overhead: OverheadEstimate,
    /// Every node that ran, in order of first execution.
    pub nodes: Vec<NodeRecord>,
    /// Largest resident set of the child process in bytes, where the system tells.
    pub peak_rss_bytes: Option<u64>,
    /// Page faults in an unprofiled run, the median over them: near 0 where the session keeps its memory, as
    /// deployments do. Each costs up to a microsecond, and falls on whichever node touches the memory first.
    #[serde(default)]
    pub page_faults: f64,
    /// What a reader of these numbers must know.
    pub warnings: Vec<LaunchWarning>,
    /// Events of one profiled run in order of start; empty unless the job asked for them.
    #[serde(default)]
    pub timeline: Vec<TimelineEvent>,
    /// Each profiled run's time by operator; empty unless the job asked for it.
    #[serde(default)]
    pub runs: Vec<OperatorRuns>,
}

/// What the profiler reported of one operator, run by run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorRuns {
    /// Operator type without its domain.
    pub op_type: String,
    /// Execution provider that ran it.
    pub provider: String,
    /// Self time of all its nodes in each profiled run, in microseconds, the profiler's cost included.
    pub reported_us: Vec<i64>,
}

/// A piece of a device's work, in the clock of the events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineWork {
    /// Name of the kernel, or the kind of copy, or `fill`.
    pub name: String,
    /// Queue of the device's that it was in.
    pub stream: u32,
    /// Start in microseconds.
    pub start_us: f64,
    /// Duration in microseconds.
    pub duration_us: f64,
}

/// One execution of one node in one profiled run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// Node name after optimization.
    pub name: String,
    /// Operator type without its domain.
    pub op_type: String,
    /// As in [`NodeRecord::domain`].
    pub domain: Option<String>,
    /// Execution provider that ran it.
    pub provider: String,
    /// Input types and shapes.
    pub inputs: String,
    /// Nesting in control flow; 0 in the main graph.
    pub depth: u32,
    /// Start in microseconds since profiling began.
    pub start_us: i64,
    /// Duration in microseconds as reported, bodies of control flow included.
    pub duration_us: i64,
    /// The node's corrected self time per execution, from all profiled runs of the launch.
    pub self_us: f64,
    /// What it had a device do, in the order in which that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<TimelineWork>,
}

/// What the profiler costs: a node event takes `(base + inputs * per_input + outputs * per_output) * scale` microseconds
/// of wall time, partly inside the node's reported duration and partly before the next node starts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OverheadEstimate {
    /// Cost of an event whatever its node, measured on a chain of trivial nodes.
    pub base_us: f64,
    /// Added by each input tensor described in the event.
    pub per_input_us: f64,
    /// Added by each output tensor described in the event.
    pub per_output_us: f64,
    /// Cost in the measured session relative to the chain: caches that the model fills make the profiler slower.
    pub scale: f64,
}

/// One node of the executed graph with its time per run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Node name after optimization.
    pub name: String,
    /// Operator type as the profiler prints it: without its domain.
    pub op_type: String,
    /// Domain of the node of this name in the model before optimization, where there is one (`""` is `ai.onnx`).
    pub domain: Option<String>,
    /// True for a Cast that the model does not hold: ONNX Runtime put it beside a node for whose types the provider has no
    /// kernel.
    #[serde(default)]
    pub inserted: bool,
    /// Execution provider that ran it.
    pub provider: String,
    /// Nesting in control flow; 0 in the main graph.
    pub depth: u32,
    /// Input types and shapes, such as `float[1,128,768] float[768]`; of the first execution.
    pub inputs: String,
    /// Output types and shapes.
    pub outputs: String,
    /// Executions in one run (more than 1 inside loops); the median over profiled runs.
    pub executions: u32,
    /// Self time per run as the profiler reported it.
    pub raw_us: f64,
    /// Self time per run; never negative. By the host's clock the reported one with the profiler's overhead removed; by the
    /// device's own, what the device worked for it and what the host spent on it while the device had nothing to do.
    pub self_us: f64,
    /// What the device did for it; there with [`Clock::DeviceCupti`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<NodeDevice>,
}

/// A doubt about a launch, measured and named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LaunchWarning {
    /// The profiler dropped events: the run had more than it keeps.
    ProfileTruncated,
    /// Node self times and latency disagree by more than the tolerance.
    NotReconciled {
        /// Sum of corrected self times / latency.
        ratio: f64,
    },
    /// Runs varied far more than their nodes' medians: something else used the cores.
    Contended {
        /// Median `model_run` / sum of node medians.
        ratio: f64,
    },
    /// Nodes of a CUDA scenario that ran on the CPU.
    FellBack {
        /// How many.
        nodes: u32,
        /// Their operators, with how many nodes each, the most first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        operators: Vec<(String, u32)>,
        /// Executions in one run of the copies that ONNX Runtime put in between the two.
        #[serde(default)]
        copies: u32,
    },
    /// Work of the device's that belongs to no node, or that CUPTI had no room for.
    Unattributed {
        /// Part of the device's busy time that belongs to no node, 0 to 1.
        share: f64,
        /// Records that were dropped.
        dropped: u64,
    },
    /// Calls that launch work do not lie in the nodes' intervals: the clocks do not fit.
    ClocksDisagree {
        /// Part of the calls that do, 0 to 1.
        contained: f64,
    },
    /// Launches waited for the device, since CUPTI could not be had.
    Synchronous {
        /// Why.
        reason: String,
    },
    /// Operators for whose types the provider has no kernel ran in another type, between Casts that ONNX Runtime put in.
    ConvertedTypes {
        /// Executions of those Casts in one run.
        casts: u32,
        /// Their part of the sum of self times, 0 to 1.
        share: f64,
    },
    /// The time budget ended the launch before the wished number of iterations.
    FewIterations {
        /// Profiled runs that were made.
        runs: u32,
    },
}

/// How a child process answers: with figures, or with the reason why it has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum LaunchAnswer {
    /// The launch ran to its end.
    Measured {
        /// What it measured.
        result: Box<LaunchResult>,
    },
    /// The job cannot be done.
    Refused {
        /// Why, and the remedy.
        message: String,
    },
}
