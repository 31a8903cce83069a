//! The report as a JSON document: written once, read back by `report`, `comment` and other programs.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{REPORT_SCHEMA, Report};

/// Why a document is not a report that this program can read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file could not be read.
    #[error("cannot read the report {}: {source}; `--message-format json` writes one", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not JSON, or not of the report's form.
    #[error("{}:{line}:{column}: not a report: {message}; write it again with `--message-format json`", place(.file))]
    Malformed {
        /// Which file, where known.
        file: Option<PathBuf>,
        /// First line that is wrong, from 1.
        line: usize,
        /// Column in that line, from 1.
        column: usize,
        /// What was expected there.
        message: String,
    },
    /// JSON without a schema version.
    #[error("{}: JSON, but no report of cargo-nongemm: it has no `schema`; write one with `--message-format json`", place(.file))]
    NoSchema {
        /// Which file, where known.
        file: Option<PathBuf>,
    },
    /// A report of another version of the document.
    #[error("{}: report schema {found}, but this cargo-nongemm reads schema {REPORT_SCHEMA}; {}", place(.file), remedy(*found))]
    Schema {
        /// Which file, where known.
        file: Option<PathBuf>,
        /// The version it states.
        found: u64,
    },
}

fn place(file: &Option<PathBuf>) -> String {
    file.as_ref().map_or_else(|| "<report>".to_owned(), |path| path.display().to_string())
}

fn remedy(found: u64) -> &'static str {
    if found > u64::from(REPORT_SCHEMA) {
        "install the version that wrote it (its `tool` field) or a newer one"
    } else {
        "measure again with this version"
    }
}

impl ReportError {
    /// Names the file that the bytes came from.
    pub fn in_file(mut self, path: &Path) -> ReportError {
        match &mut self {
            ReportError::Malformed { file, .. } | ReportError::NoSchema { file } | ReportError::Schema { file, .. } => {
                *file = Some(path.to_owned())
            }
            ReportError::Unreadable { .. } => {}
        }
        self
    }

    fn malformed(error: &serde_json::Error) -> ReportError {
        let text = error.to_string();
        // serde_json ends its messages with the place, which stands in fields of its own here.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
        ReportError::Malformed { file: None, line: error.line(), column: error.column(), message }
    }
}

/// The only part of the document that every version has.
#[derive(Deserialize)]
struct Versioned {
    schema: Option<u64>,
}

impl Report {
    /// Reads a report from the bytes of a JSON document, the schema before anything else.
    ///
    /// # Errors
    /// [`ReportError`], with line and column; [`ReportError::in_file`] adds the file's name.
    pub fn from_json(bytes: &[u8]) -> Result<Report, ReportError> {
        let versioned: Versioned = serde_json::from_slice(bytes).map_err(|error| ReportError::malformed(&error))?;
        match versioned.schema {
            None => Err(ReportError::NoSchema { file: None }),
            Some(found) if found != u64::from(REPORT_SCHEMA) => Err(ReportError::Schema { file: None, found }),
            Some(_) => serde_json::from_slice(bytes).map_err(|error| ReportError::malformed(&error)),
        }
    }

    /// Reads a report from a file.
    ///
    /// # Errors
    /// [`ReportError`], which names the file.
    pub fn read(path: &Path) -> Result<Report, ReportError> {
        let bytes = std::fs::read(path).map_err(|source| ReportError::Unreadable { path: path.to_owned(), source })?;
        Report::from_json(&bytes).map_err(|error| error.in_file(path))
    }

    /// Writes the report as one indented JSON object and a newline.
    ///
    /// # Errors
    /// What the writer returns.
    pub fn write_json(&self, writer: &mut dyn Write) -> std::io::Result<()> {
        serde_json::to_writer_pretty(&mut *writer, self)?;
        writer.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    fn error(text: &str) -> String {
        Report::from_json(text.as_bytes()).unwrap_err().in_file(Path::new("r.json")).to_string()
    }

    #[test]
    fn the_schema_is_checked_before_the_rest() {
        assert!(error(r#"{"schema": 99, "scenarios": 3}"#).starts_with("r.json: report schema 99, but this"));
        assert!(error(r#"{"schema": 99}"#).contains("install the version that wrote it"));
        assert!(error(r#"{"schema": 1}"#).contains("measure again"));
        assert!(error(r#"{"tests": []}"#).contains("has no `schema`"));
    }

    #[test]
    fn what_is_malformed_is_named_by_line_and_column() {
        assert_eq!(
            error("{\n  \"schema\": 3,\n  \"tool\": 3\n}"),
            "r.json:3:11: not a report: invalid type: integer `3`, expected a string; write it again with \
             `--message-format json`"
        );
        assert!(error("").starts_with("r.json:1:0: not a report: EOF"), "{}", error(""));
        assert!(error("<html>").starts_with("r.json:1:1: not a report: expected value"));
    }

    #[test]
    fn a_truncated_report_is_not_a_report() {
        let mut bytes = Vec::new();
        fixtures::check().write_json(&mut bytes).unwrap();
        for cut in [1, bytes.len() / 3, bytes.len() / 2, bytes.len() - 3] {
            assert!(matches!(Report::from_json(&bytes[..cut]), Err(ReportError::Malformed { .. })), "cut at {cut}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_the_command_that_writes_one() {
        let message = Report::read(Path::new("no/such/report.json")).unwrap_err().to_string();
        assert!(message.starts_with("cannot read the report no/such/report.json"), "{message}");
    }
}
