//! Changes too small for any one accept that add up over several.

use crate::compare::{Comparison, OperatorChange, OperatorDrift};

use super::threshold::{threshold, verdict_of};
use super::{Policy, Verdict};

/// Probability, over all series of a scenario, with which series without a trend may seem to have one.
const ALPHA: f64 = 0.01;

/// The operators that drifted, with the change now. A series drifted where it ends further from the first accept than
/// the smallest drift and than the floor, while the change since the last accept is none that the gate names, and either
/// it has a trend, or the first baseline would make this measurement red (or improved) were it still the baseline.
pub(super) fn drifted<'a>(comparison: &'a Comparison, policy: &Policy) -> Vec<(&'a OperatorDrift, &'a OperatorChange)> {
    let alpha = ALPHA / u32::try_from(comparison.drift.len().max(1)).map_or(f64::MAX, f64::from);
    let of = |drift: &'a OperatorDrift| {
        let same = |change: &&OperatorChange| change.key == drift.key && change.provider == drift.provider;
        comparison.operators.iter().find(same).map(|change| (drift, change))
    };
    let counts = |(drift, change): &(&OperatorDrift, &OperatorChange)| {
        let named = verdict_of(change, comparison.machine_factor, policy);
        let total = total(drift);
        let far = total.ln().abs() >= policy.min_drift.ln_1p();
        let excess_us = change.head_us * (1.0 - 1.0 / total);
        let red_from_the_first = total.ln().abs() > threshold(change, policy).ln_1p();
        far && excess_us.abs() >= policy.floor_us
            && !matches!(named, Verdict::Regressed | Verdict::Improved)
            && (red_from_the_first || trend_probability(&drift.ratios) <= alpha)
    };
    comparison.drift.iter().filter_map(of).filter(counts).collect()
}

/// Now relative to the first accept.
pub(super) fn total(drift: &OperatorDrift) -> f64 {
    drift.ratios.last().copied().unwrap_or(1.0)
}

/// Two-sided probability of so clear a trend in values of which any order is as likely as any other. Mann (1945),
/// "Nonparametric tests against trend", Econometrica 13(3); Kendall (1975), "Rank Correlation Methods". Exact without
/// ties, and too large with them. That the first value is an outlier gives no trend, since all later ones are compared
/// with one another too.
fn trend_probability(values: &[f64]) -> f64 {
    let mut rising = 0_usize;
    let mut falling = 0_usize;
    for (index, later) in values.iter().enumerate() {
        for earlier in values.iter().take(index) {
            rising += usize::from(later > earlier);
            falling += usize::from(later < earlier);
        }
    }
    let ways = orders_by_inversions(values.len());
    // An order with so few inversions in a direction, ties counted as half of one.
    let pairs = ways.len() - 1;
    let against = (pairs - rising.abs_diff(falling)).div_ceil(2);
    let all: f64 = ways.iter().sum();
    let one_sided = ways.iter().take(against + 1).sum::<f64>() / all;
    (2.0 * one_sided).min(1.0)
}

/// For each number of inversions, how many orders of `count` values have it.
fn orders_by_inversions(count: usize) -> Vec<f64> {
    let mut ways = vec![1.0];
    for placed in 1..count {
        let mut next = vec![0.0; ways.len() + placed];
        for (inversions, ways) in ways.iter().enumerate() {
            for added in 0..=placed {
                next[inversions + added] += ways;
            }
        }
        ways = next;
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_counted_by_inversions() {
        assert_eq!(orders_by_inversions(1), [1.0]);
        assert_eq!(orders_by_inversions(3), [1.0, 2.0, 2.0, 1.0]);
        assert_eq!(orders_by_inversions(7).iter().sum::<f64>(), 5040.0);
    }

    /// Kendall (1975), table 1: probability that S reaches a value, of n = 5 for S = 8 and 10, of n = 8 for S = 20.
    #[test]
    fn a_trend_has_the_probabilities_of_the_published_table() {
        let near = |values: &[f64], one_sided: f64| {
            let found = trend_probability(values);
            assert!((found - 2.0 * one_sided).abs() < 1e-3, "{values:?}: {found}");
        };
        near(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.0083);
        near(&[1.0, 2.0, 3.0, 5.0, 4.0], 0.042);
        near(&[2.0, 1.0, 3.0, 4.0, 5.0, 6.0, 8.0, 7.0, 9.0].map(|v| -v)[..8], 0.00087);
        assert_eq!(trend_probability(&[1.0]), 1.0);
        assert_eq!(trend_probability(&[1.0, 1.0, 1.0]), 1.0);
    }

    #[test]
    fn a_step_is_no_trend_whether_the_first_or_the_last_made_it() {
        assert!(trend_probability(&[1.0, 1.3, 1.29, 1.31, 1.28, 1.3, 1.29]) > 0.1);
        assert!(trend_probability(&[1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.3]) > 0.1);
    }

    #[test]
    fn a_tie_counts_for_neither_direction() {
        assert!(trend_probability(&[1.0, 2.0, 3.0, 4.0, 4.0]) > trend_probability(&[1.0, 2.0, 3.0, 4.0, 5.0]));
    }
}
