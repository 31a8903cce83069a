//! The rules together: one scenario's findings.

use crate::compare::{Comparison, FingerprintDifference, OperatorChange};
use crate::scenario::ScenarioId;
use crate::summary::Summary;

use super::stored::{Stored, unjudged};
use super::{Draft, Finding, FindingCode, Judged, Policy, Severity};
use super::{budget, words};

/// Sum of the operators' times over the latency beyond which the profiled runs were others than the unprofiled ones: a
/// neighbour took the cores from some of them, and which operator it hit is chance.
const UNRECONCILED: f64 = 1.5;

/// Fingerprint fields on which the executed structure hangs: ONNX Runtime chooses fusions and kernels by them.
const STRUCTURAL_FIELDS: [&str; 3] = ["arch", "instruction-set", "provider"];

/// What the gate says of a scenario, most severe first.
///
/// `comparison` is the one with the baseline of this machine class, else with the nearest of another class; `None`
/// where no baseline of the scenario exists at all.
pub fn judge(summary: &Summary, comparison: Option<&Comparison>, policy: &Policy) -> Judgement {
    let policy =
        &policy.by_clock(summary.clock).over_latency(comparison.map_or(0.0, |comparison| comparison.latency.base_us));
    let mut judge = Judge::of(summary, policy);
    judge.scenario_alone();
    judge.unstable();
    let same_class = comparison.is_some_and(|comparison| comparison.fingerprint.is_empty());
    judge.budgets(same_class, !judge.is_unstable());
    match comparison {
        None => judge.no_baseline(),
        Some(comparison) => judge.against(comparison),
    }
    let verdicts = match comparison {
        Some(comparison) if judge.may_judge_times(comparison) => Stored::of(comparison, policy).verdicts(),
        Some(comparison) => unjudged(comparison, judge.is_unstable()),
        None => Vec::new(),
    };
    Judgement { verdicts, findings: judge.sorted() }
}

/// What the gate says of a scenario whose baseline this version cannot read, for the reason `why`.
pub fn judge_outdated(summary: &Summary, why: &str, policy: &Policy) -> Judgement {
    let mut judge = Judge::of(summary, policy);
    judge.scenario_alone();
    judge.unstable();
    judge.budgets(false, !judge.is_unstable());
    judge.outdated(&format!("{why}; neither structure nor times were judged"));
    Judgement { verdicts: Vec::new(), findings: judge.sorted() }
}

/// What is said of one scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// A verdict on each operator that stands on both sides.
    pub verdicts: Vec<Judged>,
    /// What there is to say, most severe first.
    pub findings: Vec<Finding>,
}

/// What can be said of a scenario without any baseline: unknown operators, instability, a structure that varies. For
/// `run`, which gates nothing.
pub fn inspect(summary: &Summary, policy: &Policy) -> Vec<Finding> {
    let mut judge = Judge::of(summary, policy);
    judge.scenario_alone();
    judge.unstable();
    judge.sorted()
}

/// Gathers what is said of one scenario.
pub(super) struct Judge<'a> {
    pub(super) summary: &'a Summary,
    pub(super) policy: &'a Policy,
    findings: Vec<Finding>,
}

impl<'a> Judge<'a> {
    /// Nothing said yet.
    pub(super) fn of(summary: &'a Summary, policy: &'a Policy) -> Self {
        Judge { summary, policy, findings: Vec::new() }
    }

