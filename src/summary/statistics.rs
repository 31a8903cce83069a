//! Robust statistics of small samples. One value is one launch, so samples have 1 to about 20 values.

use super::Sample;

/// Makes the median absolute deviation estimate the standard deviation of normally distributed values: 1 / Phi^-1(3/4).
/// Hampel (1974), "The influence curve and its role in robust estimation", JASA 69(346).
const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// What the scaled deviation of 2 to 9 values must be multiplied by to be right on average: so few values lie too
/// close to a median drawn from themselves. Croux and Rousseeuw (1992), "Time-efficient algorithms for two highly
/// robust estimators of scale", Computational Statistics 1.
const SMALL_SAMPLE: [f64; 8] = [1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107];

/// Variance of the median of 1 to 8 normally distributed values, times their number, in units of one value's variance.
/// Rider (1960), "Variance of the median of small samples from several special populations", JASA 55(289); a test draws
/// them again.
const MEDIAN_VARIANCE: [f64; 8] = [1.0, 1.0, 1.346, 1.193, 1.434, 1.288, 1.473, 1.345];

/// The same of many values.
const MEDIAN_VARIANCE_OF_MANY: f64 = std::f64::consts::FRAC_PI_2;

/// Standard error of the median of `count` values that have this standard deviation, in the same unit.
pub fn error_of_median(deviation: f64, count: usize) -> f64 {
    let factor = count.checked_sub(1).and_then(|index| MEDIAN_VARIANCE.get(index)).unwrap_or(&MEDIAN_VARIANCE_OF_MANY);
    let count = u32::try_from(count.max(1)).map_or(f64::MAX, f64::from);
    deviation * (factor / count).sqrt()
}

impl Sample {
    /// How many launches the figure was observed in.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where no launch observed the figure.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The middle value, the mean of the two middle ones for an even number; 0 for an empty sample.
    pub fn median(&self) -> f64 {
        median(&self.0).unwrap_or(0.0)
    }

    /// Arithmetic mean; 0 for an empty sample.
    pub fn mean(&self) -> f64 {
        let count = u32::try_from(self.len()).map_or(f64::INFINITY, f64::from);
        if self.is_empty() { 0.0 } else { self.0.iter().sum::<f64>() / count }
    }

    /// Smallest value; 0 for an empty sample.
    pub fn min(&self) -> f64 {
        self.0.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0)
    }

    /// Largest value; 0 for an empty sample. A NaN counts as larger than every number.
    pub fn max(&self) -> f64 {
        self.0.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0)
    }

    /// Median absolute deviation from the median, in the unit of the sample and not scaled; 0 for an empty sample.
    pub fn mad(&self) -> f64 {
        let centre = self.median();
        let deviations: Vec<f64> = self.0.iter().map(|value| (value - centre).abs()).collect();
        median(&deviations).unwrap_or(0.0)
    }

    /// Standard deviation between launches relative to the median, estimated as 1.4826 * MAD / median with the
    /// small-sample factor of Croux and Rousseeuw (1992). `None` where it cannot be known: fewer than two launches,
    /// or a median that is not above zero.
    pub fn relative_spread(&self) -> Option<f64> {
        let centre = self.median();
        if self.len() < 2 || centre.is_nan() || centre <= 0.0 {
            return None;
        }
        Some(small_sample_factor(self.len()) * MAD_TO_SIGMA * self.mad() / centre)
    }
}

/// The factor for `count` values; beyond the table it is n / (n - 0.8), from the same paper.
fn small_sample_factor(count: usize) -> f64 {
    if let Some(factor) = count.checked_sub(2).and_then(|index| SMALL_SAMPLE.get(index)) {
        return *factor;
    }
    let count = u32::try_from(count).map_or(f64::MAX, f64::from);
    count / (count - 0.8)
}

/// The middle of any values, the mean of the two middle ones for an even number; `None` of none. NaN sorts last, so a
/// minority of them cannot reach the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::testing::Noise;

    fn sample(values: &[f64]) -> Sample {
        Sample(values.to_vec())
    }

    #[test]
    fn odd_and_even_samples_have_a_middle() {
        assert_eq!(sample(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(sample(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(sample(&[7.0]).median(), 7.0);
    }

    #[test]
    fn an_empty_sample_is_zero_and_has_no_spread() {
        let none = sample(&[]);
        assert_eq!((none.median(), none.mean(), none.min(), none.max(), none.mad()), (0.0, 0.0, 0.0, 0.0, 0.0));
        assert_eq!(none.relative_spread(), None);
    }

    #[test]
    fn mean_min_max_and_mad_are_the_textbook_ones() {
        let s = sample(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]);
        assert_eq!((s.min(), s.max(), s.mad()), (1.0, 9.0, 1.0));
        assert!((s.mean() - 25.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn one_launch_says_nothing_of_spread() {
        assert_eq!(sample(&[5.0]).relative_spread(), None);
        assert_eq!(sample(&[0.0, 0.0]).relative_spread(), None);
        assert_eq!(sample(&[5.0, 5.0]).relative_spread(), Some(0.0));
    }

    #[test]
    fn a_nan_neither_panics_nor_reaches_the_middle() {
        assert_eq!(sample(&[f64::NAN, 1.0, 2.0]).median(), 2.0);
        assert_eq!(sample(&[f64::NAN, f64::NAN]).relative_spread(), None);
    }

    #[test]
    fn spread_is_right_on_average_for_few_launches() {
        // 20 000 normal samples with a standard deviation of 5 %; without the factor n = 3 would read 3.3 %.
        for count in 2..=12 {
            let mut noise = Noise::seeded(count);
            let draws = 20_000;
            let mut sum = 0.0;
            for _ in 0..draws {
                let values = (0..count).map(|_| 100.0 * (1.0 + 0.05 * noise.normal())).collect();
                sum += Sample(values).relative_spread().unwrap();
            }
            let mean = sum / f64::from(draws);
            assert!((mean - 0.05).abs() < 0.0025, "{count} launches: {mean}");
        }
    }

    #[test]
    fn the_error_of_a_median_is_what_medians_scatter_by() {
        for count in 1..=12 {
            let mut noise = Noise::seeded(100 + count);
            let medians: Vec<f64> =
                (0..40_000).map(|_| Sample((0..count).map(|_| noise.normal()).collect()).median()).collect();
            let scatter = (medians.iter().map(|m| m * m).sum::<f64>() / 40_000.0).sqrt();
            let expected = error_of_median(1.0, usize::try_from(count).unwrap());
            // Beyond the table the bound of many values is a little too wide, never too narrow.
            let allowed = if count > 8 { 0.99..1.10 } else { 0.985..1.015 };
            assert!(allowed.contains(&(expected / scatter)), "{count}: {expected} for {scatter}");
        }
    }
}
