//! A second look: what a time finding must survive before it fails a build.

use super::{Finding, Severity};

/// True where a finding that fails the gate comes from times, so that the scenario deserves a second measurement.
pub fn needs_confirmation(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.code.is_timed() && finding.severity == Severity::Error)
}

/// The findings of a scenario measured twice, most severe first: of those that come from times, the second
/// measurement's that the first one had too; of all others, what either of them found. Report them with the second
/// measurement's summary and comparison. Where the second was too unstable to judge times, its `unstable` finding takes
/// the place of the unconfirmed ones.
pub fn confirm(first: &[Finding], second: &[Finding]) -> Vec<Finding> {
    let alike = |a: &Finding, b: &Finding| {
        a.code == b.code && a.scenario == b.scenario && a.operator == b.operator && a.operators == b.operators
    };
    let in_first = |finding: &&Finding| !finding.code.is_timed() || first.iter().any(|other| alike(other, finding));
    let only_first = |finding: &&Finding| !finding.code.is_timed() && !second.iter().any(|other| alike(other, finding));
    let mut confirmed: Vec<Finding> =
        second.iter().filter(in_first).chain(first.iter().filter(only_first)).cloned().collect();
    confirmed.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    confirmed
}
