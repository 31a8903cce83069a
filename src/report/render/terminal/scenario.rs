//! The block of one scenario.

use std::io;

use super::{BOLD, CYAN, DIM, INDENT, Page, RED, Verbosity, YELLOW, changes, paired, standing_style};
use crate::report::figures;
use crate::report::render::bar::{self, Part};
use crate::report::render::device;
use crate::report::render::number::{self, TimeUnit};
use crate::report::render::table::{Cell, Column, Table};
use crate::report::render::text;
use crate::report::standing::Standing;
use crate::report::{Comparison, FindingCode, OperatorSummary, ScenarioReport, ScenarioResult, Summary, wording};

/// Operators shown unless all are asked for.
pub(super) const TOP: usize = 8;

pub(super) fn write(page: &mut Page<'_>, report: &ScenarioReport, verbosity: Verbosity) -> io::Result<()> {
    if verbosity == Verbosity::Quiet && report.findings.is_empty() && Standing::of(report) != Standing::NotMeasured {
        return Ok(());
    }
    heading(page, report)?;
    match &report.result {
        ScenarioResult::Measured { summary } => {
            if verbosity > Verbosity::Quiet {
                measured(page, summary, report, verbosity)?;
            }
        }
        ScenarioResult::Failed { reason, log } => failure(page, reason, log)?,
    }
    changes::findings(page, report, verbosity)?;
    page.blank()
}

/// The id, a rule, and where the scenario stands.
fn heading(page: &mut Page<'_>, report: &ScenarioReport) -> io::Result<()> {
    let standing = Standing::of(report);
    let word = standing.word();
    let id = page.escaped(&report.id.0);
    let id = text::truncate_middle(&id, page.width.saturating_sub(word.len() + 8), page.charset);
    let rule = page.width.saturating_sub(text::width(&id) + word.len() + 2);
    let rule = page.charset.pick("─", "-").repeat(rule);
    let style = standing_style(standing);
    writeln!(page.writer, "{BOLD}{id}{BOLD:#} {DIM}{rule}{DIM:#} {style}{word}{style:#}")
}

fn failure(page: &mut Page<'_>, reason: &str, log: &[String]) -> io::Result<()> {
    page.paragraph(INDENT, "not measured:", RED, reason, INDENT)?;
    let bar = page.charset.pick("│", "|");
    for line in log {
        let line = page.escaped(line);
        for part in text::wrap(&line, page.width - INDENT - 2) {
            writeln!(page.writer, "{:INDENT$}{DIM}{bar} {part}{DIM:#}", "")?;
        }
    }
    Ok(())
}

fn measured(page: &mut Page<'_>, summary: &Summary, report: &ScenarioReport, verbosity: Verbosity) -> io::Result<()> {
    let comparison = report.comparison.as_ref();
    latency(page, summary, report)?;
    split_bar(page, summary)?;
    page.blank()?;
    groups(page, summary)?;
    page.blank()?;
    if comparison.is_some_and(|comparison| figures::pairs(comparison).is_some()) {
        paired::operators(page, summary, report, verbosity)?;
    } else {
        operators(page, summary, comparison, verbosity)?;
    }
    reconciliation(page, summary)?;
    unknown(page, summary, report)?;
    for warning in &summary.warnings {
        let (what, remedy) = wording::warning(warning);
        page.paragraph(INDENT, "warning:", YELLOW.bold(), &format!("{what}; {remedy}"), INDENT)?;
    }
    for operator in &summary.unsteady {
        let counts: Vec<String> = operator.executions.iter().map(u32::to_string).collect();
        let counts = format!("{} ran {} times in the launches", wording::operator(&operator.key), counts.join(", "));
        page.paragraph(INDENT, "unsteady:", YELLOW, &counts, INDENT)?;
    }
    if let Some(comparison) = comparison {
        page.blank()?;
        changes::comparison(page, comparison, verbosity)?;
    }
    if changes::remaining(report, verbosity).is_empty() { Ok(()) } else { page.blank() }
}

