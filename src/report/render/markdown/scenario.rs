//! One scenario behind a fold.

use std::io::{self, Write};

use super::escape::{code, plain, sentence};
use super::paired;
use crate::report::figures;
use crate::report::render::bar;
use crate::report::render::device;
use crate::report::render::number::{self, TimeUnit};
use crate::report::render::text::Charset;
use crate::report::standing::Standing;
use crate::report::{Comparison, OperatorSummary, ScenarioReport, ScenarioResult, Summary, wording};

/// Operators shown of each scenario: a comment of a pull request holds 65,536 characters in all.
pub(super) const TOP: usize = 12;
/// Lines of a child's log, for the same reason.
const LOG: usize = 20;

/// Failed scenarios stand open, all others behind their fold.
pub(super) fn is_open(report: &ScenarioReport) -> bool {
    matches!(Standing::of(report), Standing::Failed(_) | Standing::NotMeasured)
}

/// Writes the fold of a scenario.
pub(super) fn write(report: &ScenarioReport, writer: &mut dyn Write) -> io::Result<()> {
    let standing = Standing::of(report);
    let open = if is_open(report) { " open" } else { "" };
    let about = match &report.result {
        ScenarioResult::Measured { summary } => format!(
            "{}, {} non-GEMM, {}",
            number::time(summary.latency_us.median()),
            number::percent(figures::split(summary).non_gemm),
            standing.word()
        ),
        ScenarioResult::Failed { .. } => standing.word().to_owned(),
    };
    // GitHub reads Markdown inside an element again only after an empty line.
    writeln!(writer, "<details{open}>\n<summary>{}: {about}</summary>\n", code(&report.id.0))?;
    match &report.result {
        ScenarioResult::Measured { summary } => measured(summary, report, writer)?,
        ScenarioResult::Failed { reason, log } => failure(reason, log, writer)?,
    }
    writeln!(writer, "</details>\n")
}

fn failure(reason: &str, log: &[String], writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "{}\n", plain(reason))?;
    if !log.is_empty() {
        writeln!(writer, "```text")?;
        for line in log.iter().skip(log.len().saturating_sub(LOG)) {
            writeln!(writer, "{}", super::escape::fenced(line))?;
        }
        writeln!(writer, "```\n")?;
    }
    Ok(())
}

fn measured(summary: &Summary, report: &ScenarioReport, writer: &mut dyn Write) -> io::Result<()> {
    let comparison = report.comparison.as_ref();
    let pairs = comparison.and_then(figures::pairs);
    if let Some(comparison) = comparison {
        if pairs.is_some() {
            paired::latency(report, comparison, writer)?;
        }
        changes(comparison, writer)?;
    }
    for operator in summary.unknown_operators() {
        let figures = format!(
            "{}, {}",
            number::count(u64::from(operator.executions), "run", "runs"),
            number::percent(operator.share.median())
        );
        writeln!(writer, "- unknown operator {}: {figures}", code(&operator.key.0))?;
    }
    for operator in &summary.unsteady {
        let counts: Vec<String> = operator.executions.iter().map(u32::to_string).collect();
        let name = code(wording::operator(&operator.key));
        writeln!(writer, "- unsteady: {name} ran {} times in the launches", counts.join(", "))?;
    }
    for warning in &summary.warnings {
        let (what, remedy) = wording::warning(warning);
        writeln!(writer, "- warning: {}; {}", sentence(&what), sentence(remedy))?;
    }
    writeln!(writer)?;
    groups(summary, writer)?;
    if pairs.is_some() {
        paired::operators(summary, report, writer)?;
    } else {
        operators(summary, comparison, writer)?;
    }
    let launches = match pairs {
        Some(pairs) => number::count(u64::from(pairs), "pair of launches", "pairs of launches"),
        None => number::count(summary.latency_us.len() as u64, "launch", "launches"),
    };
    let reconciled = device::reconciliation(summary);
    writeln!(
        writer,
        "{launches}, {}{}{}; {}.{}\n",
        number::count(u64::from(summary.iterations), "iteration", "iterations"),
        if summary.synthetic_weights { ", synthetic weights" } else { "" },
        wording::clock(summary.clock).map_or_else(String::new, |clock| format!(", {clock}")),
        sentence(&reconciled),
        device::beside_products(summary).map_or_else(String::new, |text| format!(" {}.", sentence(&text))),
    )
}

