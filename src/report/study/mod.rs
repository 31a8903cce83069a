//! The study of the suite: how the latency of each model splits into groups of operators, beside what a paper published
//! of the same models.
//!
//! Made from saved reports by a pure function, so that hours of measurement can be shown again without measuring.

mod beside;
mod build;
#[cfg(test)]
pub mod fixtures;
mod method;
mod models;
mod totals;

use serde::Serialize;

pub use beside::Beside;
pub use models::{PAPER_MODELS, Task};

use super::{Clock, GpuFacts, Group, LaunchWarning, Machine, OperatorKey, Report, ScenarioId};
use crate::scenario::{ImageSize, Optimization, Precision, Provider};

/// Version of the study's JSON document.
pub const STUDY_SCHEMA: u32 = 1;

/// A smaller share reads as 0.0 %: a group that has no more in any row is left out of the table and the chart.
pub const VISIBLE: f64 = 0.0005;

/// Group shares of every scenario, and what they come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// [`STUDY_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Which study: `suite`.
    pub study: &'static str,
    /// Machines and versions that the rows come from; almost always one.
    pub sources: Vec<Source>,
    /// The non-GEMM groups that take [`VISIBLE`] or more in any row, in the order of the taxonomy; `None`, for operators
    /// that it does not know, comes last.
    pub groups: Vec<Option<Group>>,
    /// One row a scenario, by task and model, batch sizes next to one another.
    pub rows: Vec<Row>,
    /// Rows of the same model on the CPU and on CUDA.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
    /// Ranges and means over models, one entry for each setting that was measured.
    pub totals: Vec<Total>,
    /// What the paper published.
    pub paper: Paper,
    /// How the figures were obtained and where that differs from the paper, one sentence each.
    pub method: Vec<String>,
}

/// Where rows were measured and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Version of `cargo-nongemm`.
    pub tool: String,
    /// The machine and its ONNX Runtime.
    pub machine: Machine,
    /// The GPUs that scenarios on CUDA ran on, and what drove them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuFacts>,
}

/// One scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its canonical id.
    pub id: ScenarioId,
    /// What the model is for.
    pub task: Task,
    /// True for one of the paper's models.
    pub in_paper: bool,
    /// Index into [`Study::sources`].
    pub source: usize,
    /// Its dimensions.
    #[serde(flatten)]
    pub setting: Setting,
    /// What became of it.
    pub result: RowResult,
}

/// The dimensions of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Short name of the model.
    pub model: String,
    /// Execution provider.
    pub provider: Provider,
    /// Number format.
    pub precision: Precision,
    /// Graph optimization level.
    pub optimization: Optimization,
    /// Batch size, where the model has one.
    pub batch: Option<u32>,
    /// Tokens, where the model takes any.
    pub sequence: Option<u32>,
    /// Pixels, where the model takes any.
    pub image: Option<ImageSize>,
    /// Threads inside an operator.
    pub threads: u32,
}

/// Measured, or the reason why not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RowResult {
    /// The launches succeeded.
    Measured(Breakdown),
    /// The scenario could not be measured.
    Failed {
        /// One sentence.
        reason: String,
    },
}

/// Where the latency of one scenario goes. All figures are medians over launches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breakdown {
    /// Where the times of operators come from.
    #[serde(skip_serializing_if = "Clock::is_host")]
    pub clock: Clock,
    /// The GPU; `None` for a provider on the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuShare>,
    /// A run without profiling, in microseconds.
    pub latency_us: f64,
    /// Standard deviation of that between launches, relative; `None` where one launch cannot tell.
    pub latency_spread: Option<f64>,
    /// Fresh processes measured.
    pub launches: usize,
    /// Runs that entered, over all launches.
    pub iterations: u32,
    /// Part of the operators that hold a matrix product or convolution in the time of all nodes, 0 to 1.
    pub gemm: f64,
    /// Part of all others, 0 to 1.
    pub non_gemm: f64,
    /// The non-GEMM groups that ran, in the order of the taxonomy, unknown operators last.
    pub groups: Vec<GroupShare>,
    /// The operator outside GEMM that takes most, if any ran.
    pub largest_non_gemm: Option<OperatorShare>,
    /// Largest resident set, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// What the launches warned of.
    pub warnings: Vec<LaunchWarning>,
}

