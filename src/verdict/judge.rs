//! The rules together: one scenario's findings.

use crate::compare::{Comparison, FingerprintDifference, OperatorChange, StructuralDifference};
use crate::scenario::ScenarioId;
use crate::summary::{OperatorKey, Summary};

use super::threshold::{smallest_detectable_effect, threshold, verdict_of};
use super::words;
use super::{Finding, FindingCode, Judged, Policy, Severity, Verdict};

/// Growth from which the gate counts as blind to an operator: it must double.
const BLIND: f64 = 1.0;

/// Only operators with this base share can be blind spots; smaller ones are below what anyone gates.
const BLIND_SHARE: f64 = 0.01;

/// Fingerprint fields on which the executed structure hangs: ONNX Runtime chooses fusions and kernels by them.
const STRUCTURAL_FIELDS: [&str; 3] = ["arch", "instruction-set", "provider"];

/// What the gate says of a scenario, most severe first.
///
/// `comparison` is the one with the baseline of this machine class, else with the nearest of another class; `None`
/// where no baseline of the scenario exists at all.
pub fn judge(summary: &Summary, comparison: Option<&Comparison>, policy: &Policy) -> Judgement {
    let mut judge = Judge::of(summary, policy);
    judge.scenario_alone();
    judge.unstable();
    let same_class = comparison.is_some_and(|comparison| comparison.fingerprint.is_empty());
    judge.budgets(same_class && !judge.is_unstable());
    match comparison {
        None => judge.no_baseline(),
        Some(comparison) => judge.against(comparison),
    }
    let verdicts = comparison.map(|comparison| verdicts(comparison, policy)).unwrap_or_default();
    Judgement { verdicts, findings: judge.sorted() }
}

/// What is said of one scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// A verdict on each operator that stands on both sides.
    pub verdicts: Vec<Judged>,
    /// What there is to say, most severe first.
    pub findings: Vec<Finding>,
}

