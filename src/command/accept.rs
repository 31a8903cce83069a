//! `accept`: makes the last results the baselines.

use std::io::Write;

use anyhow::Context;
use globset::Glob;

use crate::baseline::{Document, Facts, Store};
use crate::cli::AcceptArgs;
use crate::scenario::ScenarioId;

use super::results::{Results, SavedResult};
use super::{Exit, Terminal};

/// Writes a baseline for each saved result that the selection names.
///
/// # Errors
/// A saved result or a baseline folder that cannot be read or written.
pub fn accept(terminal: &mut Terminal, arguments: &AcceptArgs) -> anyhow::Result<Exit> {
    let config = terminal.config()?;
    let saved = Results::beside(&config).all()?;
    if saved.is_empty() {
        terminal.status.error("there is no result to accept; measure first with `cargo nongemm check`");
        return Ok(Exit::NothingMeasured);
    }
    let chosen = choose(&saved, &arguments.selection)?;
    if chosen.is_empty() {
        let known: Vec<&str> = saved.iter().map(|result| result.summary.id.0.as_str()).collect();
        terminal.status.error(&format!("no saved result matches; there are: {}", known.join(", ")));
        return Ok(Exit::Usage);
    }
    let store = Store::new(&config.baselines);
    for result in chosen {
        let facts = Facts { tool: result.tool.clone(), cpu: result.machine.cpu.clone(), date: result.date.clone() };
        let document = Document::from_summary(&result.summary, result.fingerprint.clone(), facts);
        let path = store.save(&document)?;
        terminal.status.say("Accepted", &result.summary.id.0);
        writeln!(terminal.out, "{}", path.display())?;
    }
    let known: Vec<ScenarioId> =
        super::suite::plan(&config, &[], &Default::default())?.into_iter().map(|p| p.id).collect();
    for path in store.stale(&known)? {
        terminal.status.warn(&format!(
            "{} belongs to no scenario of the configuration; delete it if it is not wanted",
            path.display()
        ));
    }
    Ok(Exit::Pass)
}

fn choose<'a>(saved: &'a [SavedResult], selection: &[String]) -> anyhow::Result<Vec<&'a SavedResult>> {
    let mut globs = Vec::new();
    for pattern in selection {
        let glob = Glob::new(pattern).with_context(|| format!("`{pattern}` is not a glob"))?;
        globs.push(glob.compile_matcher());
    }
    let named = |result: &SavedResult| {
        let summary = &result.summary;
        globs.iter().any(|glob| glob.is_match(&summary.id.0) || glob.is_match(summary.scenario.model.name()))
    };
    Ok(saved.iter().filter(|result| globs.is_empty() || named(result)).collect())
}
