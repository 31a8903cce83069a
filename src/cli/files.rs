//! The files that a report is written to.

use std::path::PathBuf;

use clap::Args;

/// Files that a report is written to, each in a form of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ReportFiles {
    /// Save the report as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub save: Option<PathBuf>,
    /// Write it as Markdown
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub markdown: Option<PathBuf>,
    /// Write it as one self-contained HTML file, with charts
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Write verdicts and findings as JUnit XML
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub junit: Option<PathBuf>,
    /// Write findings as SARIF 2.1.0
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub sarif: Option<PathBuf>,
}
