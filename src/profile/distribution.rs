//! Many observations of one duration in bounded memory.

use std::collections::BTreeMap;

/// A histogram of whole microseconds with bins of one below 256 us, of 1 part in 128 above. Its size is bounded whatever the
/// number of observations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Lower edge of a bin -> number and sum of the observations in it.
    bins: BTreeMap<i64, (u64, i64)>,
    count: u64,
}

/// Durations below this have a bin each.
const EXACT_BELOW: i64 = 256;

impl Distribution {
    /// Adds one observation; a negative one counts as 0.
    pub fn add(&mut self, duration_us: i64) {
        let duration_us = duration_us.max(0);
        let (count, sum) = self.bins.entry(bin(duration_us)).or_default();
        *count += 1;
        *sum = sum.saturating_add(duration_us);
        self.count += 1;
    }

    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of the observations between two quantiles (0 to 1), those at an edge weighted by the part inside. Of
    /// integers truncated from a clock this keeps the resolution below one unit, which a median loses. 0 without
    /// observations.
    pub fn mean_between(&self, low: f64, high: f64) -> f64 {
        let total = to_f64(self.count);
        let (low, high) = (low * total, high * total);
        let mut before = 0.0;
        let (mut sum, mut weight) = (0.0, 0.0);
        for (count, bin_sum) in self.bins.values() {
            let after = before + to_f64(*count);
            let inside = (after.min(high) - f64::max(before, low)).max(0.0);
            sum += inside * (*bin_sum as f64) / to_f64(*count);
            weight += inside;
            before = after;
        }
        if weight > 0.0 { sum / weight } else { 0.0 }
    }
}

/// Width of the bins around a duration: a power of two.
fn width(duration_us: i64) -> i64 {
    if duration_us < EXACT_BELOW { 1 } else { 1 << (duration_us.ilog2() - 7) }
}

fn bin(duration_us: i64) -> i64 {
    duration_us - duration_us % width(duration_us)
}

fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[i64]) -> Distribution {
        let mut distribution = Distribution::default();
        values.iter().for_each(|value| distribution.add(*value));
        distribution
    }

    #[test]
    fn means_between_quantiles() {
        let values = of(&[1, 2, 3, 4, 5, 6, 7, 1000]);
        assert_eq!(values.mean_between(0.25, 0.75), 4.5);
        assert_eq!(of(&[2, 2, 3, 2, 3, 3]).mean_between(0.25, 0.75), 2.5);
        assert_eq!(of(&[5]).mean_between(0.25, 0.75), 5.0);
        assert_eq!(of(&[]).mean_between(0.25, 0.75), 0.0);
        assert_eq!(of(&[-4]).mean_between(0.0, 1.0), 0.0);
    }

    #[test]
    fn long_durations_keep_their_precision_and_few_bins() {
        let mut distribution = Distribution::default();
        for value in 0..2_000_000 {
            distribution.add(value);
        }
        assert!(distribution.bins.len() < 2500, "{}", distribution.bins.len());
        let mean = distribution.mean_between(0.0, 1.0);
        assert!((mean - 999_999.5).abs() < 1.0, "{mean}");
        for value in [257, 1000, 123_456, 9_999_999] {
            let mean = of(&[value]).mean_between(0.0, 1.0);
            assert!((mean - value as f64).abs() <= value as f64 / 128.0, "{value}: {mean}");
        }
    }
}
