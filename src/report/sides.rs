//! What a `compare` was made of: its two sides, and how they were measured.

use serde::{Deserialize, Serialize};

use super::ScenarioId;

/// The two sides of a `compare`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides {
    /// How the sides were named on the command line, such as `--base`, `main`.
    pub arguments: Vec<String>,
    /// Before.
    pub base: SideFacts,
    /// Now.
    pub head: SideFacts,
    /// Scenarios that only the head has: measured, and compared with nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<ScenarioId>,
    /// Scenarios that only the base has: not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<ScenarioId>,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideFacts {
    /// What people call it: a revision, a file, a version, a dimension's value.
    pub label: String,
    /// The commit, where the side is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Version of ONNX Runtime that ran it.
    pub onnxruntime: String,
    /// Where its configuration was found; `None` for a saved report, which does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
}

/// How two sides were measured in turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Pairs of launches before each look, as planned.
    pub looks: Vec<u32>,
    /// Looks that were made; fewer than planned where all was settled before, or where it was interrupted.
    pub looks_done: u32,
    /// Probability of a red verdict on two equal sides, over all looks and all that was compared.
    pub alpha: f64,
    /// Operators and latencies that were compared at the last look.
    pub quantities: u32,
    /// Fresh pairs that each slowdown had to show again in.
    pub confirming_pairs: u32,
    /// Scenarios that were measured again because one of them had regressed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirmed: Vec<ScenarioId>,
    /// Decided the order of the launches. What the statistics draw is decided by the data.
    pub order_seed: u64,
    /// What was expected before the first launch; `None` for a GPU, and for models that tell nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_s: Option<Expected>,
    /// From the first launch to the last, in seconds.
    pub wall_s: f64,
}

/// How long a measurement in turns is expected to take, in seconds. What has to be measured again comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Where everything is settled at the first look.
    pub least: f64,
    /// Where something is not settled before the last look.
    pub most: f64,
}
