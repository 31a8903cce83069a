//! `--self-test`: before a verdict is believed, the gate shows on one scenario that it can be green and red.

use crate::cli::ControlArgs;
use crate::estimate::Rates;
use crate::report::SelfTest;
use crate::report::calibration::{Calibration, Trial};
use crate::scenario::Planned;
use crate::verdict::{Looks, PlanError};

use super::suite::Session;
use super::tested::Tested;
use super::{Terminal, calibrate, costs};

/// Pairs of launches on equal sides, and as many with a known slowdown.
const PAIRS: u32 = 8;

/// The gate of `compare`, in one look.
///
/// # Errors
/// None with so many pairs.
pub(super) fn in_turns() -> Result<Tested, PlanError> {
    Looks::fixed(PAIRS).map(Tested::InTurns)
}

/// Runs the gate over equal sides of the scenario that takes least, and over a known slowdown in it. `None` where there is
/// no scenario.
///
/// # Errors
/// An interrupt.
pub(super) fn run(session: &Session, terminal: &mut Terminal, gate: &Tested) -> anyhow::Result<Option<SelfTest>> {
    let Some(planned) = smallest(&session.planned) else { return Ok(None) };
    terminal.status.say("Testing", &format!("the gate itself, on {}", planned.id));
    let equal = vec![(planned.clone(), planned.clone())];
    let (scenarios, confirmed) = gate.judge(session, terminal, equal)?;
    let trials = [Trial { scenarios, confirmed }];
    let only = std::slice::from_ref(planned);
    let controls = calibrate::controls::run(session, terminal, only, &ControlArgs::default(), gate)?;
    let Calibration { mut scenarios, outcome, .. } =
        Calibration::of(session.machine.clone(), gate.rules(session), 1, &trials, &controls);
    Ok(scenarios.pop().map(|scenario| SelfTest { scenario, outcome }))
}

/// The scenario that is expected to take least; the first where nothing is known of any.
fn smallest(planned: &[Planned]) -> Option<&Planned> {
    let seconds = |planned: &&Planned| {
        let estimate = costs::estimate(planned, &Rates::fixed(planned.scenario.threads));
        estimate.map_or(f64::INFINITY, |estimate| estimate.inference_s)
    };
    planned.iter().min_by(|a, b| seconds(a).total_cmp(&seconds(b)))
}
