//! What accepting a pending result would do to its baseline. Decided from the verdicts that stand with the result: nothing
//! is judged again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::baseline::{Document, Facts, Identity, Lines, Update};
use crate::cli::AcceptOnly;
use crate::compare::{Comparison, OperatorChange, compare};
use crate::report::{FindingCode, LaunchWarning, OperatorKey, Verdict};
use crate::summary::Summary;

use super::held::Held;
use super::results::SavedResult;

/// How much of a result is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Nothing but these parts; all where empty.
    pub only: Vec<AcceptOnly>,
    /// Every line, moved or not.
    pub renew: bool,
    /// The same with a new history.
    pub forget: bool,
    /// Also from disturbed launches.
    pub force: bool,
}

/// What an accept comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Review {
    /// In words and figures.
    pub change: Change,
    /// The baseline that it makes; `None` where nothing changes.
    pub document: Option<Document>,
}

/// What an accept changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(super) enum Change {
    /// A file is written where none is.
    New,
    /// Every line is written anew.
    All {
        /// Why the old lines cannot stay beside new ones.
        why: String,
    },
    /// These lines are rewritten.
    Lines {
        /// Operators.
        operators: Vec<MovedLine>,
        /// The latency, if it moved.
        #[serde(skip_serializing_if = "Option::is_none")]
        latency: Option<MovedLine>,
        /// What is recorded beside the figures and differs.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        recorded: Vec<String>,
    },
    /// Nothing moved beyond noise.
    Nothing,
    /// The result cannot be accepted as it is.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// A line that moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct MovedLine {
    /// Which operator; `None` for the latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorKey>,
    /// Where it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What moved.
    pub what: Moved,
    /// Before, in microseconds per run; `None` where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_us: Option<f64>,
    /// Now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_us: Option<f64>,
    /// Now/before; of an operator with the machine factor divided out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// Why a line moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Moved {
    /// It takes longer.
    Regressed,
    /// It takes less.
    Improved,
    /// It is executed otherwise, or only on one side.
    Structure,
}

/// Findings after which a result makes no baseline unless that is insisted on.
fn disturbance(result: &SavedResult) -> Option<String> {
    let unstable = result.report.findings.iter().find(|finding| finding.code == FindingCode::Unstable)?;
    Some(format!(
        "{}: a baseline of such launches makes every later check doubtful; measure again on a quieter machine, or \
         insist with `--force`",
        unstable.message
    ))
}

/// What its launches warned of that makes its times less certain.
pub(super) fn doubts(summary: &Summary) -> bool {
    let doubtful = |warning: &LaunchWarning| {
        matches!(warning, LaunchWarning::Contended { .. } | LaunchWarning::NotReconciled { .. })
    };
    summary.warnings.iter().any(doubtful)
}

/// Reviews one result against what is committed now.
pub(super) fn review(result: &SavedResult, summary: &Summary, held: &Held, wanted: &Wanted) -> Review {
    let nothing = |change| Review { change, document: None };
    if let Some(why) = disturbance(result).filter(|_| !wanted.force) {
        return nothing(Change::Refused { why });
    }
    let new = measured(result, summary);
    let only_new = !wanted.only.is_empty() && !wanted.only.contains(&AcceptOnly::New);
    let Held::Baseline { document, digest } = held else {
        return match held {
            Held::Outdated { why } if wanted.only.is_empty() => {
                Review { change: Change::All { why: why.clone() }, document: Some(new) }
            }
            Held::Outdated { why } => nothing(not_alone(why)),
            _ if only_new => nothing(Change::Nothing),
            _ => Review { change: Change::New, document: Some(new) },
        };
    };
    let judged = result.command == "check";
    if judged && result.baseline.as_ref() != Some(digest) && !wanted.renew && !wanted.forget {
        let why = "its baseline has changed since it was compared; measure again with `cargo nongemm check`, or take \
                   all of it with `--renew`";
        return nothing(Change::Refused { why: why.to_owned() });
    }
    let fresh = compare(&document.side(), &new.side());
    let judgement = Judgement::of(result, digest, &fresh);
    match all_lines(&judgement, result, wanted) {
        Some(why) if !wanted.only.is_empty() => nothing(not_alone(&why)),
        Some(why) => {
            let unseen = if judgement.comparable { judgement.unseen() } else { BTreeMap::new() };
            let (latency, recorded, forget) = (true, true, wanted.forget);
            let update = Update { lines: Lines::All, latency, recorded, unseen, forget };
            let document = document.updated(&new, &update);
            Review { change: if document.is_some() { Change::All { why } } else { Change::Nothing }, document }
        }
        None => some_lines(&judgement, document, &new, wanted),
    }
}

