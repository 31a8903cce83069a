//! Figures that a reader wants and the summary holds only in parts. Renderers show these; they compute nothing.

use super::{Comparison, Design, Group, Judged, OperatorChange, OperatorSummary, ScenarioReport, Summary};

/// What part of all self time is matrix products, 0 to 1 each; medians over launches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Group [`Group::Gemm`], fused operators included.
    pub gemm: f64,
    /// All other operators, the unknown ones included, as budgets count them.
    pub non_gemm: f64,
    /// The part of `non_gemm` that the taxonomy does not know.
    pub unknown: f64,
}

/// GEMM against the rest.
pub fn split(summary: &Summary) -> Split {
    let groups = summary.groups();
    let unknown = groups.iter().find(|group| group.group.is_none());
    Split {
        gemm: summary.gemm_share().median(),
        non_gemm: summary.non_gemm_share().median(),
        unknown: unknown.map_or(0.0, |group| group.share.median()),
    }
}

/// The operator outside GEMM that takes most, if any ran; one that the taxonomy does not know may be it.
pub fn top_non_gemm(summary: &Summary) -> Option<&OperatorSummary> {
    summary
        .operators
        .iter()
        .filter(|operator| operator.group != Some(Group::Gemm))
        .max_by(|a, b| a.share.median().total_cmp(&b.share.median()))
}

/// What became of an operator since the base; `None` for one that the base does not run.
pub fn change<'a>(comparison: &'a Comparison, operator: &OperatorSummary) -> Option<&'a OperatorChange> {
    comparison.operators.iter().find(|change| change.key == operator.key && change.provider == operator.provider)
}

/// How many pairs of launches a comparison rests on; `None` where the sides were not measured in turns.
pub fn pairs(comparison: &Comparison) -> Option<u32> {
    match comparison.design {
        Design::Paired { pairs } => Some(pairs),
        Design::Stored => None,
    }
}

/// Head/base of the latency: what pairs say of it, else that of the medians.
pub fn latency_ratio(comparison: &Comparison) -> f64 {
    let latency = &comparison.latency;
    latency.estimate.map_or(latency.head_us / latency.base_us, |estimate| estimate.ratio)
}

/// The verdict on an operator, or with `None` on the latency.
pub fn verdict<'a>(report: &'a ScenarioReport, operator: Option<&OperatorSummary>) -> Option<&'a Judged> {
    report.verdicts.iter().find(|judged| {
        judged.operator.as_ref() == operator.map(|operator| &operator.key)
            && judged.provider.as_ref() == operator.map(|operator| &operator.provider)
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn an_unknown_operator_is_a_part_of_non_gemm() {
        let mut summary = fixtures::bert();
        let before = split(&summary);
        summary.operators[2].group = None;
        let after = split(&summary);
        assert_eq!(before.unknown, 0.0);
        assert_eq!(before.non_gemm, after.non_gemm);
        assert_eq!(after.unknown, summary.operators[2].share.median());
    }

    #[test]
    fn the_top_operator_is_never_a_matrix_product() {
        assert_eq!(top_non_gemm(&fixtures::bert()).unwrap().key.0, "com.microsoft:BiasGelu");
    }
}
