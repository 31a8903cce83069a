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
    /// The gate is blind to this operator, or was red on it where nothing changed: let it warn.
    Quarantine {
        /// Where.
        scenario: ScenarioId,
        /// What.
        operator: OperatorKey,
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
            advice.extend(scenario.operators.iter().filter(|one| unfit(one, scenario)).map(|one| Advice::Quarantine {
                scenario: scenario.id.clone(),
                operator: one.key.clone(),
                resolvable: one.noise.resolvable,
            }));
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

/// True for an operator that had better not fail the gate: it is so unsteady that its doubling would not show, or was red
/// where nothing had changed.
fn unfit(operator: &OperatorNoise, scenario: &ScenarioCalibration) -> bool {
    let blind = operator.noise.resolvable.is_some_and(|growth| growth >= BLIND);
    let falsely_red = scenario.false_reds.iter().any(|red| red.operator.as_ref() == Some(&operator.key));
    falsely_red || (blind && operator.share >= NOTABLE_SHARE)
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
