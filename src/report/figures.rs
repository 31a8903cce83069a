//! Figures that a reader wants and the summary holds only in parts. Renderers show these; they compute nothing.

use std::collections::HashMap;

use super::{
    Comparison, Design, Estimate, Group, Judged, OperatorChange, OperatorSummary, ScenarioReport, ScenarioResult,
    Summary, Verdict,
};

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

/// A ratio head/base with its 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The ratio.
    pub ratio: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Standard errors that a two-sided interval of 90 % reaches to either side of a normally distributed estimate.
const NINETY: f64 = 1.645;

impl Interval {
    /// What pairs say of it, else what the standard error of its logarithm does.
    fn of(ratio: f64, standard_error: f64, estimate: Option<Estimate>) -> Interval {
        match estimate {
            Some(Estimate { ratio, low, high, .. }) => Interval { ratio, low, high },
            None => {
                let half = (NINETY * standard_error).exp();
                Interval { ratio, low: ratio / half, high: ratio * half }
            }
        }
    }
}

/// Head/base of the latency with what is known of its uncertainty.
pub fn latency_interval(comparison: &Comparison) -> Interval {
    let latency = &comparison.latency;
    Interval::of(latency_ratio(comparison), latency.standard_error, latency.estimate)
}

/// Head/base of an operator, the machine factor divided out; `None` where there is none to divide out.
pub fn operator_interval(change: &OperatorChange) -> Option<Interval> {
    change.normalized_ratio.map(|ratio| Interval::of(ratio, change.standard_error, change.estimate))
}

/// How much more time an operator takes than the machine factor makes of its time before, in microseconds a run.
pub fn delta_us(comparison: &Comparison, change: &OperatorChange) -> f64 {
    change.head_us - change.base_us * comparison.machine_factor.unwrap_or(1.0)
}

/// The operators whose time changed most, at most so many, the largest change first.
pub fn moved_most(comparison: &Comparison, count: usize) -> Vec<&OperatorChange> {
    let size = |change: &OperatorChange| delta_us(comparison, change).abs();
    // Less is below what the clock of the profiler tells.
    let told = comparison.operators.iter().filter(|change| size(change) >= 1.0);
    let mut moved: Vec<&OperatorChange> = told.collect();
    moved.sort_by(|a, b| size(b).total_cmp(&size(a)));
    moved.truncate(count);
    moved
}

/// What part of the time each group takes, GEMM first, then in the order of the taxonomy, operators that it does not know
/// last; medians over launches.
pub fn shares(summary: &Summary) -> Vec<(Option<Group>, f64)> {
    in_order(summary.groups().iter().map(|group| (group.group, group.share.median())).collect())
}

/// The same of the base of a comparison; empty where it does not tell.
pub fn base_shares(comparison: &Comparison) -> Vec<(Option<Group>, f64)> {
    let whole: f64 = comparison.groups.iter().map(|group| group.base_us).sum();
    let ran = comparison.groups.iter().filter(|group| group.base_us > 0.0);
    in_order(ran.map(|group| (group.group, group.base_us / whole)).collect())
}

fn in_order(mut shares: Vec<(Option<Group>, f64)>) -> Vec<(Option<Group>, f64)> {
    shares.sort_by_key(|(group, _)| (group.is_none(), *group));
    shares
}

/// The verdict on an operator, or with `None` on the latency.
pub fn verdict<'a>(report: &'a ScenarioReport, operator: Option<&OperatorSummary>) -> Option<&'a Judged> {
    report.verdicts.iter().find(|judged| {
        judged.operator.as_ref() == operator.map(|operator| &operator.key)
            && judged.provider.as_ref() == operator.map(|operator| &operator.provider)
    })
}

/// An operator's time beyond what the machine factor makes of the base's, in microseconds; negative where it takes less.
/// The difference that [`super::GroupChange::delta_us`] is of a group. `None` without a machine factor.
pub fn excess_us(change: &OperatorChange, comparison: &Comparison) -> Option<f64> {
    comparison.machine_factor.map(|factor| change.head_us - change.base_us * factor)
}

/// What part of the time a group takes on both sides, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupShares {
    /// Which; `None` holds the operators that the taxonomy does not know.
    pub group: Option<Group>,
    /// Before; `None` where there is nothing to compare with.
    pub base: Option<f64>,
    /// Now.
    pub head: f64,
    /// Microseconds more than before, less what the machine explains; `None` where that is not known.
    pub delta_us: Option<f64>,
}

/// The groups of a scenario by descending share, the larger of both sides; empty of one that was not measured.
pub fn group_shares(report: &ScenarioReport) -> Vec<GroupShares> {
    let ScenarioResult::Measured { summary } = &report.result else { return Vec::new() };
    let mut shares: Vec<GroupShares> = match &report.comparison {
        Some(comparison) if !comparison.groups.is_empty() => {
            let groups = &comparison.groups;
            let part = |us: f64, all: f64| if all > 0.0 { us / all } else { 0.0 };
            let base: f64 = groups.iter().map(|group| group.base_us).sum();
            let head: f64 = groups.iter().map(|group| group.head_us).sum();
            let timed = comparison.fingerprint.is_empty() && comparison.protocol.is_none();
            let of = |group: &super::GroupChange| GroupShares {
                group: group.group,
                base: Some(part(group.base_us, base)),
                head: part(group.head_us, head),
                delta_us: group.delta_us.filter(|_| timed),
            };
            groups.iter().map(of).collect()
        }
        _ => {
            let groups = summary.groups();
            let alone = |group: super::GroupSummary| (group.group, group.share.median());
            let of = |(group, head)| GroupShares { group, base: None, head, delta_us: None };
            groups.into_iter().map(alone).map(of).collect()
        }
    };
    let larger = |shares: &GroupShares| shares.base.unwrap_or(0.0).max(shares.head);
    shares.sort_by(|a, b| larger(b).total_cmp(&larger(a)));
    shares
}

