//! The report: the sole input of every renderer, saved as JSON and replayable.

pub mod calibration;
pub mod crossed;
pub mod document;
pub mod figures;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod gate_study;
pub mod merge;
pub mod models;
pub mod render;
mod side;
mod sides;
pub mod signoff;
pub mod standing;
pub mod study;
pub mod wording;

use serde::{Deserialize, Serialize};

use crate::verdict::Counts;

pub use crate::compare::{
    Cause, ChangeKind, Comparison, Design, Estimate, FingerprintDifference, GroupChange, LatencyChange, OperatorChange,
    OperatorDelta, OperatorDrift, StructuralChange, StructuralDifference,
};
pub use crate::measure::result::{Clock, GpuFacts, LaunchWarning};
pub use crate::scenario::{Partition, Scenario, ScenarioId};
pub use crate::summary::{
    DeviceSummary, GroupSummary, Inserted, OperatorDevice, OperatorKey, OperatorSummary, Sample, ShapeClass, SideShape,
    Summary, UnsteadyOperator,
};
pub use crate::taxonomy::Group;
pub use crate::verdict::{Finding, FindingCode, Judged, Outcome, RuleSource, Ruling, Severity, Verdict};
pub use document::ReportError;
pub use sides::{Expected, Gate, SideFacts, Sides};

/// Version of the JSON document.
pub const REPORT_SCHEMA: u32 = 3;

/// One run of the tool over a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Version of `cargo-nongemm`.
    pub tool: String,
    /// The verb: `run`, `check` or `compare`.
    pub command: String,
    /// Where it was measured.
    pub machine: Machine,
    /// What was compared, for `compare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sides: Option<Sides>,
    /// How the sides were measured in turns; `None` where nothing was, as of two saved reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// What the gate made of equal sides and of a known slowdown, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
    /// What was to be measured, here and elsewhere.
    pub suite: Suite,
    /// One entry a scenario, in the order of the suite.
    pub scenarios: Vec<ScenarioReport>,
    /// What the whole comes to.
    pub outcome: Outcome,
}

impl Report {
    /// The GPUs that scenarios ran on, with what drove them, each once.
    pub fn gpus(&self) -> Vec<&GpuFacts> {
        let mut distinct: Vec<&GpuFacts> = Vec::new();
        for scenario in &self.scenarios {
            if let ScenarioResult::Measured { summary } = &scenario.result
                && let Some(facts) = &summary.gpu
                && !distinct.contains(&facts)
            {
                distinct.push(facts);
            }
        }
        distinct
    }

    /// What decides the outcome.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for scenario in &self.scenarios {
            match scenario.result {
                ScenarioResult::Measured { .. } => counts.measured += 1,
                ScenarioResult::Failed { .. } => counts.failed += 1,
            }
            counts.gate_errors += Counts::gate_errors_in(&scenario.findings);
        }
        // A gate that is not shown to work has proved nothing, whatever it says.
        counts.failed += usize::from(self.self_test.as_ref().is_some_and(SelfTest::failed));
        if self.suite.partition.is_some() {
            counts.elsewhere = self.suite.scenarios.len().saturating_sub(self.scenarios.len());
        }
        counts
    }
}

/// What the gate made of equal sides and of a known slowdown in one scenario, along with a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// The scenario, with what was found out.
    pub scenario: calibration::ScenarioCalibration,
    /// What it comes to; anything but a pass is no proof.
    pub outcome: Outcome,
}

impl SelfTest {
    /// True where the gate was not shown to work.
    pub fn failed(&self) -> bool {
        self.outcome != Outcome::Pass
    }
}

/// What a run was to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// Every scenario, those that other parts measure included.
    pub scenarios: Vec<Listed>,
    /// Which part of them this run measures; `None` for all.
    pub partition: Option<Partition>,
}

/// A scenario of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What people and other files call it.
    pub id: ScenarioId,
    /// What it is.
    pub scenario: Scenario,
}

/// The machine and libraries a report was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Directory name of the fingerprint, such as `linux-x86_64-avx512-cpu`.
    pub fingerprint: String,
    /// Operating system, as `std::env::consts::OS` spells it.
    pub os: String,
    /// Architecture, as `std::env::consts::ARCH` spells it.
    pub arch: String,
    /// The highest instruction-set level that kernels use, such as `avx512`.
    pub instruction_set: String,
    /// CPU model as the processor names itself.
    pub cpu: String,
    /// Logical cores the process may use.
    pub cores: u32,
    /// ONNX Runtime's version.
    pub onnxruntime: String,
}

/// What became of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Which.
    pub id: ScenarioId,
    /// What that is, measured or not.
    pub scenario: Scenario,
    /// Measured or not.
    pub result: ScenarioResult,
    /// Against the baseline, where there is one.
    pub comparison: Option<Comparison>,
    /// A verdict on each operator that stands on both sides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Judged>,
    /// What the gate says of it, most severe first.
    pub findings: Vec<Finding>,
}

/// Measured, or the reason why not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ScenarioResult {
    /// The launches succeeded.
    Measured {
        /// Where the time goes.
        summary: Box<Summary>,
    },
    /// The scenario could not be measured; the rest of the suite went on.
    Failed {
        /// One sentence.
        reason: String,
        /// Last lines of the child's stderr, if any.
        log: Vec<String>,
    },
}
