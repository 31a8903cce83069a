//! What crossed a limit, joined with what the report knows of it: the time that it costs, and what happened to the graph.
//!
//! Nothing is judged here. The findings say what crossed, the comparison by how much; this finds what belongs together.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use super::figures;
use super::{
    Comparison, Finding, FindingCode, Group, OperatorChange, OperatorDrift, OperatorKey, Report, ScenarioReport,
    ScenarioResult, Severity, StructuralChange, Verdict,
};

/// One thing that crossed a limit, in the one direction or the other.
#[derive(Debug, Clone, Copy)]
pub struct Crossed<'a> {
    /// Where.
    pub scenario: &'a ScenarioReport,
    /// What.
    pub code: FindingCode,
    /// How it counts.
    pub severity: Severity,
    /// What the gate says of it; `None` of a scenario that could not be measured and has no finding.
    pub finding: Option<&'a Finding>,
    /// The times of the operator that it blames, where that runs on both sides.
    pub operator: Option<&'a OperatorChange>,
    /// What happened to the graph: what the finding says, or what the blamed operator is a part of.
    pub change: Option<&'a StructuralChange>,
    /// How the operator moved over the accepts of its baseline, where that is what crossed.
    pub drift: Option<&'a OperatorDrift>,
    /// The group of the blamed operator; `None` where there is none, or one that the taxonomy does not know.
    pub group: Option<Group>,
    /// Whether the times of the two sides say something of the code.
    timed: bool,
}

/// A relative change, head/base, with its 90 % interval where pairs of launches give one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The machine's part divided out, but of a latency.
    pub ratio: f64,
    /// Both ends of the interval.
    pub interval: Option<(f64, f64)>,
}

impl<'a> Crossed<'a> {
    /// True of what became better.
    pub fn is_improvement(&self) -> bool {
        matches!(self.code, FindingCode::OperatorImproved | FindingCode::LatencyImproved)
    }

    /// True of what a rule or a commit allows.
    pub fn is_allowed(&self) -> bool {
        self.severity == Severity::Note && self.finding.is_some_and(|finding| finding.ruling.is_some())
    }

    /// What the gate says, or why nothing could be measured.
    pub fn message(&self) -> &'a str {
        match (self.finding, &self.scenario.result) {
            (Some(finding), _) => &finding.message,
            (None, ScenarioResult::Failed { reason, .. }) => reason,
            (None, ScenarioResult::Measured { .. }) => "",
        }
    }

    /// The operator that it is named for.
    pub fn key(&self) -> Option<&'a OperatorKey> {
        self.finding.and_then(|finding| finding.operator.as_ref())
    }

    /// Microseconds more than before, with the machine factor taken off an operator; `None` where that is not known, or
    /// where the times of the two sides do not compare.
    pub fn delta_us(&self) -> Option<f64> {
        let comparison = self.timed()?;
        let us = match self.code {
            FindingCode::OperatorRegressed | FindingCode::OperatorImproved => {
                figures::excess_us(self.operator?, comparison)?
            }
            FindingCode::Drift => self.operator?.head_us * (1.0 - 1.0 / self.drift?.ratios.last()?),
            FindingCode::LatencyRegressed | FindingCode::LatencyImproved => {
                comparison.latency.head_us - comparison.latency.base_us
            }
            FindingCode::StructureChanged => self.change_us()?,
            _ => return None,
        };
        us.is_finite().then_some(us)
    }

    /// Microseconds that the change of the graph costs as a whole; `None` as in [`Crossed::delta_us`].
    pub fn change_us(&self) -> Option<f64> {
        self.timed()?;
        self.change?.delta_us.filter(|us| us.is_finite())
    }

    /// By what factor; `None` of what is no time, and where the times of the two sides do not compare.
    pub fn ratio(&self) -> Option<Ratio> {
        let comparison = self.timed()?;
        let (estimate, ratio) = match self.code {
            FindingCode::OperatorRegressed | FindingCode::OperatorImproved => {
                let operator = self.operator?;
                (operator.estimate, operator.normalized_ratio)
            }
            FindingCode::Drift => (None, self.drift?.ratios.last().copied()),
            FindingCode::LatencyRegressed | FindingCode::LatencyImproved => {
                (comparison.latency.estimate, Some(figures::latency_ratio(comparison)))
            }
            _ => return None,
        };
        let of_pairs = estimate.map(|e| Ratio { ratio: e.ratio, interval: Some((e.low, e.high)) });
        let found = of_pairs.or(ratio.map(|ratio| Ratio { ratio, interval: None }));
        found.filter(|found| found.ratio.is_finite())
    }

    /// The comparison, where its times say something of the code.
    fn timed(&self) -> Option<&'a Comparison> {
        self.scenario.comparison.as_ref().filter(|_| self.timed)
    }
}

