//! The study of the gate: how often launches of unchanged code are called different, and how often a known slowdown is
//! found, by this gate and by simpler ones.
//!
//! Made from records of launches by a pure function, so that the same hours of measuring judge every rule.

mod build;
mod called;
pub mod record;
#[cfg(test)]
mod tests;
mod totals;

use serde::Serialize;

use super::{OperatorKey, ScenarioId};

pub use build::of_records;
pub use called::{METHODS, Method};
pub use record::{GateArm, GateLaunch, GateLine, GateOperator, GateRun};
pub use totals::Red;

/// Version of the study's JSON document.
pub const GATE_STUDY_SCHEMA: u32 = 1;

/// What the study comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateStudy {
    /// [`GATE_STUDY_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// Which study: `gate`.
    pub study: &'static str,
    /// The circumstances, one entry for each run.
    pub runs: Vec<GateRun>,
    /// The models, in the order of the records.
    pub models: Vec<ScenarioId>,
    /// Pairs of launches in one comparison; the most where runs differ.
    pub pairs: u32,
    /// Comparisons of unchanged code, by model and load.
    pub unchanged: Vec<Unchanged>,
    /// Comparisons with one operator slowed, by model, operator and size.
    pub slowed: Vec<Slowed>,
    /// Comparisons with faster products, by model.
    pub faster_gemm: Vec<FasterGemm>,
}

/// Comparisons of a model with itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unchanged {
    /// Which model.
    pub model: ScenarioId,
    /// Whether other programs kept the machine busy.
    pub busy: bool,
    /// How many comparisons.
    pub comparisons: u32,
    /// Sets of launches that share none with each other, of which the comparisons were made.
    pub groups: u32,
    /// Operators that were compared, over all comparisons.
    pub operators: u32,
    /// Median seconds that the launches of one comparison took.
    pub seconds: f64,
    /// By method.
    pub called: Vec<CalledUnchanged>,
}

/// What one method said of unchanged code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalledUnchanged {
    /// Which.
    pub method: Method,
    /// Comparisons that it calls slower in any operator or in the latency: red builds.
    pub red: u32,
    /// Operators that it calls slower, over all comparisons.
    pub slower: u32,
    /// Operators that it calls faster, over all comparisons.
    pub faster: u32,
}

/// Comparisons in which the head has extra work in one operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slowed {
    /// Which model.
    pub model: ScenarioId,
    /// Whether other programs kept the machine busy.
    pub busy: bool,
    /// Which operator.
    pub operator: OperatorKey,
    /// Its share of the time, 0 to 1, where nothing is slowed.
    pub share: f64,
    /// Extra work that was asked for, as a part of its time.
    pub wanted: f64,
    /// Extra work that whole nodes make.
    pub reached: f64,
    /// Median of what the paired gate measured: growth of the normalized time.
    pub measured: f64,
    /// How many comparisons.
    pub comparisons: u32,
    /// By method.
    pub called: Vec<CalledSlowed>,
}

/// What one method said of a slowed operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalledSlowed {
    /// Which.
    pub method: Method,
    /// Comparisons in which the operator is called slower.
    pub found: u32,
    /// Comparisons in which another operator is called slower.
    pub others_blamed: u32,
}

/// Comparisons in which the head's products are faster, and nothing else changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FasterGemm {
    /// Which model.
    pub model: ScenarioId,
    /// Whether other programs kept the machine busy.
    pub busy: bool,
    /// Time of the products, head/base - 1, as arranged.
    pub change: f64,
    /// How many comparisons.
    pub comparisons: u32,
    /// By method.
    pub called: Vec<CalledFaster>,
}

/// What one method said of faster products.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CalledFaster {
    /// Which.
    pub method: Method,
    /// Comparisons in which any operator is called slower: an improvement turned red.
    pub red: u32,
    /// Operators called slower, over all comparisons.
    pub slower: u32,
    /// Comparisons in which an operator with a product is called faster.
    pub found: u32,
}
