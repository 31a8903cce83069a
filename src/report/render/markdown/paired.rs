//! A scenario whose two sides were measured in turns.

use std::io::{self, Write};

use super::escape::{code, plain};
use super::scenario::{TOP, hidden};
use crate::report::figures;
use crate::report::render::number::{self, TimeUnit};
use crate::report::{Comparison, OperatorSummary, ScenarioReport, Summary, Verdict, wording};

/// What the pairs say of the latency.
pub(super) fn latency(report: &ScenarioReport, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
    let latency = &comparison.latency;
    let (base, head) = (number::time(latency.base_us), number::time(latency.head_us));
    let change = latency.estimate.map_or_else(
        || number::change(figures::latency_ratio(comparison)),
        |estimate| number::change_between(estimate.ratio, estimate.low, estimate.high),
    );
    let verdict =
        figures::verdict(report, None).map_or_else(String::new, |judged| format!(": {}", word(judged.verdict)));
    writeln!(writer, "- latency {base} → {head}, {change}{verdict}")
}

/// A row an operator: its time on both sides, what the pairs say of their ratio, and the verdict.
pub(super) fn operators(summary: &Summary, report: &ScenarioReport, writer: &mut dyn Write) -> io::Result<()> {
    let unit = TimeUnit::for_column(summary.operators.iter().map(|operator| operator.self_us.median()));
    let name = unit.name;
    writeln!(
        writer,
        "| operator | group | provider | runs | base → head {name} | share | ratio | 90 % interval | verdict |"
    )?;
    writeln!(writer, "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")?;
    for operator in summary.operators.iter().take(TOP) {
        row(operator, unit, report, writer)?;
    }
    hidden(summary, writer)
}

fn row(operator: &OperatorSummary, unit: TimeUnit, report: &ScenarioReport, writer: &mut dyn Write) -> io::Result<()> {
    write!(
        writer,
        "| {} | {}{} | {} | {} |",
        code(wording::operator(&operator.key)),
        wording::group(operator.group),
        if operator.fused { ", fused" } else { "" },
        plain(wording::provider(&operator.provider)),
        operator.executions,
    )?;
    let share = number::percent(operator.share.median());
    let comparison = report.comparison.as_ref();
    let Some(change) = comparison.and_then(|comparison| figures::change(comparison, operator)) else {
        return writeln!(writer, " {} | {share} | | | new |", unit.number(operator.self_us.median()));
    };
    let ratio = change.normalized_ratio.map_or_else(|| "-".to_owned(), number::ratio);
    let interval = change.estimate.map_or_else(String::new, |estimate| {
        format!("{} to {}", number::ratio(estimate.low), number::ratio(estimate.high))
    });
    let verdict = figures::verdict(report, Some(operator)).map_or_else(String::new, |judged| word(judged.verdict));
    let (base, head) = (unit.number(change.base_us), unit.number(change.head_us));
    writeln!(writer, " {base} → {head} | {share} | {ratio} | {interval} | {verdict} |")
}

/// A verdict; what a reader looks for stands out.
fn word(verdict: Verdict) -> String {
    let word = wording::verdict(verdict);
    if verdict == Verdict::Regressed { format!("**{word}**") } else { word.to_owned() }
}
