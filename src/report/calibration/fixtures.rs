//! Runs of the gate in fixed numbers, for the tests of what is made of them.

use crate::report::{
    Comparison, Design, Estimate, Finding, FindingCode, Judged, LatencyChange, OperatorChange, OperatorKey, Report,
    ScenarioId, ScenarioReport, Severity, Verdict, fixtures,
};

use super::{Calibration, ControlRun, Made, Rules, Trial};

/// Extra work in an operator.
pub(crate) fn made(operator: &str) -> Made {
    Made { operator: OperatorKey(operator.into()), wished: 0.2, reached: 0.204, share: 0.06, copies: 3 }
}

/// A verdict on an operator.
pub(crate) fn judged(operator: &str, verdict: Verdict) -> Judged {
    let operator = Some(OperatorKey(operator.into()));
    Judged { operator, provider: Some("CPUExecutionProvider".into()), verdict, detectable: Some(0.08) }
}

/// A finding that fails the gate.
pub(crate) fn regressed(operator: Option<&str>, code: FindingCode) -> Finding {
    let operator = operator.map(|key| OperatorKey(key.into()));
    let message = format!("{} is slower", operator.as_ref().map_or("the latency", |key| &key.0));
    let remedy = "Look.".to_owned();
    Finding {
        code,
        severity: Severity::Error,
        scenario: ScenarioId("s".into()),
        operator,
        operators: Vec::new(),
        message,
        remedy,
        ruling: None,
    }
}

/// What pairs say where nothing changed; a deviation of 0.02 resolves growth by 0.04.
pub(crate) fn estimate(ratio: f64, noise: f64) -> Estimate {
    let (low, high) = (ratio * (1.0 - noise), ratio * (1.0 + noise));
    Estimate { ratio, low, high, noise, p_slower: 0.5, p_faster: 0.5, detectable: 2.0 * noise }
}

/// A scenario of the gate with the operators (key, share, deviation), all of them unchanged.
pub(crate) fn unchanged(id: &str, operators: &[(&str, f64, f64)]) -> ScenarioReport {
    let mut report = fixtures::check().scenarios.swap_remove(0);
    report.id = ScenarioId(id.into());
    let change = |(key, share, noise): &(&str, f64, f64)| OperatorChange {
        key: OperatorKey((*key).into()),
        provider: "CPUExecutionProvider".into(),
        base_executions: 12,
        head_executions: 12,
        base_us: share * 1e5,
        head_us: share * 1e5,
        base_share: *share,
        head_share: *share,
        normalized_ratio: Some(1.0),
        group: None,
        standard_error: *noise,
        estimate: Some(estimate(1.0, *noise)),
    };
    report.comparison = Some(Comparison {
        design: Design::Paired { pairs: 8 },
        structure: Vec::new(),
        changes: Vec::new(),
        fingerprint: Vec::new(),
        protocol: None,
        machine_factor: Some(1.0),
        groups: Vec::new(),
        drift: Vec::new(),
        operators: operators.iter().map(change).collect(),
        latency: LatencyChange {
            base_us: 1e5,
            head_us: 1e5,
            standard_error: 0.0,
            estimate: Some(estimate(1.0, 0.012)),
        },
        causes: Vec::new(),
    });
    report.verdicts = operators.iter().map(|(key, ..)| judged(key, Verdict::Unchanged)).collect();
    report.verdicts.push(Judged {
        operator: None,
        provider: None,
        verdict: Verdict::Unchanged,
        detectable: Some(0.05),
    });
    report.findings = Vec::new();
    report
}

/// The same with one operator found slower.
pub(crate) fn slower(id: &str, operators: &[(&str, f64, f64)], operator: &str) -> ScenarioReport {
    let mut report = unchanged(id, operators);
    let changes = report.comparison.iter_mut().flat_map(|comparison| &mut comparison.operators);
    for change in changes.filter(|change| change.key.0 == operator) {
        change.estimate = Some(estimate(1.198, 0.02));
    }
    for judged in report.verdicts.iter_mut().filter(|one| one.operator.as_ref().is_some_and(|key| key.0 == operator)) {
        judged.verdict = Verdict::Regressed;
    }
    report.findings = vec![regressed(Some(operator), FindingCode::OperatorRegressed)];
    report
}

/// Operators of a transformer.
pub(crate) const BERT: [(&str, f64, f64); 4] = [
    ("ai.onnx:Gemm", 0.85, 0.008),
    ("ai.onnx:Softmax", 0.06, 0.02),
    ("ai.onnx:Gelu", 0.052, 0.13),
    ("ai.onnx:Add", 0.02, 0.6),
];

/// How the usual gate decides.
pub(crate) fn rules() -> Rules {
    Rules { pairs: vec![8, 12, 20], alpha: 0.01, min_effect: 0.05, floor_us: 50.0, gpu: None }
}

/// A calibration of two scenarios: one where the gate works, one where it was red on equal sides, does not see what was put
/// in, and could not be measured once.
pub(crate) fn calibration() -> Calibration {
    let (good, bad) = ("bert-base@cpu-fp32-all-b1-s128-t1", "ranker@cpu-fp32-all-t2");
    let ranker = [("ai.onnx:MatMul", 0.7, 0.05), ("ai.onnx:Softmax", 0.3, 0.4)];
    let failed = || ScenarioReport {
        result: crate::report::ScenarioResult::Failed {
            reason: "the launch was killed by SIGKILL".into(),
            log: Vec::new(),
        },
        comparison: None,
        verdicts: Vec::new(),
        findings: Vec::new(),
        ..unchanged(bad, &ranker)
    };
    let trial = |other: ScenarioReport| Trial { scenarios: vec![unchanged(good, &BERT), other], confirmed: Vec::new() };
    let red = Trial { confirmed: vec![ScenarioId(bad.into())], ..trial(slower(bad, &ranker, "ai.onnx:Softmax")) };
    let trials = [trial(unchanged(bad, &ranker)), red, trial(failed())];
    let run = |id: &str, report: ScenarioReport| ControlRun {
        id: ScenarioId(id.into()),
        made: Ok(made("ai.onnx:Softmax")),
        report: Some(report),
    };
    let controls = [run(good, slower(good, &BERT, "ai.onnx:Softmax")), run(bad, unchanged(bad, &ranker))];
    let Report { machine, .. } = fixtures::check();
    let mut calibration = Calibration::of(machine, rules(), 3, &trials, &controls);
    (calibration.expected_s, calibration.wall_s) =
        (Some(crate::report::Expected { least: 600.0, most: 1500.0 }), 734.0);
    calibration
}
