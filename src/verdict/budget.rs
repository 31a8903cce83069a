//! Limits that hold without a baseline.

use std::collections::BTreeMap;

use crate::summary::{Group, Summary};

use super::words;
use super::{Draft, FindingCode, Severity};

/// A bound from the configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Budget {
    /// Largest share of operators without a matrix product, 0 to 1.
    pub max_non_gemm_share: Option<f64>,
    /// Largest shares of single groups, 0 to 1.
    pub max_group_share: BTreeMap<Group, f64>,
    /// Largest unprofiled latency in milliseconds.
    pub max_latency_ms: Option<f64>,
    /// True where the configuration gives it for machines such as this one, so that the latency needs no baseline.
    pub for_this_machine: bool,
}

/// What exceeds its budget. Shares gate everywhere; a latency is a promise for a machine class, so it fails only where the
/// budget names this one or `same_class` says that a baseline does, and only where the launches agree (`steady`).
pub(super) fn exceeded(summary: &Summary, budgets: &[Budget], same_class: bool, steady: bool) -> Vec<Draft> {
    let code = FindingCode::BudgetExceeded;
    let non_gemm = summary.non_gemm_share().median();
    let groups = summary.groups();
    let latency_us = summary.latency_us.median();
    let mut found = Vec::new();
    for budget in budgets {
        if let Some(bound) = budget.max_non_gemm_share.filter(|bound| non_gemm > *bound) {
            let (share, bound) = (words::percent(non_gemm), words::percent(bound));
            let message = format!("the non-GEMM share is {share}, above its budget of {bound}");
            let remedy = "Reduce the non-GEMM operators, largest first, or raise `max-non-gemm-share`.";
            found.push(Draft::new(code, message, remedy));
        }
        for (group, bound) in &budget.max_group_share {
            let ran = groups.iter().find(|ran| ran.group == Some(*group));
            let Some(share) = ran.map(|ran| ran.share.median()).filter(|share| share > bound) else { continue };
            let (share, bound) = (words::percent(share), words::percent(*bound));
            let message = format!("the share of {group} is {share}, above its budget of {bound}");
            found.push(Draft::new(code, message, "Reduce its operators, largest first, or raise `max-group-share`."));
        }
        if let Some(bound_us) = budget.max_latency_ms.map(|ms| ms * 1000.0).filter(|bound| latency_us > *bound) {
            let gates = steady && (same_class || budget.for_this_machine);
            let (latency, bound) = (words::time(latency_us), words::time(bound_us));
            let mut message = format!("the latency is {latency}, above its budget of {bound}");
            if !gates {
                message += "; no failure on launches that disagree, or on a machine class that neither a baseline nor the \
                            budget's `machine` names";
            }
            let limit = if gates { Severity::Error } else { Severity::Warning };
            found.push(Draft::new(code, message, "Make the model faster, or raise `max-latency-ms`.").at_most(limit));
        }
    }
    found
}
