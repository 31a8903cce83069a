//! The gate over committed baselines, from what must be read before the first launch to a verdict on each scenario. What
//! `check` and `signoff` have in common.

use anyhow::bail;

use crate::baseline::Store;
use crate::cli::MeasureArgs;
use crate::report::{ScenarioReport, ScenarioResult};
use crate::scenario::{Planned, idle_budgets};
use crate::verdict::{self, FindingCode, Judgement, Policy};

use super::held::Held;
use super::policy::Rules;
use super::results::SavedResult;
use super::suite::Session;
use super::trailers::Commits;
use super::{Terminal, outputs};

/// The scenarios of a session with all that they are held against.
pub(super) struct Gate<'a> {
    session: &'a Session,
    /// The baseline of each scenario, in their order.
    baselines: Vec<Held>,
    rules: Rules,
    /// True where the configuration's whole suite is measured, so that what matches nothing in it guards nothing.
    is_whole: bool,
}

impl<'a> Gate<'a> {
    /// Reads baselines, rules and trailers, and warns of what holds nothing.
    ///
    /// # Errors
    /// Baselines that cannot be read; all bad ones are named at once.
    pub fn open(terminal: &mut Terminal, session: &'a Session, arguments: &MeasureArgs) -> anyhow::Result<Gate<'a>> {
        let baselines = load_all(session)?;
        let is_whole = arguments.selection.is_empty() && arguments.suite.tier.is_none();
        if is_whole {
            warn_of_what_holds_nothing(session, terminal)?;
        }
        let rules = Rules::read(&session.config, &Commits::Head, terminal)?;
        Ok(Gate { session, baselines, rules, is_whole })
    }

    /// What changes how findings count.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Measures each scenario and judges it. Each is shown, and kept for `accept`, as soon as it is judged.
    ///
    /// # Errors
    /// An interrupt, or a result that cannot be written.
    pub fn measure(&self, terminal: &mut Terminal) -> anyhow::Result<Vec<ScenarioReport>> {
        let session = self.session;
        session.results.clear()?;
        let mut reports = Vec::new();
        terminal.status.start_progress(session.launches());
        for (planned, held) in session.planned.iter().zip(&self.baselines) {
            terminal.status.say("Measuring", &planned.id.0);
            let report = self.one(planned, held, terminal)?;
            outputs::scenario(terminal, &report)?;
            reports.push(report);
        }
        terminal.status.end_progress();
        if self.is_whole {
            self.rules.warn_of_idle(session.suite.whole(), &reports, terminal);
        }
        Ok(reports)
    }

    fn one(&self, planned: &Planned, held: &Held, terminal: &mut Terminal) -> anyhow::Result<ScenarioReport> {
        let session = self.session;
        let fingerprint = session.fingerprint(planned.scenario.provider);
        let policy = self.rules.policy(&session.config, planned, &fingerprint.dir_name());
        let (report, _) = confirmed(session, planned, held, &policy, terminal)?;
        session.results.save(&SavedResult::new("check", &report, fingerprint, &session.machine, held.digest()))?;
        Ok(report)
    }
}

/// Measures a scenario and judges it by what it is held against; what is slower must show again in fresh launches. True
/// where it was measured again for that.
///
/// # Errors
/// An interrupt.
pub(super) fn confirmed(
    session: &Session,
    planned: &Planned,
    held: &Held,
    policy: &Policy,
    terminal: &mut Terminal,
) -> anyhow::Result<(ScenarioReport, bool)> {
    let report = measured(session, planned, held, policy, terminal)?;
    if !verdict::needs_confirmation(&report.findings) {
        return Ok((report, false));
    }
    terminal.status.say("Confirming", &format!("{}: a slowdown must show again in fresh launches", planned.id));
    terminal.status.extend_progress(session.launches_each());
    let again = measured(session, planned, held, policy, terminal)?;
    if !matches!(again.result, ScenarioResult::Measured { .. }) {
        return Ok((report, true));
    }
    Ok((ScenarioReport { findings: verdict::confirm(&report.findings, &again.findings), ..again }, true))
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

/// Measures a scenario once and judges it.
fn measured(
    session: &Session,
    planned: &Planned,
    held: &Held,
    policy: &Policy,
    terminal: &mut Terminal,
) -> anyhow::Result<ScenarioReport> {
    let result = session.measure(planned, terminal)?;
    let (comparison, judgement) = match &result {
        ScenarioResult::Measured { summary } => {
            let machine = session.fingerprint(summary.scenario.provider).fields();
            let head = summary.side(machine, env!("CARGO_PKG_VERSION"), &session.machine.cpu);
            held.judge(summary, &head, policy)
        }
        ScenarioResult::Failed { .. } => (None, Judgement::default()),
    };
    let Judgement { verdicts, findings } = judgement;
    let (id, scenario) = (planned.id.clone(), planned.scenario.clone());
    Ok(ScenarioReport { id, scenario, result, comparison, verdicts, findings })
}

/// The baseline of each planned scenario: of this machine class, else of the nearest other one.
///
/// All are read before the first launch, so that a bad file costs no waiting; all bad ones are named at once.
fn load_all(session: &Session) -> anyhow::Result<Vec<Held>> {
    let store = Store::new(&session.config.baselines);
    let mut found = Vec::new();
    let mut bad = Vec::new();
    for planned in &session.planned {
        match Held::load(&store, &session.fingerprint(planned.scenario.provider), &planned.id) {
            Ok(held) => found.push(held),
            Err(error) => bad.push(error.to_string()),
        }
    }
    if !bad.is_empty() {
        bail!("{}", bad.join("\n"));
    }
    Ok(found)
}