    /// All that was said, most severe first.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        // Stable, so that within a severity structure stays in front of times.
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.findings
    }

    pub(super) fn scenario(&self) -> &ScenarioId {
        &self.summary.id
    }

    fn is_unstable(&self) -> bool {
        self.disturbance().is_some()
    }

    /// Why the times of these launches say nothing.
    fn disturbance(&self) -> Option<String> {
        let spread = self.summary.latency_us.relative_spread().unwrap_or(0.0);
        if spread > self.policy.unstable_spread {
            let (spread, bound) = (words::percent(spread), words::percent(self.policy.unstable_spread));
            return Some(format!("the latency varies by {spread} between launches, above {bound}"));
        }
        let sum = self.summary.reconciliation.median();
        let (sum, bound) = (sum > UNRECONCILED).then(|| (words::percent(sum), words::percent(UNRECONCILED)))?;
        Some(format!("the operators' times add up to {sum} of the latency, above {bound}"))
    }

    pub(super) fn add(&mut self, draft: Draft) {
        self.findings.push(draft.settle(&self.summary.id, self.policy));
    }

    /// Unknown operators and a structure that varies.
    pub(super) fn scenario_alone(&mut self) {
        let summary = self.summary;
        for operator in summary.unknown_operators() {
            let share = words::percent(operator.share.median());
            let message = format!("{} is not in the taxonomy; it takes {share} of the time", operator.key);
            let remedy = "It counts as non-GEMM; ask for its addition, naming its domain and what it computes.";
            self.add(Draft::new(FindingCode::UnknownOperator, message, remedy).blaming(&operator.key));
        }
        if !summary.unsteady.is_empty() {
            let range = |executions: &[u32]| {
                let (least, most) = (executions.iter().min().unwrap_or(&0), executions.iter().max().unwrap_or(&0));
                if least == most { "split over other nodes".to_owned() } else { format!("{least} to {most} times") }
            };
            let named = |u: &crate::summary::UnsteadyOperator| format!("{} ({})", u.key, range(&u.executions));
            let operators: Vec<String> = summary.unsteady.iter().map(named).collect();
            let message = format!("launches do not execute the same graph: {}", words::list(&operators));
            let remedy = "Give the scenario fixed inputs, so that its control flow takes the same course each time.";
            self.add(Draft::new(FindingCode::StructureVaries, message, remedy));
        }
    }

    /// Launches that disagree so much that their times say nothing.
    fn unstable(&mut self) {
        let Some(why) = self.disturbance() else { return };
        let message = format!("{why}; times are not judged");
        let remedy = "Measure on a quieter machine or with fewer threads; `cargo nongemm doctor` names what disturbs.";
        self.add(Draft::new(FindingCode::Unstable, message, remedy));
    }

    /// What exceeds the policy's budgets; those in milliseconds fail where launches agree.
    pub(super) fn budgets(&mut self, same_class: bool, launches_agree: bool) {
        for draft in budget::exceeded(self.summary, &self.policy.budgets, same_class, launches_agree) {
            self.add(draft);
        }
    }

    fn no_baseline(&mut self) {
        let id = self.scenario().clone();
        let message = format!("{id} has no baseline, so neither structure nor times were judged");
        let remedy =
            format!("Run `cargo nongemm accept {id}` on the machine that checks, and commit the file it writes.");
        self.add(Draft::new(FindingCode::NoBaseline, message, remedy));
    }

    fn against(&mut self, comparison: &Comparison) {
        self.structure(comparison);
        if !comparison.fingerprint.is_empty() {
            self.fingerprint(&comparison.fingerprint);
        } else if let Some(protocol) = &comparison.protocol {
            self.outdated(&format!(
                "the baseline's times were measured by protocol {}, and this version measures by {}; they were not judged",
                protocol.base, protocol.head
            ));
        } else if !self.is_unstable() {
            self.times(comparison);
        }
    }

    /// True where times of the two sides may be compared at all.
    fn may_judge_times(&self, comparison: &Comparison) -> bool {
        comparison.fingerprint.is_empty() && comparison.protocol.is_none() && !self.is_unstable()
    }

    fn outdated(&mut self, message: &str) {
        let id = self.scenario();
        let remedy = format!(
            "Run `cargo nongemm accept {id}` to renew it from this measurement, and commit the file it writes."
        );
        self.add(Draft::new(FindingCode::OutdatedBaseline, message.to_owned(), remedy));
    }

    /// One finding for each thing that happened to the graph. With times only where they say something of the code.
    pub(super) fn structure(&mut self, comparison: &Comparison) {
        let hangs_on = |field: &FingerprintDifference| STRUCTURAL_FIELDS.contains(&field.field.as_str());
        let comparable = !comparison.fingerprint.iter().any(hangs_on);
        let timed = comparison.fingerprint.is_empty() && !self.is_unstable();
        let causes = words::causes(&comparison.causes);
        for change in &comparison.changes {
            let bound = match (comparable, change.data_dependent) {
                (false, _) => Severity::Note,
                (true, true) => Severity::Warning,
                (true, false) => Severity::Error,
            };
            let remedy = format!(
                "{}Find what changed the graph; if it is intended, run `cargo nongemm accept {}`.{causes}",
                words::reason(change),
                self.scenario()
            );
            let message = words::change(change, comparison, timed);
            let operators = match change.operators.as_slice() {
                [_] => Vec::new(),
                several => several.iter().map(|operator| operator.key.clone()).collect(),
            };
            let draft = Draft::new(FindingCode::StructureChanged, message, remedy).at_most(bound);
            self.add(Draft { operator: change.lead().cloned(), operators, ..draft });
        }
    }

    fn fingerprint(&mut self, differences: &[FingerprintDifference]) {
        let named: Vec<String> =
            differences.iter().map(|d| format!("{} ({} -> {})", d.field, d.base, d.head)).collect();
        let message = format!("the baseline is of another machine class: {}; times are not judged", named.join(", "));
        let remedy = format!("Run `cargo nongemm accept {}` on this machine, and commit the file.", self.scenario());
        self.add(Draft::new(FindingCode::FingerprintDiffers, message, remedy));
    }

    /// One finding for all operators whose share alone moved.
    pub(super) fn shares_shifted(&mut self, operators: &[&OperatorChange]) {
        if operators.is_empty() {
            return;
        }
        let named = |change: &&OperatorChange| {
            let (base, head) = (words::percent(change.base_share), words::percent(change.head_share));
            format!("{} ({base} -> {head})", change.key)
        };
        let shifted: Vec<String> = operators.iter().map(named).collect();
        let message = format!("shares moved because other operators' times did: {}", words::list(&shifted));
        let remedy = "Nothing to do: these operators take as long as before.";
        self.add(Draft::new(FindingCode::SharesShifted, message, remedy));
    }
}
