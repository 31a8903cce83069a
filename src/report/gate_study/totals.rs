//! What the tables of the study come to.

use super::{GateStudy, METHODS, Method};

/// Red comparisons of unchanged code by one method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Red {
    /// Which.
    pub method: Method,
    /// How many.
    pub red: u32,
    /// Of all comparisons.
    pub rate: f64,
}

/// A size that counts as the one that was asked for.
const SIZES: [f64; 3] = [0.05, 0.10, 0.20];
/// Operators from this share on are those that the gate is held to.
const LARGE: f64 = 0.05;
/// An arm that missed its size by more than this part of it says nothing of that size.
const MISSED: f64 = 0.25;

impl GateStudy {
    /// Comparisons of unchanged code.
    pub fn comparisons(&self) -> u32 {
        self.unchanged.iter().map(|row| row.comparisons).sum()
    }

    /// Operators in them.
    pub fn operators(&self) -> u32 {
        self.unchanged.iter().map(|row| row.operators).sum()
    }

    /// Red ones by method.
    pub fn red(&self) -> Vec<Red> {
        let of = |method: Method| {
            let called = self.unchanged.iter().flat_map(|row| &row.called);
            let red = called.filter(|called| called.method == method).map(|called| called.red).sum();
            Red { method, red, rate: f64::from(red) / f64::from(self.comparisons().max(1)) }
        };
        METHODS.into_iter().map(of).collect()
    }

    /// A sentence: how large the true rate of red comparisons may be. The three comparisons of a set share launches, so
    /// that only two thirds of them count as independent.
    pub fn bound(&self) -> String {
        let red = self.red().first().map_or(0, |red| red.red);
        let independent = self.comparisons() * 2 / 3;
        let bound = upper_bound(red, independent);
        format!(
            "`compare` called {red} of {} comparisons red. With {independent} counted as independent, the true rate is \
             below {:.1} % with 95 % confidence (Clopper and Pearson 1934). A red verdict of the command is measured \
             again before it is reported; here it is not.",
            self.comparisons(),
            bound * 100.0
        )
    }

    /// A line for each size: how many were found, and where the blame fell.
    pub fn power(&self) -> Vec<String> {
        let line = |size: f64| {
            let rows = self.slowed.iter().filter(|row| (row.wanted - size).abs() < 1e-9 && row.share >= LARGE);
            let (mut all, mut found, mut blamed, mut missed) = (0, 0, 0, 0);
            for row in rows {
                if (row.reached / row.wanted - 1.0).abs() > MISSED {
                    missed += row.comparisons;
                    continue;
                }
                all += row.comparisons;
                for called in row.called.iter().filter(|called| called.method == Method::Paired) {
                    found += called.found;
                    blamed += called.others_blamed;
                }
            }
            let left_out = match missed {
                0 => String::new(),
                missed => {
                    format!("; {missed} left out, whose arm missed its size by more than {:.0} %", MISSED * 100.0)
                }
            };
            (all > 0).then(|| {
                format!(
                    "+{:.0} % in operators of {:.0} % of the time or more: {found} of {all} found ({:.0} %), another \
                     operator blamed in {blamed}{left_out}",
                    size * 100.0,
                    LARGE * 100.0,
                    f64::from(found) / f64::from(all) * 100.0
                )
            })
        };
        SIZES.into_iter().filter_map(line).collect()
    }
}

/// The largest rate under which so few of `all` are still seen in 5 % of cases: Clopper and Pearson (1934), "The use of
/// confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26; one-sided, found by bisection.
fn upper_bound(seen: u32, all: u32) -> f64 {
    if seen >= all {
        return 1.0;
    }
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(seen, all, middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

/// Probability of `seen` or fewer of `all` at this rate.
fn at_most(seen: u32, all: u32, rate: f64) -> f64 {
    let mut term = (1.0 - rate).powf(f64::from(all));
    let mut sum = term;
    for k in 0..seen {
        term *= f64::from(all - k) / f64::from(k + 1) * rate / (1.0 - rate);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_nothing_seen_is_the_rule_of_three() {
        assert!((upper_bound(0, 300) - 0.00994).abs() < 1e-4);
        assert_eq!(upper_bound(5, 5), 1.0);
    }

    #[test]
    fn the_bound_grows_with_what_is_seen() {
        // Tables of the exact binomial: 2 of 40 leave 14.9 % one-sided at 95 %.
        assert!((upper_bound(2, 40) - 0.149).abs() < 2e-3, "{}", upper_bound(2, 40));
    }
}
