//! The sign-off as a JSON document: written once, read back for the next release.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{SIGN_OFF_SCHEMA, SignOff};
use crate::report::REPORT_SCHEMA;

/// Why a file is no sign-off that this program can read.
#[derive(Debug, thiserror::Error)]
pub enum SignOffError {
    /// The file could not be read.
    #[error("cannot read the sign-off {}: {source}; it is the signoff.json that `cargo nongemm signoff` writes", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Not JSON, or not of the form of a sign-off.
    #[error("{}:{line}:{column}: not a sign-off: {message}; the file is damaged or was edited", file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// First line that is wrong, from 1.
        line: usize,
        /// Column in that line, from 1.
        column: usize,
        /// What was expected there.
        message: String,
    },
    /// Another kind of document.
    #[error(
        "{}: JSON, but no release sign-off: it has no `\"document\": \"sign-off\"`; give the signoff.json that `cargo \
         nongemm signoff` wrote for the release before",
        file.display()
    )]
    NoSignOff {
        /// Which file.
        file: PathBuf,
    },
    /// A sign-off, or a report in it, of another version of its document.
    #[error(
        "{}: {what} schema {found}, but this cargo-nongemm reads schema {known}; {}",
        file.display(),
        remedy(*found, *known)
    )]
    Schema {
        /// Which file.
        file: PathBuf,
        /// `sign-off` or `report`.
        what: &'static str,
        /// The version it states.
        found: u64,
        /// The version that can be read.
        known: u32,
    },
}

fn remedy(found: u64, known: u32) -> &'static str {
    if found > u64::from(known) {
        "install the version that wrote it (`tool` of its report) or a newer one"
    } else {
        "sign the release before off again with this version, or leave `--previous` out"
    }
}

/// The only part of the document that every version has.
#[derive(Deserialize)]
struct Versioned {
    document: Option<String>,
    schema: Option<u64>,
    report: Option<VersionedReport>,
}

#[derive(Deserialize)]
struct VersionedReport {
    schema: Option<u64>,
}

impl SignOff {
    /// Reads a sign-off from a file, the versions before anything else.
    ///
    /// # Errors
    /// [`SignOffError`], which names the file.
    pub fn read(file: &Path) -> Result<SignOff, SignOffError> {
        let file = file.to_owned();
        match std::fs::read(&file) {
            Ok(bytes) => SignOff::from_json(&bytes, file),
            Err(source) => Err(SignOffError::Unreadable { file, source }),
        }
    }

    fn from_json(bytes: &[u8], file: PathBuf) -> Result<SignOff, SignOffError> {
        let versioned: Versioned = match serde_json::from_slice(bytes) {
            Ok(versioned) => versioned,
            Err(error) => return Err(malformed(&error, file)),
        };
        if versioned.document.as_deref() != Some("sign-off") {
            return Err(SignOffError::NoSignOff { file });
        }
        let report = versioned.report.and_then(|report| report.schema);
        let versions = [("sign-off", versioned.schema, SIGN_OFF_SCHEMA), ("report", report, REPORT_SCHEMA)];
        for (what, found, known) in versions {
            if let Some(found) = found.filter(|found| *found != u64::from(known)) {
                return Err(SignOffError::Schema { file, what, found, known });
            }
        }
        serde_json::from_slice(bytes).map_err(|error| malformed(&error, file))
    }

    /// Writes the sign-off as one indented JSON object and a newline.
    ///
    /// # Errors
    /// What the writer returns.
    pub fn write_json(&self, writer: &mut dyn Write) -> std::io::Result<()> {
        serde_json::to_writer_pretty(&mut *writer, self)?;
        writer.write_all(b"\n")
    }
}

fn malformed(error: &serde_json::Error, file: PathBuf) -> SignOffError {
    let text = error.to_string();
    // serde_json ends its messages with the place, which stands in fields of its own here.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
    SignOffError::Malformed { file, line: error.line(), column: error.column(), message }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;
    use crate::report::fixtures as reports;

    fn error(text: &str) -> String {
        SignOff::from_json(text.as_bytes(), "s.json".into()).unwrap_err().to_string()
    }

    fn json(sign_off: &SignOff) -> Vec<u8> {
        let mut bytes = Vec::new();
        sign_off.write_json(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn sign_offs_read_back_as_they_were_written() {
        for sign_off in [fixtures::first(), fixtures::second()] {
            assert_eq!(SignOff::from_json(&json(&sign_off), "s.json".into()).unwrap(), sign_off);
        }
    }

    #[test]
    fn every_field_is_described() {
        let described = include_str!("../../../docs/report-schema.md");
        let mut value = serde_json::to_value(fixtures::second()).unwrap();
        // Described, and held, as a document of its own.
        value["report"] = serde_json::Value::Null;
        let mut found = std::collections::BTreeSet::new();
        crate::report::render::testing::fields(&value, &mut found);
        assert!(found.len() > 40, "{found:?}");
        let codes_and_groups = ["structure-changed", "drift", "normalization", "memory"];
        let missing: Vec<&String> = found
            .iter()
            .filter(|field| !codes_and_groups.contains(&field.as_str()) && !described.contains(&format!("`{field}`")))
            .collect();
        assert!(missing.is_empty(), "docs/report-schema.md does not describe {missing:?}");
    }

    #[test]
    fn other_documents_and_other_versions_are_told_apart_before_the_rest_is_read() {
        let mut report = Vec::new();
        reports::check().write_json(&mut report).unwrap();
        assert!(error(std::str::from_utf8(&report).unwrap()).starts_with("s.json: JSON, but no release sign-off"));
        let of = |schema, report| {
            format!(r#"{{"document": "sign-off", "schema": {schema}, "report": {{"schema": {report}}}, "date": 3}}"#)
        };
        assert!(error(&of(99, 3)).starts_with("s.json: sign-off schema 99, but this cargo-nongemm reads schema 2"));
        assert!(error(&of(99, 3)).contains("install the version that wrote it"));
        assert!(error(&of(1, 3)).starts_with("s.json: sign-off schema 1, but this cargo-nongemm reads schema 2"));
        assert!(error(&of(2, 2)).contains("report schema 2") && error(&of(2, 2)).contains("leave `--previous` out"));
        assert!(error(&of(2, 3)).starts_with("s.json:1:"));
    }

    #[test]
    fn a_truncated_sign_off_is_named_by_line_and_column() {
        let bytes = json(&fixtures::second());
        for cut in [0, 1, bytes.len() / 3, bytes.len() - 3] {
            let error = SignOff::from_json(&bytes[..cut], "s.json".into()).unwrap_err();
            assert!(matches!(error, SignOffError::Malformed { .. }), "cut at {cut}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_what_it_should_be() {
        let message = SignOff::read(Path::new("no/such/signoff.json")).unwrap_err().to_string();
        assert!(message.starts_with("cannot read the sign-off no/such/signoff.json"), "{message}");
    }
}