/// From what share on an operator counts among those that a gate is held to.
pub const LARGE_SHARE: f64 = 0.05;

/// The smallest relative growth that would have shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visible {
    /// Of the latency of any scenario.
    pub latency: f64,
    /// Of any operator from [`LARGE_SHARE`] on; `None` where one of them could not be judged.
    pub operators: Option<f64>,
}

/// What would have shown in each of some scenarios; `None` where the latency of one was not judged, and of none.
pub fn visible<'a>(scenarios: impl IntoIterator<Item = &'a ScenarioReport>) -> Option<Visible> {
    let mut visible: Option<Visible> = None;
    for scenario in scenarios {
        let latency = visible_latency(scenario)?;
        let operators = large_operators(scenario);
        visible = Some(match visible {
            None => Visible { latency, operators },
            Some(least) => Visible {
                latency: least.latency.max(latency),
                operators: least.operators.zip(operators).map(|(a, b)| a.max(b)),
            },
        });
    }
    visible
}

/// The smallest growth of a scenario's latency that would have shown; `None` where it was not judged.
pub fn visible_latency(scenario: &ScenarioReport) -> Option<f64> {
    scenario.verdicts.iter().find(|judged| judged.operator.is_none()).and_then(shows)
}

/// The growth that shows in every large operator of a scenario.
fn large_operators(scenario: &ScenarioReport) -> Option<f64> {
    let comparison = scenario.comparison.as_ref()?;
    let judged: HashMap<_, &Judged> =
        scenario.verdicts.iter().map(|judged| ((judged.operator.as_ref(), judged.provider.as_ref()), judged)).collect();
    let large = comparison.operators.iter().filter(|change| change.base_share >= LARGE_SHARE);
    let each = large.map(|change| shows(judged.get(&(Some(&change.key), Some(&change.provider)))?));
    // Of none, nothing can be said.
    each.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten()
}

fn shows(judged: &Judged) -> Option<f64> {
    judged.detectable.filter(|growth| judged.verdict != Verdict::NotJudged && growth.is_finite())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn shares_of_groups_add_up_on_both_sides_and_the_largest_leads() {
        let report = fixtures::compared();
        let shares = group_shares(&report.scenarios[0]);
        assert_eq!(shares[0].group, Some(Group::Gemm));
        for sum in [shares.iter().map(|one| one.head).sum::<f64>(), shares.iter().filter_map(|one| one.base).sum()] {
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }
        // Compared with nothing.
        assert!(group_shares(&report.scenarios[1]).iter().all(|one| one.base.is_none()));
        assert!(group_shares(&report.scenarios[2]).is_empty());
    }

    #[test]
    fn what_shows_everywhere_is_what_shows_where_it_is_hardest_to_see() {
        let mut report = fixtures::unchanged();
        let Visible { latency, operators } = visible(&report.scenarios).unwrap();
        let all = report.scenarios.iter().flat_map(|scenario| &scenario.verdicts);
        let latencies = all.filter(|judged| judged.operator.is_none()).filter_map(|judged| judged.detectable);
        assert_eq!(latency, latencies.fold(0.0, f64::max));
        assert!(operators.is_some_and(|growth| growth > 0.0));
        report.scenarios[0].verdicts[0].verdict = Verdict::NotJudged;
        assert_eq!(visible(&report.scenarios), Some(Visible { latency, operators: None }));
        report.scenarios[1].verdicts.clear();
        assert_eq!(visible(&report.scenarios), None);
    }

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
    fn an_interval_is_that_of_the_pairs_or_else_of_the_standard_error() {
        let stored = fixtures::check().scenarios[0].comparison.clone().unwrap();
        let softmax = stored.operators.iter().find(|change| change.key.0 == "ai.onnx:Softmax").unwrap();
        let interval = operator_interval(softmax).unwrap();
        assert!((interval.ratio - 1.42).abs() < 1e-9);
        let (below, above) = (interval.ratio / interval.low, interval.high / interval.ratio);
        assert!((below - above).abs() < 1e-12 && (above - 1.0149).abs() < 1e-3, "{interval:?}");
        let paired = fixtures::compared().scenarios[0].comparison.clone().unwrap();
        let estimate = paired.latency.estimate.unwrap();
        let latency = latency_interval(&paired);
        assert_eq!((latency.ratio, latency.low, latency.high), (estimate.ratio, estimate.low, estimate.high));
    }

    #[test]
    fn what_moved_most_is_told_by_time_and_not_by_ratio() {
        let comparison = fixtures::check().scenarios[0].comparison.clone().unwrap();
        let moved: Vec<&str> = moved_most(&comparison, 2).iter().map(|change| change.key.0.as_str()).collect();
        assert_eq!(moved, ["ai.onnx:Add", "ai.onnx:Softmax"]);
    }

    #[test]
    fn shares_begin_with_gemm_and_end_with_what_is_unknown() {
        let mut summary = fixtures::bert();
        summary.operators[0].group = None;
        let groups: Vec<Option<Group>> = shares(&summary).into_iter().map(|(group, _)| group).collect();
        assert_eq!((groups.first(), groups.last()), (Some(&Some(Group::Gemm)), Some(&None)));
    }

    #[test]
    fn the_top_operator_is_never_a_matrix_product() {
        assert_eq!(top_non_gemm(&fixtures::bert()).unwrap().key.0, "com.microsoft:BiasGelu");
    }
}
