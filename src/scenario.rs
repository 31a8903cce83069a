//! The scenario: what exactly is measured, and its canonical id.
//!
//! A scenario is model x execution provider x precision x optimization level x batch x sequence or image size x
//! threads. This module knows nothing of how a scenario is run.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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

/// An ONNX Runtime execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// CPUExecutionProvider.
    Cpu,
    /// CUDAExecutionProvider.
    Cuda,
}

impl Provider {
    /// ONNX Runtime's own name, as it stands in profile events.
    pub fn onnxruntime_name(self) -> &'static str {
        match self {
            Provider::Cpu => "CPUExecutionProvider",
            Provider::Cuda => "CUDAExecutionProvider",
        }
    }
}

/// Number format of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// A zoo model in 32-bit floating point; for a user's file, the types that the file declares.
    Fp32,
}

/// ONNX Runtime's graph optimization level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Optimization {
    /// `ORT_DISABLE_ALL`: the graph as it is in the file.
    Disable,
    /// `ORT_ENABLE_BASIC`.
    Basic,
    /// `ORT_ENABLE_EXTENDED`.
    Extended,
    /// `ORT_ENABLE_ALL`: what deployments run.
    All,
}

/// Height and width of an image input, in pixels. Written `224` when square, else `800x1066`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.height == self.width {
            write!(f, "{}", self.height)
        } else {
            write!(f, "{}x{}", self.height, self.width)
        }
    }
}

impl From<ImageSize> for String {
    fn from(size: ImageSize) -> String {
        size.to_string()
    }
}

impl FromStr for ImageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        let pixels = |part: &str| match part.parse::<u32>() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(format!("`{text}` is not an image size; write `224` or `800x1066` (height x width)")),
        };
        Ok(ImageSize { height: pixels(height)?, width: pixels(width)? })
    }
}

impl TryFrom<String> for ImageSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
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