/// Structure first, since it is usually the cause.
pub(super) fn changes(comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
    for difference in &comparison.structure {
        let (_, key, what) = wording::structure(difference);
        writeln!(writer, "- **structure**: {} {}", code(wording::operator(key)), plain(&what))?;
    }
    for difference in &comparison.fingerprint {
        let (field, base, head) = (plain(&difference.field), plain(&difference.base), plain(&difference.head));
        writeln!(writer, "- other machine class: {field} {base} → {head}")?;
    }
    for cause in &comparison.causes {
        let (what, base, head) = (plain(&cause.what), plain(&cause.base), plain(&cause.head));
        writeln!(writer, "- possible cause: {what} {base} → {head}")?;
    }
    match comparison.machine_factor {
        Some(factor) if figures::pairs(comparison).is_some() => {
            writeln!(
                writer,
                "- machine factor {}, the median over pairs: each pair's own is divided out",
                number::ratio(factor)
            )
        }
        Some(factor) => {
            writeln!(writer, "- machine factor {}: the ratios below are divided by it", number::ratio(factor))
        }
        None => writeln!(writer, "- no machine factor: too few operators stand on both sides"),
    }
}

fn groups(summary: &Summary, writer: &mut dyn Write) -> io::Result<()> {
    let groups = summary.groups();
    let remainder = summary.remainder_us.median();
    let unit = TimeUnit::for_column(groups.iter().map(|group| group.self_us.median()).chain([remainder]));
    let full = groups.iter().map(|group| group.share.median()).fold(0.0, f64::max);
    writeln!(writer, "| group | {} | share | |\n| --- | ---: | ---: | --- |", unit.name)?;
    for group in &groups {
        let bar = bar::share_bar(group.share.median(), full, 12, Charset::Unicode);
        let (us, share) = (unit.number(group.self_us.median()), number::percent(group.share.median()));
        writeln!(writer, "| {} | {us} | {share} | {bar} |", wording::group(group.group))?;
    }
    writeln!(writer, "| runtime, outside of nodes | {} | | |\n", unit.number(remainder))
}

fn operators(summary: &Summary, comparison: Option<&Comparison>, writer: &mut dyn Write) -> io::Result<()> {
    let unit = TimeUnit::for_column(summary.operators.iter().map(|operator| operator.self_us.median()));
    let (more, rule) = if comparison.is_some() { (" base share | ratio |", " ---: | ---: |") } else { ("", "") };
    writeln!(writer, "| operator | group | provider | runs | {} | share | ± |{more}", unit.name)?;
    writeln!(writer, "| --- | --- | --- | ---: | ---: | ---: | ---: |{rule}")?;
    for operator in summary.operators.iter().take(TOP) {
        write!(
            writer,
            "| {} | {}{} | {} | {} | {} | {} | {} |",
            code(wording::operator(&operator.key)),
            wording::group(operator.group),
            if operator.fused { ", fused" } else { "" },
            plain(wording::provider(&operator.provider)),
            operator.executions,
            unit.number(operator.self_us.median()),
            number::percent(operator.share.median()),
            number::spread(operator.share.relative_spread()),
        )?;
        if let Some(comparison) = comparison {
            change(operator, comparison, writer)?;
        }
        writeln!(writer)?;
        if let Some(inserted) = &operator.inserted {
            writeln!(
                writer,
                "| of these {} | | | {} | {} | {} | |{}",
                wording::INSERTED,
                inserted.executions,
                unit.number(inserted.self_us.median()),
                number::percent(inserted.share.median()),
                if comparison.is_some() { " | |" } else { "" },
            )?;
        }
    }
    hidden(summary, writer)
}

/// How many operators the table leaves out, and an empty line.
pub(super) fn hidden(summary: &Summary, writer: &mut dyn Write) -> io::Result<()> {
    match summary.operators.len().saturating_sub(TOP) {
        0 => writeln!(writer),
        hidden => writeln!(writer, "\n{} more.\n", number::count(hidden as u64, "operator", "operators")),
    }
}

fn change(operator: &OperatorSummary, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
    match figures::change(comparison, operator) {
        Some(change) => {
            let ratio = change.normalized_ratio.map_or_else(|| "-".to_owned(), number::ratio);
            write!(writer, " {} | {ratio} |", number::percent(change.base_share))
        }
        None => write!(writer, " | new |"),
    }
}