fn verdicts(comparison: &Comparison, policy: &Policy) -> Vec<Judged> {
    let factor = comparison.machine_factor.filter(|_| comparison.fingerprint.is_empty());
    let judged = |change: &OperatorChange| Judged {
        operator: Some(change.key.clone()),
        provider: Some(change.provider.clone()),
        verdict: verdict_of(change, factor, policy),
        detectable: factor
            .map(|_| smallest_detectable_effect(change, factor, policy))
            .filter(|effect| effect.is_finite()),
    };
    comparison.operators.iter().map(judged).collect()
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
        self.summary.latency_us.relative_spread().is_some_and(|spread| spread > self.policy.unstable_spread)
    }

    /// Adds a finding that counts as its code does, but at most as `bound`.
    pub(super) fn add(
        &mut self,
        code: FindingCode,
        bound: Severity,
        operator: Option<&OperatorKey>,
        message: String,
        remedy: String,
    ) {
        let severity = self.policy.severity(code).min(bound);
        let scenario = self.scenario().clone();
        self.findings.push(Finding { code, severity, scenario, operator: operator.cloned(), message, remedy });
    }

    /// Unknown operators and a structure that varies.
    pub(super) fn scenario_alone(&mut self) {
        let summary = self.summary;
        for operator in summary.unknown_operators() {
            let share = words::percent(operator.share.median());
            let message = format!("{} is not in the taxonomy; it takes {share} of the time", operator.key);
            let remedy = "It counts as non-GEMM; ask for its addition, naming its domain and what it computes.";
            self.add(FindingCode::UnknownOperator, Severity::Error, Some(&operator.key), message, remedy.into());
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
            self.add(FindingCode::StructureVaries, Severity::Error, None, message, remedy.into());
        }
    }

    /// Launches that disagree so much that their times say nothing.
    fn unstable(&mut self) {
        if self.is_unstable() {
            let summary = self.summary;
            let spread = words::percent(summary.latency_us.relative_spread().unwrap_or(0.0));
            let bound = words::percent(self.policy.unstable_spread);
            let message =
                format!("the latency varies by {spread} between launches, above {bound}; times are not judged");
            let remedy =
                "Measure on a quieter machine or with fewer threads; `cargo nongemm doctor` names what disturbs.";
            self.add(FindingCode::Unstable, Severity::Error, None, message, remedy.into());
        }
    }

    /// A share budget gates everywhere; one in milliseconds only fails on a machine class that has a baseline, since
    /// it is a promise for that class, and only where the launches agree.
    pub(super) fn budgets(&mut self, latency_gates: bool) {
        let share = self.summary.non_gemm_share().median();
        let latency_ms = self.summary.latency_us.median() / 1000.0;
        for budget in &self.policy.budgets {
            if let Some(bound) = budget.max_non_gemm_share.filter(|bound| share > *bound) {
                let (share, bound) = (words::percent(share), words::percent(bound));
                let message = format!("the non-GEMM share is {share}, above its budget of {bound}");
                let remedy = "Reduce the non-GEMM operators, largest first, or raise `max-non-gemm-share`.";
                self.add(FindingCode::BudgetExceeded, Severity::Error, None, message, remedy.into());
            }
            if let Some(bound) = budget.max_latency_ms.filter(|bound| latency_ms > *bound) {
                let limit = if latency_gates { Severity::Error } else { Severity::Warning };
                let mut message = format!("the latency is {latency_ms:.2} ms, above its budget of {bound:.2} ms");
                if !latency_gates {
                    message += "; no failure on a machine class without a baseline or on launches that disagree";
                }
                let remedy = "Make the model faster, or raise `max-latency-ms`.";
                self.add(FindingCode::BudgetExceeded, limit, None, message, remedy.into());
            }
        }
    }

    fn no_baseline(&mut self) {
        let id = self.scenario().clone();
        let message = format!("{id} has no baseline, so neither structure nor times were judged");
        let remedy =
            format!("Run `cargo nongemm accept {id}` on the machine that checks, and commit the file it writes.");
        self.add(FindingCode::NoBaseline, Severity::Error, None, message, remedy);
    }

    fn against(&mut self, comparison: &Comparison) {
        self.structure(comparison);
        if !comparison.fingerprint.is_empty() {
            self.fingerprint(&comparison.fingerprint);
        } else if comparison.machine_factor.is_none() {
            let message = "fewer than three operators stand on both sides, so no time was judged".to_owned();
            let remedy = "Give the scenario a latency budget, or accept a baseline of its present structure.";
            self.add(FindingCode::TimesNotJudged, Severity::Error, None, message, remedy.into());
        } else if !self.is_unstable() {
            self.times(comparison);
        }
    }

    pub(super) fn structure(&mut self, comparison: &Comparison) {
        let hangs_on = |field: &FingerprintDifference| STRUCTURAL_FIELDS.contains(&field.field.as_str());
        let comparable = !comparison.fingerprint.iter().any(hangs_on);
        let causes = words::causes(&comparison.causes);
        for difference in &comparison.structure {
            let unsteady = self.summary.unsteady.iter().any(|operator| &operator.key == difference.key());
            let bound = match (comparable, unsteady) {
                (false, _) => Severity::Note,
                (true, true) => Severity::Warning,
                (true, false) => Severity::Error,
            };
            self.add_structure(difference, bound, &causes);
        }
    }

    fn add_structure(&mut self, difference: &StructuralDifference, bound: Severity, causes: &str) {
        let remedy = format!(
            "Find what changed the graph; if it is intended, run `cargo nongemm accept {}`.{causes}",
            self.scenario()
        );
        let message = words::structure(difference);
        self.add(FindingCode::StructureChanged, bound, Some(difference.key()), message, remedy);
    }

    fn fingerprint(&mut self, differences: &[FingerprintDifference]) {
        let named: Vec<String> =
            differences.iter().map(|d| format!("{} ({} -> {})", d.field, d.base, d.head)).collect();
        let message = format!("the baseline is of another machine class: {}; times are not judged", named.join(", "));
        let remedy = format!("Run `cargo nongemm accept {}` on this machine, and commit the file.", self.scenario());
        self.add(FindingCode::FingerprintDiffers, Severity::Error, None, message, remedy);
    }

    fn times(&mut self, comparison: &Comparison) {
        let factor = comparison.machine_factor;
        let causes = words::causes(&comparison.causes);
        let other_cpu = comparison.causes.iter().any(|cause| cause.what == "cpu");
        let bound = if other_cpu { self.policy.other_cpu } else { Severity::Error };
        for change in &comparison.operators {
            match verdict_of(change, factor, self.policy) {
                Verdict::Regressed => {
                    let remedy = format!(
                        "Look for its cause; if the new time is intended, run `cargo nongemm accept {}`.{causes}",
                        self.scenario()
                    );
                    let message = self.moved(change, comparison);
                    self.add(FindingCode::OperatorRegressed, bound, Some(&change.key), message, remedy);
                }
                Verdict::Improved => {
                    let remedy = format!("Run `cargo nongemm accept {}` to hold the gain.", self.scenario());
                    let message = self.moved(change, comparison);
                    self.add(FindingCode::OperatorImproved, Severity::Error, Some(&change.key), message, remedy);
                }
                _ => {}
            }
        }
        self.uniform(comparison);
        self.blind_spots(comparison);
        self.shifted(comparison);
    }

    fn moved(&self, change: &OperatorChange, comparison: &Comparison) -> String {
        let times = format!("{}, {} in the baseline", words::time(change.head_us), words::time(change.base_us));
        let Some(ratio) = change.normalized_ratio else {
            return format!("{} on {} takes {times}", change.key, change.provider);
        };
        format!(
            "{} on {} takes {times}: {:.2} times as long, {ratio:.2} times with the machine factor of {:.2} divided out; \
             the threshold is {}",
            change.key,
            change.provider,
            change.head_us / change.base_us,
            comparison.machine_factor.unwrap_or(1.0),
            words::percent(threshold(change, self.policy)),
        )
    }

    fn uniform(&mut self, comparison: &Comparison) {
        let Some(factor) = comparison.machine_factor else { return };
        if factor.max(1.0 / factor) <= self.policy.uniform_factor {
            return;
        }
        let message = format!("everything takes {factor:.2} times as long as in the baseline, all operators alike");
        let remedy = format!(
            "Probably the machine; measure the old state here to be sure, and see `cargo nongemm doctor`.{}",
            words::causes(&comparison.causes)
        );
        self.add(FindingCode::UniformChange, Severity::Error, None, message, remedy);
    }

    fn blind_spots(&mut self, comparison: &Comparison) {
        let effect = |change: &OperatorChange| {
            let effect = smallest_detectable_effect(change, comparison.machine_factor, self.policy);
            (change.base_share >= BLIND_SHARE && effect >= BLIND).then_some(effect)
        };
        let named = |change: &OperatorChange| effect(change).map(|e| format!("{} (by {:.0} %)", change.key, e * 100.0));
        let blind: Vec<String> = comparison.operators.iter().filter_map(named).collect();
        if blind.is_empty() {
            return;
        }
        let message = format!("the gate would notice only if these grew that much: {}", words::list(&blind));
        let remedy = "Measure with more launches or iterations, or on a quieter machine, and accept anew.";
        self.add(FindingCode::BlindSpot, Severity::Error, None, message, remedy.into());
    }

    fn shifted(&mut self, comparison: &Comparison) {
        let factor = comparison.machine_factor;
        let moved = |change: &&OperatorChange| verdict_of(change, factor, self.policy) == Verdict::Shifted;
        let shifted: Vec<&OperatorChange> = comparison.operators.iter().filter(moved).collect();
        self.shares_shifted(&shifted);
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
        self.add(FindingCode::SharesShifted, Severity::Error, None, message, remedy.into());
    }
}
