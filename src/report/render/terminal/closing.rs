//! What a run comes to.

use std::io;

use super::{BOLD, DIM, GREEN, INDENT, Page, RED, Verbosity, YELLOW, standing_style};
use crate::report::figures;
use crate::report::render::number::{self, TimeUnit};
use crate::report::render::table::{Cell, Column, Table};
use crate::report::render::text;
use crate::report::standing::{self, Standing};
use crate::report::{Outcome, Report, ScenarioReport, ScenarioResult, SelfTest, Severity, wording};

pub(super) fn write(page: &mut Page<'_>, report: &Report, verbosity: Verbosity) -> io::Result<()> {
    if verbosity > Verbosity::Quiet {
        machine(page, report)?;
        sides(page, report)?;
        if !report.scenarios.is_empty() {
            scenarios(page, report)?;
            page.blank()?;
        }
    }
    if let Some(said) = standing::self_test(report) {
        let failed = report.self_test.as_ref().is_some_and(SelfTest::failed);
        let (label, style) = if failed { ("self-test failed:", RED) } else { ("self-test passed:", GREEN) };
        page.paragraph(0, label, style, &said, INDENT)?;
        page.blank()?;
    }
    let style = match report.outcome {
        Outcome::Pass if warned(report) => YELLOW.bold(),
        Outcome::Pass => GREEN.bold(),
        Outcome::GateFailed | Outcome::Incomplete | Outcome::NothingMeasured => RED,
    };
    let sentence = standing::verdict(report);
    for line in text::wrap(&page.escaped(&sentence), page.width) {
        writeln!(page.writer, "{style}{line}{style:#}")?;
    }
    if verbosity > Verbosity::Quiet {
        if let Some(blind) = standing::blind_side(report) {
            for line in text::wrap(blind, page.width) {
                writeln!(page.writer, "{DIM}{line}{DIM:#}")?;
            }
        }
        next(page, report)?;
    }
    Ok(())
}

fn warned(report: &Report) -> bool {
    report.scenarios.iter().flat_map(|scenario| &scenario.findings).any(|f| f.severity == Severity::Warning)
}

fn machine(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let rule = page.charset.pick("═", "=").repeat(page.width);
    writeln!(page.writer, "{DIM}{rule}{DIM:#}")?;
    let mut facts = vec![
        report.machine.fingerprint.clone(),
        report.machine.cpu.clone(),
        number::count(u64::from(report.machine.cores), "core", "cores"),
    ];
    facts.extend(report.gpus().into_iter().map(wording::gpu));
    facts.extend([format!("ONNX Runtime {}", report.machine.onnxruntime), format!("cargo-nongemm {}", report.tool)]);
    let all = report.suite.scenarios.len();
    facts.extend(report.suite.partition.map(|part| format!("part {part} of a suite of {all}")));
    page.facts(&facts)
}

/// What was compared, and what it took.
fn sides(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let Some(sides) = &report.sides else { return Ok(()) };
    for (name, side) in [("base", &sides.base), ("head", &sides.head)] {
        let mut facts = vec![format!("{name}: {}", side.label)];
        facts.extend(side.configuration.clone());
        facts.push(format!("ONNX Runtime {}", side.onnxruntime));
        page.facts(&facts)?;
    }
    page.facts(&standing::course(report))?;
    for id in &sides.gone {
        page.paragraph(INDENT, "gone:", YELLOW, &format!("{id} (only the base has it; not measured)"), INDENT)?;
    }
    Ok(())
}

fn scenarios(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let latencies: Vec<f64> = report
        .scenarios
        .iter()
        .filter_map(|scenario| match &scenario.result {
            ScenarioResult::Measured { summary } => Some(summary.latency_us.median()),
            ScenarioResult::Failed { .. } => None,
        })
        .collect();
    let smallest = latencies.iter().copied().fold(f64::INFINITY, f64::min);
    let unit = TimeUnit::for_column(latencies).resolving(smallest);
    // Where two sides were compared, what became of the latency is asked for before how much it varies.
    let compared = report.sides.is_some();
    let second = if compared { "change" } else { page.charset.plus_minus() };
    let mut table = Table::new([
        Column::left("scenario").shrink_to(16),
        Column::right(unit.name),
        Column::right(second).droppable(2),
        Column::right("non-GEMM"),
        Column::left("top non-GEMM operator").shrink_to(12).droppable(1),
        Column::left("verdict"),
    ]);
    for scenario in &report.scenarios {
        table.row(scenario_row(scenario, unit, compared));
    }
    page.table(&table)
}

fn scenario_row(scenario: &ScenarioReport, unit: TimeUnit, compared: bool) -> [Cell; 6] {
    let standing = Standing::of(scenario);
    let verdict = Cell::styled(standing.word(), standing_style(standing));
    let id = Cell::from(scenario.id.0.as_str());
    match &scenario.result {
        ScenarioResult::Failed { .. } => [id, "-".into(), Cell::default(), "-".into(), Cell::default(), verdict],
        ScenarioResult::Measured { summary } => {
            let top = figures::top_non_gemm(summary).map_or_else(Cell::default, |operator| {
                let share = number::percent(operator.share.median());
                Cell::from(format!("{} {share}", short_name(wording::operator(&operator.key))))
            });
            let second = match (compared, &scenario.comparison) {
                (true, Some(comparison)) => Cell::from(number::change(figures::latency_ratio(comparison))),
                (true, None) => Cell::default(),
                (false, _) => Cell::styled(number::spread(summary.latency_us.relative_spread()), DIM),
            };
            [
                id,
                unit.number(summary.latency_us.median()).into(),
                second,
                number::percent(figures::split(summary).non_gemm).into(),
                top,
                verdict,
            ]
        }
    }
}

/// The operator without its domain: in a table of scenarios the room goes to the ids.
fn short_name(key: &str) -> &str {
    key.rsplit_once(':').map_or(key, |(_, name)| name)
}

/// Commands with their comments beside them where all fit, else above them: a command that is broken over lines cannot
/// be copied, so it keeps its line whatever the width.
fn next(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let steps: Vec<(String, &str)> =
        standing::next_steps(report).into_iter().map(|step| (page.escaped(&step.command), step.why)).collect();
    let longest = steps.iter().map(|(command, _)| text::width(command)).max().unwrap_or(0);
    let beside = steps.iter().all(|(_, why)| INDENT + longest + 4 + why.len() <= page.width);
    for (command, why) in &steps {
        if beside {
            let pad = longest - text::width(command) + 2;
            writeln!(page.writer, "{:INDENT$}{BOLD}{command}{BOLD:#}{:pad$}{DIM}# {why}{DIM:#}", "", "")?;
        } else {
            writeln!(page.writer, "{:INDENT$}{DIM}# {why}{DIM:#}", "")?;
            writeln!(page.writer, "{:INDENT$}{BOLD}{command}{BOLD:#}", "")?;
        }
    }
    Ok(())
}
