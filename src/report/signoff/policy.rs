//! What the gate held against a release, written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::report::{FindingCode, Group, RuleSource, Severity};

/// Thresholds, severities, rules and budgets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Where the configuration was found.
    pub configuration: String,
    /// When it was read.
    pub stated: Stated,
    /// Smallest change of an operator's normalized time that counts, as a fraction.
    pub min_effect: f64,
    /// Smallest change that counts, in microseconds a run.
    pub floor_us: f64,
    /// Smallest change that counts, as a part of the baseline's latency.
    pub floor_share: f64,
    /// What stood in place of the three above where times are a GPU's own.
    pub gpu: GpuLimits,
    /// How many standard errors of its ratio a change must exceed.
    pub spread_factor: f64,
    /// Smallest growth of the latency that counts, as a fraction.
    pub max_latency_growth: f64,
    /// Smallest change since the first accept that counts as drift, as a fraction.
    pub min_drift: f64,
    /// How findings count whose severity is a matter of configuration.
    pub severities: BTreeMap<FindingCode, Severity>,
    /// How slower operators count at most where the baseline is of another CPU model.
    pub other_cpu: Severity,
    /// Thresholds of groups that have their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<Group, GroupLimits>,
    /// True where trailers of commits may allow findings.
    pub trailers: bool,
    /// What changed how findings count, those of the configuration and of commits that were in force; the last one that
    /// matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What scenarios may cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
}

/// When a policy was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stated {
    /// Before the launches: it is what the verdict was made with.
    WhenMeasured,
    /// When a saved report was signed off: it is that of the configuration here, and the report does not say whether it
    /// was made with the same.
    WhenSignedOff,
}

/// Thresholds for times that a GPU's own clock took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GpuLimits {
    /// See [`Policy::min_effect`].
    pub min_effect: f64,
    /// See [`Policy::floor_us`].
    pub floor_us: f64,
    /// See [`Policy::floor_share`].
    pub floor_share: f64,
}

/// Thresholds of one group of operators, in place of the gate's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupLimits {
    /// See [`Policy::min_effect`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_effect: Option<f64>,
    /// See [`Policy::floor_us`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_us: Option<f64>,
}

/// What somebody said of findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// How they count.
    pub level: Severity,
    /// Glob over scenarios, and over operators where it has one: `bert*/LayerNormalization`.
    pub scope: String,
    /// Which findings; empty for all that blame operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingCode>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who says so, and until when.
    #[serde(flatten)]
    pub source: RuleSource,
}

/// Limits that hold without a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Glob over scenarios.
    pub scenario: String,
    /// Glob over machine classes; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Largest share of non-GEMM operators, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_non_gemm_share: Option<f64>,
    /// Largest shares of single groups, 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_group_share: BTreeMap<Group, f64>,
    /// Largest latency in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency_ms: Option<f64>,
}
