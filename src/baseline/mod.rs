//! Committed baselines: the document, the fingerprint, the store. Stores, never judges.
//!
//! A baseline is one file per machine class and scenario, `baselines/<fingerprint>/<scenario>.toml`, laid out so that
//! a person reads its diff: one operator a line, sorted, 4 significant digits, and lines change when their operator did.

mod document;
mod fingerprint;
mod history;
mod number;
mod read;
mod store;
mod update;
mod write;

use std::path::{Path, PathBuf};

pub use document::{BASELINE_SCHEMA, Document, Facts, OperatorBaseline, Recorded};
pub use fingerprint::Fingerprint;
pub use history::{Accepted, Identity, KEPT};
pub use read::parse;
pub use store::{Foreign, Store};
pub use update::{Lines, Update};

/// A baseline that cannot be read or written. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file or folder cannot be read.
    #[error("{path}: cannot read: {source}; check that it is a file you may read, or restore it from version control")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be written; what was there before is unchanged.
    #[error(
        "{path}: cannot write: {source}; the old file, if any, is unchanged; check the folder's permissions and space"
    )]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has an older layout. Not damage: `check` says so as a finding, `accept` writes the file anew.
    #[error("{path}:{line}: baseline schema is {found}, this program reads and writes {known}; {}", renewal(path))]
    Outdated {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The file's schema.
        found: i64,
        /// The program's schema.
        known: u32,
    },
    /// The file is of a later program.
    #[error(
        "{path}:{line}: baseline {what} is {found}, this program knows {known}; update cargo-nongemm, or {}",
        remedy(path)
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// `schema` or `protocol`.
        what: &'static str,
        /// The file's version.
        found: i64,
        /// The program's version.
        known: u32,
    },
    /// Anything else that is wrong inside: syntax, unknown key, bad number, duplicate, missing part, another scenario.
    #[error("{path}:{line}: {problem}; {}", remedy(path))]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Line, from 1; the last one where something is missing at the end.
        line: usize,
        /// What is wrong, naming the key or operator.
        problem: String,
    },
}

/// What mends a bad file: the scenario id is its stem.
fn remedy(path: &Path) -> String {
    let id = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("restore the file from version control, or measure and write it anew with `cargo nongemm accept {id}`")
}

/// What renews an outdated file.
fn renewal(path: &Path) -> String {
    let id = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("measure with `cargo nongemm check {id}` and renew it with `cargo nongemm accept {id}`")
}

#[cfg(test)]
mod tests;
