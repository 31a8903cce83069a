//! Two summaries -> structural differences and timing differences, kept apart. Pure: no I/O, no judgement.
//!
//! Each side is a [`crate::summary::Side`], which a summary and a baseline alike can give.

mod drift;
mod factor;
mod group;
mod meaning;
mod paired;
mod pattern;
mod structure;

pub use paired::{paired, paired_where};

use serde::{Deserialize, Serialize};

use crate::summary::{Field, Group, OperatorKey, Side, SideOperator};

pub use group::GroupChange;
pub use meaning::{ChangeKind, OperatorDelta, StructuralChange};
pub use pattern::{Fusion, Patterns, Work, patterns};
pub use structure::StructuralDifference;

/// The relative spread assumed for an operator that was measured in one launch on either side: twice what launches of
/// 20 iterations show on a busy machine, so that a single pair of launches can only show what is large.
pub const UNKNOWN_SPREAD: f64 = 0.10;

/// How the head (measured now) differs from the base (a baseline, or the other side).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How the launches of the two sides belong together.
    pub design: Design,
    /// Exact differences; free of noise.
    pub structure: Vec<StructuralDifference>,
    /// What they mean together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<StructuralChange>,
    /// Fingerprint fields that differ; empty when times may be judged.
    pub fingerprint: Vec<FingerprintDifference>,
    /// Versions of how things are measured, where they differ; times are then not comparable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolDifference>,
    /// Median over operators of head/base time: what the machine, not the code, changed. `None` where too few
    /// operators stand on both sides to tell.
    pub machine_factor: Option<f64>,
    /// Operators on both sides, by descending head time.
    pub operators: Vec<OperatorChange>,
    /// The groups of operators that ran on either side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupChange>,
    /// The unprofiled latency.
    pub latency: LatencyChange,
    /// What else differs and may explain the rest: model hash, ONNX Runtime, tool, CPU.
    pub causes: Vec<Cause>,
    /// How operators moved over the accepts that the baseline remembers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<OperatorDrift>,
}

/// Two versions of how things are measured ([`crate::summary::PROTOCOL`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolDifference {
    /// That of the base.
    pub base: u32,
    /// That of what was measured now.
    pub head: u32,
}

/// One operator's time over the accepts of a baseline, machine factors divided out step by step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorDrift {
    /// Which.
    pub key: OperatorKey,
    /// Where it runs.
    pub provider: String,
    /// Day of the first accept, `YYYY-MM-DD`.
    pub since: String,
    /// Accepts since the first one.
    pub accepts: u32,
    /// Relative to the first accept: at each one that is kept, oldest first and 1, then now. A change that the gate named
    /// when it was accepted does not count.
    pub ratios: Vec<f64>,
}

/// How the launches of two sides belong together, which decides what can be told from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Design {
    /// The base was measured at another time: medians are compared, and spreads between launches say how far.
    Stored,
    /// Both sides were measured on this machine in turns: launch i of one belongs to launch i of the other, and what the
    /// machine did to the pair is divided out pair by pair.
    Paired {
        /// How many pairs.
        pairs: u32,
    },
}

/// What pairs of launches say of one quantity. All ratios are head/base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Median over pairs; of an operator, with each pair's machine factor divided out.
    pub ratio: f64,
    /// Lower end of the 90 % interval of the mean ratio (a two one-sided test of equivalence at 5 %).
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// Relative standard deviation of one pair's ratio.
    pub noise: f64,
    /// Probability, adjusted for all that was tested along with it, of so large a growth where nothing grew.
    pub p_slower: f64,
    /// The same of so large a decrease.
    pub p_faster: f64,
    /// Smallest relative growth that these pairs would most likely (80 %) have shown; infinite growth is written as 1e9.
    pub detectable: f64,
}