fn latency(page: &mut Page<'_>, summary: &Summary, report: &ScenarioReport) -> io::Result<()> {
    let latency = number::time(summary.latency_us.median());
    let spread = format!("{} {}", page.charset.plus_minus(), number::spread(summary.latency_us.relative_spread()));
    let pairs = report.comparison.as_ref().and_then(figures::pairs);
    let against = report.comparison.as_ref().map_or_else(String::new, |comparison| {
        let change = match comparison.latency.estimate {
            Some(estimate) => number::change_between(estimate.ratio, estimate.low, estimate.high),
            None => number::change(figures::latency_ratio(comparison)),
        };
        let (base, side) = (number::time(comparison.latency.base_us), wording::other_side(comparison.design));
        let verdict = figures::verdict(report, None).filter(|_| pairs.is_some());
        let verdict = verdict.map_or_else(String::new, |judged| format!(", {}", wording::verdict(judged.verdict)));
        format!("{change} from the {side}'s {base}{verdict}")
    });
    let room = page.width.saturating_sub(INDENT);
    let beside = !against.is_empty() && text::width(&format!("{latency} {spread}   {against}")) <= room;
    let more = if beside { format!("   {against}") } else { String::new() };
    writeln!(page.writer, "{:INDENT$}{BOLD}{latency}{BOLD:#} {spread}{more}", "")?;
    if !against.is_empty() && !beside {
        for line in text::wrap(&against, room) {
            writeln!(page.writer, "{:INDENT$}{line}", "")?;
        }
    }
    let launches = match pairs {
        Some(pairs) => number::count(u64::from(pairs), "pair of launches", "pairs of launches"),
        None => number::count(summary.latency_us.0.len() as u64, "launch", "launches"),
    };
    let mut facts = vec![
        launches,
        number::count(u64::from(summary.iterations), "iteration", "iterations"),
        format!("ONNX Runtime {}", summary.onnxruntime),
    ];
    facts.extend(summary.gpu.as_ref().and_then(|gpu| gpu.name.clone()));
    facts.extend(wording::clock(summary.clock).map(str::to_owned));
    facts.extend(summary.peak_rss_bytes.map(|bytes| format!("{} peak memory", number::bytes(bytes))));
    facts.extend(summary.synthetic_weights.then(|| "synthetic weights".to_owned()));
    page.facts(&facts)
}

/// `GEMM 78.1 % ████░░ 21.9 % non-GEMM` on one line.
fn split_bar(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let split = figures::split(summary);
    let gemm = format!("GEMM {}", number::percent(split.gemm));
    let mut rest = format!("{} non-GEMM", number::percent(split.non_gemm));
    if split.unknown > 0.0 {
        rest += &format!(" ({} unknown)", number::percent(split.unknown));
    }
    let room = page.width.saturating_sub(INDENT + gemm.len() + rest.len() + 2).min(60);
    let parts = [
        Part { share: split.gemm, unicode: '█', ascii: '#' },
        Part { share: split.non_gemm - split.unknown, unicode: '░', ascii: '.' },
        Part { share: split.unknown, unicode: '?', ascii: '?' },
    ];
    let bars = bar::stacked(&parts, room, page.charset);
    write!(page.writer, "{:INDENT$}{gemm} ", "")?;
    for (bar, style) in bars.iter().zip([CYAN, YELLOW, RED]).filter(|(bar, _)| !bar.is_empty()) {
        write!(page.writer, "{style}{bar}{style:#}")?;
    }
    writeln!(page.writer, " {rest}")
}

fn groups(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let totals = summary.groups();
    let remainder = summary.remainder_us.median();
    let unit = TimeUnit::for_column(totals.iter().map(|total| total.self_us.median()).chain([remainder]));
    let full = totals.iter().map(|total| total.share.median()).fold(0.0, f64::max);
    // What the other columns leave, as far as a bar is still taken in at a glance.
    let room = (page.width - 47).min(30);
    let mut table = Table::new([
        Column::left("group"),
        Column::right(unit.name),
        Column::right("share"),
        Column::right(page.charset.plus_minus()),
        Column::left("").shrink_to(6),
    ]);
    for total in &totals {
        let style = match total.group {
            None => RED,
            Some(_) if wording::is_gemm(total.group) => CYAN,
            Some(_) => YELLOW,
        };
        table.row([
            Cell::from(wording::group(total.group)),
            unit.number(total.self_us.median()).into(),
            number::percent(total.share.median()).into(),
            Cell::styled(number::spread(total.share.relative_spread()), DIM),
            Cell::styled(bar::share_bar(total.share.median(), full, room, page.charset), style),
        ]);
    }
    table.row([
        Cell::styled("runtime", DIM),
        Cell::styled(unit.number(remainder), DIM),
        Cell::default(),
        Cell::default(),
        Cell::styled(device::remainder(summary), DIM),
    ]);
    page.table(&table)
}

fn operators(
    page: &mut Page<'_>,
    summary: &Summary,
    comparison: Option<&Comparison>,
    verbosity: Verbosity,
) -> io::Result<()> {
    let verbose = verbosity == Verbosity::Verbose;
    let shown = if verbose { summary.operators.len() } else { TOP };
    let several = has_several_providers(summary);
    let unit = TimeUnit::for_column(summary.operators.iter().map(|operator| operator.self_us.median()));
    let arrow = page.charset.arrow();
    let mut columns = vec![
        Column::left("operator").shrink_to(24).cut_early(),
        Column::left("group").shrink_to(10).droppable(1),
        Column::right("runs"),
        Column::right(unit.name),
        Column::right("share"),
        Column::right(page.charset.plus_minus()).droppable(2),
    ];
    if comparison.is_some() {
        columns.push(Column::right(format!("base {arrow} head")).droppable(3));
        columns.push(Column::right("ratio"));
    }
    let mut table = Table::new(columns);
    for operator in summary.operators.iter().take(shown) {
        table.row(operator_row(operator, several, unit, comparison, page));
        if let Some(inserted) = &operator.inserted {
            table.row([
                Cell::styled(format!("  {}", wording::INSERTED), DIM),
                Cell::default(),
                Cell::styled(inserted.executions.to_string(), DIM),
                Cell::styled(unit.number(inserted.self_us.median()), DIM),
                Cell::styled(number::percent(inserted.share.median()), DIM),
            ]);
        }
        for shape in operator.shapes.iter().filter(|_| verbose) {
            table.row([
                Cell::styled(format!("  {}", shape.inputs), DIM).spanning(),
                Cell::default(),
                Cell::styled(shape.executions.to_string(), DIM),
                Cell::styled(unit.number(shape.self_us), DIM),
            ]);
        }
        for kernel in operator.device.iter().flat_map(|device| &device.kernels).filter(|_| verbose) {
            table.row([
                Cell::styled(format!("  {}", kernel.name), DIM).spanning(),
                Cell::default(),
                Cell::styled(kernel.pieces.to_string(), DIM),
                Cell::styled(unit.number(kernel.work_us), DIM),
            ]);
        }
    }
    if let Some(row) = hidden_row(&summary.operators[shown.min(summary.operators.len())..], unit) {
        table.row(row);
    }
    page.table(&table)
}

