//! Comparison + policy -> findings with stable codes. All threshold arithmetic of the product is here, and it is pure.
//!
//! What move makes the gate red? Against a stored baseline `threshold` holds the rule for one quantity, `stored` what it
//! comes to over a scenario, `ambiguous` and `drift` what it cannot see; `budget` holds the limits, `judge` puts the
//! rules together, `sink` lets policy (`policy`, `rule`) have its say, `confirm` says which findings a second measurement
//! must repeat, `outcome` what a whole run comes to. Where both sides were measured in turns, `paired` holds all of that,
//! and `looks` after how many pairs it is asked.

mod ambiguous;
mod budget;
mod code;
mod confirm;
mod drift;
#[cfg(test)]
mod gpu_tests;
mod judge;
mod looks;
mod outcome;
mod paired;
mod policy;
mod rule;
mod sink;
mod stored;
#[cfg(test)]
mod tests;
mod threshold;
mod words;

use serde::{Deserialize, Serialize};

pub use budget::Budget;
pub use code::{FindingCode, Ruled, UnknownCode};
pub use confirm::{confirm, needs_confirmation};
pub use judge::{Judgement, inspect, judge, judge_outdated};
pub use looks::{ALPHA, Look, Looks, PlanError};
pub use outcome::{Counts, Outcome, outcome};
pub use paired::{CONFIRM_ALPHA, confirm_paired, is_regressed, is_settled, judge_paired, verdicts_paired};
pub use policy::{GpuThresholds, GroupThresholds, Policy};
pub use rule::{BadTrailer, NameGlob, Rule, RuleSource, Ruling};
pub use sink::Draft;
pub use threshold::{smallest_detectable_effect, verdict_of};

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
    /// All operators that it is about, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<OperatorKey>,
    /// One sentence: what, from what to what.
    pub message: String,
    /// One sentence: what to do.
    pub remedy: String,
    /// The rule or commit that changed how it counts, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
}

/// What became of one operator, or of the latency, between the sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It takes longer, beyond the threshold.
    Regressed,
    /// It takes less time, beyond the threshold.
    Improved,
    /// It takes as long as before: a change that matters would have shown.
    Unchanged,
    /// As before in time; its share moved because other operators' times did.
    Shifted,
    /// It varies so much between launches that nothing short of a large multiple would have shown.
    Unstable,
    /// Neither a change nor its absence is shown.
    Inconclusive,
    /// There is nothing to divide the machine out with, or the sides are of different machines.
    NotJudged,
}

/// A verdict on one operator, or on the latency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Which operator; `None` for the latency.
    pub operator: Option<OperatorKey>,
    /// Where it runs; `None` for the latency.
    pub provider: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// Smallest relative growth that would have shown, where that can be said.
    pub detectable: Option<f64>,
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
