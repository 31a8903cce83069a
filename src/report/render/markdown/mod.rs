//! The report as GitHub Markdown: the verdict first, then what crossed, then a table a scenario behind a fold.
//!
//! Whatever comes from a model or a machine passes through `escape`: it can open no tag, no table cell and no link,
//! and mentions nobody.

pub mod calibration;
pub(super) mod escape;
mod paired;
mod scenario;
pub mod signoff;

use std::io::{self, Write};

use self::escape::{code, plain, sentence};
use super::number;
use crate::report::figures;
use crate::report::standing::{self, Standing};
use crate::report::{Finding, Outcome, Report, ScenarioReport, ScenarioResult, Severity, wording};

/// Writes the report as a Markdown document.
///
/// # Errors
/// What the writer returns.
pub fn render(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    let sign = match report.outcome {
        Outcome::Pass => "✅",
        Outcome::GateFailed => "❌",
        Outcome::Incomplete | Outcome::NothingMeasured => "⚠️",
    };
    writeln!(writer, "## {sign} {}\n", plain(&standing::verdict(report)))?;
    crossed(report, writer)?;
    sides(report, writer)?;
    overview(report, writer)?;
    for scenario in &report.scenarios {
        scenario::write(scenario, writer)?;
    }
    footer(report, writer)
}

/// Messages of one kind in one row; a lost fusion changes dozens of operators, and the fold below lists them.
const ALIKE: usize = 5;

/// What crossed a limit or could not be measured: errors and warnings, most severe first, and what somebody allows.
fn crossed(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    let all = report.scenarios.iter().flat_map(|scenario| &scenario.findings);
    let mut findings: Vec<&Finding> =
        all.filter(|finding| finding.severity > Severity::Note || finding.ruling.is_some()).collect();
    if findings.is_empty() {
        return Ok(());
    }
    // The sort is stable: within a severity the order of the suite stays.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    writeln!(writer, "| | scenario | what | what to do |\n| --- | --- | --- | --- |")?;
    for kind in findings.chunk_by(|a, b| wording::same_kind(a, b)) {
        let sign = match kind[0].severity {
            Severity::Error => "❌",
            Severity::Warning => "⚠️",
            Severity::Note => "☑️",
        };
        let mut messages: Vec<String> = kind.iter().take(ALIKE).map(|finding| sentence(&finding.message)).collect();
        if kind.len() > ALIKE {
            messages.push(format!("and {} more", kind.len() - ALIKE));
        }
        messages.extend(wording::ruling(kind[0]).map(|ruling| format!("*{}*", sentence(&ruling))));
        let (id, remedy, code) = (code(&kind[0].scenario.0), sentence(wording::remedy(kind[0])), kind[0].code);
        writeln!(writer, "| {sign} | {id} | **{code}**: {} | {remedy} |", messages.join("<br>"))?;
    }
    writeln!(writer)
}

/// What was compared, and what it took.
fn sides(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    let Some(sides) = &report.sides else { return Ok(()) };
    writeln!(writer, "| side | | configuration | ONNX Runtime |\n| --- | --- | --- | --- |")?;
    for (name, side) in [("base", &sides.base), ("head", &sides.head)] {
        let configuration = side.configuration.as_deref().map_or_else(String::new, plain);
        writeln!(writer, "| {name} | {} | {configuration} | {} |", plain(&side.label), plain(&side.onnxruntime))?;
    }
    writeln!(writer, "\n{}.\n", plain(&standing::course(report).join("; ")))?;
    for id in &sides.gone {
        writeln!(writer, "- gone: {} (only the base has it; not measured)", code(&id.0))?;
    }
    if sides.gone.is_empty() { Ok(()) } else { writeln!(writer) }
}

fn overview(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    if report.scenarios.is_empty() {
        return Ok(());
    }
    let side = if report.sides.is_some() { "base" } else { "baseline" };
    writeln!(writer, "| scenario | latency | against {side} | non-GEMM | top non-GEMM operator | verdict |")?;
    writeln!(writer, "| --- | ---: | ---: | ---: | --- | --- |")?;
    for scenario in &report.scenarios {
        overview_row(scenario, writer)?;
    }
    writeln!(writer)
}

fn overview_row(scenario: &ScenarioReport, writer: &mut dyn Write) -> io::Result<()> {
    let (id, standing) = (code(&scenario.id.0), Standing::of(scenario));
    let word = match standing {
        Standing::Failed(_) | Standing::NotMeasured => format!("**{}**", standing.word()),
        _ => standing.word().to_owned(),
    };
    let ScenarioResult::Measured { summary } = &scenario.result else {
        return writeln!(writer, "| {id} | | | | | {word} |");
    };
    let latency = number::time(summary.latency_us.median());
    let spread = number::spread(summary.latency_us.relative_spread());
    let against = scenario
        .comparison
        .as_ref()
        .map_or_else(String::new, |comparison| number::change(figures::latency_ratio(comparison)));
    let non_gemm = number::percent(figures::split(summary).non_gemm);
    let top = figures::top_non_gemm(summary).map_or_else(String::new, |operator| {
        format!("{} {}", code(wording::operator(&operator.key)), number::percent(operator.share.median()))
    });
    writeln!(writer, "| {id} | {latency} ± {spread} | {against} | {non_gemm} | {top} | {word} |")
}

/// Where it was measured and how to do it again.
fn footer(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    let machine = &report.machine;
    writeln!(
        writer,
        "Measured on {} ({}, {}) with ONNX Runtime {} by cargo-nongemm {}. Times are medians over launches, ± their \
         spread; shares are parts of the time in all nodes. To measure again:\n",
        code(&machine.fingerprint),
        plain(&machine.cpu),
        number::count(u64::from(machine.cores), "core", "cores"),
        plain(&machine.onnxruntime),
        plain(&report.tool),
    )?;
    writeln!(writer, "```sh\n{}\n```", escape::fenced(&standing::reproduce(report)))?;
    if let Some(said) = standing::self_test(report) {
        writeln!(writer, "\nSelf-test of the gate: {}", sentence(&said))?;
    }
    if let Some(blind) = standing::blind_side(report) {
        writeln!(writer, "\n{blind}")?;
    }
    let steps = standing::next_steps(report);
    if !steps.is_empty() {
        writeln!(writer, "\nNext:\n")?;
    }
    for step in steps {
        writeln!(writer, "- {}: {}", code(&step.command), step.why)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