impl Breakdown {
    /// True where a launch warned that times may be wrong.
    pub fn is_doubtful(&self) -> bool {
        self.warnings.iter().any(method::is_doubt)
    }

    /// The share of a group; `None` where none of its operators ran.
    pub fn share(&self, group: Option<Group>) -> Option<f64> {
        self.groups.iter().find(|entry| entry.group == group).map(|entry| entry.share)
    }
}

/// What a GPU did with the latency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GpuShare {
    /// As it names itself.
    pub name: Option<String>,
    /// Part of the latency in which it worked, 0 to 1; `None` where its own time was not taken.
    pub busy: Option<f64>,
    /// Part in which it waited to be given something.
    pub idle: Option<f64>,
}

/// A group's part in the time of all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GroupShare {
    /// Which; `None` holds the operators that the taxonomy does not know.
    pub group: Option<Group>,
    /// 0 to 1.
    pub share: f64,
}

/// An operator's part in the time of all nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatorShare {
    /// Which.
    pub key: OperatorKey,
    /// 0 to 1.
    pub share: f64,
}

/// Range and mean over the models that were measured at one setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    /// Execution provider.
    pub provider: Provider,
    /// Number format.
    pub precision: Precision,
    /// Batch size; `None` holds the models that have none to choose.
    pub batch: Option<u32>,
    /// Which models count.
    pub over: Over,
    /// How many scenarios.
    pub scenarios: usize,
    /// Share of matrix products.
    pub gemm: Range,
    /// Share of all else.
    pub non_gemm: Range,
}

/// Which models a total is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// The paper's models that were measured.
    Paper,
    /// Those and all others that were measured: decode steps, other sizes, files.
    All,
}

/// Smallest, largest and arithmetic mean of some shares, 0 to 1 each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Arithmetic mean; `None` for a published range, which comes without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
}

/// Figures that a paper published, from its abstract.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paper {
    /// Who, where and when.
    pub citation: &'static str,
    /// What the figures hold for.
    pub configuration: &'static str,
    /// Models of its table.
    pub models: usize,
    /// Share of matrix products.
    pub gemm: Range,
    /// Share of all else, averages over models.
    pub non_gemm: Range,
    /// Share of all else that is left after operators were fused.
    pub non_gemm_fused: Range,
}

/// NonGEMM Bench.
pub const PAPER: Paper = Paper {
    citation: "Karami, Kao and Kwon: Understanding the Performance Horizon of the Latest ML Workloads with NonGEMM \
               Workloads (NonGEMM Bench), ISPASS 2025, arXiv 2404.11788",
    configuration: "PyTorch eager, workstation and data-center machines with and without GPUs",
    models: PAPER_MODELS.len(),
    gemm: Range { min: 0.428, max: 0.966, mean: None },
    non_gemm: Range { min: 0.113, max: 0.736, mean: None },
    non_gemm_fused: Range { min: 0.15, max: 0.48, mean: None },
};

/// A saved report with the name that messages call it by.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Its file.
    pub name: &'a str,
    /// What it holds.
    pub report: &'a Report,
}

/// Why reports are no study.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StudyError {
    /// Two reports measured the same.
    #[error("{id} was measured twice, in {first} and in {second}; leave one of the files out")]
    Twice {
        /// The scenario.
        id: ScenarioId,
        /// A file that has it.
        first: String,
        /// Another one.
        second: String,
    },
    /// There is nothing to show.
    #[error("{files}: no scenario in it; `cargo nongemm run --save FILE` writes a report with some")]
    Empty {
        /// The files.
        files: String,
    },
}
