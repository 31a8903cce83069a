//! The groups' times on both sides.

use serde::{Deserialize, Serialize};

use crate::summary::{Group, Sample, Side, SideOperator};

/// One group's time on both sides: medians over launches of what its operators sum to, in microseconds per run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupChange {
    /// Which; `None` holds the operators that the taxonomy does not know.
    pub group: Option<Group>,
    /// Before.
    pub base_us: f64,
    /// Now.
    pub head_us: f64,
    /// Now, less what the machine factor makes of before; `None` without a machine factor.
    pub delta_us: Option<f64>,
}

/// Every group that ran on either side, in the order of the taxonomy, the unknown operators first.
pub(super) fn groups(base: &Side, head: &Side, factor: Option<f64>) -> Vec<GroupChange> {
    let mut present: Vec<Option<Group>> =
        base.operators.iter().chain(&head.operators).map(|operator| operator.group).collect();
    present.sort_unstable();
    present.dedup();
    let change = |group| {
        let (base_us, head_us) = (total(base, group), total(head, group));
        GroupChange { group, base_us, head_us, delta_us: factor.map(|factor| head_us - base_us * factor) }
    };
    present.into_iter().map(change).collect()
}

fn total(side: &Side, group: Option<Group>) -> f64 {
    let mut sums = vec![0.0; side.latency_us.len()];
    // In an order of their own, so that the sum does not hang on the side's.
    let mut operators: Vec<&SideOperator> = side.operators.iter().filter(|operator| operator.group == group).collect();
    operators.sort_by_key(|operator| (&operator.key, &operator.provider));
    for operator in operators {
        for (sum, us) in sums.iter_mut().zip(&operator.self_us.0) {
            *sum += us;
        }
    }
    Sample(sums).median()
}
