//! The JSON of an event, field by field, so that a missing one can be named.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::event::EventError;

/// What `GITHUB_EVENT_PATH` holds.
#[derive(Debug)]
pub(super) struct Payload {
    path: PathBuf,
    event: String,
    value: Value,
}

impl Payload {
    /// Reads the file of an event.
    ///
    /// # Errors
    /// It cannot be read, or is no JSON.
    pub(super) fn read(path: &Path, event: &str) -> Result<Payload, EventError> {
        let bytes = fs::read(path).map_err(|source| EventError::Unreadable { path: path.to_owned(), source })?;
        let value =
            serde_json::from_slice(&bytes).map_err(|source| EventError::NotJson { path: path.to_owned(), source })?;
        Ok(Payload { path: path.to_owned(), event: event.to_owned(), value })
    }

    /// A text by its path, such as `pull_request.head.ref`; `None` where it, or what it is in, is null or missing.
    pub(super) fn text(&self, field: &str) -> Option<String> {
        self.get(field)?.as_str().map(str::to_owned)
    }

    /// A text that the event is nothing without.
    pub(super) fn required(&self, field: &'static str) -> Result<String, EventError> {
        self.text(field).filter(|text| !text.is_empty()).ok_or_else(|| self.lacks(field))
    }

    /// The name of a commit.
    pub(super) fn commit(&self, field: &'static str) -> Result<String, EventError> {
        self.text(field).filter(|text| is_commit(text)).ok_or_else(|| self.lacks(field))
    }

    /// A number that the event is nothing without.
    pub(super) fn number(&self, field: &'static str) -> Result<u64, EventError> {
        self.get(field).and_then(Value::as_u64).ok_or_else(|| self.lacks(field))
    }

    fn get(&self, field: &str) -> Option<&Value> {
        field.split('.').try_fold(&self.value, |value, key| value.get(key))
    }

    fn lacks(&self, field: &'static str) -> EventError {
        EventError::Field { path: self.path.clone(), event: self.event.clone(), field }
    }
}

/// A full SHA-1 or SHA-256 in hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
