//! What the machine did to each pair of launches: the factor that its operators have in common.
//!
//! Everything here treats the two sides alike within each pair, so that exchanging the sides of one pair changes the
//! sign of that pair's logarithms and nothing else. The test by sign flips is exact for that reason alone.

use crate::summary::{CLOCK_FLOOR_US, FEWEST_TELLING, SideOperator, median, telling};

/// An operator on both sides with the logarithms of its head/base, a value per pair.
pub(super) struct Paired {
    pub(super) base: SideOperator,
    pub(super) head: SideOperator,
    pub(super) logs: Vec<f64>,
}

/// What the operators of each pair have in common.
pub(super) struct Common {
    /// Logarithm of each pair's machine factor.
    pub(super) logs: Vec<f64>,
    /// Which operators it is the median over.
    references: Vec<usize>,
}

impl Common {
    /// Of operators measured in these pairs; `None` where too few tell.
    pub(super) fn of(operators: &[Paired], pairs: usize) -> Option<Common> {
        let references = references(operators);
        if references.len() < FEWEST_TELLING {
            return None;
        }
        let log = |pair: usize| {
            let logs: Vec<f64> = references.iter().map(|index| operators[*index].logs[pair]).collect();
            median(&logs).unwrap_or(0.0)
        };
        Some(Common { logs: (0..pairs).map(log).collect(), references })
    }

    /// How far a change of one operator moves the median of which it is a part, in standard deviations of a pair: the
    /// influence function of the median over the number of values (Hampel 1974). That much of its effect is taken off.
    pub(super) fn own_part(&self, operator: usize) -> f64 {
        let part = || (std::f64::consts::PI / 2.0).sqrt() / super::count(self.references.len());
        if self.references.contains(&operator) { part() } else { 0.0 }
    }
}

/// The operators that tell the machine factor: run equally often on both sides and long enough to be timed.
fn references(operators: &[Paired]) -> Vec<usize> {
    let candidates: Vec<(f64, usize)> = operators
        .iter()
        .enumerate()
        .filter(|(_, operator)| operator.base.executions == operator.head.executions)
        .map(|(index, operator)| (shorter(operator), index))
        .filter(|(shorter, _)| *shorter > 0.0)
        .collect();
    telling(candidates, |(shorter, _)| *shorter).into_iter().map(|(_, index)| index).collect()
}

/// Median over pairs of the shorter time of a pair.
fn shorter(operator: &Paired) -> f64 {
    let times: Vec<f64> = times(operator).map(|(base, head)| base.min(head)).collect();
    median(&times).unwrap_or(0.0)
}

/// True where the operator took as long as the profiler's clock can tell in any launch of either side.
pub(super) fn is_timed(operator: &Paired) -> bool {
    times(operator).any(|(base, head)| base.max(head) >= CLOCK_FLOOR_US)
}

fn times(operator: &Paired) -> impl Iterator<Item = (f64, f64)> {
    operator.base.self_us.0.iter().copied().zip(operator.head.self_us.0.iter().copied())
}
