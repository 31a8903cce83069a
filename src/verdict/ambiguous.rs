//! Whether the machine factor can be believed.
//!
//! The median over operators is the machine's as long as fewer than half of them changed. Whether that holds cannot be
//! told from a stored baseline; what can be told is that it need not hold: operators in two groups with a ratio each, or
//! a median that the larger part of the time does not follow. Either of two factors then explains what was measured.

use crate::compare::{Comparison, OperatorChange};
use crate::summary::median;

use super::Policy;

/// The part of the operators that the smaller of two groups must have, for the larger one to be no clear majority.
const LARGE_GROUP: f64 = 0.4;

/// Fewer operators than this in a group are single operators that changed.
const FEWEST: usize = 2;

/// The void between two groups, as a part of the distance between their middles: operators that merely scatter have
/// none.
const VOID: f64 = 0.5;

/// Two factors, each of which explains the times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ambiguity {
    /// Head/base of the machine, if it is the one that more operators have.
    pub factor: f64,
    /// The other.
    pub other: f64,
    /// Part of the operators that have the other, 0 to 1.
    pub operators: f64,
    /// Part of the base time that those take, 0 to 1.
    pub time: f64,
}

/// An operator that tells the machine factor.
struct Telling {
    log: f64,
    base_us: f64,
}

/// Looks for two factors, further from each other than the smallest effect and than noise.
pub(super) fn ambiguity(comparison: &Comparison, policy: &Policy) -> Option<Ambiguity> {
    let factor = comparison.machine_factor?;
    let mut telling: Vec<Telling> = comparison.operators.iter().filter_map(|c| tells(c, factor, policy)).collect();
    telling.sort_by(|a, b| a.log.total_cmp(&b.log));
    let errors: Vec<f64> = comparison.operators.iter().map(|change| change.standard_error).collect();
    let noise = policy.spread_factor * median(&errors).unwrap_or(0.0);
    let least = policy.min_effect.ln_1p().max(noise);
    let (one, other) = two_groups(&telling, least).or_else(|| time_elsewhere(&telling, factor.ln(), least))?;
    let have_other: Vec<&Telling> =
        telling.iter().filter(|telling| (telling.log - other).abs() < (telling.log - one).abs()).collect();
    let time: f64 = have_other.iter().map(|telling| telling.base_us).sum();
    Some(Ambiguity {
        factor: one.exp(),
        other: other.exp(),
        operators: part(have_other.len(), telling.len()),
        time: time / telling.iter().map(|telling| telling.base_us).sum::<f64>(),
    })
}

/// Runs equally often on both sides, and long enough for the floor.
fn tells(change: &OperatorChange, factor: f64, policy: &Policy) -> Option<Telling> {
    let timed = change.base_us.min(change.head_us) >= policy.floor_us;
    let same = change.base_executions == change.head_executions;
    let ratio = change.normalized_ratio.filter(|_| timed && same)?;
    Some(Telling { log: ratio.ln() + factor.ln(), base_us: change.base_us })
}

/// The middles of two groups with a void between them, the larger group's first.
fn two_groups(telling: &[Telling], least: f64) -> Option<(f64, f64)> {
    let middle = |group: &[Telling]| median(&group.iter().map(|telling| telling.log).collect::<Vec<_>>());
    let large = |group: &[Telling]| group.len() >= FEWEST && part(group.len(), telling.len()) >= LARGE_GROUP;
    let widest = (1..telling.len())
        .filter(|at| large(&telling[..*at]) && large(&telling[*at..]))
        .max_by(|a, b| void(telling, *a).total_cmp(&void(telling, *b)))?;
    let (low, high) = (middle(&telling[..widest])?, middle(&telling[widest..])?);
    let apart = high - low;
    if apart < least || void(telling, widest) < VOID * apart {
        return None;
    }
    Some(if widest > telling.len() - widest { (low, high) } else { (high, low) })
}

fn void(telling: &[Telling], at: usize) -> f64 {
    telling[at].log - telling[at - 1].log
}

/// The machine factor and the ratio that the larger part of the time has, where that one is nearer to none: most operators
/// became slower (or faster), but not those that take most of the time.
fn time_elsewhere(telling: &[Telling], factor: f64, least: f64) -> Option<(f64, f64)> {
    let total: f64 = telling.iter().map(|telling| telling.base_us).sum();
    let mut below = 0.0;
    let middle = telling.iter().find(|telling| {
        below += telling.base_us;
        below >= total / 2.0
    })?;
    let elsewhere = (middle.log - factor).abs() >= least && middle.log.abs() < factor.abs();
    elsewhere.then_some((factor, middle.log))
}

fn part(of: usize, all: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    number(of) / number(all.max(1))
}