/// Where a part was asked for and the whole must be written.
fn not_alone(why: &str) -> Change {
    Change::Refused { why: format!("no line can be taken over alone ({why}); leave `--only` out") }
}

/// The baseline that the result alone would make.
fn measured(result: &SavedResult, summary: &Summary) -> Document {
    let facts = Facts { tool: result.tool.clone(), cpu: result.machine.cpu.clone(), date: result.date.clone() };
    Document::from_summary(summary, result.fingerprint.clone(), facts)
}

/// What is known of the change from the baseline to the result.
struct Judgement<'a> {
    comparison: &'a Comparison,
    /// Operators with a verdict that a person sees.
    named: BTreeMap<Identity, Moved>,
    latency: Option<Moved>,
    /// Whether ratios of the two sides mean anything.
    comparable: bool,
}

impl<'a> Judgement<'a> {
    /// From what stands with the result, where that was said against this very baseline; else from the figures, without
    /// a verdict.
    fn of(result: &'a SavedResult, digest: &str, fresh: &'a Comparison) -> Self {
        let is_same = result.command == "check" && result.baseline.as_deref() == Some(digest);
        let saved = result.report.comparison.as_ref().filter(|_| is_same);
        let comparison = saved.unwrap_or(fresh);
        let ambiguous = result.report.findings.iter().any(|finding| finding.code == FindingCode::AmbiguousFactor);
        let mut judgement = Judgement {
            comparison,
            named: BTreeMap::new(),
            latency: None,
            comparable: comparison.protocol.is_none()
                && comparison.fingerprint.is_empty()
                && comparison.machine_factor.is_some()
                && !has_cause(comparison, "cpu")
                && !(ambiguous && saved.is_some()),
        };
        for judged in result.report.verdicts.iter().filter(|_| saved.is_some()) {
            let moved = match judged.verdict {
                Verdict::Regressed => Moved::Regressed,
                Verdict::Improved => Moved::Improved,
                _ => continue,
            };
            match (&judged.operator, &judged.provider) {
                (Some(key), Some(provider)) => {
                    judgement.named.insert((key.clone(), provider.clone()), moved);
                }
                _ => judgement.latency = Some(moved),
            }
        }
        judgement
    }

    fn structural(&self) -> BTreeSet<&OperatorKey> {
        self.comparison.structure.iter().map(|difference| difference.key()).collect()
    }

    /// Normalized ratios of the operators whose change nobody is shown.
    fn unseen(&self) -> BTreeMap<Identity, f64> {
        let structural = self.structural();
        let ratio = |change: &OperatorChange| {
            let identity = (change.key.clone(), change.provider.clone());
            let seen = structural.contains(&change.key) || self.named.contains_key(&identity);
            change.normalized_ratio.filter(|_| !seen).map(|ratio| (identity, ratio))
        };
        self.comparison.operators.iter().filter_map(ratio).collect()
    }
}

fn has_cause(comparison: &Comparison, what: &str) -> bool {
    comparison.causes.iter().any(|cause| cause.what == what)
}

