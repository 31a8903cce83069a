//! `study`: measures what a paper published, and writes it as a table and a chart.

use std::path::Path;

use crate::cli::{self, SuiteStudyArgs};
use crate::report::render::{json, study as render};
use crate::report::study::{Piece, Study, StudyError};
use crate::report::{Report, ScenarioResult};
use crate::zoo;

use super::suite::Session;
use super::{Exit, Terminal, outputs, plan, run, study_gate};

/// The paper's batch sizes.
const BATCH: [u32; 2] = [1, 8];

/// Makes a study.
///
/// # Errors
/// Those of `run`, reports that cannot be read or are no study together, or files that cannot be written.
pub fn study(terminal: &mut Terminal, study: &cli::Study) -> anyhow::Result<Exit> {
    match study {
        cli::Study::Suite(arguments) if arguments.from.is_empty() => measure(terminal, arguments),
        cli::Study::Suite(arguments) => show_again(terminal, arguments),
        cli::Study::Gate(arguments) => study_gate::gate(terminal, arguments),
    }
}

fn measure(terminal: &mut Terminal, arguments: &SuiteStudyArgs) -> anyhow::Result<Exit> {
    let mut measuring = arguments.measure.clone();
    measuring.dimensions.usual_batch = BATCH.to_vec();
    if measuring.dry_run {
        return plan::dry_run(terminal, &measuring);
    }
    let session = Session::open(terminal, &measuring)?;
    session.results.clear()?;
    let report_path = arguments.output.join("report.json");
    let mut report = session.report("study suite", Vec::new());
    terminal.status.start_progress(session.launches());
    for planned in &session.planned {
        terminal.status.say("Measuring", &planned.id.0);
        let scenario = run::measure(&session, planned, terminal)?;
        if let ScenarioResult::Failed { reason, .. } = &scenario.result {
            terminal.status.warn(&format!("{}: {reason}", planned.id));
        }
        report.scenarios.push(scenario);
        // The whole of it each time: what was measured can be shown whatever happens to the rest.
        report = outputs::judged(report);
        let mut bytes = Vec::new();
        json::render(&report, &mut bytes)?;
        outputs::write_file(&report_path, &bytes)?;
    }
    terminal.status.end_progress();
    if !report.scenarios.is_empty() {
        let name = report_path.display().to_string();
        let study = of_suite(&[Piece { name: &name, report: &report }])?;
        if !terminal.json() {
            outputs::summary(terminal, &report)?;
        }
        terminal.status.say("Wrote", &name);
        write(terminal, &study, &arguments.output)?;
    }
    outputs::files(terminal, &report, &measuring.outputs)?;
    Ok(report.outcome.into())
}

fn show_again(terminal: &mut Terminal, arguments: &SuiteStudyArgs) -> anyhow::Result<Exit> {
    let mut reports = Vec::new();
    for path in &arguments.from {
        reports.push((path.display().to_string(), Report::read(path)?));
    }
    let pieces: Vec<Piece<'_>> = reports.iter().map(|(name, report)| Piece { name, report }).collect();
    write(terminal, &of_suite(&pieces)?, &arguments.output)?;
    Ok(Exit::Pass)
}

fn of_suite(pieces: &[Piece<'_>]) -> Result<Study, StudyError> {
    let built_in: Vec<&str> = zoo::models().iter().map(|model| model.name).collect();
    Study::of_suite(pieces, &built_in)
}

/// The study in all its renderings.
fn write(terminal: &mut Terminal, study: &Study, folder: &Path) -> anyhow::Result<()> {
    if terminal.json() {
        render::json(study, &mut terminal.out)?;
    }
    let file = |extension: &str| format!("{}.{extension}", study.study);
    outputs::save(terminal, &folder.join(file("md")), |out| render::markdown::render(study, &file("svg"), out))?;
    outputs::save(terminal, &folder.join(file("json")), |out| render::json(study, out))?;
    outputs::save(terminal, &folder.join(file("svg")), |out| render::svg::render(study, out))
}
