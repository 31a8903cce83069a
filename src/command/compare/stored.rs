//! Two saved reports compared: nothing is measured.
//!
//! Whatever the launches of the two were, they were not made in turns, so that no pair of them belongs together: medians
//! are compared, as with a baseline.

use std::path::PathBuf;

use crate::cli::CompareArgs;
use crate::command::policy::Rules;
use crate::command::trailers::Commits;
use crate::command::{Exit, Terminal, outputs};
use crate::compare::compare as compare_sides;
use crate::report::{
    Listed, Machine, Outcome, REPORT_SCHEMA, Report, ScenarioReport, ScenarioResult, SideFacts, Sides, Suite,
};
use crate::scenario::ScenarioId;
use crate::summary::{Field, Side, Summary};
use crate::verdict::{self, Judgement, Policy};

use super::unit::new_scenario;
use super::way::Both;

/// Compares the scenarios that both reports measured, and judges the head's by the base's.
///
/// # Errors
/// A report cannot be read, the configuration is bad, or a file cannot be written.
pub(super) fn compare(
    terminal: &mut Terminal,
    arguments: &CompareArgs,
    files: &Both<PathBuf>,
    named: Vec<String>,
) -> anyhow::Result<Exit> {
    let config = terminal.config()?;
    let reports = Both { base: Report::read(&files.base)?, head: Report::read(&files.head)? };
    let rules = Rules::read(&config, &Commits::Head, terminal)?;
    let facts = |file: &PathBuf, report: &Report| SideFacts {
        label: file.display().to_string(),
        revision: None,
        onnxruntime: report.machine.onnxruntime.clone(),
        configuration: None,
    };
    let compared: Vec<(bool, ScenarioReport)> = reports
        .head
        .scenarios
        .iter()
        .map(|head| {
            let policy = rules.without_budgets(&config, &head.id, &head.scenario);
            scenario(head, files, &reports, &policy)
        })
        .collect();
    let new = compared.iter().filter(|(has_base, _)| !has_base).map(|(_, report)| report.id.clone()).collect();
    let in_head = |id: &ScenarioId| reports.head.scenarios.iter().any(|head| head.id == *id);
    let gone: Vec<ScenarioId> =
        reports.base.scenarios.iter().map(|base| base.id.clone()).filter(|id| !in_head(id)).collect();
    let scenarios: Vec<ScenarioReport> = compared.into_iter().map(|(_, report)| report).collect();
    if scenarios.iter().all(|report| report.comparison.is_none()) {
        let (base, head) = (files.base.display(), files.head.display());
        terminal.status.error(&format!("{base} and {head} have no measured scenario in common"));
        return Ok(Exit::NothingMeasured);
    }
    for report in &scenarios {
        outputs::scenario(terminal, report)?;
    }
    let report = Report {
        schema: REPORT_SCHEMA,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        command: "compare".to_owned(),
        machine: reports.head.machine.clone(),
        sides: Some(Sides {
            arguments: named,
            base: facts(&files.base, &reports.base),
            head: facts(&files.head, &reports.head),
            new,
            gone,
        }),
        gate: None,
        self_test: None,
        suite: Suite { scenarios: scenarios.iter().map(listed).collect(), partition: None },
        scenarios,
        outcome: Outcome::NothingMeasured,
    };
    super::finish(terminal, report, arguments)
}

fn listed(report: &ScenarioReport) -> Listed {
    Listed { id: report.id.clone(), scenario: report.scenario.clone() }
}

/// One scenario of the head, and whether the base has it.
fn scenario(
    head: &ScenarioReport,
    files: &Both<PathBuf>,
    reports: &Both<Report>,
    policy: &Policy,
) -> (bool, ScenarioReport) {
    let base = reports.base.scenarios.iter().find(|base| base.id == head.id);
    let failed = |file: &PathBuf, reason: &str, log: &[String]| {
        super::failed(&head.id, &head.scenario, format!("not measured in {}: {reason}", file.display()), log.to_vec())
    };
    let new = ScenarioReport { comparison: None, verdicts: Vec::new(), findings: Vec::new(), ..head.clone() };
    let report = match (&head.result, base.map(|base| &base.result)) {
        (ScenarioResult::Failed { reason, log }, _) => failed(&files.head, reason, log),
        (_, Some(ScenarioResult::Failed { reason, log })) => failed(&files.base, reason, log),
        (_, None) => ScenarioReport { findings: vec![new_scenario(&head.id, policy)], ..new },
        (ScenarioResult::Measured { summary: after }, Some(ScenarioResult::Measured { summary: before })) => {
            let comparison = compare_sides(&side(before, &reports.base), &side(after, &reports.head));
            let Judgement { verdicts, findings } = verdict::judge(after, Some(&comparison), policy);
            ScenarioReport { comparison: Some(comparison), verdicts, findings, ..new }
        }
    };
    (base.is_some(), report)
}

fn side(summary: &Summary, report: &Report) -> Side {
    let Machine { os, arch, instruction_set, .. } = &report.machine;
    let mut class = vec![
        Field::new("os", os),
        Field::new("arch", arch),
        Field::new("instruction-set", instruction_set),
        Field::new("provider", summary.scenario.provider.name()),
    ];
    let gpu = summary.gpu.as_ref().and_then(|gpu| gpu.name.as_ref());
    class.extend(gpu.map(|gpu| Field::new("gpu", gpu)));
    summary.side(class, &report.tool, &report.machine.cpu)
}
