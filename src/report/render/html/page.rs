//! A page from top to bottom, without what only a sign-off has.

use super::chart::{self, Axis};
use super::content::{Content, Link, Sentence, Svg, Table, shown};
use super::scenario::{self, View};
use super::signoff;
use crate::report::models::models;
use crate::report::render::number;
use crate::report::signoff::{Previous, SignOff};
use crate::report::standing::{self, NextStep, Standing};
use crate::report::{
    Finding, FindingCode, Group, Outcome, Report, ScenarioReport, ScenarioResult, Severity, figures, wording,
};

/// Everything that the template shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page {
    /// What kind of document it is.
    pub kind: &'static str,
    /// What it is about.
    pub title: String,
    /// One of `good`, `bad`, `warn`, `quiet`.
    pub class: &'static str,
    /// The verdict in a word or two.
    pub word: &'static str,
    /// The verdict in a sentence.
    pub verdict: Sentence,
    /// Names and values, in order.
    pub facts: Vec<(&'static str, Sentence)>,
    /// Errors, warnings and what somebody allows.
    pub crossed: Table,
    pub overview: Table,
    /// How the changes of the overview are to be read; empty where there are none.
    pub axis: String,
    pub legend: Vec<(Svg, &'static str)>,
    /// What the thin bars are; empty where there are none.
    pub before: String,
    pub previous: Option<signoff::PreviousView>,
    pub scenarios: Vec<View>,
    pub policy: Option<signoff::PolicyView>,
    pub models: Table,
    /// What a reader must know to take the figures for what they are.
    pub notes: Vec<Sentence>,
    pub reproduce: String,
    pub steps: Vec<(String, &'static str)>,
}

impl Page {
    /// The page of a report.
    pub fn of_report(report: &Report) -> Page {
        let (class, word) = outcome(report, false);
        let exit_code = Sentence::of(&report.outcome.exit_code().to_string());
        let facts = facts(report).into_iter().chain([("exit code", exit_code)]).collect();
        Page { facts, ..Page::of(report, class, word, None) }
    }

    /// The page of a sign-off: the same, with who released what, under which policy, and what was before.
    pub fn of_sign_off(sign_off: &SignOff) -> Page {
        let report = &sign_off.report;
        let (class, word) = outcome(report, true);
        let page = Page::of(report, class, word, sign_off.previous.as_ref());
        Page {
            kind: "Release sign-off",
            title: shown(&sign_off.name()),
            facts: signoff::facts(sign_off).into_iter().chain(facts(report)).collect(),
            previous: sign_off.previous.as_ref().map(signoff::PreviousView::of),
            policy: Some(signoff::PolicyView::of(&sign_off.policy)),
            reproduce: shown(&signoff::reproduce(sign_off)),
            ..page
        }
    }

    fn of(report: &Report, class: &'static str, word: &'static str, previous: Option<&Previous>) -> Page {
        let before = |one: &ScenarioReport| match previous {
            Some(previous) => previous
                .scenarios
                .iter()
                .find(|since| since.id == one.id)
                .map(|since| figures::base_shares(&since.comparison)),
            None => one.comparison.as_ref().map(figures::base_shares),
        };
        let view = |(index, one)| scenario::view(one, index, before(one).unwrap_or_default());
        let scenarios: Vec<View> = report.scenarios.iter().enumerate().map(view).collect();
        let axis = Axis::over(report.scenarios.iter().filter_map(scenario::latency).map(|(interval, _)| interval));
        let is_compared = report.scenarios.iter().any(|one| one.comparison.is_some());
        let has_bars = scenarios.iter().any(|view| view.bars.as_ref().is_some_and(|bars| bars.before.is_some()));
        Page {
            kind: kind(report),
            title: title(report),
            class,
            word,
            verdict: Sentence::of(&standing::verdict(report)),
            facts: Vec::new(),
            crossed: scenario::findings(&crossed(report), true),
            overview: overview(report, axis),
            axis: if is_compared { axis.in_words() } else { String::new() },
            legend: legend(report),
            before: if has_bars { name_of_before(report, previous) } else { String::new() },
            previous: None,
            scenarios,
            policy: None,
            models: model_table(report),
            notes: notes(report),
            reproduce: shown(&standing::reproduce(report)),
            steps: standing::next_steps(report)
                .iter()
                .map(|NextStep { command, why }| (shown(command), *why))
                .collect(),
        }
    }
}

/// The colour and the word of a verdict.
fn outcome(report: &Report, is_sign_off: bool) -> (&'static str, &'static str) {
    let is_judged = report.command == "check" || report.sides.is_some();
    match report.outcome {
        Outcome::Pass if is_sign_off => ("good", "Signed off"),
        Outcome::Pass if is_judged => ("good", "Pass"),
        Outcome::Pass => ("quiet", "Measured"),
        Outcome::GateFailed if is_sign_off => ("bad", "Not signed off"),
        Outcome::GateFailed => ("bad", "Gate failed"),
        Outcome::Incomplete if is_sign_off => ("warn", "Not signed off: incomplete"),
        Outcome::Incomplete => ("warn", "Incomplete"),
        Outcome::NothingMeasured => ("warn", "Nothing measured"),
    }
}

fn kind(report: &Report) -> &'static str {
    match report.command.as_str() {
        "check" => "Check against baselines",
        "compare" => "Comparison of two sides",
        _ => "Measurement",
    }
}

fn title(report: &Report) -> String {
    match (&report.sides, report.scenarios.as_slice()) {
        (Some(sides), _) => shown(&format!("{} against {}", sides.head.label, sides.base.label)),
        (None, [one]) => shown(&one.id.0),
        (None, all) => number::count(all.len() as u64, "scenario", "scenarios"),
    }
}

fn facts(report: &Report) -> Vec<(&'static str, Sentence)> {
    let machine = &report.machine;
    let cores = number::count(u64::from(machine.cores), "core", "cores");
    let mut facts = vec![
        ("machine", Sentence::of(&format!("{}, {cores}", machine.cpu))),
        ("machine class", Sentence::code(&machine.fingerprint)),
        ("ONNX Runtime", Sentence::of(&machine.onnxruntime)),
        ("cargo-nongemm", Sentence::of(&report.tool)),
    ];
    facts.extend(report.gpus().into_iter().map(|gpu| ("GPU", Sentence::of(&wording::gpu(gpu)))));
    if let Some(sides) = &report.sides {
        for (name, side) in [("base", &sides.base), ("head", &sides.head)] {
            let configuration = side.configuration.as_ref().map_or_else(String::new, |path| format!(", {path}"));
            facts.push((
                name,
                Sentence::of(&format!("{}, ONNX Runtime {}{configuration}", side.label, side.onnxruntime)),
            ));
        }
        facts.push(("course", Sentence::of(&standing::course(report).join("; "))));
        let gone: Vec<String> = sides.gone.iter().map(|id| id.0.clone()).collect();
        if !gone.is_empty() {
            facts.push(("gone", Sentence::of(&format!("{} (only the base has it; not measured)", gone.join(", ")))));
        }
    }
    facts.extend(standing::self_test(report).map(|said| ("self-test of the gate", Sentence::of(&said))));
    facts
}

/// What could not be measured, errors, warnings and what somebody allows, the most severe first.
fn crossed(report: &Report) -> Vec<Finding> {
    let all =
        report.scenarios.iter().flat_map(|scenario| scenario.findings.iter().cloned().chain(not_measured(scenario)));
    let mut findings: Vec<Finding> =
        all.filter(|finding| finding.severity > Severity::Note || finding.ruling.is_some()).collect();
    // The sort is stable: within a severity the order of the suite stays.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// That a scenario could not be measured, where no finding says so.
fn not_measured(scenario: &ScenarioReport) -> Option<Finding> {
    let code = FindingCode::NotMeasured;
    let ScenarioResult::Failed { reason, .. } = &scenario.result else { return None };
    let is_said = scenario.findings.iter().any(|finding| finding.code == code);
    (!is_said).then(|| Finding {
        code,
        severity: code.default_severity(),
        scenario: scenario.id.clone(),
        operator: None,
        operators: Vec::new(),
        message: reason.clone(),
        remedy: String::new(),
        ruling: None,
    })
}

fn overview(report: &Report, axis: Axis) -> Table {
    let side = if report.sides.is_some() { "base" } else { "baseline" };
    let is_compared = report.scenarios.iter().any(|scenario| scenario.comparison.is_some());
    let against = format!("#from the {side}");
    let mut columns = vec!["scenario", "verdict", "#latency", "#±"];
    if is_compared {
        columns.extend(["change", &against]);
    }
    columns.extend(["#non-GEMM", "top non-GEMM operator"]);
    let mut table = Table::new("Scenarios", &columns);
    for (index, one) in report.scenarios.iter().enumerate() {
        let link = Link { target: scenario::anchor(index), text: shown(&one.id.0) };
        let mut row = vec![Content::Link(link), Content::Badge(scenario::badge(Standing::of(one)))];
        if let ScenarioResult::Measured { summary } = &one.result {
            row.push(Content::Number(number::time(summary.latency_us.median())));
            row.push(Content::Number(number::spread(summary.latency_us.relative_spread())));
            if is_compared {
                row.extend(match scenario::latency(one) {
                    Some((interval, state)) => [
                        Content::Chart(chart::change(axis, interval, state)),
                        Content::Number(number::change(interval.ratio)),
                    ],
                    None => [Content::none(), Content::none()],
                });
            }
            row.push(Content::Number(number::percent(figures::split(summary).non_gemm)));
            row.push(figures::top_non_gemm(summary).map_or_else(Content::none, |operator| {
                let share = number::percent(operator.share.median());
                let name = Sentence::code(wording::operator(&operator.key));
                Content::Sentence(name.then(Sentence::of(&format!(" {share}"))))
            }));
        }
        row.resize(columns.len(), Content::none());
        table.push(row);
    }
    table
}

/// The groups that occur, in the order of the bars.
fn legend(report: &Report) -> Vec<(Svg, &'static str)> {
    let mut groups: Vec<Option<Group>> = Vec::new();
    for scenario in &report.scenarios {
        let ScenarioResult::Measured { summary } = &scenario.result else { continue };
        groups.extend(figures::shares(summary).into_iter().filter(|(_, share)| *share > 0.0).map(|(group, _)| group));
    }
    groups.sort_unstable_by_key(|group| (group.is_none(), *group));
    groups.dedup();
    groups.into_iter().map(|group| (chart::swatch(group), wording::group(group))).collect()
}

/// What the thin bars show.
fn name_of_before(report: &Report, previous: Option<&Previous>) -> String {
    match (previous, &report.sides) {
        (Some(previous), _) => shown(&previous.name()),
        (None, Some(_)) => "the base".to_owned(),
        (None, None) => "the baseline".to_owned(),
    }
}

fn model_table(report: &Report) -> Table {
    let mut table = Table::new(
        "Models, by the SHA-256 of their graphs; weights in files beside them are not part of it",
        &["model", "SHA-256", "graph and weights", "#scenarios"],
    );
    for model in models(report) {
        table.push(vec![
            Content::code(&model.name),
            Content::code(&model.sha256),
            Content::words(&model.origin),
            Content::Number(model.scenarios.to_string()),
        ]);
    }
    table
}

fn notes(report: &Report) -> Vec<Sentence> {
    let mut notes = vec![
        Sentence::of("Times are medians over launches, which are fresh processes, ± their spread."),
        Sentence::of(
            "Shares are parts of the time in all nodes of a run, the profiler's own cost removed. GEMM is every operator \
             that contains a matrix product or a convolution, fused ones included.",
        ),
    ];
    if report.scenarios.iter().any(|scenario| scenario.comparison.is_some()) {
        notes.push(Sentence::of(
            "A change of an operator is head over base with the machine factor divided out: the median over operators of \
             that ratio, which is what the machine did. Of a latency nothing is divided out. Lines are 90 % intervals, from \
             how much launches vary.",
        ));
    }
    notes.extend(standing::blind_side(report).map(Sentence::of));
    notes
}
