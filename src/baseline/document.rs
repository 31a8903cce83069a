//! The baseline of one scenario on one machine class.

use crate::scenario::{Provider, ScenarioId};
use crate::summary::{
    Clock, Field, GpuFacts, OperatorKey, OperatorPast, OperatorSummary, Past, Sample, Side, SideOperator, SideShape,
    Summary, clock_field, gpu_facts,
};
use crate::taxonomy::{self, Group};

use super::Fingerprint;
use super::history::{Accepted, Identity};
use super::number::rounded;

/// Version of the file's layout. An older file is outdated and is written anew, a newer one wants a newer program.
pub const BASELINE_SCHEMA: u32 = 2;

/// What a baseline file holds. All times and ratios have 4 significant digits, in memory too, so that a document and its
/// file never disagree.
///
/// Lines may be of different days: an accept rewrites those that moved and keeps the others byte for byte. What it
/// rewrites it divides by the machine factor between the days, so that all operators stand for one state of the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The scenario.
    pub id: ScenarioId,
    /// [`crate::summary::PROTOCOL`] of the program that measured it.
    pub protocol: u32,
    /// The machine class that the times hold for.
    pub fingerprint: Fingerprint,
    /// Where its times come from.
    pub clock: Clock,
    /// What else was true when it was last accepted as a whole.
    pub recorded: Recorded,
    /// Unprofiled latency in microseconds, a value per launch.
    pub latency_us: Sample,
    /// Operators, sorted by key and provider.
    pub operators: Vec<OperatorBaseline>,
    /// The first accept, then the last few, oldest first; never empty.
    pub history: Vec<Accepted>,
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
    /// What drove the GPU; nothing for a provider on the CPU.
    pub gpu: GpuFacts,
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
    /// How many of them ONNX Runtime put in.
    pub inserted: u32,
    /// Launches did not execute it equally often: the count is a matter of the data, and no structure.
    pub varies: bool,
    /// Self time per run in microseconds, a value per launch, each with what the operators of its launch had in common
    /// divided out.
    pub self_us: Sample,
    /// This time relative to the first accept's, as far as nobody has looked at the change: what the rewriting of all
    /// lines took along without a verdict. 1 where it took nothing.
    pub held: f64,
    /// The input types and shapes it runs at, by text; empty where they are not known, or not the same in each launch.
    pub shapes: Vec<SideShape>,
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
    /// The first baseline, which a summary makes. Operators that most launches did not run are left out.
    pub fn from_summary(summary: &Summary, fingerprint: Fingerprint, facts: Facts) -> Self {
        let common = summary.common();
        let operator = |operator: &OperatorSummary| OperatorBaseline {
            key: operator.key.clone(),
            provider: operator.provider.clone(),
            executions: operator.executions,
            inserted: operator.inserted.as_ref().map_or(0, |inserted| inserted.executions),
            varies: summary.unsteady.iter().any(|unsteady| unsteady.key == operator.key),
            self_us: rounded_sample(&operator.self_us.centred(&common)),
            held: 1.0,
            shapes: summary.steady_shapes(operator),
        };
        let mut operators: Vec<OperatorBaseline> =
            summary.operators.iter().filter(|operator| operator.executions > 0).map(operator).collect();
        operators.sort_by(|a, b| (&a.key, &a.provider).cmp(&(&b.key, &b.provider)));
        let recorded = Recorded {
            tool: facts.tool,
            onnxruntime: summary.onnxruntime.clone(),
            model_sha256: summary.model_sha256.clone(),
            cpu: facts.cpu,
            gpu: summary.gpu.as_ref().map(driven_by).unwrap_or_default(),
            date: facts.date,
            launches: u32::try_from(summary.latency_us.len()).unwrap_or(u32::MAX),
            iterations: summary.iterations,
        };
        let latency_us = rounded_sample(&summary.latency_us);
        Document {
            id: summary.id.clone(),
            protocol: summary.protocol,
            fingerprint,
            clock: summary.clock,
            history: vec![Accepted::first(&recorded, &latency_us)],
            recorded,
            latency_us,
            operators,
        }
    }

    /// The document as the base of a comparison.
    pub fn side(&self) -> Side {
        let total_us: f64 = self.operators.iter().map(|operator| operator.self_us.median()).sum();
        let operator = |operator: &OperatorBaseline| SideOperator {
            key: operator.key.clone(),
            group: group_of(&operator.key),
            provider: operator.provider.clone(),
            executions: operator.executions,
            inserted: Some(operator.inserted),
            shapes: operator.shapes.clone(),
            unsteady: operator.varies,
            self_us: operator.self_us.clone(),
            // A share hangs on all lines, so that no line could hold it and stay as it is while others move.
            share: if total_us > 0.0 { operator.self_us.median() / total_us } else { 0.0 },
        };
        Side {
            machine: self.fingerprint.fields().into_iter().chain(clock_field(self.clock)).collect(),
            facts: [
                Field::new("model", &self.recorded.model_sha256),
                Field::new("onnxruntime", &self.recorded.onnxruntime),
                Field::new("tool", &self.recorded.tool),
                Field::new("cpu", &self.recorded.cpu),
            ]
            .into_iter()
            .chain(gpu_facts(&self.recorded.gpu))
            .collect(),
            clock: self.clock,
            protocol: self.protocol,
            centred: true,
            past: self.past(),
            latency_us: self.latency_us.clone(),
            operators: self.operators.iter().map(operator).collect(),
        }
    }

    /// How the operators moved that did so at some accept.
    fn past(&self) -> Option<Past> {
        let (first, last) = (self.history.first()?, self.history.last()?);
        let past = |operator: &OperatorBaseline| {
            let identity = operator.identity();
            let ratios: Vec<f64> = self.history.iter().map(|accepted| accepted.ratio(&identity)).collect();
            let moved = ratios.iter().any(|ratio| *ratio != 1.0);
            let (key, provider) = identity;
            moved.then_some(OperatorPast { key, provider, ratios, held: operator.held })
        };
        Some(Past {
            since: first.date.clone(),
            accepts: last.number.saturating_sub(first.number),
            operators: self.operators.iter().filter_map(past).collect(),
        })
    }

    /// Executions of all operators in one run.
    pub(super) fn executions(&self) -> u64 {
        self.operators.iter().map(|operator| u64::from(operator.executions)).sum()
    }
}

