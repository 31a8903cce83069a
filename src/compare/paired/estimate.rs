//! What the pairs say of one quantity.

use crate::summary::median;

use super::super::Estimate;
use super::max_t::{Adjusted, Hypothesis, Outcome};
use super::{count, student};

/// The level at which [`Estimate::detectable`] holds: that of one look of the sequential plan. Where so few flips cannot
/// reach it, the smallest that they can reach.
const DETECTABLE_LEVEL: f64 = 0.003;

/// 80 % quantile of the standard normal distribution.
const NORMAL_80: f64 = 0.841_621_233_572_914_3;

/// What stands for infinite growth, which JSON cannot hold.
const BEYOND_ALL: f64 = 1e9;

/// The estimate of one hypothesis that was tested along with others.
pub(super) fn estimate(hypothesis: &Hypothesis, adjusted: Adjusted, outcome: &Outcome) -> Estimate {
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
        detectable: detectable(hypothesis, outcome),
    }
}

/// The growth whose statistic would exceed the critical one in four of five repetitions: the critical value times the
/// standard error of the statistic, and 0.84 standard errors of the mean beyond. An approximation: the mean is taken to
/// be normal, and the critical value to be what it was in these pairs.
fn detectable(hypothesis: &Hypothesis, outcome: &Outcome) -> f64 {
    let pairs = count(hypothesis.values.len());
    let level = DETECTABLE_LEVEL.max(outcome.smallest());
    let beyond = NORMAL_80 * hypothesis.deviation() / pairs.sqrt();
    let growth = (outcome.critical(level).max(0.0) * hypothesis.standard_error() + beyond).exp_m1();
    growth.min(BEYOND_ALL)
}
