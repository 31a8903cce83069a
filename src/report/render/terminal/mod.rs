//! What a person reads after `cargo nongemm run` or `check`.
//!
//! Colours are written as ANSI escapes; a caller whose stream shows none wraps it in `anstream::AutoStream`, which
//! strips them. Names from models are escaped, so the only escapes in the output are the renderer's.

pub mod calibration;
mod changes;
mod closing;
mod paired;
mod scenario;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::table::{Layout, Table};
use super::text::{self, Charset};
use crate::report::standing::Standing;
use crate::report::{Report, ScenarioReport, Severity};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Findings and the verdict alone.
    Quiet,
    /// A block a scenario with its top operators.
    #[default]
    Normal,
    /// All operators, with the shapes they ran at.
    Verbose,
}

/// How the report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Columns of the terminal; taken as at least [`MIN_WIDTH`] and at most [`MAX_WIDTH`].
    pub width: usize,
    /// What may be drawn with.
    pub charset: Charset,
    /// How much is said.
    pub verbosity: Verbosity,
}

/// Below this, tables would lose the columns that they are for.
pub const MIN_WIDTH: usize = 60;
/// Above this, the eye loses the line between a name and its figures.
pub const MAX_WIDTH: usize = 130;

impl Default for TerminalOptions {
    fn default() -> Self {
        TerminalOptions { width: 100, charset: Charset::Unicode, verbosity: Verbosity::Normal }
    }
}

/// Writes the whole report: a block for each scenario, then [`summary`].
///
/// # Errors
/// What the writer returns.
pub fn render(report: &Report, options: &TerminalOptions, writer: &mut dyn Write) -> io::Result<()> {
    for scenario in &report.scenarios {
        render_scenario(scenario, options, writer)?;
    }
    summary(report, options, writer)
}

/// Writes the block of one scenario and an empty line; a caller may do so as each is measured, and end with [`summary`].
/// With [`Verbosity::Quiet`], a scenario without findings writes nothing.
///
/// # Errors
/// What the writer returns.
pub fn render_scenario(scenario: &ScenarioReport, options: &TerminalOptions, writer: &mut dyn Write) -> io::Result<()> {
    scenario::write(&mut Page::new(options, writer), scenario, options.verbosity)
}

/// Writes what the run comes to: a table of the scenarios, one sentence, and what to type next.
///
/// # Errors
/// What the writer returns.
pub fn summary(report: &Report, options: &TerminalOptions, writer: &mut dyn Write) -> io::Result<()> {
    closing::write(&mut Page::new(options, writer), report, options.verbosity)
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const PLAIN: Style = Style::new();

fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW.bold(),
        Severity::Note => CYAN,
    }
}

fn standing_style(standing: Standing) -> Style {
    match standing {
        Standing::NotMeasured | Standing::Failed(_) => RED,
        Standing::NoBaseline | Standing::New | Standing::NotJudged(_) | Standing::Warned(_) | Standing::Allowed => {
            YELLOW
        }
        Standing::Improved | Standing::Pass => GREEN,
        Standing::Measured => PLAIN,
    }
}

/// Columns before everything inside a block.
const INDENT: usize = 2;

/// The place that is written to, with its width and characters.
struct Page<'a> {
    writer: &'a mut dyn Write,
    width: usize,
    charset: Charset,
}

impl<'a> Page<'a> {
    fn new(options: &TerminalOptions, writer: &'a mut dyn Write) -> Page<'a> {
        Page { writer, width: options.width.clamp(MIN_WIDTH, MAX_WIDTH), charset: options.charset }
    }

    fn escaped(&self, text: &str) -> String {
        text::escape(text, self.charset).into_owned()
    }

    fn table(&mut self, table: &Table) -> io::Result<()> {
        table.write(Layout { width: self.width, indent: INDENT, charset: self.charset }, self.writer)
    }

    fn blank(&mut self) -> io::Result<()> {
        writeln!(self.writer)
    }

    /// A styled label and wrapped text after it, later lines indented as far as `hang` says.
    fn paragraph(&mut self, indent: usize, label: &str, style: Style, body: &str, hang: usize) -> io::Result<()> {
        let label = self.escaped(label);
        // The label is wrapped with the text, then coloured: it may itself be longer than the line.
        let whole = if label.is_empty() { self.escaped(body) } else { format!("{label} {}", self.escaped(body)) };
        let room = self.width.saturating_sub(indent + hang).max(10);
        for (number, line) in text::wrap(&whole, room).into_iter().enumerate() {
            let before = indent + if number == 0 { 0 } else { hang };
            match line.strip_prefix(label.as_str()).filter(|_| number == 0 && !label.is_empty()) {
                Some(rest) => writeln!(self.writer, "{:before$}{style}{label}{style:#}{rest}", "")?,
                None => writeln!(self.writer, "{:before$}{line}", "")?,
            }
        }
        Ok(())
    }

    /// Short facts on one line where they fit, else on as many as they need.
    fn facts(&mut self, facts: &[String]) -> io::Result<()> {
        let separator = format!(" {} ", self.charset.dot());
        let room = self.width - INDENT;
        let mut lines: Vec<String> = Vec::new();
        for fact in facts.iter().map(|fact| self.escaped(fact)) {
            match lines.last_mut() {
                Some(line) if text::width(line) + text::width(&separator) + text::width(&fact) <= room => {
                    line.push_str(&separator);
                    line.push_str(&fact);
                }
                _ => lines.push(fact),
            }
        }
        for line in lines {
            let line = text::truncate_middle(&line, room, self.charset);
            writeln!(self.writer, "{:INDENT$}{DIM}{line}{DIM:#}", "")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
