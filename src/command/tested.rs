//! The gates that can be put to the test: each is run over sides that are known to be equal, or known not to be.

use crate::baseline::{Document, Facts};
use crate::report::calibration::{GpuRules, Rules};
use crate::report::{ScenarioReport, ScenarioResult};
use crate::scenario::{Planned, Provider, ScenarioId};
use crate::summary::Clock;
use crate::verdict::{ALPHA, Looks};

use super::held::Held;
use super::policy;
use super::results::today;
use super::suite::Session;
use super::{Terminal, compare, gate};

/// What is put in for the gate of `compare` where nobody says how much: large enough to be seen at once, small enough to
/// be worth it.
const USUAL_SIZE: f64 = 0.2;

/// What `check` is to find is so many times the smallest change that it fails for, lest noise decide.
const MIN_EFFECTS: f64 = 2.0;

/// A gate.
pub(super) enum Tested {
    /// That of `compare`: both sides are measured in turns.
    InTurns(Looks),
    /// That of `check`: what is measured now against a baseline, which is made of the first side right before.
    Stored,
}

impl Tested {
    /// What the gate says of each pair of scenarios, base and head, and which it measured again. Nothing is shown or kept.
    ///
    /// # Errors
    /// An interrupt.
    pub fn judge(
        &self,
        session: &Session,
        terminal: &mut Terminal,
        both: Vec<(Planned, Planned)>,
    ) -> anyhow::Result<(Vec<ScenarioReport>, Vec<ScenarioId>)> {
        match self {
            Tested::InTurns(looks) => compare::gate(session, terminal, both, looks),
            Tested::Stored => {
                let (mut reports, mut confirmed) = (Vec::new(), Vec::new());
                for (base, head) in both {
                    let (report, again) = against_stored(session, terminal, &base, &head)?;
                    confirmed.extend(again.then(|| head.id.clone()));
                    reports.push(report);
                }
                Ok((reports, confirmed))
            }
        }
    }

    /// How it decides.
    pub fn rules(&self, session: &Session) -> Rules {
        let (gate, compare) = (&session.config.gate, &session.config.compare);
        let (pairs, min_effect, on_gpu) = match self {
            Tested::InTurns(looks) => {
                (looks.iter().map(|look| look.pairs).collect(), compare.min_effect, compare.min_effect)
            }
            Tested::Stored => (Vec::new(), gate.min_effect, gate.gpu.min_effect),
        };
        let any_on_gpu = session.planned.iter().any(|planned| planned.scenario.provider == Provider::Cuda);
        let gpu = any_on_gpu.then_some(GpuRules { min_effect: on_gpu, floor_us: gate.gpu.floor_us });
        Rules { pairs, alpha: ALPHA, min_effect, floor_us: gate.floor_us, gpu }
    }

    /// The smallest change of an operator that counts, in microseconds, in a scenario of this latency.
    pub fn floor_us(&self, session: &Session, clock: Clock, latency_us: f64) -> f64 {
        let gate = policy::gate(&session.config).by_clock(clock);
        match self {
            Tested::InTurns(_) => gate.floor_us,
            Tested::Stored => gate.floor_us.max(gate.floor_share * latency_us),
        }
    }

    /// How much more of its own time an operator is to take where nobody says.
    pub fn usual_size(&self, session: &Session, clock: Clock) -> f64 {
        match self {
            Tested::InTurns(_) => USUAL_SIZE,
            Tested::Stored => MIN_EFFECTS * policy::gate(&session.config).by_clock(clock).min_effect,
        }
    }
}

/// Makes a baseline of the base and holds the head against it, as `check` does with a file.
fn against_stored(
    session: &Session,
    terminal: &mut Terminal,
    base: &Planned,
    head: &Planned,
) -> anyhow::Result<(ScenarioReport, bool)> {
    let fingerprint = session.fingerprint(base.scenario.provider);
    let policy = policy::Rules::default().policy(&session.config, head, &fingerprint.dir_name());
    let held = match session.measure(base, terminal)? {
        ScenarioResult::Measured { summary } => {
            let cpu = session.machine.cpu.clone();
            let facts = Facts { tool: env!("CARGO_PKG_VERSION").to_owned(), cpu, date: today() };
            let document = Box::new(Document::from_summary(&summary, fingerprint, facts));
            Held::Baseline { document, digest: String::new() }
        }
        failed @ ScenarioResult::Failed { .. } => {
            let (id, scenario) = (head.id.clone(), head.scenario.clone());
            let (comparison, verdicts, findings) = (None, Vec::new(), Vec::new());
            return Ok((ScenarioReport { id, scenario, result: failed, comparison, verdicts, findings }, false));
        }
    };
    gate::confirmed(session, head, &held, &policy, terminal)
}