/// All that crossed: what fails the gate before what warns, then what is allowed, then what became better; of one kind,
/// what costs most first.
pub fn crossed(report: &Report) -> Vec<Crossed<'_>> {
    let mut all: Vec<Crossed<'_>> = report.scenarios.iter().flat_map(of_scenario).collect();
    all.sort_by_cached_key(|crossed| {
        // Tenths of a microsecond order times as well as the times themselves.
        let size = crossed.delta_us().map_or(0, |us| (us.abs() * 10.0) as u64);
        (Reverse(crossed.severity), crossed.is_improvement(), crossed.code, Reverse(size))
    });
    all
}

/// What the gate says of scenarios beside what crossed, in the order of the suite.
pub fn noted(report: &Report) -> impl Iterator<Item = &Finding> {
    report.scenarios.iter().flat_map(noted_of)
}

/// The same of one scenario.
pub fn noted_of(scenario: &ScenarioReport) -> impl Iterator<Item = &Finding> {
    let said = |finding: &&Finding| !crosses(finding) && finding.code != FindingCode::NotMeasured;
    scenario.findings.iter().filter(said)
}

/// Whether a finding is of something that moved beyond a limit; that something could not be judged is none, unless it
/// fails the gate.
fn crosses(finding: &Finding) -> bool {
    match finding.code {
        FindingCode::OperatorImproved | FindingCode::LatencyImproved => true,
        FindingCode::OperatorRegressed
        | FindingCode::LatencyRegressed
        | FindingCode::StructureChanged
        | FindingCode::BudgetExceeded
        | FindingCode::Drift => finding.severity > Severity::Note || finding.ruling.is_some(),
        FindingCode::NotMeasured => false,
        _ => finding.severity == Severity::Error,
    }
}

fn of_scenario(scenario: &ScenarioReport) -> Vec<Crossed<'_>> {
    let mut all = Vec::new();
    if matches!(scenario.result, ScenarioResult::Failed { .. }) {
        let (code, severity) = (FindingCode::NotMeasured, Severity::Error);
        let finding = scenario.findings.iter().find(|finding| finding.code == code);
        let (operator, change, drift, group) = (None, None, None, None);
        all.push(Crossed { scenario, code, severity, finding, operator, change, drift, group, timed: false });
    }
    let mut known = None;
    for finding in scenario.findings.iter().filter(|finding| crosses(finding)) {
        let known = known.get_or_insert_with(|| Known::of(scenario));
        all.push(known.about(finding));
    }
    all
}

/// What is known of a scenario's operators, looked up by name: a report from elsewhere may hold any number of them.
struct Known<'a> {
    scenario: &'a ScenarioReport,
    operators: HashMap<&'a OperatorKey, &'a OperatorChange>,
    judged: HashMap<(&'a OperatorKey, Verdict), VecDeque<&'a OperatorChange>>,
    changes: HashMap<Vec<&'a OperatorKey>, VecDeque<&'a StructuralChange>>,
    part_of: HashMap<&'a OperatorKey, (&'a StructuralChange, Option<Group>)>,
    drifts: HashMap<&'a OperatorKey, &'a OperatorDrift>,
    timed: bool,
}

impl<'a> Known<'a> {
    fn of(scenario: &'a ScenarioReport) -> Self {
        let mut known = Known {
            scenario,
            operators: HashMap::new(),
            judged: HashMap::new(),
            changes: HashMap::new(),
            part_of: HashMap::new(),
            drifts: HashMap::new(),
            timed: false,
        };
        let Some(comparison) = &scenario.comparison else { return known };
        let unstable = scenario.findings.iter().any(|finding| finding.code == FindingCode::Unstable);
        known.timed = comparison.fingerprint.is_empty() && comparison.protocol.is_none() && !unstable;
        let verdicts: HashMap<_, Verdict> = scenario
            .verdicts
            .iter()
            .filter_map(|judged| Some(((judged.operator.as_ref()?, judged.provider.as_ref()?), judged.verdict)))
            .collect();
        for change in &comparison.operators {
            known.operators.entry(&change.key).or_insert(change);
            if let Some(verdict) = verdicts.get(&(&change.key, &change.provider)) {
                known.judged.entry((&change.key, *verdict)).or_default().push_back(change);
            }
        }
        for change in &comparison.changes {
            for part in &change.operators {
                // The changes that say most come first.
                known.part_of.entry(&part.key).or_insert((change, part.group));
            }
            let keys: Vec<&OperatorKey> = change.operators.iter().map(|part| &part.key).collect();
            known.changes.entry(keys).or_default().push_back(change);
        }
        known.drifts.extend(comparison.drift.iter().map(|drift| (&drift.key, drift)));
        known
    }

