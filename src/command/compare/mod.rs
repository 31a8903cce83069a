//! `compare`: two sides measured on this machine in turns, judged by what their pairs of launches have in common.

mod pairing;
mod prepare;
mod revision;
mod show;
mod sides;
mod stored;
mod turns;
mod unit;
mod way;

use crate::cli::CompareArgs;
use crate::config::Measure;
use crate::measure::supervise::LaunchFailure;
use crate::report::{self, Expected, Report, ScenarioReport};
use crate::scenario::{Planned, Scenario, ScenarioId};
use crate::verdict::{ALPHA, Looks};

use super::policy::Rules;
use super::suite::{Session, Suite};
use super::{Exit, Terminal, outputs, plan, self_test};

use pairing::Matched;
use sides::Sides;
use turns::{Results, Turns};
pub(super) use way::WayError;
use way::{Both, Way};

/// Measures both sides in turns and judges the head by the base; or compares two saved reports.
///
/// # Errors
/// Sides that are not named or cannot be had, bad configuration, no ONNX Runtime, an interrupt, or a file that cannot be
/// written.
pub fn compare(terminal: &mut Terminal, arguments: &CompareArgs) -> anyhow::Result<Exit> {
    let way = Way::of(arguments)?;
    if let Way::Reports(files) = &way {
        return stored::compare(terminal, arguments, files, way.arguments());
    }
    if let Some(pairs) = &arguments.pairs {
        // Before anything is checked out or prepared.
        Looks::new(pairs, ALPHA)?;
    }
    let sides = Sides::plan(terminal, arguments, &way)?;
    let looks = Looks::new(arguments.pairs.as_ref().unwrap_or(&sides.config.compare.pairs), ALPHA)?;
    if sides.matched.both.is_empty() {
        show::nothing_in_common(terminal, &sides);
        return Ok(Exit::NothingMeasured);
    }
    let expected = expected(&sides, &looks, arguments);
    if arguments.dry_run {
        return show::dry_run(terminal, &sides, &looks, expected);
    }
    measure(terminal, arguments, &way, &sides, &looks, expected)
}

fn measure(
    terminal: &mut Terminal,
    arguments: &CompareArgs,
    way: &Way,
    sides: &Sides,
    looks: &Looks,
    expected: Option<Expected>,
) -> anyhow::Result<Exit> {
    let libraries = sides.locate(terminal)?;
    let head: Vec<Planned> = sides.head().cloned().collect();
    let order: Vec<ScenarioId> = head.iter().map(|planned| planned.id.clone()).collect();
    let base: Vec<Planned> = sides.matched.both.iter().map(|(base, _)| base.clone()).collect();
    let (suite, measuring) = (Suite::new(head, None).beside(&base), arguments.measuring());
    let session = Session::with_library(terminal, sides.config.clone(), suite, &measuring, libraries.head.clone())?;
    if sides.is_suite {
        session.results.clear()?;
    }
    show::announce(terminal, sides, looks, expected);
    let rules = Rules::read(&session.config, &way.commits(), terminal)?;
    let results = if sides.is_suite { Results::Kept } else { Results::Shown };
    let mut turns = Turns::new(&session, &rules, &sides.matched, &libraries, looks, results);
    let interrupted = turns.run(terminal)?;
    let facts = report::Sides {
        arguments: way::repeated(way, arguments),
        base: sides.origins.base.facts(&libraries.base),
        head: sides.origins.head.facts(&libraries.head),
        new: ids(&sides.matched.new),
        gone: ids(&sides.matched.gone),
    };
    let report = Report {
        sides: Some(facts),
        gate: Some(turns.facts(expected)),
        ..session.report("compare", turns.reports(&order))
    };
    if interrupted {
        let report = outputs::judged(report);
        outputs::files(terminal, &report, &arguments.outputs)?;
        return Err(LaunchFailure::Interrupted.into());
    }
    let self_test =
        if arguments.self_test { self_test::run(&session, terminal, &self_test::in_turns()?)? } else { None };
    finish(terminal, Report { self_test, ..report }, arguments)
}

/// Runs the gate over pairs of scenarios, base and head, exactly as `compare` does, and returns what it says of each, and
/// which it measured again. Nothing is shown or kept.
///
/// # Errors
/// An interrupt.
pub(super) fn gate(
    session: &Session,
    terminal: &mut Terminal,
    both: Vec<(Planned, Planned)>,
    looks: &Looks,
) -> anyhow::Result<(Vec<ScenarioReport>, Vec<ScenarioId>)> {
    let order: Vec<ScenarioId> = both.iter().map(|(_, head)| head.id.clone()).collect();
    let matched = Matched { both, ..Matched::default() };
    let libraries = Both { base: session.library.clone(), head: session.library.clone() };
    // What is allowed to be slower must still be seen to be.
    let mut turns = Turns::new(session, &Rules::default(), &matched, &libraries, looks, Results::Returned);
    if turns.run(terminal)? {
        return Err(LaunchFailure::Interrupted.into());
    }
    Ok((turns.reports(&order), turns.facts(None).confirmed))
}

/// Shows what it comes to, and writes the files that were asked for.
fn finish(terminal: &mut Terminal, report: Report, arguments: &CompareArgs) -> anyhow::Result<Exit> {
    outputs::finish(terminal, report, &arguments.measuring())
}

/// What the measurement is expected to take, by the estimates of the models that tell something.
fn expected(sides: &Sides, looks: &Looks, arguments: &CompareArgs) -> Option<Expected> {
    let seconds = |pairs: u32, planned: &[Planned]| -> Option<f64> {
        let measure = super::suite::with_flags(&sides.config.measure, &arguments.measuring());
        let measure = Measure { launches: pairs, ..measure };
        let known: Vec<f64> =
            plan::costs(planned, &measure).into_iter().flatten().map(|cost| cost.measuring_s).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    };
    let (base, both): (Vec<Planned>, Vec<Planned>) = sides.matched.both.iter().cloned().unzip();
    let paired = [base, both].concat();
    let first = looks.iter().next()?.pairs;
    let new = seconds(first, &sides.matched.new).unwrap_or(0.0);
    let (least, most) = (seconds(first, &paired)? + new, seconds(looks.most_pairs(), &paired)? + new);
    Some(Expected { least, most })
}

fn ids(planned: &[Planned]) -> Vec<ScenarioId> {
    planned.iter().map(|one| one.id.clone()).collect()
}

/// A scenario of the head that could not be measured or compared.
fn failed(id: &ScenarioId, scenario: &Scenario, reason: String, log: Vec<String>) -> ScenarioReport {
    ScenarioReport {
        id: id.clone(),
        scenario: scenario.clone(),
        result: report::ScenarioResult::Failed { reason, log },
        comparison: None,
        verdicts: Vec::new(),
        findings: Vec::new(),
    }
}
