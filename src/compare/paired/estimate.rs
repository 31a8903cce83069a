//! What the pairs say of one quantity.

use crate::summary::median;

use super::super::Estimate;
use super::max_t::{Adjusted, Hypothesis, Outcome};
use super::{count, student};

/// The level at which [`Estimate::detectable`] holds: that of one look of the sequential plan. Where so few flips cannot
/// reach it, the smallest that they can reach.
const DETECTABLE_LEVEL: f64 = 0.003;

/// What stands for infinite growth, which JSON cannot hold.
const BEYOND_ALL: f64 = 1e9;

/// The estimate of one hypothesis that was tested along with others. `own_part` is what centring takes off an effect, in
/// standard deviations.
pub(super) fn estimate(hypothesis: &Hypothesis, own_part: f64, adjusted: Adjusted, outcome: &Outcome) -> Estimate {
    let pairs = hypothesis.values.len();
    let mean = hypothesis.values.iter().sum::<f64>() / count(pairs);
    let noise = hypothesis.deviation();
    let half = student::quantile_95(pairs.saturating_sub(1)) * noise / count(pairs).sqrt();
    Estimate {
        ratio: median(&hypothesis.values).unwrap_or(0.0).exp(),
        low: (mean - half).exp(),
        high: (mean + half).exp().min(BEYOND_ALL),
        noise,
        p_slower: adjusted.slower,
        p_faster: adjusted.faster,
        detectable: detectable(hypothesis, own_part, outcome),
    }
}

/// The growth whose statistic would exceed the critical one in four of five repetitions.
///
/// An approximation: values are taken to be normal, and the critical value to be what it was in these pairs. The
/// statistic then has a noncentral t distribution, which is nearly normal with variance 1 + c^2 / 2(K - 1) around the
/// critical value c (Abramowitz and Stegun 1964, 26.7.10). Where no flip but the identity may reach the statistic, every
/// pair must have grown as well, since a flip of one that shrank has a larger mean: nine times in ten, for both to hold
/// in about eight.
fn detectable(hypothesis: &Hypothesis, own_part: f64, outcome: &Outcome) -> f64 {
    let pairs = count(hypothesis.values.len());
    let level = DETECTABLE_LEVEL.max(outcome.smallest());
    let critical = outcome.critical(level).max(0.0);
    let beyond = student::normal_quantile(0.8) * (1.0 + critical * critical / (2.0 * (pairs - 1.0))).sqrt();
    let error = hypothesis.standard_error();
    let mean = (critical + beyond) * error;
    let each = student::normal_quantile(0.9_f64.powf(1.0 / pairs)) * error * pairs.sqrt();
    let growth = if outcome.allowed(level) == 1 { mean.max(each) } else { mean };
    (growth + own_part * hypothesis.deviation()).exp_m1().min(BEYOND_ALL)
}
