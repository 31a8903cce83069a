//! What a child process is asked to do: the document that crosses from the supervisor.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::measure::inputs::InputFiles;
use crate::runtime::session::FeedTensor;
pub use crate::runtime::session::OPTIMIZED_WEIGHTS;
use crate::scenario::{Scenario, Weights};

/// Version of [`LaunchJob`] as it crosses the process boundary.
pub const JOB_SCHEMA: u32 = 2;

/// One launch, described completely: the child reads no configuration of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchJob {
    /// [`JOB_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// What is measured.
    pub scenario: Scenario,
    /// Where the model comes from.
    pub source: ModelSource,
    /// Extents of free dimensions by name, for models of the user's.
    #[serde(default)]
    pub dimensions: BTreeMap<String, u64>,
    /// NumPy files with inputs, for models of the user's.
    #[serde(default)]
    pub input_files: InputFiles,
    /// How the weights lie in memory.
    #[serde(default)]
    pub memory: WeightsInMemory,
    /// The GPU; `None` for a provider that runs on the CPU.
    #[serde(default)]
    pub gpu: Option<GpuJob>,
    /// How often to run.
    pub plan: Plan,
    /// Whether the events of one run are wanted too.
    #[serde(default)]
    pub trace: bool,
    /// Whether each run's time by operator is wanted too.
    #[serde(default)]
    pub runs: bool,
    /// Where ONNX Runtime is to write the graph as it optimized it, with the weights in [`OPTIMIZED_WEIGHTS`] beside it: a
    /// fresh path in a private folder, since whatever is there is deleted first.
    #[serde(default)]
    pub optimized_model: Option<PathBuf>,
    /// A private folder for profiles; emptied by its owner.
    pub scratch_dir: PathBuf,
}

/// How a launch holds its weights. Anything but the default is there to be compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct WeightsInMemory {
    /// Gives each weight of a built-in model bytes of its own, however large the model.
    pub distinct: bool,
    /// Keeps ONNX Runtime from packing weights for its kernels when the session is made.
    pub without_prepacking: bool,
}

/// Which GPU, and how it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuJob {
    /// Its number, as CUDA counts them.
    pub device: u32,
    /// Release of CUDA that the provider was built for.
    pub cuda_major: u32,
    /// How its time is taken.
    pub clock: DeviceClock,
}

/// How the time of a GPU is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum DeviceClock {
    /// By CUPTI, which records what the device does.
    Cupti {
        /// Its library.
        library: PathBuf,
    },
    /// By the host, while each launch waits for the device. The child process must be started with
    /// `CUDA_LAUNCH_BLOCKING=1`: CUDA reads it once.
    Synchronous {
        /// Why CUPTI was not used.
        reason: String,
    },
}

/// Where a launch takes its model from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum ModelSource {
    /// A graph of [`crate::zoo`], built for the scenario's shapes.
    Zoo {
        /// Registry name.
        name: String,
    },
    /// A file of the user's.
    File {
        /// The `.onnx` file.
        path: PathBuf,
        /// Where its weights come from, if that was said.
        #[serde(default)]
        weights: Option<Weights>,
    },
    /// A serialized model with its inputs, as tests make them.
    Bytes {
        /// The `ModelProto`.
        model: Vec<u8>,
        /// A tensor for each input.
        feeds: Vec<FeedTensor>,
    },
}

impl ModelSource {
    /// What messages call the model: its file where it has one.
    pub fn label(&self, scenario: &Scenario) -> String {
        match self {
            ModelSource::Zoo { name } => name.clone(),
            ModelSource::File { path, .. } => path.display().to_string(),
            ModelSource::Bytes { .. } => scenario.model.name().to_owned(),
        }
    }
}

/// How a launch spends its runs. Profiled and unprofiled runs are made in pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Runs that are discarded at first: they hold arena growth and algorithm search.
    pub warmup_runs: u32,
    /// Pairs that are made even when the budget is used up.
    pub min_iterations: u32,
    /// Pairs after which the launch ends with budget left.
    pub max_iterations: u32,
    /// Seconds for the pairs; warm-up and preparation come on top.
    pub time_budget_s: f64,
    /// Seed of the generated inputs.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { warmup_runs: 3, min_iterations: 10, max_iterations: 100, time_budget_s: 5.0, seed: 0 }
    }
}
