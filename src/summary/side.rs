//! What a comparison needs of one of its two sides, whichever document the side comes from.

use super::{OperatorKey, Sample, Summary};

/// One side of a comparison: a summary measured now, or a baseline read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The machine class, field by field. Times of two sides are comparable where all fields agree.
    pub machine: Vec<Field>,
    /// What else may explain a difference: `model`, `onnxruntime`, `tool`, `cpu`.
    pub facts: Vec<Field>,
    /// Unprofiled latency in microseconds, a value per launch.
    pub latency_us: Sample,
    /// The operators, one entry per key and provider.
    pub operators: Vec<SideOperator>,
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name, such as `instruction-set`.
    pub name: String,
    /// Value, as shown.
    pub value: String,
}

impl Field {
    /// A field of this name and value.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Field { name: name.to_owned(), value: value.into() }
    }
}

/// One operator on one provider, as far as two sides have it in common.
#[derive(Debug, Clone, PartialEq)]
pub struct SideOperator {
    /// Canonical key.
    pub key: OperatorKey,
    /// Execution provider, as ONNX Runtime spells it.
    pub provider: String,
    /// Executions in one run.
    pub executions: u32,
    /// Self time per run in microseconds, a value per launch.
    pub self_us: Sample,
    /// Median share, 0 to 1.
    pub share: f64,
}

impl Summary {
    /// The summary as a side of a comparison. `machine` is the fingerprint's fields; `tool` and `cpu` join the facts
    /// that the summary itself knows.
    pub fn side(&self, machine: Vec<Field>, tool: &str, cpu: &str) -> Side {
        let operator = |operator: &super::OperatorSummary| SideOperator {
            key: operator.key.clone(),
            provider: operator.provider.clone(),
            executions: operator.executions,
            self_us: operator.self_us.clone(),
            share: operator.share.median(),
        };
        Side {
            machine,
            facts: vec![
                Field::new("model", &self.model_sha256),
                Field::new("onnxruntime", &self.onnxruntime),
                Field::new("tool", tool),
                Field::new("cpu", cpu),
            ],
            latency_us: self.latency_us.clone(),
            // An operator that most launches did not run is no part of the structure; `unsteady` names it.
            operators: self.operators.iter().filter(|o| o.executions > 0).map(operator).collect(),
        }
    }
}
