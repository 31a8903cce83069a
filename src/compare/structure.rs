//! What was executed, compared exactly.

use std::collections::BTreeMap;

use crate::summary::{OperatorKey, SideOperator};

use super::StructuralDifference;

/// Executions of one operator by provider: before and now.
type Placement<'a> = BTreeMap<&'a str, (u32, u32)>;

/// The differences, sorted by operator. An operator that runs as often as before on other providers has moved; any
/// other change is told provider by provider.
pub(super) fn differences(base: &[SideOperator], head: &[SideOperator]) -> Vec<StructuralDifference> {
    let mut placements: BTreeMap<&OperatorKey, Placement<'_>> = BTreeMap::new();
    for operator in base {
        placements.entry(&operator.key).or_default().entry(&operator.provider).or_default().0 += operator.executions;
    }
    for operator in head {
        placements.entry(&operator.key).or_default().entry(&operator.provider).or_default().1 += operator.executions;
    }
    let mut found = Vec::new();
    for (key, placement) in placements {
        let total = |side: fn(&(u32, u32)) -> u32| placement.values().map(side).map(u64::from).sum::<u64>();
        if total(|counts| counts.0) == total(|counts| counts.1) {
            moves(key, &placement, &mut found);
        } else {
            found.extend(placement.iter().filter_map(|(provider, counts)| changed(key, provider, *counts)));
        }
    }
    found
}

/// One provider's difference, if any.
fn changed(key: &OperatorKey, provider: &str, (base, head): (u32, u32)) -> Option<StructuralDifference> {
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
    let mut gains: Vec<(&str, u32)> =
        placement.iter().map(|(provider, (base, head))| (*provider, head.saturating_sub(*base))).collect();
    for (from, (base, head)) in placement {
        let mut lost = base.saturating_sub(*head);
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
