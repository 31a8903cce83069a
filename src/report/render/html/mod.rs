//! A report, or a release sign-off, as one HTML file that is complete in itself: no network, no scripts, no fonts of its
//! own. The verdict first; then what crossed, an overview, where the time goes, and each scenario behind a fold.
//!
//! Whatever comes from a model, a machine or a person is text: the templates escape it, and the page's own policy
//! (`Content-Security-Policy`) lets nothing run or load but its one style sheet, which is known by its hash.

mod chart;
mod content;
mod page;
mod policy;
mod scenario;
mod signoff;

use std::io::{self, Write};

use askama::Template;

use self::page::Page;
use self::policy::Style;
use crate::report::Report;
use crate::report::signoff::SignOff;

/// The document around a page.
#[derive(Template)]
#[template(path = "report.html")]
struct Document<'a> {
    style: &'a Style,
    page: &'a Page,
}

/// Writes a report as an HTML document.
///
/// # Errors
/// What the writer returns.
pub fn render(report: &Report, writer: &mut dyn Write) -> io::Result<()> {
    write(&Page::of_report(report), writer)
}

/// Writes a release sign-off as an HTML document.
///
/// # Errors
/// What the writer returns.
pub fn render_sign_off(sign_off: &SignOff, writer: &mut dyn Write) -> io::Result<()> {
    write(&Page::of_sign_off(sign_off), writer)
}

fn write(page: &Page, writer: &mut dyn Write) -> io::Result<()> {
    let document = Document { style: &Style::new(), page };
    let text = document.render().map_err(io::Error::other)?;
    writer.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
