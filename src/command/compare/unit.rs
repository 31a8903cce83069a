//! One scenario of a comparison in turns, and what is known of it so far.

use std::fs::File;
use std::io::Read;

use crate::compare::Comparison;
use crate::onnx::looks::FileKind;
use crate::report::{ScenarioReport, ScenarioResult};
use crate::scenario::{ModelRef, Planned, ScenarioId};
use crate::summary::{Side, SideOperator, Summary};
use crate::verdict::{self, Finding, FindingCode, Judgement, Policy, Severity, Verdict};

use super::way::Both;

/// One scenario on both sides, or on the head alone.
pub(super) struct Unit {
    /// As the head has it.
    pub planned: Planned,
    pub policy: Policy,
    /// Number of the base's arm; `None` for a scenario that only the head has.
    pub base: Option<usize>,
    /// Number of the head's arm.
    pub head: usize,
    pub state: State,
    /// What was last taken stock of.
    pub stock: Option<Stock>,
    /// What was last said of it.
    pub judged: Option<(Comparison, Judgement)>,
}

/// How far a scenario is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// To be measured further.
    Open,
    /// More pairs would teach nothing, or there are no more; a regression is still to be confirmed.
    Settled,
    /// Nothing more is to be done.
    Done,
    /// It cannot be measured.
    Failed {
        /// Which side and why.
        reason: String,
        /// Last lines of the child's standard error.
        log: Vec<String>,
    },
}

/// Launches summed up.
pub(super) struct Stock {
    pub head: Summary,
    /// What is compared; `None` for a scenario that only the head has.
    pub sides: Option<Both<Side>>,
}

impl Unit {
    /// Numbers of its arms.
    pub fn arms(&self) -> impl Iterator<Item = usize> + use<> {
        self.base.into_iter().chain([self.head])
    }

    /// True while it is to be measured further.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Both sides, where there are two and neither failed.
    pub fn sides(&self) -> Option<(&Side, &Side)> {
        let sides = self.stock.as_ref()?.sides.as_ref()?;
        (!matches!(self.state, State::Failed { .. })).then_some((&sides.base, &sides.head))
    }

    /// True where a slowdown that fails the gate has not been confirmed yet.
    pub fn is_red(&self) -> bool {
        self.state == State::Settled
            && self.judged.as_ref().is_some_and(|(_, judgement)| {
                judgement.verdicts.iter().any(|judged| judged.verdict == Verdict::Regressed)
                    && verdict::needs_confirmation(&judgement.findings)
            })
    }

    /// True for an operator, `None` for the latency, that regressed.
    pub fn is_flagged(&self, operator: Option<&SideOperator>) -> bool {
        let Some((_, judgement)) = &self.judged else { return false };
        judgement.verdicts.iter().filter(|judged| judged.verdict == Verdict::Regressed).any(|judged| {
            judged.operator.as_ref() == operator.map(|operator| &operator.key)
                && judged.provider.as_ref() == operator.map(|operator| &operator.provider)
        })
    }

    /// Ends it: it cannot be measured.
    pub fn fail(&mut self, reason: String, log: &[String]) {
        self.state = State::Failed { reason, log: log.to_vec() };
    }

    /// What the report says of it.
    pub fn report(&self) -> ScenarioReport {
        let (id, scenario) = (self.planned.id.clone(), self.planned.scenario.clone());
        let failed = |reason: &str, log: &[String]| ScenarioReport {
            id: id.clone(),
            scenario: scenario.clone(),
            result: ScenarioResult::Failed { reason: reason.to_owned(), log: log.to_vec() },
            comparison: None,
            verdicts: Vec::new(),
            findings: Vec::new(),
        };
        let stock = match (&self.state, &self.stock) {
            (State::Failed { reason, log }, _) => return failed(reason, log),
            (_, None) => return failed("it was not measured", &[]),
            (_, Some(stock)) => stock,
        };
        let result = ScenarioResult::Measured { summary: Box::new(stock.head.clone()) };
        match &self.judged {
            Some((comparison, Judgement { verdicts, findings })) => ScenarioReport {
                id: id.clone(),
                scenario: scenario.clone(),
                result,
                comparison: Some(comparison.clone()),
                verdicts: verdicts.clone(),
                findings: findings.clone(),
            },
            None => {
                let mut findings = verdict::inspect(&stock.head, &self.policy);
                findings.push(new_scenario(&id, &self.policy));
                ScenarioReport {
                    id: id.clone(),
                    scenario: scenario.clone(),
                    result,
                    comparison: None,
                    verdicts: Vec::new(),
                    findings,
                }
            }
        }
    }
}

/// Says that the head alone has a scenario.
pub(super) fn new_scenario(id: &ScenarioId, policy: &Policy) -> Finding {
    Finding {
        code: FindingCode::NewScenario,
        severity: policy.severity(FindingCode::NewScenario).min(Severity::Warning),
        scenario: id.clone(),
        operator: None,
        operators: Vec::new(),
        ruling: None,
        message: "the base has no such scenario, so that there was nothing to compare it with".to_owned(),
        remedy: "Nothing to do where the model or the dimension is new.".to_owned(),
    }
}

/// Why a scenario's model file is not worth a launch: Git keeps it elsewhere, and it was not fetched.
pub(super) fn unfetched(planned: &Planned) -> Option<String> {
    let ModelRef::File { name, path } = &planned.scenario.model else { return None };
    let mut head = [0; 64];
    // What cannot be read is for the launch to say.
    let length = File::open(path).and_then(|mut file| file.read(&mut head)).ok()?;
    (FileKind::of(&head[..length]) == Some(FileKind::GitLfsPointer)).then(|| {
        format!(
            "the file of {name} is a Git LFS pointer, the model itself was not fetched; run `git lfs install` and \
             `git lfs pull`, in CI check out with `lfs: true`; a base revision is then fetched too"
        )
    })
}
