//! How often something happened, and what that says of how often it happens.

use serde::{Deserialize, Serialize};

/// Both ends of the interval together leave out this probability.
const OUTSIDE: f64 = 0.05;

/// Halvings of the interval from 0 to 1 until no double lies between its ends.
const HALVINGS: usize = 60;

/// A count out of a number of trials, with its exact 95 % interval (Clopper and Pearson, Biometrika 26, 1934): whatever
/// the true rate is, the interval covers it in at least 95 of 100 such series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// How often it happened.
    pub count: u32,
    /// In how many trials.
    pub of: u32,
    /// Lower end of the interval, 0 to 1.
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
}

impl Rate {
    /// The rate of `count` in `of` trials; without trials anything is possible.
    pub fn of(count: u32, of: u32) -> Rate {
        let count = count.min(of);
        // The true rate at which so many or more, or so few or fewer, would be seen with half of the probability.
        let low = if count == 0 { 0.0 } else { solve(|p| 1.0 - at_most(count - 1, of, p) - OUTSIDE / 2.0) };
        let high = if count == of { 1.0 } else { solve(|p| OUTSIDE / 2.0 - at_most(count, of, p)) };
        Rate { count, of, low, high }
    }
}

/// Where a function that rises from 0 to 1 is zero.
fn solve(rising: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if rising(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Probability of `count` or fewer in `of` trials at a rate between 0 and 1, both excluded.
fn at_most(count: u32, of: u32, rate: f64) -> f64 {
    let odds = rate / (1.0 - rate);
    // Each term from the one before it, in logarithms: the first one alone may be too small for a double.
    let mut log = f64::from(of) * (-rate).ln_1p();
    let mut sum = log.exp();
    for k in 0..count {
        log += (f64::from(of - k) / f64::from(k + 1) * odds).ln();
        sum += log.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_interval(count: u32, of: u32, low: f64, high: f64) {
        let rate = Rate::of(count, of);
        let near = |a: f64, b: f64| (a - b).abs() < 5e-5;
        assert!(near(rate.low, low) && near(rate.high, high), "{rate:?}");
    }

    #[test]
    fn known_intervals() {
        // Closed forms at the ends: 1 - 0.025^(1/n).
        assert_interval(0, 3, 0.0, 0.70760);
        assert_interval(0, 40, 0.0, 0.08810);
        assert_interval(10, 10, 0.69150, 1.0);
        // As `binom.test` of R prints them.
        assert_interval(1, 10, 0.00253, 0.44502);
        assert_interval(5, 10, 0.18709, 0.81291);
    }

    #[test]
    fn without_trials_anything_is_possible() {
        assert_eq!(Rate::of(0, 0), Rate { count: 0, of: 0, low: 0.0, high: 1.0 });
    }

    #[test]
    fn the_interval_covers_the_rate_it_is_asked_for() {
        for of in [1, 7, 40, 400] {
            for count in 0..=of {
                let Rate { low, high, .. } = Rate::of(count, of);
                let seen = f64::from(count) / f64::from(of);
                assert!(low <= seen && seen <= high && (0.0..=1.0).contains(&low) && high <= 1.0);
            }
        }
    }
}