/// Why single lines cannot be rewritten; `None` where they can.
fn all_lines(judgement: &Judgement<'_>, result: &SavedResult, wanted: &Wanted) -> Option<String> {
    let comparison = judgement.comparison;
    let why = if wanted.forget {
        "asked for, with a new history".to_owned()
    } else if wanted.renew {
        "asked for".to_owned()
    } else if let Some(protocol) = &comparison.protocol {
        format!("measured by protocol {}, the baseline by {}", protocol.head, protocol.base)
    } else if let Some(field) = comparison.fingerprint.first() {
        format!("measured with {} {}, the baseline with {}", field.field, field.head, field.base)
    } else if has_cause(comparison, "cpu") {
        "another CPU model".to_owned()
    } else if result.command != "check" {
        format!("measured by `{}`, which judges nothing against the baseline", result.command)
    } else if comparison.machine_factor.is_none() {
        "too few operators tell the machine from the code".to_owned()
    } else if !judgement.comparable {
        "two machine factors explain the times".to_owned()
    } else {
        return None;
    };
    Some(why)
}

/// Rewrites what moved.
fn some_lines(judgement: &Judgement<'_>, held: &Document, new: &Document, wanted: &Wanted) -> Review {
    let whole = wanted.only.is_empty();
    let is_wanted = |moved: Moved| match moved {
        Moved::Regressed => whole,
        Moved::Improved => whole || wanted.only.contains(&AcceptOnly::Improved),
        Moved::Structure => whole || wanted.only.contains(&AcceptOnly::Structure),
    };
    let operators = moved_lines(judgement, held, new, is_wanted);
    let latency = judgement.latency.filter(|moved| is_wanted(*moved)).map(|what| latency_line(judgement, what));
    let recorded: Vec<String> =
        judgement.comparison.causes.iter().filter(|_| whole).map(|cause| cause.what.clone()).collect();
    let update = Update {
        lines: Lines::Some {
            operators: operators.iter().filter_map(MovedLine::identity).collect(),
            factor: judgement.comparison.machine_factor.unwrap_or(1.0),
        },
        latency: latency.is_some(),
        recorded: whole && !(operators.is_empty() && latency.is_none() && recorded.is_empty()),
        unseen: judgement.unseen(),
        forget: false,
    };
    match held.updated(new, &update) {
        None => Review { change: Change::Nothing, document: None },
        document => Review { change: Change::Lines { operators, latency, recorded }, document },
    }
}

/// The operators whose lines change, in the order of the file.
fn moved_lines(
    judgement: &Judgement<'_>,
    held: &Document,
    new: &Document,
    is_wanted: impl Fn(Moved) -> bool,
) -> Vec<MovedLine> {
    let structural = judgement.structural();
    let of = |document: &Document| -> BTreeMap<Identity, f64> {
        document.operators.iter().map(|operator| (operator.identity(), operator.self_us.median())).collect()
    };
    let (base, head) = (of(held), of(new));
    let all: BTreeSet<&Identity> = base.keys().chain(head.keys()).collect();
    let line = |identity: &Identity| {
        let what = match judgement.named.get(identity) {
            _ if structural.contains(&identity.0) => Moved::Structure,
            Some(moved) => *moved,
            // Only one side runs it, without a difference that was told: most launches did not run it.
            None if base.contains_key(identity) != head.contains_key(identity) => Moved::Structure,
            None => return None,
        };
        let same = |change: &&OperatorChange| change.key == identity.0 && change.provider == identity.1;
        is_wanted(what).then(|| MovedLine {
            operator: Some(identity.0.clone()),
            provider: Some(identity.1.clone()),
            what,
            base_us: base.get(identity).copied(),
            head_us: head.get(identity).copied(),
            ratio: judgement.comparison.operators.iter().find(same).and_then(|change| change.normalized_ratio),
        })
    };
    all.into_iter().filter_map(line).collect()
}

fn latency_line(judgement: &Judgement<'_>, what: Moved) -> MovedLine {
    let latency = &judgement.comparison.latency;
    MovedLine {
        operator: None,
        provider: None,
        what,
        base_us: Some(latency.base_us),
        head_us: Some(latency.head_us),
        ratio: Some(latency.head_us / latency.base_us),
    }
}

impl MovedLine {
    /// The operator that it is of; `None` for the latency.
    pub fn identity(&self) -> Option<Identity> {
        Some((self.operator.clone()?, self.provider.clone()?))
    }
}

#[cfg(test)]
mod tests;
