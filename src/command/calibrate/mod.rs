//! `calibrate`: the gate itself is put to the test, on this machine and with the user's own suite. Equal sides must not be
//! red, and a slowdown that is put in on purpose must be.

pub(super) mod controls;

use std::time::Instant;

use crate::cli::CalibrateArgs;
use crate::config::Measure;
use crate::report::Expected;
use crate::report::calibration::{Calibration, Trial};
use crate::report::render::{markdown, number, terminal};
use crate::scenario::Planned;
use crate::verdict::{ALPHA, Looks};

use super::suite::Session;
use super::tested::Tested;
use super::{Exit, Terminal, outputs, plan, suite};

/// Launches that are made before a control can be measured.
const CONTROL_LAUNCHES: u32 = 2;

/// Calibrates the gate of `compare` over the selected scenarios.
///
/// # Errors
/// Bad configuration or plan, no ONNX Runtime, an interrupt, or a file that cannot be written.
pub fn calibrate(terminal: &mut Terminal, arguments: &CalibrateArgs) -> anyhow::Result<Exit> {
    let measuring = arguments.measuring();
    let config = terminal.suite(&arguments.suite)?;
    let looks = Looks::new(arguments.pairs.as_ref().unwrap_or(&config.compare.pairs), ALPHA)?;
    let whole = suite::plan(&config, &measuring.selection, &measuring.dimensions)?;
    let suite = suite::Suite::new(whole, arguments.suite.partition);
    let measure = suite::with_flags(&config.measure, &measuring);
    let expected = expected(&suite.own(), &measure, &looks, arguments.comparisons);
    announce(terminal, arguments, &looks, suite.own().len(), expected);
    if arguments.dry_run {
        return Ok(Exit::Pass);
    }
    let session = Session::over(terminal, config, suite, &measuring)?;
    let gate = Tested::InTurns(looks);
    let started = Instant::now();
    let mut trials = Vec::new();
    for number in 1..=arguments.comparisons {
        terminal
            .status
            .say("Unchanged", &format!("comparison {number} of {}: both sides are equal", arguments.comparisons));
        let equal = session.planned.iter().map(|one| (one.clone(), one.clone())).collect();
        let (scenarios, confirmed) = gate.judge(&session, terminal, equal)?;
        trials.push(Trial { scenarios, confirmed });
    }
    let controls = controls::run(&session, terminal, &session.planned, &arguments.control, &gate)?;
    let (machine, rules) = (session.machine.clone(), gate.rules(&session));
    let calibration = Calibration {
        expected_s: expected,
        wall_s: started.elapsed().as_secs_f64(),
        ..Calibration::of(machine, rules, arguments.comparisons, &trials, &controls)
    };
    show(terminal, &calibration, arguments)
}

/// What all runs of the gate are expected to take, by the estimates of the models that tell something.
fn expected(planned: &[Planned], measure: &Measure, looks: &Looks, comparisons: u32) -> Option<Expected> {
    let seconds = |pairs: u32| -> Option<f64> {
        let launches = 2 * pairs * (comparisons + 1) + CONTROL_LAUNCHES;
        let measure = Measure { launches, ..measure.clone() };
        let known: Vec<f64> =
            plan::costs(planned, &measure).into_iter().flatten().map(|cost| cost.measuring_s).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    };
    let first = looks.iter().next()?.pairs;
    Some(Expected { least: seconds(first)?, most: seconds(looks.most_pairs())? })
}

fn announce(
    terminal: &mut Terminal,
    arguments: &CalibrateArgs,
    looks: &Looks,
    scenarios: usize,
    expected: Option<Expected>,
) {
    let scenarios = number::count(u64::try_from(scenarios).unwrap_or(u64::MAX), "scenario", "scenarios");
    let comparisons = number::count(arguments.comparisons.into(), "comparison", "comparisons");
    let pairs: Vec<String> = looks.iter().map(|look| look.pairs.to_string()).collect();
    let time = expected.map_or_else(String::new, |Expected { least, most }| {
        format!(": about {} to {}", plan::about(least), plan::about(most))
    });
    terminal.status.say(
        "Calibrating",
        &format!(
            "with {scenarios}: {comparisons} of equal sides and one with a known slowdown, {} pairs of launches each{time}",
            pairs.join(", ")
        ),
    );
}

fn show(terminal: &mut Terminal, calibration: &Calibration, arguments: &CalibrateArgs) -> anyhow::Result<Exit> {
    if terminal.json() {
        calibration.write_json(&mut terminal.out)?;
    } else {
        let options = outputs::options(terminal);
        terminal::calibration::render(calibration, &options, &mut terminal.out)?;
    }
    if let Some(path) = &arguments.save {
        outputs::save(terminal, path, |writer| calibration.write_json(writer))?;
    }
    if let Some(path) = &arguments.markdown {
        outputs::save(terminal, path, |writer| markdown::calibration::render(calibration, writer))?;
    }
    Ok(calibration.outcome.into())
}
