//! Runs of the gate over equal sides and over known slowdowns -> a calibration. Pure.

use crate::report::{
    Design, Estimate, Finding, FindingCode, Judged, Machine, OperatorChange, Outcome, ScenarioId, ScenarioReport,
    ScenarioResult, Severity,
};
use crate::summary::median;

use super::{
    Advice, CALIBRATION_SCHEMA, Calibration, Control, ControlState, FalseRed, Made, Noise, OperatorNoise, Rate, Rules,
    ScenarioCalibration,
};

/// One run of the gate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trial {
    /// What it said of each scenario.
    pub scenarios: Vec<ScenarioReport>,
    /// Scenarios that were measured again because something in them had been red.
    pub confirmed: Vec<ScenarioId>,
}

/// A slowdown that was put into one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlRun {
    /// Into which.
    pub id: ScenarioId,
    /// What was put in, or why nothing could be.
    pub made: Result<Made, String>,
    /// What the gate said of it; `None` where it was not asked.
    pub report: Option<ScenarioReport>,
}

impl Calibration {
    /// What the runs come to. `trials` compared equal sides, `controls` has one entry a scenario.
    pub fn of(machine: Machine, rules: Rules, comparisons: u32, trials: &[Trial], controls: &[ControlRun]) -> Self {
        let scenarios: Vec<ScenarioCalibration> = controls.iter().map(|control| scenario(trials, control)).collect();
        let whole = |trial: &&Trial| trial.scenarios.iter().any(is_measured);
        let red = trials.iter().filter(whole).filter(|trial| trial.scenarios.iter().any(is_red)).count();
        let red = Rate::of(count(red), count(trials.iter().filter(whole).count()));
        let advice = Advice::from(&scenarios, &rules, machine.cores);
        let outcome = outcome(&scenarios, red, &rules);
        Calibration {
            schema: CALIBRATION_SCHEMA,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            machine,
            rules,
            comparisons,
            red,
            scenarios,
            advice,
            expected_s: None,
            wall_s: 0.0,
            outcome,
        }
    }
}

/// The gate failed where it did not find what was put in, blamed something else, or is red on equal sides more often than
/// it may be, chance allowed for. What could not be measured proves nothing.
fn outcome(scenarios: &[ScenarioCalibration], red: Rate, rules: &Rules) -> Outcome {
    let fails = |one: &ScenarioCalibration| {
        matches!(one.control.state, ControlState::Missed { .. } | ControlState::Misblamed { .. })
            || one.red.low > rules.alpha
    };
    let lacks = |one: &ScenarioCalibration| {
        matches!(one.control.state, ControlState::Failed { .. }) || !one.failures.is_empty()
    };
    if scenarios.is_empty() {
        Outcome::NothingMeasured
    } else if red.low > rules.alpha || scenarios.iter().any(fails) {
        Outcome::GateFailed
    } else if scenarios.iter().any(lacks) {
        Outcome::Incomplete
    } else {
        Outcome::Pass
    }
}

fn scenario(trials: &[Trial], control: &ControlRun) -> ScenarioCalibration {
    let of_it = |trial: &&Trial| trial.scenarios.iter().any(|report| report.id == control.id);
    let own: Vec<&Trial> = trials.iter().filter(of_it).collect();
    let reports: Vec<&ScenarioReport> =
        own.iter().flat_map(|trial| &trial.scenarios).filter(|report| report.id == control.id).collect();
    let measured: Vec<&ScenarioReport> = reports.iter().copied().filter(|report| is_measured(report)).collect();
    let red = measured.iter().filter(|report| is_red(report)).count();
    ScenarioCalibration {
        id: control.id.clone(),
        threads: measured.iter().find_map(|report| threads(report)).unwrap_or(1),
        red: Rate::of(count(red), count(measured.len())),
        measured_again: count(own.iter().filter(|trial| trial.confirmed.contains(&control.id)).count()),
        false_reds: measured.iter().flat_map(|report| false_reds(report)).collect(),
        pairs: middle(measured.iter().map(|report| f64::from(pairs(report)))).map_or(0, whole),
        latency: latency(&measured),
        operators: operators(&measured),
        control: Control::of(control),
        failures: reports.iter().filter_map(|report| failure(report)).collect(),
    }
}

fn is_measured(report: &ScenarioReport) -> bool {
    matches!(report.result, ScenarioResult::Measured { .. })
}

fn failure(report: &ScenarioReport) -> Option<String> {
    match &report.result {
        ScenarioResult::Failed { reason, .. } => Some(reason.clone()),
        ScenarioResult::Measured { .. } => None,
    }
}

fn is_red(report: &ScenarioReport) -> bool {
    !false_reds(report).is_empty()
}

