//! The scenario: what exactly is measured, and its canonical id.
//!
//! A scenario is model x execution provider x precision x optimization level x batch x sequence or image size x
//! threads. This module knows nothing of how a scenario is run.

mod expand;
mod partition;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::expand::{Overrides, PlanError, Planned, expand, idle_budgets};
pub use self::partition::{Partition, divide};
pub use crate::config::dimension::{ImageSize, Optimization, Precision, Provider, Weights};
pub use crate::config::{ConvolutionSearch, CudaOptions};

/// One point of the measured matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// What is run.
    pub model: ModelRef,
    /// The execution provider asked for.
    pub provider: Provider,
    /// Number format of the weights and activations.
    pub precision: Precision,
    /// ONNX Runtime's graph optimization level.
    pub optimization: Optimization,
    /// Batch size; `None` where the model has no batch dimension to choose.
    pub batch: Option<u32>,
    /// Sequence length in tokens; `None` for models that take none.
    pub sequence: Option<u32>,
    /// Image height and width in pixels; `None` for models that take none.
    pub image: Option<ImageSize>,
    /// Intra-operator threads.
    pub threads: u32,
    /// How the CUDA provider is set up; `None` on another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda: Option<CudaOptions>,
}

impl Scenario {
    /// The canonical id: model, `@`, provider, precision, optimization, then `b`atch, `s`equence and `i`mage where the
    /// scenario has them, `t`hreads, and what of the provider's options is not the default.
    pub fn id(&self) -> ScenarioId {
        let mut id = format!(
            "{}@{}-{}-{}",
            self.model.name(),
            self.provider.name(),
            self.precision.name(),
            self.optimization.name()
        );
        let sizes = [
            ("b", self.batch.map(|n| n.to_string())),
            ("s", self.sequence.map(|n| n.to_string())),
            ("i", self.image.map(|size| size.to_string())),
            ("t", Some(self.threads.to_string())),
        ];
        for (letter, size) in sizes {
            if let Some(size) = size {
                id.push('-');
                id.push_str(letter);
                id.push_str(&size);
            }
        }
        for part in self.cuda.iter().flat_map(CudaOptions::id_parts) {
            id.push('-');
            id.push_str(&part);
        }
        ScenarioId(id)
    }
}

/// Where a scenario's model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum ModelRef {
    /// A graph that [`crate::zoo`] builds.
    Zoo {
        /// Registry name, such as `bert-base`.
        name: String,
    },
    /// A file of the user's.
    File {
        /// Short name: from the configuration, else the file's stem.
        name: String,
        /// The `.onnx` file.
        path: PathBuf,
    },
}

impl ModelRef {
    /// The short name, which begins the scenario id.
    pub fn name(&self) -> &str {
        match self {
            ModelRef::Zoo { name } | ModelRef::File { name, .. } => name,
        }
    }
}

/// The canonical id of a scenario, such as `bert-base@cpu-fp32-all-b1-s128-t1`; also a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScenarioId(pub String);

impl fmt::Display for ScenarioId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
