//! What was executed, compared exactly.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::summary::{OperatorKey, SideOperator, SideShape};

/// A difference in what was executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum StructuralDifference {
    /// An operator that the base does not run.
    Appeared {
        /// Which.
        key: OperatorKey,
        /// Where it runs.
        provider: String,
        /// How often, in one run.
        executions: u32,
    },
    /// An operator that only the base runs.
    Vanished {
        /// Which.
        key: OperatorKey,
        /// Where it ran.
        provider: String,
        /// How often, in one run.
        executions: u32,
    },
    /// Another number of executions in one run.
    Count {
        /// Which.
        key: OperatorKey,
        /// Where.
        provider: String,
        /// Before.
        base: u32,
        /// Now.
        head: u32,
    },
    /// As many executions as before over all providers, but not on the same ones.
    Moved {
        /// Which.
        key: OperatorKey,
        /// Before.
        from: String,
        /// Now.
        to: String,
        /// How many of them moved, in one run.
        executions: u32,
    },
    /// Other element types of the inputs.
    Types {
        /// Which.
        key: OperatorKey,
        /// Where.
        provider: String,
        /// Before.
        from: String,
        /// Now.
        to: String,
        /// How many executions changed, in one run.
        executions: u32,
    },
    /// As many executions as before, but not at the same input shapes.
    Shapes {
        /// Which.
        key: OperatorKey,
        /// Where.
        provider: String,
        /// Types and shapes that the head does not have, or not as often.
        base: Vec<SideShape>,
        /// Those that the base does not have, or not as often.
        head: Vec<SideShape>,
    },
    /// Another number of nodes that ONNX Runtime put in.
    Inserted {
        /// Which.
        key: OperatorKey,
        /// Where.
        provider: String,
        /// Executions before, in one run.
        base: u32,
        /// Executions now, in one run.
        head: u32,
    },
}

impl StructuralDifference {
    /// The operator that differs.
    pub fn key(&self) -> &OperatorKey {
        match self {
            StructuralDifference::Appeared { key, .. }
            | StructuralDifference::Vanished { key, .. }
            | StructuralDifference::Count { key, .. }
            | StructuralDifference::Moved { key, .. }
            | StructuralDifference::Types { key, .. }
            | StructuralDifference::Shapes { key, .. }
            | StructuralDifference::Inserted { key, .. } => key,
        }
    }
}

/// One operator on one provider: before and now, where it runs at all.
type Pair<'a> = (Option<&'a SideOperator>, Option<&'a SideOperator>);

/// One operator by provider.
type Placement<'a> = BTreeMap<&'a str, Pair<'a>>;

/// The differences, sorted by operator. An operator that runs as often as before on other providers has moved; any
/// other change is told provider by provider.
pub(super) fn differences(base: &[SideOperator], head: &[SideOperator]) -> Vec<StructuralDifference> {
    let mut placements: BTreeMap<&OperatorKey, Placement<'_>> = BTreeMap::new();
    for operator in base {
        placements.entry(&operator.key).or_default().entry(&operator.provider).or_default().0 = Some(operator);
    }
    for operator in head {
        placements.entry(&operator.key).or_default().entry(&operator.provider).or_default().1 = Some(operator);
    }
    let mut found = Vec::new();
    for (key, placement) in placements {
        let total = |side: fn(Counts) -> u32| placement.values().map(counts).map(side).map(u64::from).sum::<u64>();
        if total(|counts| counts.0) == total(|counts| counts.1) {
            moves(key, &placement, &mut found);
        } else {
            found.extend(placement.iter().filter_map(|(provider, pair)| changed(key, provider, counts(pair))));
        }
        for (provider, pair) in &placement {
            if let (Some(base), Some(head)) = pair {
                found.extend(types(key, provider, base, head));
                found.extend(shapes(key, provider, base, head));
                found.extend(inserted(key, provider, base, head));
            }
        }
    }
    found
}

/// Executions before and now.
type Counts = (u32, u32);

fn counts(pair: &Pair<'_>) -> Counts {
    let executions = |operator: Option<&SideOperator>| operator.map_or(0, |operator| operator.executions);
    (executions(pair.0), executions(pair.1))
}

/// One provider's difference, if any.
fn changed(key: &OperatorKey, provider: &str, (base, head): Counts) -> Option<StructuralDifference> {
    let (key, provider) = (key.clone(), provider.to_owned());
    match (base, head) {
        _ if base == head => None,
        (0, executions) => Some(StructuralDifference::Appeared { key, provider, executions }),
        (executions, 0) => Some(StructuralDifference::Vanished { key, provider, executions }),
        (base, head) => Some(StructuralDifference::Count { key, provider, base, head }),
    }
}

