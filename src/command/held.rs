//! The baseline that a scenario is held against.

use std::fs;

use sha2::{Digest, Sha256};

use crate::baseline::{BaselineError, Document, Fingerprint, Store};
use crate::compare::{Comparison, compare};
use crate::scenario::ScenarioId;
use crate::summary::{Side, Summary};
use crate::verdict::{self, Judgement, Policy};

/// What is committed for a scenario.
#[derive(Debug)]
pub(super) enum Held {
    /// Nothing, for any machine class.
    Nothing,
    /// A baseline of another machine class.
    Foreign(Box<Document>),
    /// A file of this machine class whose layout is older than what this program reads.
    Outdated {
        /// What is old about it.
        why: String,
    },
    /// A baseline of this machine class.
    Baseline {
        document: Box<Document>,
        /// SHA-256 of its file, hexadecimal.
        digest: String,
    },
}

impl Held {
    /// The baseline of this machine class, else of the nearest other one.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of a later program.
    pub fn load(store: &Store, fingerprint: &Fingerprint, id: &ScenarioId) -> Result<Held, BaselineError> {
        match store.load(fingerprint, id) {
            Ok(Some(document)) => {
                let path = store.path(fingerprint, id);
                let digest = match fs::read(&path) {
                    Ok(bytes) => digest(&bytes),
                    Err(source) => return Err(BaselineError::Read { path, source }),
                };
                Ok(Held::Baseline { document: Box::new(document), digest })
            }
            Ok(None) => {
                let nearest = store.nearest(fingerprint, id)?.into_iter().next();
                Ok(nearest.map_or(Held::Nothing, |foreign| Held::Foreign(Box::new(foreign.document))))
            }
            Err(BaselineError::Outdated { found, known, .. }) => {
                Ok(Held::Outdated { why: format!("the baseline is of schema {found}, and this version reads {known}") })
            }
            Err(error) => Err(error),
        }
    }

    /// What to compare with.
    pub fn document(&self) -> Option<&Document> {
        match self {
            Held::Foreign(document) | Held::Baseline { document, .. } => Some(document),
            Held::Nothing | Held::Outdated { .. } => None,
        }
    }

    /// Names the file of the baseline by its content.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Held::Baseline { digest, .. } => Some(digest),
            _ => None,
        }
    }

    /// Holds what was measured against it. `head` is the summary as a side.
    pub fn judge(&self, summary: &Summary, head: &Side, policy: &Policy) -> (Option<Comparison>, Judgement) {
        if let Held::Outdated { why } = self {
            return (None, verdict::judge_outdated(summary, why, policy));
        }
        let comparison = self.document().map(|document| compare(&document.side(), head));
        let judgement = verdict::judge(summary, comparison.as_ref(), policy);
        (comparison, judgement)
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
