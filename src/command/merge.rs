//! `merge`: joins the reports of a suite that several machines measured part by part.

use anyhow::Context;

use crate::cli::MergeArgs;
use crate::report::Report;
use crate::report::merge;
use crate::report::render::{json, terminal};

use super::{Exit, Terminal, outputs};

/// Joins saved reports, shows the whole and judges it as the command that measured would have.
///
/// # Errors
/// A file cannot be read or is of another schema, pieces do not belong together, or a file cannot be written.
pub fn merge(terminal: &mut Terminal, arguments: &MergeArgs) -> anyhow::Result<Exit> {
    let mut pieces = Vec::new();
    for file in &arguments.files {
        pieces.push((file.clone(), Report::read(file)?));
    }
    let merged = merge::merge(pieces).context("nothing was merged")?;
    if terminal.json() {
        json::render(&merged.report, &mut terminal.out)?;
    } else {
        let options = outputs::options(terminal);
        terminal::render(&merged.report, &options, &mut terminal.out)?;
    }
    for part in &merged.missing_parts {
        terminal.status.error(&format!("part {part} is missing: none of the files is of it"));
    }
    for id in &merged.missing {
        terminal.status.error(&format!("{id} is missing: no file has it"));
    }
    outputs::files(terminal, &merged.report, &arguments.outputs)?;
    Ok(terminal.announced(&merged.report))
}