/// The latency on both sides: medians over launches, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyChange {
    /// Before.
    pub base_us: f64,
    /// Now.
    pub head_us: f64,
    /// Standard error of the logarithm of head/base, from how much launches vary on both sides.
    pub standard_error: f64,
    /// What pairs say of it, without any machine factor; `None` where the launches are not paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
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
    /// Its group; `None` for an operator that the taxonomy does not know.
    #[serde(default)]
    pub group: Option<Group>,
    /// Where it runs.
    pub provider: String,
    /// Executions in one run before.
    pub base_executions: u32,
    /// Executions in one run now.
    pub head_executions: u32,
    /// Median before.
    pub base_us: f64,
    /// Median now.
    pub head_us: f64,
    /// Share before, 0 to 1.
    pub base_share: f64,
    /// Share now, 0 to 1.
    pub head_share: f64,
    /// (head/base) / machine factor; `None` without a machine factor or with a zero time.
    pub normalized_ratio: Option<f64>,
    /// Standard error of the logarithm of `normalized_ratio`, from how much launches vary on both sides after what all
    /// operators of a launch have in common is divided out. An operator varies no less than is typical of those that tell
    /// the machine factor; where neither side has two launches, by [`UNKNOWN_SPREAD`].
    pub standard_error: f64,
    /// What pairs say of it; `None` where the launches are not paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
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

/// Compares two sides of the same scenario. Everything is a fact about the two; whether it matters is not said here.
pub fn compare(base: &Side, head: &Side) -> Comparison {
    let common = common_operators(base, head);
    let factor = factor::MachineFactor::of(&common, base, head);
    let operators = common.iter().map(|(base, head)| factor.change(base, head)).collect();
    let latency = factor::latency(&base.latency_us, &head.latency_us);
    assemble(Design::Stored, base, head, factor.value(), operators, latency)
}

/// Puts the differences in time beside all others.
fn assemble(
    design: Design,
    base: &Side,
    head: &Side,
    machine_factor: Option<f64>,
    mut operators: Vec<OperatorChange>,
    latency: LatencyChange,
) -> Comparison {
    operators.sort_by(|a, b| b.head_us.total_cmp(&a.head_us));
    let structure = structure::differences(&base.operators, &head.operators);
    Comparison {
        design,
        changes: meaning::changes(base, head, &structure, machine_factor),
        structure,
        fingerprint: differing(&base.machine, &head.machine)
            .map(|(field, base, head)| FingerprintDifference { field, base, head })
            .collect(),
        machine_factor,
        groups: group::groups(base, head, machine_factor),
        latency,
        causes: differing(&base.facts, &head.facts).map(|(what, base, head)| Cause { what, base, head }).collect(),
        drift: base.past.as_ref().map(|past| drift::series(past, &operators)).unwrap_or_default(),
        protocol: (base.protocol != head.protocol)
            .then_some(ProtocolDifference { base: base.protocol, head: head.protocol }),
        operators,
    }
}

/// The operators that stand on both sides, on the same provider.
fn common_operators<'a>(base: &'a Side, head: &'a Side) -> Vec<(&'a SideOperator, &'a SideOperator)> {
    let same = |a: &SideOperator, b: &SideOperator| a.key == b.key && a.provider == b.provider;
    head.operators
        .iter()
        .filter_map(|head| base.operators.iter().find(|base| same(base, head)).map(|base| (base, head)))
        .collect()
}

/// The names whose values differ, with both values; `none` for a field that one side lacks.
fn differing(base: &[Field], head: &[Field]) -> impl Iterator<Item = (String, String, String)> {
    let value = |fields: &[Field], name: &str| {
        fields.iter().find(|field| field.name == name).map_or("none".to_owned(), |field| field.value.clone())
    };
    let only_head = head.iter().filter(|field| base.iter().all(|other| other.name != field.name));
    let names: Vec<&str> = base.iter().chain(only_head).map(|field| field.name.as_str()).collect();
    let all: Vec<_> = names.iter().map(|name| ((*name).to_owned(), value(base, name), value(head, name))).collect();
    all.into_iter().filter(|(_, base, head)| base != head)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
pub(crate) mod tests;
