//! How operators moved over the accepts that a baseline remembers, and on to now.

use crate::summary::Past;

use super::{OperatorChange, OperatorDrift};

/// The series of each operator that moved at some accept and that runs as often now as in the baseline.
pub(super) fn series(past: &Past, changes: &[OperatorChange]) -> Vec<OperatorDrift> {
    let drift = |operator: &crate::summary::OperatorPast| {
        let same = |change: &&OperatorChange| change.key == operator.key && change.provider == operator.provider;
        let change = changes.iter().find(same).filter(|change| change.base_executions == change.head_executions)?;
        let now = operator.held * change.normalized_ratio?;
        Some(OperatorDrift {
            key: operator.key.clone(),
            provider: operator.provider.clone(),
            since: past.since.clone(),
            accepts: past.accepts,
            ratios: operator.ratios.iter().copied().chain([now]).collect(),
        })
    };
    past.operators.iter().filter_map(drift).collect()
}
