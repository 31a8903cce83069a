//! What follows from a calibration for the configuration. Pure.

use serde::{Deserialize, Serialize};

use crate::report::{OperatorKey, ScenarioId};

use super::{OperatorNoise, Rules, ScenarioCalibration};

/// What a gate of operators should see: growth by a tenth ...
const WANTED_EFFECT: f64 = 0.10;

/// ... in operators from this share on.
const WANTED_SHARE: f64 = 0.05;

/// Operators from this share on are worth a line of advice where the gate is blind to them.
const NOTABLE_SHARE: f64 = 0.01;

/// Growth below which nothing shows: the gate is blind.
const BLIND: f64 = 1.0;

/// Where the gate is blind to more than this share of the time, no single operator is to blame.
const MOST: f64 = 0.5;

/// Numbers of pairs worth recommending; beyond the last, more pairs are no remedy.
const STEPS: [u32; 8] = [8, 12, 16, 20, 24, 32, 40, 60];

/// Relative deviation of the latency from which threads that fill the machine are suspected.
const UNSTEADY_LATENCY: f64 = 0.05;

/// One recommendation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Advice {
    /// So many pairs show growth by a tenth in every operator of at least a twentieth of the time.
    Pairs {
        /// How many.
        pairs: u32,
        /// What decides it; `None` where fewer than configured would do.
        because_of: Option<OperatorKey>,
        /// In which scenario.
        scenario: Option<ScenarioId>,
    },
    /// No reasonable number of pairs would show that: the machine is too noisy for it.
    TooNoisy {
        /// Where.
        scenario: ScenarioId,
        /// The operator that decides it.
        operator: OperatorKey,
        /// Relative growth of it that the measured pairs would have shown.
        resolvable: f64,
    },
    /// The scenario's threads take all cores, and its latency is unsteady.
    FewerThreads {
        /// Where.
        scenario: ScenarioId,
        /// How many to use.
        threads: u32,
    },
    /// The gate was red on this operator where nothing had changed, or is blind to it: let it warn.
    Quarantine {
        /// Where.
        scenario: ScenarioId,
        /// What.
        operator: OperatorKey,
        /// True where it was red.
        red: bool,
        /// Relative growth that the measured pairs would have shown; `None` where that is not known.
        resolvable: Option<f64>,
    },
}

impl Advice {
    /// What follows from what was seen of each scenario.
    pub(super) fn from(scenarios: &[ScenarioCalibration], rules: &Rules, cores: u32) -> Vec<Advice> {
        let mut advice = Vec::new();
        advice.extend(pairs(scenarios, rules));
        for scenario in scenarios {
            advice.extend(too_noisy(scenario));
            advice.extend(fewer_threads(scenario, cores));
            advice.extend(quarantine(scenario));
        }
        advice
    }

    /// The lines of `nongemm.toml` that follow it; `None` where a configuration cannot.
    pub fn toml(&self) -> Option<String> {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match self {
            Advice::Pairs { pairs, because_of: Some(_), .. } => {
                let looks: Vec<String> = looks(*pairs).iter().map(u32::to_string).collect();
                Some(format!("[compare]\npairs = [{}]\n", looks.join(", ")))
            }
            Advice::Quarantine { scenario, operator, .. } => Some(format!(
                "[[rule]]\nlevel = \"warn\"\nscenario = {}\noperator = {}\nreason = {}\n",
                quoted(&scenario.0),
                quoted(&operator.0),
                quoted("varies too much to be gated (calibrate)")
            )),
            Advice::Pairs { .. } | Advice::TooNoisy { .. } | Advice::FewerThreads { .. } => None,
        }
    }
}