impl OperatorBaseline {
    /// What tells it from others.
    pub fn identity(&self) -> Identity {
        (self.key.clone(), self.provider.clone())
    }
}

/// An operator's name in the file: its key, followed by `@provider` where that is not the scenario's own (or where the
/// key itself holds an `@`).
pub(super) fn label((key, provider): &Identity, own: Provider) -> String {
    if provider == own.onnxruntime_name() && !key.0.contains('@') { key.0.clone() } else { format!("{key}@{provider}") }
}

/// The operator that a name in the file stands for.
pub(super) fn identity(label: &str, own: Provider) -> Identity {
    match label.rsplit_once('@') {
        Some((key, provider)) => (OperatorKey(key.to_owned()), provider.to_owned()),
        None => (OperatorKey(label.to_owned()), own.onnxruntime_name().to_owned()),
    }
}

/// What a baseline keeps of a GPU: its name is in the machine class, and the profiler's release has no part in times.
fn driven_by(gpu: &GpuFacts) -> GpuFacts {
    GpuFacts { name: None, cupti: None, ..gpu.clone() }
}

/// The group of an operator: a file holds keys alone.
fn group_of(key: &OperatorKey) -> Option<Group> {
    let (domain, name) = key.0.rsplit_once(':')?;
    taxonomy::get(domain, name).map(|operator| operator.group)
}

pub(super) fn rounded_sample(sample: &Sample) -> Sample {
    Sample(sample.0.iter().map(|value| rounded(*value)).collect())
}
