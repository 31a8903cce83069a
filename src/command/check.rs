//! `check`: measures, compares with the committed baselines, and judges.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::baseline::{Document, Store};
use crate::cli::MeasureArgs;
use crate::compare::{Comparison, compare};
use crate::config::Level;
use crate::report::{ScenarioReport, ScenarioResult};
use crate::scenario::{Planned, idle_budgets};
use crate::summary::Summary;
use crate::verdict::{self, FindingCode, Judgement, Policy, Severity};

use super::results::SavedResult;
use super::suite::Session;
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
    session.results.clear()?;
    let mut reports = Vec::new();
    terminal.status.start_progress(session.launches());
    for (planned, baseline) in session.planned.iter().zip(&baselines) {
        terminal.status.say("Measuring", &planned.id.0);
        let report = check_one(&session, planned, baseline.as_ref(), terminal)?;
        outputs::scenario(terminal, &report)?;
        reports.push(report);
    }
    terminal.status.end_progress();
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
    planned: &Planned,
    baseline: Option<&Document>,
    terminal: &mut Terminal,
) -> anyhow::Result<ScenarioReport> {
    let policy = policy(session, planned);
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

fn policy(session: &Session, planned: &Planned) -> Policy {
    let gate = &session.config.gate;
    Policy {
        min_effect: gate.min_effect,
        floor_us: gate.floor_us,
        spread_factor: gate.spread_factor,
        severities: BTreeMap::from([
            (FindingCode::StructureChanged, severity(gate.structure)),
            (FindingCode::NoBaseline, severity(gate.missing_baseline)),
        ]),
        other_cpu: severity(gate.other_cpu),
        budgets: planned.budgets.iter().map(budget).collect(),
        ..Policy::default()
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Deny => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Allow => Severity::Note,
    }
}

fn budget(budget: &crate::config::Budget) -> verdict::Budget {
    verdict::Budget { max_non_gemm_share: budget.max_non_gemm_share, max_latency_ms: budget.max_latency_ms }
}
