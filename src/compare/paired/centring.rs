//! What the machine did to each pair of launches: the factor that its operators have in common.
//!
//! Everything here treats the two sides alike within each pair, so that exchanging the sides of one pair changes the
//! sign of that pair's logarithms and nothing else. The test by sign flips is exact for that reason alone.

use crate::summary::{FEWEST_TELLING, Group, Resolution, Sample, SideOperator, Timed, median, telling};

use super::turns::logs;

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
    /// The operators that it is the median over; those that have one voice together stand together.
    references: Vec<Vec<usize>>,
    /// Each operator's part of the time of its voice, 0 to 1.
    weights: Vec<f64>,
}

impl Common {
    /// Of operators measured in these pairs; `None` where too few tell.
    pub(super) fn of(operators: &[Paired], pairs: usize, resolution: Resolution) -> Option<Common> {
        let references = references(operators, resolution);
        if references.len() < FEWEST_TELLING {
            return None;
        }
        let voices: Vec<Vec<f64>> = references.iter().map(|members| voice(operators, members)).collect();
        let log = |pair: usize| {
            let logs: Vec<f64> = voices.iter().map(|voice| voice[pair]).collect();
            median(&logs).unwrap_or(0.0)
        };
        let mut weights = vec![0.0; operators.len()];
        for members in &references {
            let total: f64 = members.iter().map(|index| shorter(&operators[*index])).sum();
            members.iter().for_each(|index| weights[*index] = shorter(&operators[*index]) / total);
        }
        Some(Common { logs: (0..pairs).map(log).collect(), references, weights })
    }

    /// How far a change of one operator moves the median of which it is a part, in standard deviations of a pair, by its
    /// weight in its voice. That much of its effect is taken off.
    ///
    /// With one of n normal values far out, the median is the middle one of n and the others: an order statistic of n - 1,
    /// whose expectation is sqrt(pi / 2) / (n - 0.8) to within 2 % for odd n from 3 on and 9 % for even ones. For large n that
    /// is the influence function of the median (Hampel 1974) over n.
    pub(super) fn own_part(&self, operator: usize) -> f64 {
        (std::f64::consts::PI / 2.0).sqrt() / (super::count(self.references.len()) - 0.8) * self.weights[operator]
    }
}

/// Logarithms of head/base of operators that have one voice, a value per pair.
fn voice(operators: &[Paired], members: &[usize]) -> Vec<f64> {
    match members {
        [one] => operators[*one].logs.clone(),
        several => {
            let base = Sample::sum(several.iter().map(|index| &operators[*index].base.self_us));
            logs(&base, &Sample::sum(several.iter().map(|index| &operators[*index].head.self_us)))
        }
    }
}

/// The operators that tell the machine factor: run equally often on both sides and long enough to be timed.
fn references(operators: &[Paired], resolution: Resolution) -> Vec<Vec<usize>> {
    let candidates: Vec<(f64, usize)> = operators
        .iter()
        .enumerate()
        .filter(|(_, operator)| operator.base.executions == operator.head.executions)
        .map(|(index, operator)| (shorter(operator), index))
        .filter(|(shorter, _)| *shorter > 0.0)
        .collect();
    let told = telling(candidates, resolution, |(shorter, index)| {
        let SideOperator { executions, group, .. } = &operators[*index].base;
        Timed { us: *shorter, executions: *executions, gemm: *group == Some(Group::Gemm) }
    });
    told.into_iter().map(|members| members.into_iter().map(|(_, index)| index).collect()).collect()
}

/// Median over pairs of the shorter time of a pair.
fn shorter(operator: &Paired) -> f64 {
    let times: Vec<f64> = times(operator).map(|(base, head)| base.min(head)).collect();
    median(&times).unwrap_or(0.0)
}

/// True where the operator took as long as its clock can tell in any launch of either side.
pub(super) fn is_timed(operator: &Paired, resolution: Resolution) -> bool {
    times(operator).any(|(base, head)| base.max(head) >= resolution.operator_us)
}

fn times(operator: &Paired) -> impl Iterator<Item = (f64, f64)> {
    operator.base.self_us.0.iter().copied().zip(operator.head.self_us.0.iter().copied())
}
