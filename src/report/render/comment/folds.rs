//! What a reader may want besides, each behind a fold of its own.

use std::collections::HashMap;

use super::bars;
use super::voice::{Naming, Voice};
use crate::report::crossed;
use crate::report::render::fit::Section;
use crate::report::render::markdown::overview;
use crate::report::{
    Finding, LaunchWarning, Report, ScenarioId, ScenarioReport, ScenarioResult, Severity, standing, wording,
};

/// Lines of what a failed launch wrote last.
const LOG: usize = 10;
/// Messages of one kind in one entry.
const ALIKE: usize = 3;

const CLOSE: &str = "\n</details>\n\n";

fn open(summary: &str) -> String {
    // GitHub reads Markdown inside an element again only after an empty line.
    format!("<details>\n<summary>{summary}</summary>\n\n")
}

/// A section behind a fold; `None` of nothing.
fn fold<'a>(
    name: &'static str,
    rank: u8,
    open: String,
    total: usize,
    rows: impl Iterator<Item = String> + 'a,
) -> Option<Section<'a>> {
    (total > 0).then(|| Section { name, rank, open, rows: Box::new(rows), total, close: CLOSE.to_owned() })
}

/// What scenarios wrote before they failed.
pub(super) fn logs<'a>(report: &'a Report, naming: Naming, voice: Voice) -> Option<Section<'a>> {
    let logs = move || {
        report.scenarios.iter().filter_map(|scenario| match &scenario.result {
            ScenarioResult::Failed { log, .. } if !log.is_empty() => Some((scenario, log)),
            _ => None,
        })
    };
    let row = move |(scenario, log): (&ScenarioReport, &Vec<String>)| {
        let lines = log.iter().skip(log.len().saturating_sub(LOG)).map(|line| voice.fenced(line) + "\n");
        format!("{}\n\n```text\n{}```\n", voice.code(naming.name(scenario)), lines.collect::<String>())
    };
    fold("logs", 6, open("What was written before it failed"), logs().count(), logs().map(row))
}

/// A row a scenario.
pub(super) fn all_scenarios<'a>(report: &'a Report, voice: Voice) -> Option<Section<'a>> {
    let scenarios = report.scenarios.as_slice();
    let count =
        if scenarios.len() == 1 { "The scenario".to_owned() } else { format!("All {} scenarios", scenarios.len()) };
    let heading = open(&count) + &overview::heading(report);
    let rows = scenarios.iter().map(move |scenario| overview::row(scenario, &|foreign| voice.code(foreign)));
    fold("rows of the overview", 7, heading, scenarios.len(), rows)
}

/// What the gate and the launches remarked, what had no counterpart, and what no verdict here can say.
pub(super) fn noted<'a>(report: &'a Report, naming: Naming, voice: Voice) -> Option<Section<'a>> {
    let name = move |scenario: &ScenarioReport| voice.code(naming.name(scenario));
    let findings: Vec<&Finding> = crossed::noted(report).collect();
    let kinds: Vec<Vec<&Finding>> =
        findings.chunk_by(|a, b| wording::same_kind(a, b)).map(<[&Finding]>::to_vec).collect();
    let by_id: HashMap<&str, &ScenarioReport> =
        report.scenarios.iter().map(|scenario| (scenario.id.0.as_str(), scenario)).collect();
    let warnings: Vec<(&ScenarioReport, &LaunchWarning)> = report.scenarios.iter().flat_map(warnings).collect();
    let gone: &[ScenarioId] = report.sides.as_ref().map_or(&[], |sides| &sides.gone);
    let general = general(report, voice);
    let total = kinds.len() + warnings.len() + gone.len() + general.len();

    let of_findings = kinds.into_iter().map(move |kind| {
        let id = kind[0].scenario.0.as_str();
        finding(&kind, &by_id.get(id).map_or_else(|| voice.code(id), |scenario| name(scenario)), voice)
    });
    let of_launches = warnings.into_iter().map(move |(scenario, warning)| {
        let (what, remedy) = wording::warning(warning);
        format!("- ⚠️ {}: {}; {}\n", name(scenario), voice.sentence(&what), voice.sentence(remedy))
    });
    let of_gone = gone
        .iter()
        .map(move |id| format!("- {} is gone: only the base has it, so it was not measured\n", voice.code(&id.0)));
    fold("remarks", 6, open("What else was noted"), total, of_findings.chain(of_launches).chain(of_gone).chain(general))
}

fn warnings(scenario: &ScenarioReport) -> impl Iterator<Item = (&ScenarioReport, &LaunchWarning)> {
    let warnings: &[LaunchWarning] = match &scenario.result {
        ScenarioResult::Measured { summary } => &summary.warnings,
        ScenarioResult::Failed { .. } => &[],
    };
    warnings.iter().map(move |warning| (scenario, warning))
}

/// What holds for the report as a whole.
fn general(report: &Report, voice: Voice) -> Vec<String> {
    let part = report.suite.partition.map(|part| {
        let all = report.suite.scenarios.len();
        format!("this is part {part} of a suite of {all} scenarios: the other parts measure the rest")
    });
    let course = standing::course(report).join("; ");
    let course = (!course.is_empty()).then_some(course);
    let blind = standing::blind_side(report).map(str::to_owned);
    let all = part.into_iter().chain(course).chain(blind);
    all.map(|text| format!("- ℹ️ {}\n", voice.sentence(&text))).collect()
}

/// Findings of one kind in one scenario, with what to do about them.
fn finding(kind: &[&Finding], name: &str, voice: Voice) -> String {
    let first = kind[0];
    let sign = match first.severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠️",
        Severity::Note => "ℹ️",
    };
    let mut messages: Vec<String> = kind.iter().take(ALIKE).map(|one| voice.sentence(&one.message)).collect();
    if kind.len() > ALIKE {
        messages.push(format!("and {} more", kind.len() - ALIKE));
    }
    let ruling = wording::ruling(first).map_or_else(String::new, |ruling| format!(" *{}*", voice.sentence(&ruling)));
    let remedy = voice.sentence(wording::remedy(first));
    let stop = if remedy.is_empty() { "" } else { ". " };
    format!("- {sign} {name} **{}**: {}{ruling}{stop}{remedy}\n", first.code, messages.join("; "))
}

/// The shares of all scenarios that were measured.
pub(super) fn all_shares<'a>(report: &'a Report, naming: Naming, voice: Voice) -> Option<Section<'a>> {
    let measured: Vec<&ScenarioReport> = report.scenarios.iter().filter(|one| is_measured(one)).collect();
    if measured.is_empty() {
        return None;
    }
    let section =
        bars::section(measured, &open("Where the time goes, in all scenarios"), "</details>\n\n", naming, voice);
    Some(Section { rank: 9, ..section })
}

fn is_measured(scenario: &ScenarioReport) -> bool {
    matches!(scenario.result, ScenarioResult::Measured { .. })
}
