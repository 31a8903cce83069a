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

/// The logarithm of each pair's machine factor; `None` where too few operators tell.
pub(super) fn pair_factors(operators: &[Paired], pairs: usize) -> Option<Vec<f64>> {
    let references = references(operators);
    if references.len() < FEWEST_TELLING {
        return None;
    }
    let factor = |pair: usize| {
        let logs: Vec<f64> = references.iter().map(|operator| operator.logs[pair]).collect();
        median(&logs).unwrap_or(0.0)
    };
    Some((0..pairs).map(factor).collect())
}

/// The operators that tell the machine factor: run equally often on both sides and long enough to be timed.
fn references(operators: &[Paired]) -> Vec<&Paired> {
    let candidates: Vec<(f64, &Paired)> = operators
        .iter()
        .filter(|operator| operator.base.executions == operator.head.executions)
        .map(|operator| (shorter(operator), operator))
        .filter(|(shorter, _)| *shorter > 0.0)
        .collect();
    telling(candidates, |(shorter, _)| *shorter).into_iter().map(|(_, operator)| operator).collect()
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
