//! Division of a suite over machines: every machine computes the same division and takes its own part.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ScenarioId;

/// One part of a suite that several machines measure together. Written `2/5`: the second of five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// Which part, from 1.
    pub index: u32,
    /// How many parts there are.
    pub of: u32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Partition { index, of }),
            _ => Err(format!("`{text}` is not a part of a whole; write `2/5` for the second of five parts")),
        }
    }
}

/// The part, from 1, that each scenario belongs to, in the order given. `seconds` is what a scenario is expected to take
/// anywhere; only these and the ids decide, not the order.
///
/// The longest scenario is placed first, each where least is to be done so far (R. L. Graham, Bounds on multiprocessing
/// timing anomalies, SIAM J. Appl. Math. 17, 1969): no part takes longer than an even share and the longest scenario
/// together.
pub fn divide(scenarios: &[(&ScenarioId, f64)], parts: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..scenarios.len()).collect();
    order.sort_by(|&a, &b| {
        let ((id_a, seconds_a), (id_b, seconds_b)) = (scenarios[a], scenarios[b]);
        seconds_b.total_cmp(&seconds_a).then_with(|| id_a.cmp(id_b))
    });
    let mut loads: Vec<(u32, f64)> = (1..=parts).map(|part| (part, 0.0)).collect();
    let mut part_of = vec![0; scenarios.len()];
    for index in order {
        // The first of equals.
        if let Some((part, load)) = loads.iter_mut().min_by(|a, b| a.1.total_cmp(&b.1)) {
            *load += scenarios[index].1;
            part_of[index] = *part;
        }
    }
    part_of
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(count: usize) -> Vec<ScenarioId> {
        (0..count).map(|n| ScenarioId(format!("model-{n}@cpu"))).collect()
    }

    fn pairs<'a>(ids: &'a [ScenarioId], seconds: &[f64]) -> Vec<(&'a ScenarioId, f64)> {
        ids.iter().zip(seconds.iter().copied()).collect()
    }

    fn loads(seconds: &[f64], part_of: &[u32], parts: u32) -> Vec<f64> {
        let load = |part| seconds.iter().zip(part_of).filter(|&(_, of)| *of == part).map(|(s, _)| s).sum();
        (1..=parts).map(load).collect()
    }

    #[test]
    fn the_long_one_stands_alone_and_the_short_ones_share() {
        let ids = ids(4);
        let seconds = [1.0, 1.0, 10.0, 1.0];
        assert_eq!(divide(&pairs(&ids, &seconds), 2), [2, 2, 1, 2]);
    }

    #[test]
    fn parts_beyond_the_scenarios_are_empty() {
        let ids = ids(2);
        assert_eq!(divide(&pairs(&ids, &[1.0, 1.0]), 5), [1, 2]);
        assert!(divide(&[], 5).is_empty());
    }

    #[test]
    fn a_partition_is_read_as_it_is_written() {
        assert_eq!("2/5".parse(), Ok(Partition { index: 2, of: 5 }));
        assert_eq!(Partition { index: 2, of: 5 }.to_string(), "2/5");
        for wrong in ["", "2", "0/5", "6/5", "2/0", "a/b", "2/5/6", "-1/5"] {
            let message = wrong.parse::<Partition>().unwrap_err();
            assert!(message.contains("write `2/5`"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn every_scenario_is_in_one_part_whatever_the_order(
            seconds in proptest::collection::vec(0.01_f64..1000.0, 0..40),
            parts in 1_u32..12,
            turn in 0_usize..40,
        ) {
            let ids = ids(seconds.len());
            let scenarios = pairs(&ids, &seconds);
            let part_of = divide(&scenarios, parts);
            prop_assert!(part_of.iter().all(|part| (1..=parts).contains(part)), "{part_of:?}");

            let mut turned = scenarios.clone();
            turned.rotate_left(turn % scenarios.len().max(1));
            turned.reverse();
            for (&(id, _), part) in turned.iter().zip(divide(&turned, parts)) {
                let index = ids.iter().position(|other| other == id).unwrap();
                prop_assert_eq!(part, part_of[index], "the order of the list decided where {} goes", id);
            }

            let even = seconds.iter().sum::<f64>() / f64::from(parts);
            let longest = seconds.iter().copied().fold(0.0, f64::max);
            let most = loads(&seconds, &part_of, parts).into_iter().fold(0.0, f64::max);
            prop_assert!(most <= even + longest + 1e-9, "{most} s in one part, {even} s would be even");
        }

        #[test]
        fn no_part_is_empty_while_another_has_two(
            seconds in proptest::collection::vec(0.01_f64..1000.0, 1..40),
            parts in 1_u32..12,
        ) {
            let ids = ids(seconds.len());
            let part_of = divide(&pairs(&ids, &seconds), parts);
            let used: std::collections::BTreeSet<u32> = part_of.into_iter().collect();
            prop_assert_eq!(used.len(), seconds.len().min(usize::try_from(parts).unwrap()));
        }
    }
}
