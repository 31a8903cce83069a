//! One scenario: its bar, its row in the overview, and all that is known of it behind a fold.

use super::chart::{self, Axis};
use super::content::{Badge, Content, Sentence, Svg, Table, shown};
use crate::report::figures::{self, Interval};
use crate::report::render::device;
use crate::report::render::number::{self, TimeUnit};
use crate::report::standing::Standing;
use crate::report::{
    Comparison, Finding, Group, OperatorSummary, ScenarioReport, ScenarioResult, Severity, Summary, Verdict, wording,
};

/// Messages of one kind in one row where those of all scenarios are together; the fold of each has them all.
const ALIKE: usize = 5;

/// Lines of a failed launch's output; the JSON report has them all.
const LOG: usize = 30;

/// A group's share of the time.
type Share = (Option<Group>, f64);

/// A scenario as the page shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    /// What leads to it.
    pub anchor: String,
    pub id: String,
    pub badge: Badge,
    /// Its figures in a few words.
    pub about: String,
    /// True where it is shown without being asked for.
    pub open: bool,
    pub bars: Option<Bars>,
    /// Why it could not be measured.
    pub failure: Option<Sentence>,
    pub log: Vec<String>,
    pub findings: Table,
    /// What differs, and what else a reader must know, a sentence each.
    pub remarks: Vec<Sentence>,
    pub groups: Table,
    pub operators: Table,
    pub made_of: String,
}

/// Where the time goes, now and before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bars {
    pub now: Svg,
    pub before: Option<Svg>,
    pub latency: String,
    pub non_gemm: String,
}

/// The scenario with this number. `before` are the shares of an earlier measurement, empty where there is none.
pub(super) fn view(report: &ScenarioReport, index: usize, before: Vec<Share>) -> View {
    let standing = Standing::of(report);
    let mut view = View {
        anchor: anchor(index),
        id: shown(&report.id.0),
        badge: badge(standing),
        about: String::new(),
        open: matches!(standing, Standing::Failed(_) | Standing::NotMeasured),
        bars: None,
        failure: None,
        log: Vec::new(),
        findings: findings(&report.findings, false),
        remarks: Vec::new(),
        groups: Table::new("", &[]),
        operators: Table::new("", &[]),
        made_of: String::new(),
    };
    match &report.result {
        ScenarioResult::Failed { reason, log } => {
            view.failure = Some(Sentence::of(reason));
            view.log = log.iter().skip(log.len().saturating_sub(LOG)).map(|line| shown(line)).collect();
        }
        ScenarioResult::Measured { summary } => fill(&mut view, summary, report, &before),
    }
    view
}

fn fill(view: &mut View, summary: &Summary, report: &ScenarioReport, before: &[Share]) {
    let shares = figures::shares(summary);
    let latency = number::time(summary.latency_us.median());
    let non_gemm = number::percent(figures::split(summary).non_gemm);
    view.about = format!("{latency}, non-GEMM {non_gemm}");
    let comparison = report.comparison.as_ref();
    let words = format!("before: {}", chart::parts_in_words(before));
    view.bars = Some(Bars {
        now: chart::stacked(&shares, "now", &chart::parts_in_words(&shares)),
        before: (!before.is_empty()).then(|| chart::stacked(before, "before", &words)),
        latency,
        non_gemm,
    });
    view.remarks = remarks(summary, comparison);
    view.groups = groups(summary);
    view.operators = operators(summary, report);
    let launches = match comparison.and_then(figures::pairs) {
        Some(pairs) => number::count(u64::from(pairs), "pair of launches", "pairs of launches"),
        None => number::count(summary.latency_us.len() as u64, "launch", "launches"),
    };
    view.made_of = format!(
        "{launches}, {}; {}.{}",
        number::count(u64::from(summary.iterations), "iteration", "iterations"),
        device::reconciliation(summary),
        device::beside_products(summary).map_or_else(String::new, |text| format!(" {text}.")),
    );
}

/// What leads to the scenario with this number.
pub(super) fn anchor(index: usize) -> String {
    format!("scenario-{}", index + 1)
}

