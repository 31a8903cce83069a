//! The operators of a scenario whose two sides were measured in turns.

use std::io;

use anstyle::Style;

use super::scenario::{TOP, has_several_providers, hidden_row, name_of};
use super::{CYAN, DIM, GREEN, PLAIN, Page, RED, Verbosity, YELLOW};
use crate::report::figures;
use crate::report::render::number::{self, TimeUnit};
use crate::report::render::table::{Cell, Column, Table};
use crate::report::{OperatorSummary, ScenarioReport, Summary, Verdict, wording};

/// A row an operator: its time on both sides, what the pairs say of their ratio, and the verdict.
pub(super) fn operators(
    page: &mut Page<'_>,
    summary: &Summary,
    report: &ScenarioReport,
    verbosity: Verbosity,
) -> io::Result<()> {
    let shown =
        if verbosity == Verbosity::Verbose { summary.operators.len() } else { TOP.min(summary.operators.len()) };
    let several = has_several_providers(summary);
    let unit = TimeUnit::for_column(summary.operators.iter().map(|operator| operator.self_us.median()));
    let arrow = page.charset.arrow();
    let mut table = Table::new([
        Column::left("operator").shrink_to(20).cut_early(),
        Column::left("group").droppable(2),
        Column::right("runs").droppable(4),
        Column::right(format!("base {arrow} head {}", unit.name)),
        Column::right("share").droppable(3),
        Column::right("ratio"),
        Column::right("90 % range").droppable(1),
        Column::left("verdict"),
        Column::right("would see").droppable(5),
    ]);
    for operator in summary.operators.iter().take(shown) {
        table.row(row(operator, several, unit, report, page));
    }
    if let Some(hidden) = hidden_row(&summary.operators[shown..], unit) {
        table.row(hidden);
    }
    page.table(&table)
}

fn row(
    operator: &OperatorSummary,
    several_providers: bool,
    unit: TimeUnit,
    report: &ScenarioReport,
    page: &Page<'_>,
) -> Vec<Cell> {
    let group = format!("{}{}", wording::group(operator.group), if operator.fused { ", fused" } else { "" });
    let head = unit.number(operator.self_us.median());
    let mut row = vec![
        Cell::from(name_of(operator, several_providers)),
        Cell::styled(group, if operator.group.is_none() { RED } else { DIM }),
        operator.executions.to_string().into(),
    ];
    let share = Cell::from(number::percent(operator.share.median()));
    let comparison = report.comparison.as_ref();
    let Some(change) = comparison.and_then(|comparison| figures::change(comparison, operator)) else {
        row.extend([head.into(), share, Cell::default(), Cell::default(), Cell::styled("new", YELLOW)]);
        return row;
    };
    let times = format!("{} {} {}", unit.number(change.base_us), page.charset.arrow(), unit.number(change.head_us));
    let ratio = change.normalized_ratio.map_or_else(|| "-".to_owned(), number::ratio);
    let interval = change.estimate.map_or_else(String::new, |estimate| {
        format!("{}{}{}", number::ratio(estimate.low), page.charset.pick("–", "-"), number::ratio(estimate.high))
    });
    let judged = figures::verdict(report, Some(operator));
    let style = judged.map_or(DIM, |judged| verdict_style(judged.verdict));
    let word = judged.map_or("", |judged| wording::verdict(judged.verdict));
    let seen =
        judged.and_then(|judged| judged.detectable).map_or_else(String::new, |effect| number::change(1.0 + effect));
    row.extend([
        Cell::from(times),
        share,
        Cell::styled(ratio, style),
        Cell::styled(interval, DIM),
        Cell::styled(word, style),
        Cell::styled(seen, DIM),
    ]);
    row
}

fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Regressed => RED,
        Verdict::Improved => GREEN,
        Verdict::Unchanged => PLAIN,
        Verdict::Shifted => CYAN,
        Verdict::Unstable | Verdict::Inconclusive => YELLOW,
        Verdict::NotJudged => DIM,
    }
}
