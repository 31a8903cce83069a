//! Which scenario of the base belongs to which of the head. Pure.

use crate::scenario::{Planned, Scenario};

/// What makes a scenario of one side the counterpart of one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    /// The same id.
    ById,
    /// The same model, and the same values of all dimensions but those of which each side has one and another.
    ByModel,
    /// As `ByModel`, whatever the models are called: each side has one.
    OneModel,
}

/// Scenarios of two sides, matched.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// Base and head of each scenario that both have, in the order of the head.
    pub both: Vec<(Planned, Planned)>,
    /// Those that only the head has.
    pub new: Vec<Planned>,
    /// Those that only the base has.
    pub gone: Vec<Planned>,
}

impl Matching {
    /// Matches each scenario of the head with at most one of the base.
    pub fn of(self, base: Vec<Planned>, head: Vec<Planned>) -> Matched {
        let mut matched = Matched::default();
        let (bases, heads) = (base.clone(), head.clone());
        let mut left = base;
        for one in head {
            let counterpart = |other: &Planned| match self {
                Matching::ById => other.id == one.id,
                _ => self.belong_together(&other.scenario, &one.scenario, &bases, &heads),
            };
            match left.iter().position(counterpart) {
                Some(index) => matched.both.push((left.remove(index), one)),
                None => matched.new.push(one),
            }
        }
        matched.gone = left;
        matched
    }

    /// Whether two scenarios differ only where the sides as a whole do.
    fn belong_together(self, base: &Scenario, head: &Scenario, bases: &[Planned], heads: &[Planned]) -> bool {
        let same_model = |a: &Scenario, b: &Scenario| self == Matching::OneModel || a.model.name() == b.model.name();
        if !same_model(base, head) {
            return false;
        }
        let of_model = |planned: &[Planned], scenario: &Scenario| -> Vec<Scenario> {
            planned.iter().map(|one| one.scenario.clone()).filter(|other| same_model(other, scenario)).collect()
        };
        let (bases, heads) = (of_model(bases, base), of_model(heads, head));
        DIMENSIONS.iter().all(|dimension| {
            let sides = |scenarios: &[Scenario]| {
                let mut values: Vec<String> = scenarios.iter().map(dimension).collect();
                values.sort();
                values.dedup();
                values
            };
            // One value on each side: that they differ is what is compared.
            let is_compared = sides(&bases).len() == 1 && sides(&heads).len() == 1;
            is_compared || dimension(base) == dimension(head)
        })
    }
}

/// Every dimension of a scenario but its model, as text.
const DIMENSIONS: [fn(&Scenario) -> String; 7] = [
    |scenario| scenario.provider.name().to_owned(),
    |scenario| scenario.precision.name().to_owned(),
    |scenario| scenario.optimization.name().to_owned(),
    |scenario| format!("{:?}", scenario.batch),
    |scenario| format!("{:?}", scenario.sequence),
    |scenario| scenario.image.map_or_else(String::new, |size| size.to_string()),
    |scenario| scenario.threads.to_string(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::planned;
    use crate::scenario::{ModelRef, Optimization};

    fn scenario(model: &str, edit: impl FnOnce(&mut Scenario)) -> Planned {
        let mut one = planned();
        one.scenario.model = ModelRef::Zoo { name: model.into() };
        edit(&mut one.scenario);
        one.id = one.scenario.id();
        one
    }

    fn shown(matched: &Matched) -> [Vec<String>; 3] {
        let ids = |list: &[Planned]| list.iter().map(|one| one.id.0.clone()).collect();
        let both = matched.both.iter().map(|(base, head)| format!("{} {}", base.id, head.id)).collect();
        [both, ids(&matched.new), ids(&matched.gone)]
    }

    #[test]
    fn by_id_what_stands_on_one_side_alone_is_kept_apart() {
        let one = |model| scenario(model, |_| ());
        let matched = Matching::ById.of(vec![one("a"), one("b"), one("c")], vec![one("c"), one("d"), one("a")]);
        let heads: Vec<&str> = matched.both.iter().map(|(_, head)| head.scenario.model.name()).collect();
        assert_eq!(heads, ["c", "a"], "in the order of the head");
        let [_, new, gone] = shown(&matched);
        assert!(new[0].starts_with("d@") && gone[0].starts_with("b@") && new.len() + gone.len() == 2);
    }

    #[test]
    fn a_dimension_with_one_value_a_side_is_what_is_compared() {
        let side = |optimization, models: [&str; 2]| {
            let with = |model: &str, batch| {
                scenario(model, |scenario| (scenario.optimization, scenario.batch) = (optimization, Some(batch)))
            };
            models.into_iter().flat_map(|model| [with(model, 1), with(model, 8)]).collect::<Vec<_>>()
        };
        let matched = Matching::ByModel.of(side(Optimization::Basic, ["a", "b"]), side(Optimization::All, ["b", "a"]));
        let [both, new, gone] = shown(&matched);
        assert_eq!(
            both,
            [
                "b@cpu-fp32-basic-b1-s128-t1 b@cpu-fp32-all-b1-s128-t1",
                "b@cpu-fp32-basic-b8-s128-t1 b@cpu-fp32-all-b8-s128-t1",
                "a@cpu-fp32-basic-b1-s128-t1 a@cpu-fp32-all-b1-s128-t1",
                "a@cpu-fp32-basic-b8-s128-t1 a@cpu-fp32-all-b8-s128-t1",
            ]
        );
        assert!(new.is_empty() && gone.is_empty());
    }

    #[test]
    fn a_value_more_on_one_side_is_a_scenario_more_and_no_counterpart() {
        let with = |batch| scenario("a", |scenario| scenario.batch = Some(batch));
        let [both, new, gone] = shown(&Matching::ByModel.of(vec![with(1), with(8)], vec![with(8)]));
        assert_eq!((both.len(), new.len(), gone), (1, 0, vec!["a@cpu-fp32-all-b1-s128-t1".to_owned()]));
        assert!(both[0].contains("b8-s128-t1 a@cpu-fp32-all-b8"));
    }

    #[test]
    fn two_files_match_whatever_they_are_called() {
        let with = |model: &str, batch| scenario(model, |scenario| scenario.batch = Some(batch));
        let matched = Matching::OneModel.of(vec![with("old", 1), with("old", 8)], vec![with("new", 8), with("new", 1)]);
        let [both, ..] = shown(&matched);
        assert_eq!(both[0], "old@cpu-fp32-all-b8-s128-t1 new@cpu-fp32-all-b8-s128-t1");
        assert_eq!(both.len(), 2);
    }
}
