//! `check`: measures, compares with the committed baselines, and judges.

use anyhow::bail;

use crate::baseline::{Document, Store};
use crate::cli::MeasureArgs;
use crate::compare::{Comparison, compare};
use crate::report::{ScenarioReport, ScenarioResult};
use crate::scenario::{Planned, idle_budgets};
use crate::summary::Summary;
use crate::verdict::{self, FindingCode, Judgement, Policy};

use super::policy::Rules;
use super::results::SavedResult;
use super::suite::Session;
use super::trailers::Commits;
use super::{Exit, Terminal, outputs, plan};

/// Measures the selected scenarios and holds them against their baselines.
///
/// # Errors
/// Bad configuration or baselines (before anything is measured), no ONNX Runtime, an interrupt, or a file that cannot
/// be written.
pub fn check(terminal: &mut Terminal, arguments: &MeasureArgs) -> anyhow::Result<Exit> {
    if arguments.dry_run {
        return plan::dry_run(terminal, arguments);
    }
    let session = Session::open(terminal, arguments)?;
    let baselines = load_all(&session)?;
    if arguments.selection.is_empty() && arguments.suite.tier.is_none() {
        warn_of_what_holds_nothing(&session, terminal)?;
    }
    let rules = Rules::read(&session.config, &Commits::Head, terminal)?;
    session.results.clear()?;
    let mut reports = Vec::new();
    terminal.status.start_progress(session.launches());
    for (planned, baseline) in session.planned.iter().zip(&baselines) {
        terminal.status.say("Measuring", &planned.id.0);
        let report = check_one(&session, &rules, planned, baseline.as_ref(), terminal)?;
        outputs::scenario(terminal, &report)?;
        reports.push(report);
    }
    terminal.status.end_progress();
    if arguments.selection.is_empty() && arguments.suite.tier.is_none() {
        rules.warn_of_idle(session.suite.whole(), &reports, terminal);
    }
    outputs::finish(terminal, session.report("check", reports), arguments)
}

/// A baseline or a budget that belongs to no scenario guards nothing, and nobody would notice.
fn warn_of_what_holds_nothing(session: &Session, terminal: &mut Terminal) -> anyhow::Result<()> {
    for path in Store::new(&session.config.baselines).stale(&session.suite.ids())? {
        let code = FindingCode::StaleBaseline;
        terminal.status.warn(&format!("[{code}] {} belongs to no scenario of the suite", path.display()));
    }
    for budget in idle_budgets(&session.config, session.suite.whole()) {
        terminal.status.warn(&format!("the budget for `{}` matches no scenario and cannot fail", budget.scenario));
    }
    Ok(())
}

fn check_one(
    session: &Session,
    rules: &Rules,
    planned: &Planned,
    baseline: Option<&Document>,
    terminal: &mut Terminal,
) -> anyhow::Result<ScenarioReport> {
    let machine = session.fingerprint(planned.scenario.provider).dir_name();
    let policy = rules.policy(&session.config, planned, &machine);
    let mut result = session.measure(planned, terminal)?;
    let ScenarioResult::Measured { summary } = &result else {
        return Ok(ScenarioReport {
            id: planned.id.clone(),
            scenario: planned.scenario.clone(),
            result,
            comparison: None,
            verdicts: Vec::new(),
            findings: Vec::new(),
        });
    };
    let fingerprint = session.fingerprint(planned.scenario.provider);
    session.results.save(&SavedResult::new(summary, fingerprint.clone(), &session.machine))?;
    let (mut comparison, mut judgement) = judge(session, summary, baseline, &policy);
    if verdict::needs_confirmation(&judgement.findings) {
        terminal.status.say("Confirming", &format!("{}: a slowdown must show again in fresh launches", planned.id));
        terminal.status.extend_progress(session.launches_each());
        if let ScenarioResult::Measured { summary: again } = session.measure(planned, terminal)? {
            let (compared_again, second) = judge(session, &again, baseline, &policy);
            judgement.findings = verdict::confirm(&judgement.findings, &second.findings);
            judgement.verdicts = second.verdicts;
            comparison = compared_again;
            session.results.save(&SavedResult::new(&again, fingerprint, &session.machine))?;
            result = ScenarioResult::Measured { summary: again };
        }
    }
    let Judgement { verdicts, findings } = judgement;
    let (id, scenario) = (planned.id.clone(), planned.scenario.clone());
    Ok(ScenarioReport { id, scenario, result, comparison, verdicts, findings })
}

fn judge(
    session: &Session,
    summary: &Summary,
    baseline: Option<&Document>,
    policy: &Policy,
) -> (Option<Comparison>, Judgement) {
    let machine = session.fingerprint(summary.scenario.provider).fields();
    let head = summary.side(machine, env!("CARGO_PKG_VERSION"), &session.machine.cpu);
    let comparison = baseline.map(|baseline| compare(&baseline.side(), &head));
    let judgement = verdict::judge(summary, comparison.as_ref(), policy);
    (comparison, judgement)
}

/// The baseline of each planned scenario: of this machine class, else of the nearest other one.
///
/// All are read before the first launch, so that a bad file costs no waiting; all bad ones are named at once.
fn load_all(session: &Session) -> anyhow::Result<Vec<Option<Document>>> {
    let store = Store::new(&session.config.baselines);
    let mut found = Vec::new();
    let mut bad = Vec::new();
    for planned in &session.planned {
        match load(&store, session, planned) {
            Ok(document) => found.push(document),
            Err(error) => bad.push(error.to_string()),
        }
    }
    if !bad.is_empty() {
        bail!("{}", bad.join("\n"));
    }
    Ok(found)
}

fn load(
    store: &Store,
    session: &Session,
    planned: &Planned,
) -> Result<Option<Document>, crate::baseline::BaselineError> {
    let fingerprint = session.fingerprint(planned.scenario.provider);
    if let Some(document) = store.load(&fingerprint, &planned.id)? {
        return Ok(Some(document));
    }
    Ok(store.nearest(&fingerprint, &planned.id)?.into_iter().next().map(|foreign| foreign.document))
}
