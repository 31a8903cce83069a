//! Two releases in fixed numbers, for the tests of all renderers.

use super::*;
use crate::report::fixtures as reports;
use crate::report::{FindingCode, Group, Report, RuleSource, ScenarioResult, Severity};

/// What is known of the second release.
pub fn facts() -> Facts {
    Facts {
        release: Some("v1.2.0".into()),
        date: "2026-11-26".into(),
        revision: Some(Revision {
            commit: "9f3c1d20a7b4e5f60718293a4b5c6d7e8f901234".into(),
            description: Some("v1.2.0".into()),
            clean: true,
        }),
        selection: Vec::new(),
        from: None,
    }
}

/// A policy with one of everything.
pub fn policy() -> Policy {
    let rule = |level, scope: &str, reason: Option<&str>, source| Rule {
        level,
        scope: scope.into(),
        findings: Vec::new(),
        reason: reason.map(str::to_owned),
        source,
    };
    let until = |number, day: Option<&str>| RuleSource::Configuration { number, expires: day.map(str::to_owned) };
    let commit = RuleSource::Commit { id: "abc1234".into() };
    Policy {
        configuration: "nongemm.toml".into(),
        stated: Stated::WhenMeasured,
        min_effect: 0.25,
        floor_us: 50.0,
        floor_share: 0.005,
        gpu: GpuLimits { min_effect: 0.1, floor_us: 3.0, floor_share: 0.002 },
        spread_factor: 5.0,
        max_latency_growth: 0.3,
        min_drift: 0.1,
        severities: [(FindingCode::StructureChanged, Severity::Error), (FindingCode::Drift, Severity::Warning)].into(),
        other_cpu: Severity::Warning,
        groups: [(Group::Normalization, GroupLimits { min_effect: Some(0.1), floor_us: None })].into(),
        trailers: true,
        rules: vec![
            Rule {
                findings: vec![FindingCode::OperatorRegressed],
                ..rule(
                    Severity::Note,
                    "ranker*/com.acme:*",
                    Some("the <kernel> is replaced"),
                    until(1, Some("2030-06-30")),
                )
            },
            rule(Severity::Error, "*/Gelu", None, until(2, None)),
            rule(Severity::Note, "bert*/Embed*", Some("positions are computed now"), commit),
        ],
        budgets: vec![Budget {
            scenario: "bert*".into(),
            machine: Some("linux-x86_64-*".into()),
            max_non_gemm_share: Some(0.35),
            max_group_share: [(Group::Memory, 0.1)].into(),
            max_latency_ms: Some(450.0),
        }],
    }
}

/// The report of the first release: an older runtime, another model of BERT that was faster, no hostile model yet.
fn before() -> Report {
    let mut report = reports::check();
    report.machine.onnxruntime = "1.30.0".into();
    report.scenarios.truncate(5);
    report.suite.scenarios.truncate(5);
    for scenario in &mut report.scenarios {
        if let ScenarioResult::Measured { summary } = &mut scenario.result {
            summary.onnxruntime = "1.30.0".into();
        }
    }
    if let ScenarioResult::Measured { summary } = &mut report.scenarios[0].result {
        summary.model_sha256 = "3b1c5f0a9e774c2d8e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d".into();
        summary.latency_us.0 = vec![369_000.0, 371_000.0, 372_500.0];
        for operator in &mut summary.operators {
            if operator.key.0 == "ai.onnx:Softmax" {
                operator.self_us.0.iter_mut().for_each(|us| *us /= 1.42);
            }
        }
        summary.operators.retain(|operator| operator.key.0 != "ai.onnx:Tanh");
    }
    report
}

/// The first release, which has nothing before it.
pub fn first() -> SignOff {
    let revision =
        Revision { commit: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".into(), description: None, clean: false };
    let facts =
        Facts { release: Some("v1.1.0".into()), date: "2026-10-01".into(), revision: Some(revision), ..facts() };
    SignOff::of(before(), facts, policy(), None)
}

/// The second, compared with the first: a scenario is new, one is gone, one could not be measured.
pub fn second() -> SignOff {
    let mut report = reports::check();
    report.scenarios.remove(3);
    report.suite.scenarios.remove(3);
    SignOff::of(report, facts(), policy(), Some(&first()))
}
