//! The rule for one quantity measured in turns: an operator's time, or the latency.

use crate::compare::{Comparison, Estimate, OperatorChange};
use crate::summary::Group;

use super::super::threshold::NOTABLE_SHARE;
use super::super::{Policy, Verdict};

/// Growth from which a quantity counts as unstable: the pairs would not have shown less than its doubling.
pub(super) const BLIND: f64 = 1.0;

/// Standard errors of a median of pairs, relative to those of their mean, times the 80 % quantile of the normal
/// distribution: how far beyond the smallest effect a growth must lie for its median to be beyond it in four of five
/// repetitions. The square root of pi / 2 is the former, for normally distributed values (Laplace 1818).
const MEDIAN_80: f64 = 1.253_314 * 0.841_621;

/// One quantity on both sides.
pub(super) struct Quantity {
    base_us: f64,
    head_us: f64,
    /// What the machine makes of the base.
    factor: f64,
    /// By how much its share moved, 0 to 1.
    moved_share: f64,
    estimate: Option<Estimate>,
    pairs: f64,
    /// Of the operator, whose thresholds may be its own; `None` for the latency.
    group: Option<Group>,
}

impl Quantity {
    /// An operator, its machine factor divided out.
    pub(super) fn operator(change: &OperatorChange, comparison: &Comparison, pairs: u32) -> Quantity {
        Quantity {
            base_us: change.base_us,
            head_us: change.head_us,
            factor: comparison.machine_factor.unwrap_or(1.0),
            moved_share: (change.head_share - change.base_share).abs(),
            estimate: change.estimate,
            pairs: pairs.into(),
            group: change.group,
        }
    }

    /// The latency as it is.
    pub(super) fn latency(comparison: &Comparison, pairs: u32) -> Quantity {
        let latency = comparison.latency;
        let (base_us, head_us) = (latency.base_us, latency.head_us);
        Quantity {
            base_us,
            head_us,
            factor: 1.0,
            moved_share: 0.0,
            estimate: latency.estimate,
            pairs: pairs.into(),
            group: None,
        }
    }

    /// What became of it. `alpha` bounds the adjusted probability of a change.
    pub(super) fn verdict(&self, policy: &Policy, alpha: f64) -> Verdict {
        let Some(estimate) = self.estimate else { return Verdict::NotJudged };
        let (min_effect, floor_us) = (policy.min_effect_of(self.group), policy.floor_us_of(self.group));
        let bound = 1.0 + min_effect;
        let margin = 1.0 + min_effect.max(self.floor_effect(policy));
        // What the change amounts to, reckoned from the larger of the two times: the smaller may be none.
        let (grown_us, shrunk_us) =
            (self.head_us * (1.0 - 1.0 / estimate.ratio), self.base_us * self.factor * (1.0 - estimate.ratio));
        if estimate.p_slower <= alpha && estimate.ratio >= bound && grown_us >= floor_us {
            Verdict::Regressed
        } else if estimate.p_faster <= alpha && estimate.ratio <= 1.0 / bound && shrunk_us >= floor_us {
            Verdict::Improved
        } else if estimate.high <= margin && estimate.low >= 1.0 / margin {
            if self.moved_share >= NOTABLE_SHARE { Verdict::Shifted } else { Verdict::Unchanged }
        } else if estimate.noise > policy.unstable_spread || estimate.detectable >= BLIND {
            Verdict::Unstable
        } else {
            Verdict::Inconclusive
        }
    }

    /// Smallest relative growth that would most likely have been called a regression: significant, beyond the smallest
    /// effect, and above the floor.
    pub(super) fn detectable(&self, policy: &Policy) -> Option<f64> {
        let estimate = self.estimate?;
        let beyond =
            (1.0 + policy.min_effect_of(self.group)) * (MEDIAN_80 * estimate.noise / self.pairs.sqrt()).exp() - 1.0;
        Some(estimate.detectable.max(beyond).max(self.floor_effect(policy))).filter(|effect| effect.is_finite())
    }

    /// The growth that the floor comes to; infinite for what took no time.
    fn floor_effect(&self, policy: &Policy) -> f64 {
        let expected_us = self.base_us * self.factor;
        if expected_us > 0.0 { policy.floor_us_of(self.group) / expected_us } else { f64::INFINITY }
    }
}
