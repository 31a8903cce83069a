//! The rule for one quantity against a stored baseline: an operator's time, or the latency.
//!
//! How wide must a threshold be? The ratio of two medians has a standard error, from how much launches vary on both sides;
//! more launches narrow it. A multiple of it must keep all operators of a scenario green together. With `spread_factor` 5
//! ten operators that did not change turn three scenarios in a hundred red at three launches a side and fewer than one at
//! five, and a red one must be found again in fresh launches (a test draws both). What the error cannot hold is what
//! changes between days and not between launches of one day: `min_effect` allows for that.

use crate::compare::{LatencyChange, OperatorChange};

use super::{Policy, Verdict};

/// Share points (0 to 1) from which a moved share is worth a word.
pub(super) const NOTABLE_SHARE: f64 = 0.02;

/// Growth from which the gate counts as blind: nothing short of a doubling would show.
pub(super) const BLIND: f64 = 1.0;

/// Of the normal distribution: a two one-sided test of equivalence at 5 %. Schuirmann (1987), "A comparison of the two
/// one-sided tests procedure and the power approach", Journal of Pharmacokinetics and Biopharmaceutics 15(6).
const EQUIVALENCE_Z: f64 = 1.645;

/// What became of an operator. It regressed where its normalized ratio is above 1 + its threshold **and** its time is
/// at least the floor above what the machine factor makes of its base time; improved is the mirror image. Unchanged is
/// only what is shown to be: any change that matters would have been seen, and the ratio with its error lies inside.
pub fn verdict_of(change: &OperatorChange, machine_factor: Option<f64>, policy: &Policy) -> Verdict {
    let Some(factor) = machine_factor else { return Verdict::NotJudged };
    let expected_us = change.base_us * factor;
    let moved = Moved {
        ratio: change.normalized_ratio.unwrap_or_else(|| ratio_of_zero(change)),
        standard_error: change.standard_error,
        expected_us,
        head_us: change.head_us,
        excess_us: change.head_us - expected_us,
        floor_us: policy.floor_us_of(change.group),
        matters: matters(policy.min_effect_of(change.group), expected_us, policy.floor_us_of(change.group)),
        min_effect: policy.min_effect_of(change.group),
    };
    match moved.verdict(policy) {
        Verdict::Unchanged if (change.head_share - change.base_share).abs() >= NOTABLE_SHARE => Verdict::Shifted,
        verdict => verdict,
    }
}

/// What became of the latency, the machine's factor in it.
pub fn latency_verdict(latency: &LatencyChange, policy: &Policy) -> Verdict {
    if latency.base_us <= 0.0 || latency.head_us <= 0.0 {
        return Verdict::NotJudged;
    }
    let moved = Moved {
        ratio: latency.head_us / latency.base_us,
        standard_error: latency.standard_error,
        expected_us: latency.base_us,
        head_us: latency.head_us,
        excess_us: latency.head_us - latency.base_us,
        floor_us: policy.floor_us,
        matters: matters(policy.max_latency_growth, latency.base_us, policy.floor_us),
        min_effect: policy.max_latency_growth,
    };
    moved.verdict(policy)
}

/// A quantity on both sides.
struct Moved {
    ratio: f64,
    standard_error: f64,
    expected_us: f64,
    head_us: f64,
    excess_us: f64,
    floor_us: f64,
    min_effect: f64,
    /// Smallest relative growth that counts, floor included.
    matters: f64,
}

impl Moved {
    fn verdict(&self, policy: &Policy) -> Verdict {
        let noise = noise(self.standard_error, policy);
        let bound = 1.0 + self.min_effect.max(noise);
        if self.ratio > bound && self.excess_us >= self.floor_us {
            Verdict::Regressed
        } else if self.ratio < 1.0 / bound && -self.excess_us >= self.floor_us {
            Verdict::Improved
        } else if noise >= BLIND.max(self.matters) {
            Verdict::Unstable
        } else if noise <= self.matters && self.is_equivalent() {
            Verdict::Unchanged
        } else {
            Verdict::Inconclusive
        }
    }

    /// True where the change, with its error, is inside the smallest effect or inside the floor.
    fn is_equivalent(&self) -> bool {
        let error = EQUIVALENCE_Z * self.standard_error;
        let relative = self.ratio.ln().abs() + error <= self.min_effect.ln_1p();
        relative || self.excess_us.abs() + error * self.expected_us.max(self.head_us) <= self.floor_us
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

/// Relative growth that noise alone may show.
fn noise(standard_error: f64, policy: &Policy) -> f64 {
    (policy.spread_factor * standard_error).exp_m1()
}

/// The smallest relative growth that counts: the smallest effect, or what the floor comes to; infinite of nothing.
fn matters(min_effect: f64, expected_us: f64, floor_us: f64) -> f64 {
    let floor = if expected_us > 0.0 { floor_us / expected_us } else { f64::INFINITY };
    min_effect.max(floor)
}

/// The relative growth that an operator's normalized time must exceed: the smallest effect that matters, or a multiple
/// of its standard error where that is more.
pub(super) fn threshold(change: &OperatorChange, policy: &Policy) -> f64 {
    policy.min_effect_of(change.group).max(noise(change.standard_error, policy))
}

/// The same of the latency.
pub(super) fn latency_threshold(latency: &LatencyChange, policy: &Policy) -> f64 {
    policy.max_latency_growth.max(noise(latency.standard_error, policy))
}

/// The smallest relative growth of an operator that the gate would call a regression, threshold and floor together;
/// infinite for an operator without a base time.
pub fn smallest_detectable_effect(change: &OperatorChange, machine_factor: Option<f64>, policy: &Policy) -> f64 {
    let expected_us = change.base_us * machine_factor.unwrap_or(1.0);
    matters(threshold(change, policy), expected_us, policy.floor_us_of(change.group))
}
