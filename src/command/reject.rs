//! `reject`: drops pending results.

use crate::cli::RejectArgs;

use super::results::{Results, choose};
use super::{Exit, Terminal};

/// Forgets the pending results that the selection names.
///
/// # Errors
/// A pending result that cannot be read or removed.
pub fn reject(terminal: &mut Terminal, arguments: &RejectArgs) -> anyhow::Result<Exit> {
    let config = terminal.config()?;
    let results = Results::beside(&config, true);
    let pending = results.all()?;
    let known: Vec<String> = pending.iter().map(|result| result.id().0.clone()).collect();
    let chosen = choose(pending, &arguments.selection)?;
    if chosen.is_empty() && !known.is_empty() {
        terminal.status.error(&format!("no pending result matches; there are: {}", known.join(", ")));
        return Ok(Exit::Usage);
    }
    if known.is_empty() {
        terminal.status.say("Rejected", "nothing: no result is pending");
    }
    for result in &chosen {
        results.remove(result.id())?;
        terminal.status.say("Rejected", &result.id().0);
    }
    Ok(Exit::Pass)
}