/// Where it stands, in colour.
pub(super) fn badge(standing: Standing) -> Badge {
    let class = match standing {
        Standing::Failed(_) => "bad",
        Standing::NotMeasured | Standing::NoBaseline | Standing::NotJudged(_) | Standing::Warned(_) => "warn",
        Standing::Improved | Standing::Pass | Standing::Allowed => "good",
        Standing::New | Standing::Measured => "quiet",
    };
    Badge { class, word: standing.word() }
}

/// Findings, those of one kind in one row; with the scenario where they are of several.
pub(super) fn findings(findings: &[Finding], with_scenario: bool) -> Table {
    let mut columns = vec!["severity", "finding", "scenario", "what", "what to do"];
    if !with_scenario {
        columns.remove(2);
    }
    let mut table = Table::new(if with_scenario { "Findings, most severe first" } else { "Findings" }, &columns);
    for kind in findings.chunk_by(wording::same_kind) {
        let first = &kind[0];
        let room = if with_scenario { ALIKE } else { kind.len() };
        let mut messages: Vec<Sentence> =
            kind.iter().take(room).map(|finding| Sentence::of(&finding.message)).collect();
        if kind.len() > room {
            messages.push(Sentence::of(&format!("and {} more", kind.len() - room)));
        }
        let messages = messages.into_iter().reduce(|all, next| all.then(Sentence::of("; ")).then(next));
        let ruling = wording::ruling(first).map(|ruling| Sentence::of(&format!(" ({ruling})")));
        let what = messages.into_iter().chain(ruling).reduce(Sentence::then);
        let mut row = vec![Content::Badge(severity(first.severity)), Content::code(first.code.as_str())];
        if with_scenario {
            row.push(Content::code(&first.scenario.0));
        }
        row.push(what.map_or_else(Content::none, Content::Sentence));
        row.push(Content::words(wording::remedy(first)));
        table.push(row);
    }
    table
}

fn severity(severity: Severity) -> Badge {
    let class = match severity {
        Severity::Error => "bad",
        Severity::Warning => "warn",
        Severity::Note => "quiet",
    };
    Badge { class, word: wording::severity(severity) }
}

/// Structure first, since it is usually the cause.
fn remarks(summary: &Summary, comparison: Option<&Comparison>) -> Vec<Sentence> {
    let mut remarks = comparison.map(differences).unwrap_or_default();
    if let Some(comparison) = comparison {
        remarks.push(Sentence::of(&match comparison.machine_factor {
            Some(factor) => {
                format!("machine factor {}: changes of operators are what is left after it", number::ratio(factor))
            }
            None => "no machine factor: too few operators stand on both sides".to_owned(),
        }));
    }
    for operator in &summary.unsteady {
        let counts: Vec<String> = operator.executions.iter().map(u32::to_string).collect();
        let name = Sentence::code(wording::operator(&operator.key));
        remarks.push(name.then(Sentence::of(&format!(" ran {} times in the launches", counts.join(", ")))));
    }
    for warning in &summary.warnings {
        let (what, remedy) = wording::warning(warning);
        remarks.push(Sentence::of(&format!("warning: {what}; {remedy}")));
    }
    remarks
}

/// What differs between the two sides beside times.
pub(super) fn differences(comparison: &Comparison) -> Vec<Sentence> {
    let structure = comparison.structure.iter().map(|difference| {
        let (_, key, what) = wording::structure(difference);
        Sentence::code(wording::operator(key)).then(Sentence::of(&format!(" {what}")))
    });
    let fingerprint = comparison.fingerprint.iter().map(|difference| {
        Sentence::of(&format!("other machine class: {} {} → {}", difference.field, difference.base, difference.head))
    });
    let causes = comparison
        .causes
        .iter()
        .map(|cause| Sentence::of(&format!("possible cause: {} {} → {}", cause.what, cause.base, cause.head)));
    structure.chain(fingerprint).chain(causes).collect()
}

fn groups(summary: &Summary) -> Table {
    let groups = summary.groups();
    let remainder = summary.remainder_us.median();
    let unit = TimeUnit::for_column(groups.iter().map(|group| group.self_us.median()).chain([remainder]));
    let full = groups.iter().map(|group| group.share.median()).fold(0.0, f64::max);
    let mut table = Table::new("Groups of operators", &["group", &format!("#{}", unit.name), "#share", "part"]);
    for group in &groups {
        let share = group.share.median();
        table.push(vec![
            Content::words(wording::group(group.group)),
            Content::Number(unit.number(group.self_us.median())),
            Content::Number(number::percent(share)),
            Content::Chart(chart::share(group.group, share, full)),
        ]);
    }
    table.push(vec![
        Content::words("runtime, outside of nodes"),
        Content::Number(unit.number(remainder)),
        Content::none(),
        Content::none(),
    ]);
    table
}

