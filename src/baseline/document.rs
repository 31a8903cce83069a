//! The baseline of one scenario on one machine class.

use crate::scenario::{Provider, ScenarioId};
use crate::summary::{Field, OperatorKey, Sample, Side, SideOperator, Summary};
use crate::taxonomy::{self, Group};

use super::Fingerprint;
use super::number::rounded;

/// Version of the file's layout; a file of another version is refused by name.
pub const BASELINE_SCHEMA: u32 = 1;

/// What a baseline file holds. All times and shares have 4 significant digits, in memory too, so that a document and
/// its file never disagree.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The scenario.
    pub id: ScenarioId,
    /// The machine class that the times hold for.
    pub fingerprint: Fingerprint,
    /// What else was true when it was measured.
    pub recorded: Recorded,
    /// Unprofiled latency in microseconds, a value per launch.
    pub latency_us: Sample,
    /// Operators, sorted by key and provider.
    pub operators: Vec<OperatorBaseline>,
}

/// Facts beside the fingerprint: a difference in them is a possible cause, never a reason not to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Version of cargo-nongemm.
    pub tool: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// SHA-256 of the model, hexadecimal.
    pub model_sha256: String,
    /// CPU model as the processor names itself.
    pub cpu: String,
    /// Day of the measurement, `YYYY-MM-DD`.
    pub date: String,
    /// Launches.
    pub launches: u32,
    /// Iterations over all launches.
    pub iterations: u32,
}

/// One operator on one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorBaseline {
    /// Canonical key.
    pub key: OperatorKey,
    /// Execution provider, as ONNX Runtime spells it.
    pub provider: String,
    /// Executions in one run, at least 1.
    pub executions: u32,
    /// Self time per run in microseconds, a value per launch.
    pub self_us: Sample,
    /// Median share, 0 to 1.
    pub share: f64,
}

/// What a summary does not know of its own circumstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Version of cargo-nongemm.
    pub tool: String,
    /// CPU model as the processor names itself.
    pub cpu: String,
    /// Today, `YYYY-MM-DD`.
    pub date: String,
}

impl Document {
    /// The baseline that a summary makes. Operators that most launches did not run are left out.
    pub fn from_summary(summary: &Summary, fingerprint: Fingerprint, facts: Facts) -> Self {
        let mut operators: Vec<OperatorBaseline> = summary
            .operators
            .iter()
            .filter(|operator| operator.executions > 0)
            .map(|operator| OperatorBaseline {
                key: operator.key.clone(),
                provider: operator.provider.clone(),
                executions: operator.executions,
                self_us: rounded_sample(&operator.self_us),
                share: rounded(operator.share.median()),
            })
            .collect();
        operators.sort_by(|a, b| (&a.key, &a.provider).cmp(&(&b.key, &b.provider)));
        Document {
            id: summary.id.clone(),
            fingerprint,
            recorded: Recorded {
                tool: facts.tool,
                onnxruntime: summary.onnxruntime.clone(),
                model_sha256: summary.model_sha256.clone(),
                cpu: facts.cpu,
                date: facts.date,
                launches: u32::try_from(summary.latency_us.len()).unwrap_or(u32::MAX),
                iterations: summary.iterations,
            },
            latency_us: rounded_sample(&summary.latency_us),
            operators,
        }
    }

    /// The document as the base of a comparison.
    pub fn side(&self) -> Side {
        let operator = |operator: &OperatorBaseline| SideOperator {
            key: operator.key.clone(),
            group: group_of(&operator.key),
            provider: operator.provider.clone(),
            executions: operator.executions,
            inserted: None,
            shapes: Vec::new(),
            unsteady: false,
            self_us: operator.self_us.clone(),
            share: operator.share,
        };
        Side {
            machine: self.fingerprint.fields(),
            facts: vec![
                Field::new("model", &self.recorded.model_sha256),
                Field::new("onnxruntime", &self.recorded.onnxruntime),
                Field::new("tool", &self.recorded.tool),
                Field::new("cpu", &self.recorded.cpu),
            ],
            latency_us: self.latency_us.clone(),
            operators: self.operators.iter().map(operator).collect(),
        }
    }
}

impl OperatorBaseline {
    /// The operator's name in the file: its key, followed by `@provider` where that is not the scenario's own (or
    /// where the key itself holds an `@`).
    pub(super) fn label(&self, own: Provider) -> String {
        if self.provider == own.onnxruntime_name() && !self.key.0.contains('@') {
            self.key.0.clone()
        } else {
            format!("{}@{}", self.key, self.provider)
        }
    }
}

/// The group of an operator: a file holds keys alone.
fn group_of(key: &OperatorKey) -> Option<Group> {
    let (domain, name) = key.0.rsplit_once(':')?;
    taxonomy::get(domain, name).map(|operator| operator.group)
}

fn rounded_sample(sample: &Sample) -> Sample {
    Sample(sample.0.iter().map(|value| rounded(*value)).collect())
}