/// Operators that had better not fail the gate: red where nothing had changed, or so unsteady that their doubling would not
/// show. Where that is so of most of the time, it is the machine and not they.
fn quarantine(scenario: &ScenarioCalibration) -> Vec<Advice> {
    let blind =
        |one: &OperatorNoise| one.share >= NOTABLE_SHARE && one.noise.resolvable.is_some_and(|growth| growth >= BLIND);
    let red = |one: &OperatorNoise| scenario.false_reds.iter().any(|red| red.operator.as_ref() == Some(&one.key));
    let unseen: f64 = scenario.operators.iter().filter(|one| blind(one)).map(|one| one.share).sum();
    let unfit = |one: &&OperatorNoise| red(one) || (blind(one) && unseen <= MOST);
    let advice = |one: &OperatorNoise| Advice::Quarantine {
        scenario: scenario.id.clone(),
        operator: one.key.clone(),
        red: red(one),
        resolvable: one.noise.resolvable,
    };
    scenario.operators.iter().filter(unfit).map(advice).collect()
}

/// Looks that end with so many pairs; clear cases end at the first.
fn looks(pairs: u32) -> Vec<u32> {
    let mut looks: Vec<u32> = [8, 12, 20].into_iter().filter(|look| *look < pairs).collect();
    looks.push(pairs);
    looks
}

/// The operators that a gate should see growth of.
fn wanted(scenario: &ScenarioCalibration) -> impl Iterator<Item = (&OperatorNoise, u32)> {
    let of_weight = |one: &&OperatorNoise| one.share >= WANTED_SHARE;
    scenario.operators.iter().filter(of_weight).filter_map(|one| Some((one, pairs_needed(one, scenario.pairs)?)))
}

/// Pairs with which the operator's growth by a tenth would show, reckoned from what so many pairs showed: what shows goes
/// down with the root of their number. `None` where nothing is known.
fn pairs_needed(operator: &OperatorNoise, pairs: u32) -> Option<u32> {
    let shown = operator.noise.resolvable?.ln_1p();
    let needed = f64::from(pairs) * (shown / WANTED_EFFECT.ln_1p()).powi(2);
    // Saturates, which is more than any step.
    Some(needed.ceil() as u32)
}

fn pairs(scenarios: &[ScenarioCalibration], rules: &Rules) -> Option<Advice> {
    let all = scenarios.iter().flat_map(|scenario| wanted(scenario).map(move |(one, needed)| (scenario, one, needed)));
    let most = STEPS.last().copied().unwrap_or(u32::MAX);
    let (scenario, operator, needed) =
        all.filter(|(_, _, needed)| *needed <= most).max_by_key(|(_, _, needed)| *needed)?;
    let step = STEPS.into_iter().find(|step| *step >= needed)?;
    let configured = rules.pairs.last().copied().unwrap_or(0);
    Some(if step > configured {
        let (because_of, scenario) = (Some(operator.key.clone()), Some(scenario.id.clone()));
        Advice::Pairs { pairs: step, because_of, scenario }
    } else {
        Advice::Pairs { pairs: step, because_of: None, scenario: None }
    })
}

fn too_noisy(scenario: &ScenarioCalibration) -> Option<Advice> {
    let most = STEPS.last().copied().unwrap_or(u32::MAX);
    let (operator, _) = wanted(scenario).filter(|(_, needed)| *needed > most).max_by_key(|(_, needed)| *needed)?;
    let resolvable = operator.noise.resolvable?;
    let (scenario, operator) = (scenario.id.clone(), operator.key.clone());
    Some(Advice::TooNoisy { scenario, operator, resolvable })
}