/// What the operators that are not shown come to, under the columns up to the share.
pub(super) fn hidden_row(hidden: &[OperatorSummary], unit: TimeUnit) -> Option<[Cell; 5]> {
    let (us, share) = hidden
        .iter()
        .fold((0.0, 0.0), |(us, share), operator| (us + operator.self_us.median(), share + operator.share.median()));
    let cell = |text: String| Cell::styled(text, DIM);
    let what = cell(format!("{} more (-v shows all)", hidden.len())).spanning();
    let figures = [cell(unit.number(us)), cell(number::percent(share))];
    let [us, share] = figures;
    (!hidden.is_empty()).then(|| [what, Cell::default(), Cell::default(), us, share])
}

/// An operator's name, with its provider where operators run on several.
pub(super) fn name_of(operator: &OperatorSummary, several_providers: bool) -> String {
    let name = wording::operator(&operator.key);
    match several_providers {
        true => format!("{name} ({})", wording::provider(&operator.provider)),
        false => name.to_owned(),
    }
}

/// True where the operators do not all run on one provider.
pub(super) fn has_several_providers(summary: &Summary) -> bool {
    summary.operators.iter().any(|operator| operator.provider != summary.operators[0].provider)
}

fn operator_row(
    operator: &OperatorSummary,
    several_providers: bool,
    unit: TimeUnit,
    comparison: Option<&Comparison>,
    page: &Page<'_>,
) -> Vec<Cell> {
    let name = name_of(operator, several_providers);
    let group = format!("{}{}", wording::group(operator.group), if operator.fused { ", fused" } else { "" });
    let mut row = vec![
        Cell::from(name),
        Cell::styled(group, if operator.group.is_none() { RED } else { DIM }),
        operator.executions.to_string().into(),
        unit.number(operator.self_us.median()).into(),
        number::percent(operator.share.median()).into(),
        Cell::styled(number::spread(operator.share.relative_spread()), DIM),
    ];
    if let Some(comparison) = comparison {
        row.extend(match figures::change(comparison, operator) {
            Some(change) => {
                let before = number::percent(change.base_share);
                let shares = format!(
                    "{} {} {}",
                    before.trim_end_matches(" %"),
                    page.charset.arrow(),
                    number::percent(change.head_share)
                );
                let ratio = change.normalized_ratio.map_or_else(|| "-".to_owned(), number::ratio);
                [Cell::from(shares), Cell::styled(ratio, changes::ratio_style(change))]
            }
            None => [Cell::default(), Cell::styled("new", YELLOW)],
        });
    }
    row
}

/// How well the parts add up to the whole.
fn reconciliation(page: &mut Page<'_>, summary: &Summary) -> io::Result<()> {
    let text = device::reconciliation(summary);
    for text in [text].into_iter().chain(device::beside_products(summary)) {
        for line in text::wrap(&text, page.width - INDENT) {
            writeln!(page.writer, "{:INDENT$}{DIM}{line}{DIM:#}", "")?;
        }
    }
    Ok(())
}

/// Each unknown operator on a line of its own; what to do about them stands once, below.
fn unknown(page: &mut Page<'_>, summary: &Summary, report: &ScenarioReport) -> io::Result<()> {
    for operator in summary.unknown_operators() {
        let figures = format!(
            "{}: {}, {}, {}",
            operator.key.0,
            number::count(u64::from(operator.executions), "run", "runs"),
            number::time(operator.self_us.median()),
            number::percent(operator.share.median()),
        );
        page.paragraph(INDENT, "unknown operator", YELLOW.bold(), &figures, INDENT)?;
    }
    if summary.unknown_operators().is_empty() {
        return Ok(());
    }
    let finding = report.findings.iter().find(|finding| finding.code == FindingCode::UnknownOperator);
    let remedy = finding.map_or("the taxonomy does not know them; they count as non-GEMM", |finding| &finding.remedy);
    let arrow = page.charset.arrow();
    page.paragraph(INDENT * 2, arrow, DIM, remedy, INDENT)
}