fn operators(summary: &Summary, report: &ScenarioReport) -> Table {
    let unit = TimeUnit::for_column(summary.operators.iter().map(|operator| operator.self_us.median()));
    let comparison = report.comparison.as_ref();
    let changes =
        comparison.into_iter().flat_map(|comparison| &comparison.operators).filter_map(figures::operator_interval);
    let axis = Axis::over(changes);
    let time = format!("#{}", unit.name);
    let mut columns = vec!["operator", "group", "provider", "#runs", &time, "#share", "#±"];
    let mut caption = "Operators".to_owned();
    if let Some(comparison) = comparison {
        columns.extend(["change", "#ratio", "verdict"]);
        let side = wording::other_side(comparison.design);
        caption = format!("Operators, and their change from the {side} with its 90 % interval. {}", axis.in_words());
    }
    let mut table = Table::new(caption, &columns);
    for operator in &summary.operators {
        let mut row = operator_row(operator, unit);
        if let Some(comparison) = comparison {
            row.extend(change(operator, comparison, report, axis));
        }
        table.push(row);
        if let Some(inserted) = &operator.inserted {
            let mut row = vec![
                Content::words(&format!("of these {}", wording::INSERTED)),
                Content::none(),
                Content::none(),
                Content::Number(inserted.executions.to_string()),
                Content::Number(unit.number(inserted.self_us.median())),
                Content::Number(number::percent(inserted.share.median())),
                Content::none(),
            ];
            row.resize(columns.len(), Content::none());
            table.push(row);
        }
    }
    table
}

fn operator_row(operator: &OperatorSummary, unit: TimeUnit) -> Vec<Content> {
    let fused = if operator.fused { ", fused" } else { "" };
    vec![
        Content::code(wording::operator(&operator.key)),
        Content::words(&format!("{}{fused}", wording::group(operator.group))),
        Content::words(wording::provider(&operator.provider)),
        Content::Number(operator.executions.to_string()),
        Content::Number(unit.number(operator.self_us.median())),
        Content::Number(number::percent(operator.share.median())),
        Content::Number(number::spread(operator.share.relative_spread())),
    ]
}

/// What became of an operator: a chart, its ratio, the verdict.
fn change(operator: &OperatorSummary, comparison: &Comparison, report: &ScenarioReport, axis: Axis) -> [Content; 3] {
    let Some(change) = figures::change(comparison, operator) else {
        return [Content::none(), Content::none(), Content::words("new")];
    };
    let verdict = figures::verdict(report, Some(operator)).map(|judged| judged.verdict);
    let drawn = figures::operator_interval(change)
        .map_or_else(Content::none, |interval| Content::Chart(chart::change(axis, interval, state(verdict))));
    let ratio = change.normalized_ratio.map_or_else(|| "-".to_owned(), number::ratio);
    let word = match verdict {
        Some(verdict @ Verdict::Regressed) => Content::Badge(Badge { class: "bad", word: wording::verdict(verdict) }),
        Some(verdict @ Verdict::Improved) => Content::Badge(Badge { class: "good", word: wording::verdict(verdict) }),
        Some(verdict) => Content::words(wording::verdict(verdict)),
        None => Content::none(),
    };
    [drawn, Content::Number(ratio), word]
}

/// The colour of a change.
pub(super) fn state(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Regressed) => "worse",
        Some(Verdict::Improved) => "better",
        _ => "plain",
    }
}

/// The latency's change as the overview shows it: what it is, and in colour what the gate says of it.
pub(super) fn latency(report: &ScenarioReport) -> Option<(Interval, &'static str)> {
    let comparison = report.comparison.as_ref()?;
    let verdict = figures::verdict(report, None).map(|judged| judged.verdict);
    Some((figures::latency_interval(comparison), state(verdict)))
}
