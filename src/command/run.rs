//! `run`: measures and shows where the time goes.

use crate::cli::MeasureArgs;
use crate::report::{ScenarioReport, ScenarioResult};
use crate::scenario::Planned;
use crate::verdict::{self, Policy};

use super::results::SavedResult;
use super::suite::Session;
use super::{Exit, Terminal, outputs, plan};

/// Measures the selected scenarios and reports.
///
/// # Errors
/// Bad configuration, no ONNX Runtime, an interrupt, or a file that cannot be written.
pub fn run(terminal: &mut Terminal, arguments: &MeasureArgs) -> anyhow::Result<Exit> {
    if arguments.dry_run {
        return plan::dry_run(terminal, arguments);
    }
    let session = Session::open(terminal, arguments)?;
    session.results.clear()?;
    let mut reports = Vec::new();
    terminal.status.start_progress(session.launches());
    for planned in &session.planned {
        terminal.status.say("Measuring", &planned.id.0);
        let report = measure(&session, planned, terminal)?;
        outputs::scenario(terminal, &report)?;
        reports.push(report);
    }
    terminal.status.end_progress();
    outputs::finish(terminal, session.report("run", reports), arguments)
}

/// Measures one scenario and keeps its result; a failure is a result too.
pub(super) fn measure(session: &Session, planned: &Planned, terminal: &mut Terminal) -> anyhow::Result<ScenarioReport> {
    let result = session.measure(planned, terminal)?;
    let findings = match &result {
        ScenarioResult::Measured { summary } => verdict::inspect(summary, &Policy::default()),
        ScenarioResult::Failed { .. } => Vec::new(),
    };
    let report = ScenarioReport {
        id: planned.id.clone(),
        scenario: planned.scenario.clone(),
        result,
        comparison: None,
        verdicts: Vec::new(),
        findings,
    };
    let fingerprint = session.fingerprint(planned.scenario.provider);
    session.results.save(&SavedResult::new("run", &report, fingerprint, &session.machine, None))?;
    Ok(report)
}
