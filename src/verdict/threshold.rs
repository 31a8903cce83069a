//! The rule for one operator's time.

use crate::compare::OperatorChange;

use super::{Policy, Verdict};

/// Share points (0 to 1) from which a moved share is worth a word.
pub(super) const NOTABLE_SHARE: f64 = 0.02;

/// What became of an operator. It regressed where its normalized ratio is above 1 + its threshold **and** its time is
/// at least the floor above what the machine factor makes of its base time; improved is the mirror image.
pub fn verdict_of(change: &OperatorChange, machine_factor: Option<f64>, policy: &Policy) -> Verdict {
    let Some(factor) = machine_factor else { return Verdict::NotJudged };
    let ratio = change.normalized_ratio.unwrap_or_else(|| ratio_of_zero(change));
    let bound = 1.0 + threshold(change, policy);
    let excess_us = change.head_us - change.base_us * factor;
    if ratio > bound && excess_us >= policy.floor_us {
        Verdict::Regressed
    } else if ratio < 1.0 / bound && -excess_us >= policy.floor_us {
        Verdict::Improved
    } else if (change.head_share - change.base_share).abs() >= NOTABLE_SHARE {
        Verdict::Shifted
    } else {
        Verdict::Unchanged
    }
}

/// The ratio where one time is zero, as the overhead correction makes the times of trivial nodes: from nothing to
/// something is beyond any bound, and the floor alone decides.
fn ratio_of_zero(change: &OperatorChange) -> f64 {
    match (change.base_us > 0.0, change.head_us > 0.0) {
        (false, true) => f64::INFINITY,
        (true, false) => 0.0,
        _ => 1.0,
    }
}

/// The relative growth that an operator's normalized time must exceed: the smallest effect that matters, or a multiple
/// of its spread between launches where that is more.
pub(super) fn threshold(change: &OperatorChange, policy: &Policy) -> f64 {
    policy.min_effect.max(policy.spread_factor * change.spread)
}

/// The smallest relative growth of an operator that the gate would call a regression, threshold and floor together;
/// infinite for an operator without a base time.
pub fn smallest_detectable_effect(change: &OperatorChange, machine_factor: Option<f64>, policy: &Policy) -> f64 {
    let expected_us = change.base_us * machine_factor.unwrap_or(1.0);
    let floor = if expected_us > 0.0 { policy.floor_us / expected_us } else { f64::INFINITY };
    threshold(change, policy).max(floor)
}
