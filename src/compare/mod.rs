//! Two summaries -> structural differences and timing differences, kept apart. Pure: no I/O, no judgement.

use serde::{Deserialize, Serialize};

use crate::summary::OperatorKey;

/// How the head (measured now) differs from the base (a baseline, or the other side).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Exact differences; free of noise.
    pub structure: Vec<StructuralDifference>,
    /// Fingerprint fields that differ; empty when times may be judged.
    pub fingerprint: Vec<FingerprintDifference>,
    /// Median over operators of head/base time: what the machine, not the code, changed. `None` where too few
    /// operators stand on both sides to tell.
    pub machine_factor: Option<f64>,
    /// Operators on both sides, by descending head time.
    pub operators: Vec<OperatorChange>,
    /// Base latency in microseconds.
    pub base_latency_us: f64,
    /// Head latency in microseconds.
    pub head_latency_us: f64,
    /// What else differs and may explain the rest: model hash, ONNX Runtime, tool, CPU.
    pub causes: Vec<Cause>,
}

/// A difference in what was executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StructuralDifference {
    /// An operator that the base does not run.
    Appeared {
        /// Which.
        key: OperatorKey,
        /// Where it runs.
        provider: String,
        /// How often, in one run.
        executions: u32,
    },
    /// An operator that only the base runs.
    Vanished {
        /// Which.
        key: OperatorKey,
        /// Where it ran.
        provider: String,
        /// How often, in one run.
        executions: u32,
    },
    /// Another number of executions in one run.
    Count {
        /// Which.
        key: OperatorKey,
        /// Where.
        provider: String,
        /// Before.
        base: u32,
        /// Now.
        head: u32,
    },
    /// The same executions on another provider.
    Moved {
        /// Which.
        key: OperatorKey,
        /// Before.
        from: String,
        /// Now.
        to: String,
        /// How often, in one run.
        executions: u32,
    },
}

/// One field of the machine class that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintDifference {
    /// Field name, such as `instruction-set`.
    pub field: String,
    /// Value in the base.
    pub base: String,
    /// Value now.
    pub head: String,
}

/// One operator's time on both sides. Times are microseconds per run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorChange {
    /// Which.
    pub key: OperatorKey,
    /// Where it runs.
    pub provider: String,
    /// Median before.
    pub base_us: f64,
    /// Median now.
    pub head_us: f64,
    /// Share before, 0 to 1.
    pub base_share: f64,
    /// Share now, 0 to 1.
    pub head_share: f64,
    /// (head/base) / machine factor; `None` without a machine factor or with a zero base.
    pub normalized_ratio: Option<f64>,
    /// Relative spread between launches, base and head together: 1.4826 * MAD / median, the larger of the two.
    pub spread: f64,
}

/// Something recorded beside the fingerprint that differs between the sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What: `model`, `onnxruntime`, `tool`, `cpu`.
    pub what: String,
    /// Before.
    pub base: String,
    /// Now.
    pub head: String,
}
