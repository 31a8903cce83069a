//! The folder of baselines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic_file;
use crate::scenario::ScenarioId;

use super::read::parse;
use super::{BaselineError, Document, Fingerprint};

/// `baselines/`: a folder per machine class, a file per scenario.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// A baseline of the same scenario, measured on another machine class.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    /// The baseline.
    pub document: Document,
    /// Names of the fingerprint's fields that differ; never empty.
    pub differs: Vec<&'static str>,
}

impl Foreign {
    /// True where the executed structure ought to be the same in spite of the other machine: ONNX Runtime chooses
    /// its fusions and kernels by provider, architecture and instruction set, not by operating system.
    pub fn structure_is_comparable(&self) -> bool {
        !self.differs.iter().any(|field| ["arch", "instruction-set", "provider"].contains(field))
    }
}

impl Store {
    /// The store in this folder, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Store { root: root.into() }
    }

    /// Where the baseline of a scenario on a machine class stands.
    pub fn path(&self, fingerprint: &Fingerprint, id: &ScenarioId) -> PathBuf {
        self.root.join(fingerprint.dir_name()).join(format!("{id}.toml"))
    }

    /// The baseline of a scenario on a machine class; `None` where there is none yet.
    ///
    /// # Errors
    /// A file that is there and cannot be read or understood: never taken for a missing one.
    pub fn load(&self, fingerprint: &Fingerprint, id: &ScenarioId) -> Result<Option<Document>, BaselineError> {
        read(&self.path(fingerprint, id))
    }

    /// Writes a baseline where [`Store::path`] says, through a temporary file beside it, and returns the path.
    ///
    /// # Errors
    /// The folder or file cannot be written; an older file is then unchanged.
    pub fn save(&self, document: &Document) -> Result<PathBuf, BaselineError> {
        let path = self.path(&document.fingerprint, &document.id);
        match atomic_file::write(&path, document.to_toml().as_bytes()) {
            Ok(()) => Ok(path),
            Err(source) => Err(BaselineError::Write { path, source }),
        }
    }

    /// Baselines of the scenario on other machine classes, those that differ in the fewest fields first.
    ///
    /// # Errors
    /// As [`Store::load`], for any of them.
    pub fn nearest(&self, fingerprint: &Fingerprint, id: &ScenarioId) -> Result<Vec<Foreign>, BaselineError> {
        let mut found = Vec::new();
        for folder in sorted_entries(&self.root)? {
            let path = folder.join(format!("{id}.toml"));
            if !folder.is_dir() || path == self.path(fingerprint, id) {
                continue;
            }
            // One of an older layout holds nothing that could be compared, on whichever machine class.
            let document = match read(&path) {
                Err(BaselineError::Outdated { .. }) => None,
                read => read?,
            };
            if let Some(document) = document {
                let differs = fingerprint.differences(&document.fingerprint);
                found.push(Foreign { document, differs });
            }
        }
        found.sort_by_key(|foreign| (!foreign.structure_is_comparable(), foreign.differs.len()));
        Ok(found)
    }

    /// The baseline files, of all machine classes, whose scenario is not among `known`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn stale(&self, known: &[ScenarioId]) -> Result<Vec<PathBuf>, BaselineError> {
        let mut stale = Vec::new();
        for folder in sorted_entries(&self.root)? {
            if !folder.is_dir() {
                continue;
            }
            for file in sorted_entries(&folder)? {
                let stem = file.file_stem().unwrap_or_default().to_string_lossy();
                let is_baseline = file.extension().is_some_and(|extension| extension == "toml");
                if is_baseline && !known.iter().any(|id| id.0 == stem) {
                    stale.push(file);
                }
            }
        }
        Ok(stale)
    }
}

/// Reads one file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Document>, BaselineError> {
    match fs::read_to_string(path) {
        Ok(text) => parse(path, &text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BaselineError::Read { path: path.to_owned(), source }),
    }
}

/// The paths in a folder, by name; none where there is no such folder.
fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, BaselineError> {
    let cannot = |source| BaselineError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(error)),
    };
    let mut paths = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(cannot)?;
    paths.sort();
    Ok(paths)
}
