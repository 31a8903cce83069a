//! `accept`: makes pending results the baselines.

use std::io::Write;

use crate::baseline::{Identity, Store};
use crate::cli::AcceptArgs;
use crate::scenario::ScenarioId;

use super::held::Held;
use super::pending::words;
use super::results::{Results, SavedResult, choose, in_ci};
use super::review::{Change, MovedLine, Review, Wanted, doubts, review};
use super::{Exit, Terminal};

/// Writes the baseline of each pending result that the selection names, as far as it moved, and forgets the result.
///
/// # Errors
/// A pending result or a baseline that cannot be read or written.
pub fn accept(terminal: &mut Terminal, arguments: &AcceptArgs) -> anyhow::Result<Exit> {
    if in_ci() && !arguments.in_ci {
        terminal.status.error(
            "this is CI (`CI` is set), where baselines are only written if asked for: accept on your own machine and \
             commit the files, or say `--in-ci`",
        );
        return Ok(Exit::Usage);
    }
    let config = terminal.config()?;
    let results = Results::beside(&config, true);
    let pending = results.all()?;
    if pending.is_empty() {
        terminal.status.error("there is no result to accept; measure first with `cargo nongemm check`");
        return Ok(Exit::NothingMeasured);
    }
    let known: Vec<String> = pending.iter().map(|result| result.id().0.clone()).collect();
    let chosen = choose(pending, &arguments.selection)?;
    if chosen.is_empty() {
        terminal.status.error(&format!("no pending result matches; there are: {}", known.join(", ")));
        return Ok(Exit::Usage);
    }
    let store = Store::new(&config.baselines);
    let wanted = Wanted {
        only: arguments.only.clone(),
        renew: arguments.renew,
        forget: arguments.forget,
        force: arguments.force,
    };
    let mut exit = Exit::Pass;
    for result in chosen {
        let id = result.id().clone();
        match accept_one(terminal, &store, result, &wanted)? {
            Rest::Nothing => results.remove(&id)?,
            Rest::Some(rest) => results.save(&rest)?,
            Rest::Refused => exit = Exit::Incomplete,
        }
    }
    let suite: Vec<ScenarioId> =
        super::suite::plan(&config, &[], &Default::default())?.into_iter().map(|p| p.id).collect();
    for path in store.stale(&suite)? {
        terminal.status.warn(&format!(
            "{} belongs to no scenario of the configuration; delete it if it is not wanted",
            path.display()
        ));
    }
    Ok(exit)
}

/// What is left of a pending result.
enum Rest {
    /// It is dealt with.
    Nothing,
    /// This is still to be accepted or rejected.
    Some(Box<SavedResult>),
    /// All of it: it cannot be accepted as it is.
    Refused,
}

fn accept_one(terminal: &mut Terminal, store: &Store, result: SavedResult, wanted: &Wanted) -> anyhow::Result<Rest> {
    let Some(summary) = result.summary() else { return Ok(Rest::Nothing) };
    let held = Held::load(store, &result.fingerprint, result.id())?;
    let Review { change, document } = review(&result, summary, &held, wanted);
    if let Change::Refused { why } = &change {
        terminal.status.error(&format!("{} is not accepted: {why}", result.id()));
        return Ok(Rest::Refused);
    }
    let Some(document) = document else {
        let (verb, why) = if wanted.only.is_empty() {
            ("Unchanged", "nothing moved beyond noise")
        } else {
            ("Left", "nothing of what is wanted moved")
        };
        terminal.status.say(verb, &format!("{}: {why}", result.id()));
        return Ok(if wanted.only.is_empty() { Rest::Nothing } else { Rest::Some(Box::new(result)) });
    };
    if doubts(summary) {
        terminal.status.warn(&format!("{}: its launches were disturbed, see `cargo nongemm doctor`", result.id()));
    }
    let path = store.save(&document)?;
    terminal.status.say("Accepted", &format!("{}: {}", result.id(), words(&change)));
    writeln!(terminal.out, "{}", path.display())?;
    rest(store, result, &change)
}

/// What an accepted result still holds, judged by what the baseline has become.
fn rest(store: &Store, result: SavedResult, change: &Change) -> anyhow::Result<Rest> {
    let Change::Lines { operators, latency, .. } = change else { return Ok(Rest::Nothing) };
    let held = Held::load(store, &result.fingerprint, result.id())?;
    let Some(digest) = held.digest() else { return Ok(Rest::Nothing) };
    let accepted: Vec<Identity> = operators.iter().filter_map(MovedLine::identity).collect();
    let rest = result.after(&accepted, latency.is_some(), digest.to_owned());
    let Some(summary) = rest.summary() else { return Ok(Rest::Nothing) };
    let left = review(&rest, summary, &held, &Wanted { force: true, ..Wanted::default() });
    let nothing = matches!(&left.change, Change::Nothing)
        || matches!(&left.change, Change::Lines { operators, latency: None, .. } if operators.is_empty());
    Ok(if nothing { Rest::Nothing } else { Rest::Some(Box::new(rest)) })
}