fn fewer_threads(scenario: &ScenarioCalibration, cores: u32) -> Option<Advice> {
    let unsteady = scenario.latency.deviation.is_some_and(|deviation| deviation > UNSTEADY_LATENCY);
    let fills = scenario.threads > 1 && scenario.threads >= cores;
    let threads = cores.saturating_sub(1).max(1);
    (unsteady && fills).then(|| Advice::FewerThreads { scenario: scenario.id.clone(), threads })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::calibration::Calibration;
    use crate::report::calibration::fixtures::{self, BERT};
    use crate::report::calibration::{ControlRun, FalseRed, Trial};
    use crate::report::{Report, fixtures as reports};

    /// What is advised after one comparison of equal sides with these operators (key, share, deviation).
    fn advice(operators: &[(&str, f64, f64)], change: impl FnOnce(&mut ScenarioCalibration)) -> Vec<Advice> {
        let trial = Trial { scenarios: vec![fixtures::unchanged("s", operators)], confirmed: Vec::new() };
        let control = ControlRun { id: ScenarioId("s".into()), made: Err("none".into()), report: None };
        let Report { machine, .. } = reports::check();
        let calibration = Calibration::of(machine, fixtures::rules(), 1, &[trial], &[control]);
        let mut scenarios = calibration.scenarios;
        change(&mut scenarios[0]);
        Advice::from(&scenarios, &fixtures::rules(), 2)
    }

    fn quarantined(advice: &[Advice]) -> Vec<&str> {
        advice
            .iter()
            .filter_map(|advice| match advice {
                Advice::Quarantine { operator, .. } => Some(operator.0.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn pairs_grow_with_the_square_of_what_is_to_be_seen() {
        // 8 pairs show growth by 0.26 in Gelu: ln(1.26)^2 / ln(1.1)^2 is 5.9 times as many.
        let bert = advice(&BERT, |_| ());
        let Advice::Pairs { pairs, because_of, .. } = &bert[0] else { panic!("{bert:?}") };
        assert_eq!((*pairs, because_of.as_ref().unwrap().0.as_str()), (60, "ai.onnx:Gelu"));
        assert_eq!(bert[0].toml().unwrap(), "[compare]\npairs = [8, 12, 20, 60]\n");
    }

    #[test]
    fn a_plan_that_is_long_enough_stays() {
        let steady = advice(&[("ai.onnx:Gemm", 0.9, 0.01), ("ai.onnx:Add", 0.1, 0.02)], |_| ());
        assert_eq!(steady, [Advice::Pairs { pairs: 8, because_of: None, scenario: None }]);
        assert_eq!(steady[0].toml(), None);
    }

    #[test]
    fn one_blind_operator_is_quarantined_and_a_blind_scenario_is_the_machine() {
        let one = advice(&BERT, |_| ());
        assert_eq!(quarantined(&one), ["ai.onnx:Add"]);
        let all = advice(&[("ai.onnx:Gemm", 0.8, 0.7), ("ai.onnx:Add", 0.2, 0.9)], |_| ());
        assert_eq!(quarantined(&all), [""; 0]);
        assert!(matches!(&all[..], [Advice::TooNoisy { operator, .. }] if operator.0 == "ai.onnx:Add"), "{all:?}");
    }

    #[test]
    fn what_was_red_on_equal_sides_is_quarantined_however_steady() {
        let red = FalseRed { operator: Some(OperatorKey("ai.onnx:Gemm".into())), message: "slower".into() };
        let advice = advice(&BERT, |scenario| scenario.false_reds = vec![red]);
        assert_eq!(quarantined(&advice), ["ai.onnx:Gemm", "ai.onnx:Add"]);
        let text = advice.iter().find_map(|one| matches!(one, Advice::Quarantine { .. }).then(|| one.toml())).flatten();
        let table: toml::Table = text.unwrap().parse().unwrap();
        let rule = &table["rule"][0];
        assert_eq!(rule["operator"].as_str(), Some("ai.onnx:Gemm"));
        assert_eq!((rule["level"].as_str(), rule["scenario"].as_str()), (Some("warn"), Some("s")));
    }

    #[test]
    fn threads_that_fill_an_unsteady_machine_are_too_many() {
        let fewer = |threads, deviation| {
            let change = |scenario: &mut ScenarioCalibration| {
                (scenario.threads, scenario.latency.deviation) = (threads, Some(deviation));
            };
            advice(&BERT, change).iter().any(|one| matches!(one, Advice::FewerThreads { threads: 1, .. }))
        };
        assert!(fewer(2, 0.08) && fewer(4, 0.08));
        assert!(!fewer(1, 0.08) && !fewer(2, 0.02));
    }
}
