//! Two sides measured in turns -> what the pairs of launches say of each operator and of the latency.
//!
//! Logarithms of head/base, centred pair by pair by what all operators have in common (`centring`), tested all together
//! by sign flips (`max_t`). The method and its sources are in docs/gate.md. Pure: the same input gives the same bytes.

mod centring;
mod estimate;
mod flips;
mod max_t;
mod student;
#[cfg(test)]
mod tests;
mod turns;

use crate::summary::{Side, SideOperator};

use super::Comparison;
use max_t::Adjusted;
use turns::{Place, Turns};

/// Compares scenarios whose two sides, base and head, were measured in turns: launch i of one belongs to launch i of the
/// other. All operators and latencies of all scenarios are tested together. Sides of different length are compared over
/// the pairs that both have.
///
/// Without three operators to tell the machine factor, a scenario's operators have no estimate. With fewer than two pairs
/// nothing has.
pub fn paired(scenarios: &[(&Side, &Side)]) -> Vec<Comparison> {
    paired_where(scenarios, |_, _| true)
}

/// Like [`paired`], testing only what `tested` names by the scenario's index and the operator, `None` for the latency.
/// Of all else the probabilities are 1. For a second look at what the first one flagged.
pub fn paired_where(
    scenarios: &[(&Side, &Side)],
    tested: impl Fn(usize, Option<&SideOperator>) -> bool,
) -> Vec<Comparison> {
    let turns: Vec<Turns> = scenarios.iter().map(|(base, head)| Turns::of(base, head)).collect();
    let wanted = |(index, place): &(usize, Place)| {
        let turns = &turns[*index];
        let operator = turns.operator(*place);
        turns.is_timed(*place) && tested(*index, operator.map(|operator| &operator.head))
    };
    let all = turns.iter().enumerate().flat_map(|(index, scenario)| scenario.places().map(move |place| (index, place)));
    let places: Vec<(usize, Place)> = all.filter(wanted).collect();
    let hypotheses: Vec<_> = places.iter().filter_map(|(index, place)| turns[*index].hypothesis(*place)).collect();
    let outcome = max_t::test(&hypotheses);
    let adjusted = |index: usize, place: Place| {
        let found = places.iter().position(|other| *other == (index, place));
        found.map_or(Adjusted { slower: 1.0, faster: 1.0 }, |found| outcome.adjusted[found])
    };
    let compared = |(index, scenario): (usize, &Turns)| scenario.compared(&outcome, |place| adjusted(index, place));
    turns.iter().enumerate().map(compared).collect()
}

/// A number of things as a factor; beyond what 32 bits hold nothing here is counted.
fn count(things: usize) -> f64 {
    u32::try_from(things).map_or(f64::INFINITY, f64::from)
}
