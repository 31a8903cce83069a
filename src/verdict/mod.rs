//! Comparison + policy -> findings with stable codes. All threshold arithmetic of the product is here, and it is pure.

use serde::{Deserialize, Serialize};

use crate::scenario::ScenarioId;
use crate::summary::OperatorKey;

/// One thing the gate has to say, with its remedy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable kebab-case code; `cargo nongemm explain <code>` tells more.
    pub code: FindingCode,
    /// Whether it fails the gate.
    pub severity: Severity,
    /// The scenario it is about.
    pub scenario: ScenarioId,
    /// The operator it blames, if one.
    pub operator: Option<OperatorKey>,
    /// One sentence: what, from what to what.
    pub message: String,
    /// One sentence: what to do.
    pub remedy: String,
}

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Said, counts for nothing.
    Note,
    /// Said loudly, does not fail.
    Warning,
    /// Fails the gate.
    Error,
}

/// Stable codes of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingCode {
    /// An operator's normalized time grew beyond its threshold.
    OperatorRegressed,
    /// An operator's normalized time shrank beyond its threshold.
    OperatorImproved,
    /// Operators, counts or placement differ from the baseline.
    StructureChanged,
    /// A budget of the configuration is exceeded.
    BudgetExceeded,
    /// There is no baseline for the scenario.
    NoBaseline,
    /// The baseline holds for another machine class: times are shown, never judged.
    FingerprintDiffers,
    /// An operator that the taxonomy does not know.
    UnknownOperator,
    /// The launches of the scenario vary too much to judge times.
    Unstable,
    /// The scenario could not be measured.
    NotMeasured,
}