/// What failed the gate on two equal sides. Budgets may be exceeded on both sides, which says nothing of the gate.
pub fn false_reds(report: &ScenarioReport) -> Vec<FalseRed> {
    let red = [FindingCode::OperatorRegressed, FindingCode::LatencyRegressed, FindingCode::StructureChanged];
    let fails = |finding: &&Finding| finding.severity == Severity::Error && red.contains(&finding.code);
    report.findings.iter().filter(fails).map(false_red).collect()
}

fn false_red(finding: &Finding) -> FalseRed {
    FalseRed { operator: finding.operator.clone(), message: finding.message.clone() }
}

fn threads(report: &ScenarioReport) -> Option<u32> {
    match &report.result {
        ScenarioResult::Measured { summary } => Some(summary.scenario.threads),
        ScenarioResult::Failed { .. } => None,
    }
}

fn pairs(report: &ScenarioReport) -> u32 {
    match report.comparison.as_ref().map(|comparison| comparison.design) {
        Some(Design::Paired { pairs }) => pairs,
        Some(Design::Stored) | None => 0,
    }
}

fn latency(measured: &[&ScenarioReport]) -> Noise {
    let of = |report: &&ScenarioReport| {
        let latency = report.comparison.as_ref()?.latency;
        let judged = report.verdicts.iter().find(|judged| judged.operator.is_none());
        Some(Look {
            time_us: latency.head_us,
            estimate: latency.estimate,
            detectable: judged.and_then(|judged| judged.detectable),
        })
    };
    noise(&measured.iter().filter_map(of).collect::<Vec<Look>>())
}

fn operators(measured: &[&ScenarioReport]) -> Vec<OperatorNoise> {
    let Some(first) = measured.iter().find_map(|report| report.comparison.as_ref()) else { return Vec::new() };
    let mut found: Vec<OperatorNoise> =
        first.operators.iter().map(|operator| operator_noise(measured, operator)).collect();
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found
}

fn operator_noise(measured: &[&ScenarioReport], operator: &OperatorChange) -> OperatorNoise {
    let (mut looks, mut shares) = (Vec::new(), Vec::new());
    for report in measured {
        let changes = report.comparison.iter().flat_map(|comparison| &comparison.operators);
        for change in changes.filter(|change| change.key == operator.key && change.provider == operator.provider) {
            let of_it = |judged: &&Judged| {
                judged.operator.as_ref() == Some(&change.key) && judged.provider.as_ref() == Some(&change.provider)
            };
            let judged = report.verdicts.iter().find(of_it);
            let detectable = judged.and_then(|judged| judged.detectable);
            looks.push(Look { time_us: change.head_us, estimate: change.estimate, detectable });
            shares.push(change.head_share);
        }
    }
    OperatorNoise {
        key: operator.key.clone(),
        provider: operator.provider.clone(),
        share: middle(shares).unwrap_or(0.0),
        noise: noise(&looks),
    }
}

/// What one comparison says of one quantity.
struct Look {
    time_us: f64,
    estimate: Option<Estimate>,
    detectable: Option<f64>,
}

fn noise(looks: &[Look]) -> Noise {
    Noise {
        time_us: middle(looks.iter().map(|look| look.time_us)).unwrap_or(0.0),
        deviation: middle(looks.iter().filter_map(|look| Some(look.estimate?.noise))),
        detectable: middle(looks.iter().filter_map(|look| look.detectable)),
        resolvable: middle(looks.iter().filter_map(|look| Some(look.estimate?.detectable))),
    }
}

impl Control {
    /// What became of a slowdown that was put in.
    pub fn of(run: &ControlRun) -> Control {
        let (made, report) = match (&run.made, &run.report) {
            (Ok(made), Some(report)) => (made, report),
            (Err(reason), _) => return Control::failed(None, reason),
            (Ok(made), None) => return Control::failed(Some(made), "the gate was not asked"),
        };
        let mut changes = report.comparison.iter().flat_map(|comparison| &comparison.operators);
        let judged = report.verdicts.iter().find(|judged| judged.operator.as_ref() == Some(&made.operator));
        Control {
            made: Some(made.clone()),
            pairs: pairs(report),
            measured_ratio: changes.find(|change| change.key == made.operator).and_then(|it| it.normalized_ratio),
            detectable: judged.and_then(|judged| judged.detectable),
            state: ControlState::of(made, report),
        }
    }

    fn failed(made: Option<&Made>, reason: &str) -> Control {
        let state = ControlState::Failed { reason: reason.to_owned() };
        Control { made: made.cloned(), pairs: 0, measured_ratio: None, detectable: None, state }
    }
}

fn middle(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    median(&values.into_iter().collect::<Vec<f64>>())
}

fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}

/// A median of counts; halves are rounded up.
fn whole(value: f64) -> u32 {
    // Saturates, and counts are small.
    value.round() as u32
}
