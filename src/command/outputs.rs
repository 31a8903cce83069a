//! Where reports go: the terminal, JSON on standard output, and files.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

use crate::cli::{MeasureArgs, ReportFiles};
use crate::report::render::terminal::{self, TerminalOptions, Verbosity};
use crate::report::render::text::Charset;
use crate::report::render::{html, json, junit, markdown, sarif};
use crate::report::{Outcome, Report, ScenarioReport};
use crate::verdict::outcome;

use super::{Exit, Terminal, places};

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Pass => Exit::Pass,
            Outcome::GateFailed => Exit::GateFailed,
            Outcome::Incomplete => Exit::Incomplete,
            Outcome::NothingMeasured => Exit::NothingMeasured,
        }
    }
}

/// Shows a scenario as soon as it is judged; the summary follows in [`finish`].
pub(super) fn scenario(terminal: &mut Terminal, report: &ScenarioReport) -> anyhow::Result<()> {
    if terminal.json() {
        return Ok(());
    }
    let options = options(terminal);
    let out = &mut terminal.out;
    terminal.status.suspend(|| terminal::render_scenario(report, &options, out).and_then(|()| out.flush()))?;
    Ok(())
}

/// Ends a run: the verdict over all scenarios, the summary or the JSON document, the files that were asked for, and the
/// exit code.
pub(super) fn finish(terminal: &mut Terminal, report: Report, arguments: &MeasureArgs) -> anyhow::Result<Exit> {
    let report = judged(report);
    if terminal.json() {
        json::render(&report, &mut terminal.out)?;
    } else {
        summary(terminal, &report)?;
    }
    files(terminal, &report, &arguments.outputs)?;
    Ok(terminal.announced(&report))
}

/// The report with its verdict over all scenarios.
pub(super) fn judged(report: Report) -> Report {
    Report { outcome: outcome(report.counts()), ..report }
}

/// Shows what a run comes to.
pub(super) fn summary(terminal: &mut Terminal, report: &Report) -> anyhow::Result<()> {
    let options = options(terminal);
    terminal::summary(report, &options, &mut terminal.out)?;
    Ok(())
}

/// Writes a report to the files that were asked for.
pub(super) fn files(terminal: &mut Terminal, report: &Report, files: &ReportFiles) -> anyhow::Result<()> {
    if let Some(path) = &files.save {
        save(terminal, path, |writer| json::render(report, writer))?;
    }
    if let Some(path) = &files.markdown {
        save(terminal, path, |writer| markdown::render(report, writer))?;
    }
    if let Some(path) = &files.html {
        save(terminal, path, |writer| html::render(report, writer))?;
    }
    if let Some(path) = &files.junit {
        save(terminal, path, |writer| junit::render(report, writer))?;
    }
    if let Some(path) = &files.sarif {
        let places = places::of(terminal, report);
        save(terminal, path, |writer| sarif::render(report, &places, writer))?;
    }
    Ok(())
}

/// How the terminal shows reports under the global options.
pub(super) fn options(terminal: &Terminal) -> TerminalOptions {
    let verbosity = match (terminal.global.quiet, terminal.global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    };
    TerminalOptions { width: terminal.width, charset: charset(), verbosity }
}

/// Writes a rendering to a file, whole or not at all, and says so.
pub(super) fn save(
    terminal: &mut Terminal,
    path: &Path,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    write_file(path, &bytes)?;
    terminal.status.say("Wrote", &path.display().to_string());
    Ok(())
}

/// Writes a file through a temporary one beside it, so that nobody ever sees half of it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    crate::atomic_file::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Unicode where the locale can show it: the first of these that is set decides, as POSIX has it.
fn charset() -> Charset {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    match locale {
        Some(locale) if !locale.to_lowercase().replace('-', "").contains("utf8") => Charset::Ascii,
        _ => Charset::Unicode,
    }
}