/// Pairs what providers lost with what others gained; both sum to the same.
fn moves(key: &OperatorKey, placement: &Placement<'_>, found: &mut Vec<StructuralDifference>) {
    let gained = |pair: &Pair<'_>| counts(pair).1.saturating_sub(counts(pair).0);
    let mut gains: Vec<(&str, u32)> = placement.iter().map(|(provider, pair)| (*provider, gained(pair))).collect();
    for (from, pair) in placement {
        let (base, head) = counts(pair);
        let mut lost = base.saturating_sub(head);
        for (to, gained) in &mut gains {
            let executions = lost.min(*gained);
            if executions > 0 {
                lost -= executions;
                *gained -= executions;
                let (from, to) = ((*from).to_owned(), (*to).to_owned());
                found.push(StructuralDifference::Moved { key: key.clone(), from, to, executions });
            }
        }
    }
}

/// Executions by something that is read out of their inputs' text.
type Tally<T> = BTreeMap<T, u32>;

/// Executions that one side has and the other lacks.
fn missing<T: Ord + Clone>(has: &Tally<T>, lacks: &Tally<T>) -> Tally<T> {
    let left = |(what, count): (&T, &u32)| (what.clone(), count.saturating_sub(*lacks.get(what).unwrap_or(&0)));
    has.iter().map(left).filter(|(_, count)| *count > 0).collect()
}

fn tally<'a, T: Ord>(operator: &'a SideOperator, of: impl Fn(&'a str) -> T) -> Tally<T> {
    let mut tally = Tally::new();
    for shape in &operator.shapes {
        *tally.entry(of(&shape.inputs)).or_default() += shape.executions;
    }
    tally
}

/// The distinct element types of `float[1,128] int64[]`.
fn types_of(inputs: &str) -> BTreeSet<&str> {
    inputs.split(' ').filter_map(|tensor| tensor.split_once('[')).map(|(element, _)| element).collect()
}

/// `[1,128] []` of `float[1,128] int64[]`.
fn extents_of(inputs: &str) -> String {
    let extents = |tensor: &str| tensor.find('[').and_then(|at| tensor.get(at..)).unwrap_or_default().to_owned();
    inputs.split(' ').map(extents).collect::<Vec<_>>().join(" ")
}

/// Another precision. Where the counts differ too, only an operator that shares no type with its past has changed it:
/// otherwise some nodes went, and the types of the others are what they were.
fn types(key: &OperatorKey, provider: &str, base: &SideOperator, head: &SideOperator) -> Option<StructuralDifference> {
    let (before, now) = (tally(base, types_of), tally(head, types_of));
    let (lost, gained) = (missing(&before, &now), missing(&now, &before));
    let as_often = base.executions == head.executions;
    if !as_often && before.keys().any(|types| now.contains_key(types)) {
        return None;
    }
    let most = |counts: &Tally<BTreeSet<&str>>| {
        counts.iter().max_by_key(|(_, count)| *count).map(|(types, _)| types.iter().map(|t| (*t).to_owned()).collect())
    };
    let (from, to): (BTreeSet<String>, BTreeSet<String>) = (most(&lost)?, most(&gained)?);
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join(" ");
    let executions = lost.values().sum::<u32>().min(gained.values().sum());
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    Some(StructuralDifference::Types {
        key: key.clone(),
        provider: provider.to_owned(),
        from: none(only(&from, &to)),
        to: none(only(&to, &from)),
        executions,
    })
}

/// Other shapes, whatever their types; known on both sides, and for an operator that runs as often as before.
fn shapes(key: &OperatorKey, provider: &str, base: &SideOperator, head: &SideOperator) -> Option<StructuralDifference> {
    let known = !base.shapes.is_empty() && !head.shapes.is_empty();
    if !known || base.executions != head.executions || tally(base, extents_of) == tally(head, extents_of) {
        return None;
    }
    let (before, now) = (tally(base, str::to_owned), tally(head, str::to_owned));
    let shape = |(inputs, executions)| SideShape { inputs, executions };
    Some(StructuralDifference::Shapes {
        key: key.clone(),
        provider: provider.to_owned(),
        base: missing(&before, &now).into_iter().map(shape).collect(),
        head: missing(&now, &before).into_iter().map(shape).collect(),
    })
}

fn inserted(
    key: &OperatorKey,
    provider: &str,
    base: &SideOperator,
    head: &SideOperator,
) -> Option<StructuralDifference> {
    let (base, head) = (base.inserted?, head.inserted?);
    let (key, provider) = (key.clone(), provider.to_owned());
    (base != head).then_some(StructuralDifference::Inserted { key, provider, base, head })
}
