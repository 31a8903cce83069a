//! `report`: shows a saved report again, in any rendering.

use crate::cli::ReportArgs;
use crate::report::Report;
use crate::report::render::{json, terminal};

use super::{Exit, Terminal, outputs};

/// Shows a report that `--save` wrote.
///
/// # Errors
/// The file cannot be read, or is of another schema.
pub fn report(terminal: &mut Terminal, arguments: &ReportArgs) -> anyhow::Result<Exit> {
    let report = Report::read(&arguments.file)?;
    if terminal.json() {
        json::render(&report, &mut terminal.out)?;
    } else {
        let options = outputs::options(terminal);
        terminal::render(&report, &options, &mut terminal.out)?;
    }
    outputs::files(terminal, &report, &arguments.outputs)?;
    Ok(Exit::Pass)
}