    fn about(&mut self, finding: &'a Finding) -> Crossed<'a> {
        let key = finding.operator.as_ref();
        let operator = key.and_then(|key| self.operator(finding.code, key));
        let part = key.and_then(|key| self.part_of.get(key).copied());
        let change = match finding.code {
            FindingCode::StructureChanged => self.change(finding),
            _ => part.map(|(change, _)| change),
        };
        let group = operator.map_or_else(|| part.and_then(|(_, group)| group), |operator| operator.group);
        let drift = key.filter(|_| finding.code == FindingCode::Drift).and_then(|key| self.drifts.get(key).copied());
        let (scenario, timed) = (self.scenario, self.timed);
        let (code, severity, finding) = (finding.code, finding.severity, Some(finding));
        Crossed { scenario, code, severity, finding, operator, change, drift, group, timed }
    }

    /// The times of an operator; of one that runs on several providers those that were judged so, one after the other as
    /// their findings come.
    fn operator(&mut self, code: FindingCode, key: &'a OperatorKey) -> Option<&'a OperatorChange> {
        let wanted = match code {
            FindingCode::OperatorRegressed => Some(Verdict::Regressed),
            FindingCode::OperatorImproved => Some(Verdict::Improved),
            _ => None,
        };
        let judged = wanted.and_then(|verdict| self.judged.get_mut(&(key, verdict))).and_then(VecDeque::pop_front);
        judged.or_else(|| self.operators.get(key).copied())
    }

    /// The structural change that a finding is of: it names the same operators.
    fn change(&mut self, finding: &'a Finding) -> Option<&'a StructuralChange> {
        let keys: Vec<&OperatorKey> = match finding.operators.as_slice() {
            [] => finding.operator.iter().collect(),
            several => several.iter().collect(),
        };
        self.changes.get_mut(&keys).and_then(VecDeque::pop_front)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    fn said(report: &Report) -> Vec<(FindingCode, &str, Option<i64>)> {
        let tell = |one: Crossed<'_>| one.delta_us().map(|us| us.round() as i64);
        crossed(report).into_iter().map(|one| (one.code, one.key().map_or("", |key| &key.0), tell(one))).collect()
    }

    #[test]
    fn what_fails_comes_first_and_what_costs_most_before_what_costs_less() {
        use FindingCode::{NotMeasured, OperatorImproved, OperatorRegressed, StructureChanged};
        let report = fixtures::check();
        let expected = [
            (OperatorRegressed, "ai.onnx:Softmax", Some(2_760)),
            (NotMeasured, "", None),
            (StructureChanged, "ai.onnx:Add", Some(3_799)),
            (StructureChanged, "ai.onnx:Gather", Some(311)),
            (StructureChanged, "ai.onnx:Tanh", Some(14)),
            (StructureChanged, "com.microsoft:EmbedLayerNormalization", Some(-402)),
            (OperatorImproved, "com.microsoft:Gelu", Some(-19_961)),
            (OperatorImproved, "com.microsoft:BiasGelu", Some(0)),
        ];
        assert_eq!(said(&report), expected);
    }

    #[test]
    fn a_time_is_joined_with_what_happened_to_the_graph() {
        let mut report = fixtures::gate_failed();
        report.scenarios[0].findings[0].operator = Some(OperatorKey("ai.onnx:Add".into()));
        let all = crossed(&report);
        assert_eq!(all[0].code, FindingCode::OperatorRegressed);
        assert_eq!(all[0].change.map(|change| change.nodes), Some(12));
        assert_eq!(all[0].group, Some(Group::ElementWise));
    }

    #[test]
    fn times_that_do_not_compare_are_not_told() {
        let mut report = fixtures::gate_failed();
        let comparison = report.scenarios[0].comparison.as_mut().unwrap();
        comparison.fingerprint.push(super::super::FingerprintDifference {
            field: "arch".into(),
            base: "aarch64".into(),
            head: "x86_64".into(),
        });
        assert!(crossed(&report).iter().take(5).all(|one| one.delta_us().is_none() && one.ratio().is_none()));
    }

    #[test]
    fn an_operator_on_two_providers_is_told_from_itself() {
        let mut report = fixtures::compared();
        let scenario = &mut report.scenarios[0];
        let comparison = scenario.comparison.as_mut().unwrap();
        let mut other = comparison.operators.iter().find(|change| change.key.0 == "ai.onnx:Softmax").unwrap().clone();
        other.provider = "CUDAExecutionProvider".into();
        other.estimate = None;
        comparison.operators.insert(0, other);
        // Only the one on the CPU regressed.
        let found = crossed(&report)[0];
        assert_eq!(found.operator.map(|operator| operator.provider.as_str()), Some("CPUExecutionProvider"));
        assert!(found.ratio().unwrap().interval.is_some());
    }

    #[test]
    fn what_is_not_judged_is_noted_and_what_fails_for_it_crossed() {
        let mut report = fixtures::check();
        let codes: Vec<FindingCode> = noted(&report).map(|finding| finding.code).collect();
        assert_eq!(codes, [FindingCode::NoBaseline, FindingCode::FingerprintDiffers, FindingCode::UnknownOperator]);
        report.scenarios[2].findings[0].severity = Severity::Error;
        assert!(crossed(&report).iter().any(|one| one.code == FindingCode::NoBaseline));
    }

    #[test]
    fn what_failed_without_a_finding_crossed_all_the_same() {
        let mut report = fixtures::incomplete();
        report.scenarios[1].findings.clear();
        let all = crossed(&report);
        assert_eq!((all[0].code, all[0].finding), (FindingCode::NotMeasured, None));
        assert!(all[0].message().starts_with("launch 2 was killed"));
    }
}
