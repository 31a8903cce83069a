//! The report as GitHub Markdown: the verdict first, then what crossed, then a table a scenario behind a fold.
//!
//! Whatever comes from a model or a machine passes through `escape`: it can open no tag, no table cell and no link,
//! and mentions nobody.

pub mod calibration;
pub(super) mod escape;
pub(super) mod overview;
mod paired;
mod scenario;
pub mod signoff;

use std::io::{self, Write};

use self::escape::{code, plain, sentence};
use super::fit::{self, Section, fit};
use super::number;
use crate::report::standing;
use crate::report::{Finding, Outcome, Report, ScenarioReport, Severity, wording};

/// Writes the report as a Markdown document.
///
/// # Errors
/// What the writer returns.
pub fn render(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    writer.write_all(render_within(report, usize::MAX).as_bytes())
}

/// Kept free for saying what was left out, in bytes.
const NOTICE: usize = 300;

/// The same in at most so many bytes, as for the summary of a job, of which GitHub takes 1 MiB: where it is longer, the
/// folds of scenarios go first, those that passed before those that did not, and it is said what is missing.
pub fn render_within(report: &Report, max_bytes: usize) -> String {
    let whole = fit(sections(report), max_bytes, str::len);
    if whole.left_out.is_empty() {
        return whole.text;
    }
    let cut = fit(sections(report), max_bytes.saturating_sub(NOTICE), str::len);
    let named = fit::named(&cut.left_out);
    let notice = format!("\nLeft out for want of room: {named}. The report that `--save` wrote holds all of it.\n");
    if cut.text.len() + notice.len() <= max_bytes { cut.text + &notice } else { cut.text }
}

/// In the order in which they are read; the ranks say what goes last.
fn sections(report: &Report) -> Vec<Section<'_>> {
    let sign = match report.outcome {
        Outcome::Pass => "✅",
        Outcome::GateFailed => "❌",
        Outcome::Incomplete | Outcome::NothingMeasured => "⚠️",
    };
    let title = format!("## {sign} {}\n\n", plain(&standing::verdict(report)));
    let mut sections = vec![Section::whole("the verdict", 0, title)];
    sections.extend(crossed(report));
    sections.push(Section::whole("the sides", 3, written(|writer| sides(report, writer))));
    sections.extend(overview(report));
    sections.extend(report.scenarios.iter().map(in_full));
    sections.push(Section::whole("the small print", 2, written(|writer| footer(report, writer))));
    sections
}

/// The fold of one scenario.
fn in_full(scenario: &ScenarioReport) -> Section<'_> {
    let text = std::iter::once_with(|| written(|writer| scenario::write(scenario, writer)));
    let rank = if scenario::is_open(scenario) { 4 } else { 5 };
    let (open, close) = (String::new(), String::new());
    Section { name: "scenarios in full", rank, open, rows: Box::new(text), total: 1, close }
}

/// A table that all of is shown, or its first rows.
fn table<'a>(name: &'static str, rank: u8, heading: String, rows: Vec<String>) -> Option<Section<'a>> {
    let total = rows.len();
    let rows = Box::new(rows.into_iter());
    (total > 0).then(|| Section { name, rank, open: heading, rows, total, close: "\n".to_owned() })
}

/// What is written, as text.
fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = write(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Messages of one kind in one row; a lost fusion changes dozens of operators, and the fold below lists them.
const ALIKE: usize = 5;

/// What crossed a limit or could not be measured: errors and warnings, most severe first, and what somebody allows.
fn crossed<'a>(report: &Report) -> Option<Section<'a>> {
    let all = report.scenarios.iter().flat_map(|scenario| &scenario.findings);
    let mut findings: Vec<&Finding> =
        all.filter(|finding| finding.severity > Severity::Note || finding.ruling.is_some()).collect();
    // The sort is stable: within a severity the order of the suite stays.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let heading = "| | scenario | what | what to do |\n| --- | --- | --- | --- |\n".to_owned();
    let rows = findings.chunk_by(|a, b| wording::same_kind(a, b)).map(crossed_row).collect();
    table("findings", 1, heading, rows)
}

fn crossed_row(kind: &[&Finding]) -> String {
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
    format!("| {sign} | {id} | **{code}**: {} | {remedy} |\n", messages.join("<br>"))
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

fn overview<'a>(report: &Report) -> Option<Section<'a>> {
    let rows = report.scenarios.iter().map(|scenario| overview::row(scenario, &code)).collect();
    table("rows of the overview", 3, overview::heading(report), rows)
}

/// Where it was measured and how to do it again.
fn footer(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    let machine = &report.machine;
    writeln!(
        writer,
        "Measured on {} ({}, {}{}) with ONNX Runtime {} by cargo-nongemm {}. Times are medians over launches, ± their \
         spread; shares are parts of the time in all nodes. To measure again:\n",
        code(&machine.fingerprint),
        plain(&machine.cpu),
        number::count(u64::from(machine.cores), "core", "cores"),
        report.gpus().into_iter().map(|facts| format!(", {}", plain(&wording::gpu(facts)))).collect::<String>(),
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
